-- migrate:up
create table batches (
    id uuid primary key,
    created_at timestamptz not null default now(),
    run_date date not null,
    benchmark_symbol text not null default 'SPY',
    benchmark_initial_price numeric not null,
    status text not null check (status in ('active', 'completed', 'failed')),
    unique (run_date)
);

-- migrate:down
drop table batches;
