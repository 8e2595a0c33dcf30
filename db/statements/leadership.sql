-- name: try_lead
-- Whether this session leads now.
select pg_try_advisory_lock(%(key)s);

-- name: note
-- Keeps a fact about the schedulers, replacing the one before.
insert into scheduler_state (name, value) values (%(name)s, %(value)s)
on conflict (name) do update set value = excluded.value, updated_at = now();

-- name: forget
-- Drops a fact about the schedulers.
delete from scheduler_state where name = %(name)s;

-- name: facts
-- What the schedulers noted last.
select name, value, updated_at from scheduler_state;

-- name: somebody_leads
-- Whether any session holds the leader's lock in this database.
select exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and ((classid::bigint << 32) | objid::bigint) = %(key)s
);
