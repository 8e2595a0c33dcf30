-- Days that are due and could not be written yet, and why. Mutable, and not a source of truth.
-- migrate:up
create table waiting_days (
    batch_id uuid not null references batches (id),
    checkpoint_date date not null,
    cause text not null,
    detail text not null,
    attempts integer not null check (attempts > 0),
    first_tried_at timestamptz not null,
    last_tried_at timestamptz not null,
    next_try_at timestamptz not null,
    primary key (batch_id, checkpoint_date)
);

-- migrate:down
drop table waiting_days;
