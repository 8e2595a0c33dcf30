-- migrate:up
create table checkpoints (
    id uuid primary key,
    batch_id uuid not null references batches (id),
    checkpoint_date date not null,
    status text not null check (status in ('computed', 'skipped')),
    benchmark_price numeric null,
    benchmark_return_pct numeric null,
    unique (batch_id, checkpoint_date)
);

create index checkpoints_batch_id_idx on checkpoints (batch_id);

-- migrate:down
drop table checkpoints;
