-- What processes lock to take turns. They hold no rows: a lock on them takes a right that a reader does not have.
-- Views, because VACUUM, ANALYZE and REINDEX would wait for a lock on a table that a leader holds for months.
-- migrate:up
create view scheduler_lead as select where false;
create view week_openings as select where false;
create view week_backfills as select where false;

-- migrate:down
drop view week_backfills;
drop view week_openings;
drop view scheduler_lead;
