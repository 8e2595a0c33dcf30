-- What the schedulers share: leadership, pause, heartbeats. Mutable, and not a source of truth.
-- migrate:up
create table scheduler_state (
    name text primary key,
    value jsonb not null,
    updated_at timestamptz not null default now()
);

-- migrate:down
drop table scheduler_state;
