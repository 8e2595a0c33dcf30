-- name: timeline
-- The timeline that the server writes its log on, as eight hexadecimal digits; null on a replica, which writes none.
select case when not pg_is_in_recovery() then substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end;

-- name: take_lead
-- Whether this session leads now.
select pg_try_advisory_lock(%(key)s);

-- name: lock_timeout
-- A session suspended inside a transaction ends after half a minute; whoever waits for it looks again instead.
set local lock_timeout = '5s';

-- name: begin_term
-- Begins the next term, once no transaction of the one before is under way; gives its number and this session's.
insert into scheduler_state (name, value) values (%(name)s, '{"number": 1}')
on conflict (name) do update
set value = jsonb_build_object(
        'number',
        case jsonb_typeof(scheduler_state.value -> 'number')
            when 'number' then (scheduler_state.value ->> 'number')::numeric + 1 else 1
        end
    ),
    updated_at = now()
returning (value ->> 'number')::bigint as number, pg_backend_pid() as session;

-- name: is_in_force
-- Whether a term is the newest and its session holds the leader's lock. To the end of the transaction none begins.
select (value ->> 'number')::numeric = %(number)s
   and exists (
           select from pg_locks
           where locktype = 'advisory' and granted and objsubid = 1 and pid = %(session)s
             and database = (select oid from pg_database where datname = current_database())
             and (classid::bigint << 32) | objid::bigint = %(key)s
       )
from scheduler_state
where name = %(name)s
for share;
