-- name: insert
-- New batches in run_date order; a week that exists already is left alone and not returned.
insert into batches (id, run_date, benchmark_symbol, benchmark_initial_price, status)
select *
from unnest(%(ids)s::uuid[], %(run_dates)s::date[], %(benchmark_symbols)s::text[], %(prices)s::numeric[],
            %(statuses)s::text[]) as new (id, run_date, benchmark_symbol, benchmark_initial_price, status)
order by new.run_date
on conflict (run_date) do nothing
returning id;

-- name: copy_picks
-- Picks of batches that the same transaction inserted.
copy picks (id, batch_id, ticker, action, reasoning, initial_price) from stdin;

-- name: lock
-- Claims batches for writing, in the one order that keeps writers from deadlocking.
select id, created_at, run_date, benchmark_symbol, benchmark_initial_price, status
from batches
where id = any(%(ids)s)
order by run_date
for no key update;

-- name: complete
-- Ends batches whose fourteenth row has just been written.
update batches set status = 'completed' where id = any(%(ids)s);

-- name: fail
-- Ends a batch because an operator says so.
update batches set status = 'failed' where id = %(id)s;

-- name: latest
-- The newest batch.
select id, created_at, run_date, benchmark_symbol, benchmark_initial_price, status
from batches
order by run_date desc
limit 1;

-- name: has_any
-- Whether there is any batch.
select exists (select from batches);

-- name: by_run_dates
-- The batches of some weeks.
select id, created_at, run_date, benchmark_symbol, benchmark_initial_price, status
from batches
where run_date = any(%(run_dates)s)
order by run_date;

-- name: neighbours
-- The weeks with a batch next to one, on either side.
select (select max(run_date) from batches where run_date < %(run_date)s) as older,
       (select min(run_date) from batches where run_date > %(run_date)s) as newer;

-- name: picks
-- The picks of some batches, in the order in which they were picked (ids are time-ordered).
select id, batch_id, ticker, action, reasoning, initial_price
from picks
where batch_id = any(%(batch_ids)s)
order by id;

-- name: active
-- Every batch that still lacks days, with the days it has and how it was priced.
select b.id, b.created_at, b.run_date, b.benchmark_symbol, b.benchmark_initial_price, b.status,
       written.dates as written, opened.source, opened.basis, opened.baseline_date
from batches b
cross join lateral (
    select coalesce(array_agg(c.checkpoint_date), '{}') as dates from checkpoints c where c.batch_id = b.id
) written
left join lateral (
    select e.payload ->> 'source' as source, e.payload ->> 'basis' as basis,
           e.payload ->> 'baseline_date' as baseline_date
    from events e
    where e.batch_id = b.id and e.event_type = 'batch_opened'
    limit 1
) opened on true
where b.status = 'active'
order by b.run_date;

-- name: weeks
-- The first week there is, and whether the week of a Monday is opened.
select (select min(run_date) from batches) as first_run_date,
       exists (select from batches where run_date = %(monday)s) as opened;

-- name: unopened
-- Mondays from the first batch to a last one that have neither a batch nor a missed event.
select day::date as run_date
from generate_series((select min(run_date) from batches)::timestamp, %(last)s::date::timestamp, interval '7 days') day
where not exists (select from batches b where b.run_date = day::date)
  and not exists (
      select from events e
      where e.event_type = 'batch_missed' and e.payload ->> 'run_date' = to_char(day, 'YYYY-MM-DD')
  )
order by day;

-- name: any_source
-- The source that priced any one batch: simulated or real is the same for all of them.
select payload ->> 'source' as source from events where event_type = 'batch_opened' limit 1;

-- name: page
-- The ids of one page of batches, newest first; keyset, so that no page costs more than the first.
select id
from batches
where (%(cursor)s::date is null or run_date < %(cursor)s::date)
  and (%(status)s::text is null or status = %(status)s::text)
order by run_date desc
limit %(limit)s;

-- name: overviews
-- Some batches as lists show them, each with its picks and its state, newest first.
select b.id, b.created_at, b.run_date, b.benchmark_symbol, b.benchmark_initial_price, b.status,
       opened.source, opened.basis, days.written, days.computed, last_day.checkpoint_date as last_computed,
       last_day.benchmark_return_pct, waiting.days as waiting, picked.tickers, picked.actions
from batches b
cross join lateral (
    select count(*)::int as written, count(*) filter (where c.status = 'computed')::int as computed
    from checkpoints c
    where c.batch_id = b.id
) days
left join lateral (
    select c.checkpoint_date, c.benchmark_return_pct
    from checkpoints c
    where c.batch_id = b.id and c.status = 'computed'
    order by c.checkpoint_date desc
    limit 1
) last_day on true
cross join lateral (
    select array_agg(p.ticker order by p.id) as tickers, array_agg(p.action order by p.id) as actions
    from picks p
    where p.batch_id = b.id
) picked
cross join lateral (select count(*)::int as days from waiting_days w where w.batch_id = b.id) waiting
left join lateral (
    select e.payload ->> 'source' as source, e.payload ->> 'basis' as basis
    from events e
    where e.batch_id = b.id and e.event_type = 'batch_opened'
    limit 1
) opened on true
where b.id = any(%(ids)s)
order by b.run_date desc;

-- name: excess_by_day
-- For some batches, the mean over the picks of the action-adjusted excess on each computed day, oldest first.
-- A day at a time through the indexes: joined at once, the planner may read the metrics of every batch there is.
select c.batch_id, c.checkpoint_date, mean.excess_pct
from checkpoints c
cross join lateral (
    select avg(case p.action when 'BUY' then m.vs_benchmark_pct else -m.vs_benchmark_pct end) as excess_pct
    from pick_checkpoint_metrics m
    join picks p on p.id = m.pick_id
    where m.checkpoint_id = c.id
) mean
where c.batch_id = any(%(batch_ids)s) and mean.excess_pct is not null
order by c.batch_id, c.checkpoint_date;

-- name: missed
-- Mondays that passed unopened and still have no batch, newest first.
select distinct on (told.run_date)
       told.run_date, coalesce(e.payload ->> 'cause', '') as cause, coalesce(e.payload ->> 'detail', '') as detail
from events e
cross join lateral (
    select (jsonb_path_query_first(e.payload, %(run_date_path)s::jsonpath, '{}', true) #>> '{}')::date as run_date
) told
where e.event_type = 'batch_missed'
  and told.run_date is not null
  and (%(cursor)s::date is null or told.run_date < %(cursor)s::date)
  and (%(oldest)s::date is null or told.run_date > %(oldest)s::date)
  and not exists (select from batches b where b.run_date = told.run_date)
order by told.run_date desc;
