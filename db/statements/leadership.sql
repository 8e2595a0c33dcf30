-- name: note
-- Keeps a fact about the schedulers, replacing the one before.
insert into scheduler_state (name, value) values (%(name)s, %(value)s)
on conflict (name) do update set value = excluded.value, updated_at = now();

-- name: facts
-- What the schedulers noted last.
select name, value, updated_at from scheduler_state;

-- name: fact
-- One fact.
select name, value, updated_at from scheduler_state where name = %(name)s;

-- name: merge
-- Keeps several facts, the keys of each added to those it has; in the order of names, so that writers cannot deadlock.
insert into scheduler_state (name, value)
select new.name, new.value::jsonb
from unnest(%(names)s::text[], %(contents)s::text[]) as new (name, value)
order by new.name
on conflict (name) do update set value = scheduler_state.value || excluded.value, updated_at = now();

-- name: note_first
-- Keeps a fact unless there is one of that name already.
insert into scheduler_state (name, value) values (%(name)s, %(value)s)
on conflict (name) do nothing;

-- name: forget
-- Removes a fact.
delete from scheduler_state where name = %(name)s;

-- name: forget_silent
-- Removes the facts of one kind that nobody has renewed for some time, and those from the future of a wrong clock.
delete from scheduler_state
where starts_with(name, %(prefix)s)
  and updated_at not between now() - %(silence)s::interval and now() + %(silence)s::interval;

-- name: lead
-- Whether some session of this database holds the leader's lock, whether that can be seen here, and the server's time.
select exists (
           select from pg_locks
           where locktype = 'relation' and granted and mode = 'ExclusiveLock'
             and database = (select oid from pg_database where datname = current_database())
             and relation = 'scheduler_lead'::regclass
       ) as is_held,
       pg_is_in_recovery() as is_replica,
       now() as server_time;
