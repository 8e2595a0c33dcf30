-- name: timeline
-- The timeline that the server writes its log on, as eight hexadecimal digits; null on a replica, which writes none.
select case when not pg_is_in_recovery() then substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end;

-- name: is_lead_taken
-- Whether a session of this database holds a lock that keeps the lead from being taken.
select exists (
    select from pg_locks
    where locktype = 'relation' and granted and mode <> 'AccessShareLock'
      and database = (select oid from pg_database where datname = current_database())
      and relation = 'scheduler_lead'::regclass
);

-- name: begin_lead
-- Read committed, so that between its statements the transaction holds no snapshot that would hold VACUUM up.
begin isolation level read committed;

-- name: leading_session
-- This session, which the server ends once its client has said nothing for so long in this transaction.
select pg_backend_pid(), set_config('idle_in_transaction_session_timeout', %(lapses_after)s, true);

-- name: take_lead
-- Held to the end of the transaction by the session that leads. It comes last: a query would keep its snapshot as long.
lock table scheduler_lead in exclusive mode nowait;

-- name: lock_timeout
-- A session suspended inside a transaction ends after half a minute; whoever waits for it looks again instead.
set local lock_timeout = '5s';

-- name: begin_term
-- Begins the next term, once no transaction of the one before is under way; gives its number.
insert into scheduler_state (name, value) values (%(name)s, '{"number": 1}')
on conflict (name) do update
set value = jsonb_build_object(
        'number',
        case jsonb_typeof(scheduler_state.value -> 'number')
            when 'number' then (scheduler_state.value ->> 'number')::numeric + 1 else 1
        end
    ),
    updated_at = now()
returning (value ->> 'number')::bigint as number;

-- name: is_in_force
-- Whether a term is the newest and its session holds the leader's lock. To the end of the transaction none begins.
select (value ->> 'number')::numeric = %(number)s
   and exists (
           select from pg_locks
           where locktype = 'relation' and granted and mode = 'ExclusiveLock' and pid = %(session)s
             and database = (select oid from pg_database where datname = current_database())
             and relation = 'scheduler_lead'::regclass
       )
from scheduler_state
where name = %(name)s
for share;
