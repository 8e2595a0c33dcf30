-- name: try_lead
-- Whether this session leads now.
select pg_try_advisory_lock(%(key)s);

-- name: note
-- Keeps a fact about the schedulers, replacing the one before.
insert into scheduler_state (name, value) values (%(name)s, %(value)s)
on conflict (name) do update set value = excluded.value, updated_at = now();

-- name: facts
-- What the schedulers noted last.
select name, value, updated_at from scheduler_state;
