-- migrate:up
create table picks (
    id uuid primary key,
    batch_id uuid not null references batches (id),
    ticker text not null,
    action text not null check (action in ('BUY', 'SELL')),
    reasoning text not null,
    initial_price numeric not null,
    unique (batch_id, ticker)
);

create index picks_batch_id_idx on picks (batch_id);

-- migrate:down
drop table picks;
