-- name: copy
-- Events of the same transaction's domain writes.
copy events (id, batch_id, event_type, payload) from stdin;

-- name: notify
-- Tells every screen that listens what has changed.
select pg_notify(%(channel)s, %(payload)s);

-- name: page
-- One page of events between two ids, newest first (ids are time-ordered), each with the week it is about.
select e.id, e.created_at, e.batch_id, e.event_type, e.payload,
       coalesce(
           b.run_date,
           case
               when e.event_type in ('batch_missed', 'picks_answered')
               then (jsonb_path_query_first(e.payload, %(run_date_path)s::jsonpath, '{}', true) #>> '{}')::date
           end
       ) as run_date
from events e
left join batches b on b.id = e.batch_id
where e.id < %(before)s
  and e.id > %(after)s
  and (%(event_type)s::text is null or e.event_type = %(event_type)s::text)
  and (%(batch_id)s::uuid is null or e.batch_id = %(batch_id)s::uuid)
  and not exists (
      select from unnest(%(words)s::text[]) word
      where case
          when cardinality(%(actions)s::text[]) > 0 and exists (
              select
              from picks p
              where p.batch_id = e.batch_id
                and starts_with(translate(lower(p.ticker), '-/', '..'), translate(lower(word), '-/', '..'))
          )
          then not exists (
              select
              from picks p
              where p.batch_id = e.batch_id
                and p.action = any(%(actions)s::text[])
                and starts_with(translate(lower(p.ticker), '-/', '..'), translate(lower(word), '-/', '..'))
          )
          else strpos(lower(concat_ws(' ', e.event_type, b.run_date, e.payload)), lower(word)) = 0
               -- A share class is found by any spelling: BRK.B, BRK-B, BRK/B.
               and not (
                   word ~ '^[A-Za-z][A-Za-z0-9]*[-./][A-Za-z0-9]*$'
                   and strpos(translate(lower(e.payload::text), '-/', '..'), translate(lower(word), '-/', '..')) > 0
               )
      end
  )
  and not exists (
      select from unnest(%(actions)s::text[]) typed
      where not exists (select from picks p where p.batch_id = e.batch_id and p.action = typed)
  )
order by e.id desc
limit %(limit)s;

-- name: of_batch
-- Everything that happened to a batch, oldest first.
select id, created_at, batch_id, event_type, payload
from events
where batch_id = %(batch_id)s
order by id;

-- name: told_once
-- What batches were told already of what is told once: changed baselines, successors, symbols that stopped.
select batch_id, event_type, payload ->> 'symbol' as symbol,
       coalesce(payload ->> 'answered', payload ->> 'successor', payload ->> 'last_session') as about
from events
where batch_id = any(%(batch_ids)s)
  and event_type in ('price_rebased', 'baseline_revised', 'symbol_renamed', 'symbol_stopped');

-- name: accepted_moves
-- The moves of some batches' symbols that operators accepted.
select batch_id, payload
from events
where batch_id = any(%(batch_ids)s) and event_type = 'move_accepted'
order by id;

-- name: resumptions
-- What tells of pauses that have ended, the last ended first.
select payload from events where event_type = 'schedule_resumed' order by id desc limit %(limit)s;

-- name: serialise_openings
-- Held to the end of the transaction by whatever opens a week, notes a missed one, or begins or ends a pause.
lock table week_openings in exclusive mode;

-- name: begin_backfill
-- Read committed, so that between its statements the transaction holds no snapshot that would hold VACUUM up.
begin isolation level read committed;

-- name: stay_idle
-- Lets the session be idle inside its transaction for as long as its client is there.
set local idle_in_transaction_session_timeout = 0;

-- name: announce_backfill
-- Held to the end of the transaction by each backfill; several may run at once.
lock table week_backfills in share mode;

-- name: is_backfill_announced
-- Whether some session of this database runs a backfill, or keeps others from looking.
select exists (
    select from pg_locks
    where locktype = 'relation' and granted and mode <> 'AccessShareLock' and pid <> pg_backend_pid()
      and database = (select oid from pg_database where datname = current_database())
      and relation = 'week_backfills'::regclass
);

-- name: hold_off_backfills
-- Lets no backfill begin before the end of the transaction.
lock table week_backfills in exclusive mode nowait;

-- name: server_time
-- The time by the server's clock, at the beginning of the transaction.
select now();

-- name: clock_time
-- The time by the server's clock now.
select clock_timestamp();

-- name: transactions
-- The transactions that wrote events with ids from one on: when each began, and how many it wrote.
select created_at, count(*)::int as written from events where id > %(after)s group by created_at order by created_at;

-- name: of_transactions
-- A page of what some transactions wrote, in the order of ids, each with the week it is about and without long parts.
select e.id, e.created_at, e.batch_id, e.event_type,
       case jsonb_typeof(e.payload) when 'object' then e.payload - '{closes,answers}'::text[] end as payload,
       coalesce(
           b.run_date,
           case
               when e.event_type in ('batch_missed', 'picks_answered')
               then (jsonb_path_query_first(e.payload, %(run_date_path)s::jsonpath, '{}', true) #>> '{}')::date
           end
       ) as run_date
from events e
left join batches b on b.id = e.batch_id
where e.id > %(after)s and e.created_at = any(%(began)s::timestamptz[])
order by e.id
limit %(limit)s;
