-- name: holders
-- The sessions that hold the locks by which processes take turns, or block another session of this database.
with held as (
    select coalesce(pid, 0) as pid, turn.name
    from unnest(%(names)s::text[]) as turn (name)
    join pg_locks on locktype = 'relation' and relation = to_regclass(turn.name)
    where granted and mode <> 'AccessShareLock'
      and database = (select oid from pg_database where datname = current_database())
), blocking as (
    select unnest(pg_blocking_pids(pid)) as pid, pid as waiting
    from (
        select distinct pid
        from pg_locks join pg_stat_activity using (pid)
        where not granted and datname = current_database()
    ) waits
)
select found.pid,
       array(select distinct name from held where held.pid = found.pid order by name) as locks,
       (select count(distinct waiting)::int from blocking where blocking.pid = found.pid) as blocks,
       usename::text as user_name, application_name as application, host(client_addr) as address, xact_start as since
from (select pid from held union select pid from blocking) found
left join pg_stat_activity on pg_stat_activity.pid = found.pid
order by found.pid;
