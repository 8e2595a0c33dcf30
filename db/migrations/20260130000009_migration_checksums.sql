-- What each migration's file held when it was applied, so that a later edit is noticed.
-- migrate:up
create table migration_checksums (
    version text primary key,
    sha256 text not null,
    recorded_at timestamptz not null default now()
);

-- migrate:down
drop table migration_checksums;
