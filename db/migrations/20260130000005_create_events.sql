-- migrate:up
create table events (
    id uuid primary key,
    created_at timestamptz not null default now(),
    batch_id uuid null references batches (id),
    event_type text not null,
    payload jsonb not null
);

create index events_batch_id_idx on events (batch_id);
create index events_event_type_idx on events (event_type);

-- migrate:down
drop table events;
