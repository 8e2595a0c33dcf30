-- name: statuses
-- How many batches there are of each status.
select status, count(*)::int as batches from batches group by status;

-- name: by_day
-- For each day number, over the batches that did not fail: the mean of their excess, and how many were above zero.
with excess as (
    select c.checkpoint_date - b.run_date + 1 as day,
           avg(case p.action when 'BUY' then m.vs_benchmark_pct else -m.vs_benchmark_pct end) as excess_pct
    from batches b
    join checkpoints c on c.batch_id = b.id
    join pick_checkpoint_metrics m on m.checkpoint_id = c.id
    join picks p on p.id = m.pick_id
    where b.status <> 'failed'
    group by c.id, b.id
)
select day, count(e.day)::int as batches, (count(*) filter (where e.excess_pct > 0))::int as positive,
       avg(e.excess_pct) as mean_excess_pct
from generate_series(1, %(days)s::int) day
left join excess e using (day)
group by day
order by day;

-- name: batting
-- Picks on the last computed day of their completed batch, all and by action, and how many were above the benchmark.
with last_day as (
    select distinct on (c.batch_id) c.id, c.batch_id
    from checkpoints c
    join batches b on b.id = c.batch_id
    where b.status = 'completed' and c.status = 'computed'
    order by c.batch_id, c.checkpoint_date desc
), final as (
    select d.batch_id, p.action, case p.action when 'BUY' then m.vs_benchmark_pct else -m.vs_benchmark_pct end as excess
    from last_day d
    join pick_checkpoint_metrics m on m.checkpoint_id = d.id
    join picks p on p.id = m.pick_id
)
select side.action, count(distinct f.batch_id)::int as batches, count(f.batch_id)::int as picks,
       (count(*) filter (where f.excess > 0))::int as positive,
       100 * (count(*) filter (where f.excess > 0))::numeric / nullif(count(f.batch_id), 0) as average_pct
from (values (null), ('BUY'), ('SELL')) side (action)
left join final f on side.action is null or side.action = f.action
group by side.action
order by side.action nulls first;

-- name: finals
-- How completed batches ended: the mean of their excess on the last computed day, and the best and worst of them.
with last_day as (
    select distinct on (c.batch_id) c.id, b.run_date
    from checkpoints c
    join batches b on b.id = c.batch_id
    where b.status = 'completed' and c.status = 'computed'
    order by c.batch_id, c.checkpoint_date desc
), final as (
    select d.run_date, avg(case p.action when 'BUY' then m.vs_benchmark_pct else -m.vs_benchmark_pct end) as excess
    from last_day d
    join pick_checkpoint_metrics m on m.checkpoint_id = d.id
    join picks p on p.id = m.pick_id
    group by d.run_date
)
select count(*)::int as batches, avg(excess) as mean_pct,
       (array_agg(run_date order by excess desc, run_date))[1] as best_run_date, max(excess) as best_pct,
       (array_agg(run_date order by excess, run_date))[1] as worst_run_date, min(excess) as worst_pct
from final;
