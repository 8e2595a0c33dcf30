-- name: written
-- The days that some batches have already, and whether each was skipped.
select batch_id, checkpoint_date, status = 'skipped' as skipped
from checkpoints
where batch_id = any(%(batch_ids)s);

-- name: copy_checkpoints
-- Days of batches that the same transaction has locked or inserted.
copy checkpoints (id, batch_id, checkpoint_date, status, benchmark_price, benchmark_return_pct) from stdin;

-- name: copy_metrics
-- Metrics of days that the same transaction inserted.
copy pick_checkpoint_metrics (id, checkpoint_id, pick_id, current_price, absolute_return_pct, vs_benchmark_pct)
from stdin;

-- name: of_batch
-- The days of a batch, in order.
select id, batch_id, checkpoint_date, status, benchmark_price, benchmark_return_pct
from checkpoints
where batch_id = %(batch_id)s
order by checkpoint_date;

-- name: metrics_of_batch
-- The metrics of a batch, in the order of days and picks.
select m.id, m.checkpoint_id, m.pick_id, m.current_price, m.absolute_return_pct, m.vs_benchmark_pct
from pick_checkpoint_metrics m
join checkpoints c on c.id = m.checkpoint_id
where c.batch_id = %(batch_id)s
order by c.checkpoint_date, m.pick_id;

-- name: written_prices
-- The prices of the computed days of some batches, the benchmark's and the picks'.
select c.batch_id, b.benchmark_symbol as symbol, c.checkpoint_date, c.benchmark_price as price
from checkpoints c
join batches b on b.id = c.batch_id
where c.batch_id = any(%(batch_ids)s) and c.status = 'computed'
union all
select p.batch_id, p.ticker, c.checkpoint_date, m.current_price
from pick_checkpoint_metrics m
join checkpoints c on c.id = m.checkpoint_id
join picks p on p.id = m.pick_id
where c.batch_id = any(%(batch_ids)s);

-- name: closures
-- What earlier responses showed of some days: a session, of which closes are stored, or a closure. That is a waiting day
-- without a close of any symbol, or one that was skipped for that.
select day,
       exists (select from checkpoints c where c.checkpoint_date = day and c.status = 'computed') as is_session,
       exists (
           select from waiting_days w
           where w.checkpoint_date = day
             and case jsonb_typeof(w.evidence -> 'missing')
                     when 'array' then jsonb_array_length(w.evidence -> 'missing')
                     else 0
                 end >= %(symbols)s
       ) or exists (
           select from events e
           where e.event_type = 'checkpoint_skipped'
             and e.payload ->> 'reason' = 'benchmark_has_no_close'
             and e.payload ->> 'checkpoint_date' = to_char(day, 'YYYY-MM-DD')
       ) as is_closure
from unnest(%(days)s::date[]) as day;

-- name: last_computed
-- The latest date for which closes are stored.
select max(checkpoint_date) from checkpoints where status = 'computed';

-- name: waiting
-- Due days that could not be written yet.
select batch_id, checkpoint_date, cause, detail, attempts, first_tried_at, last_tried_at, next_try_at,
       case jsonb_typeof(evidence -> 'missing')
           when 'array' then array(select jsonb_array_elements_text(evidence -> 'missing'))
           else '{}'
       end as missing
from waiting_days
order by checkpoint_date, batch_id;

-- name: wait
-- Notes one more attempt at a due day; the pause before the next doubles up to a bound, or is what the source asked for.
-- A pause is from half to the whole of that, by a number drawn from the moment at which the transaction began: processes
-- do not all come back at once, and the days of one transaction do, so that a source is asked once for all of them.
insert into waiting_days
    (batch_id, checkpoint_date, cause, detail, attempts, first_tried_at, last_tried_at, next_try_at, evidence)
values
    (%(batch_id)s, %(checkpoint_date)s, %(cause)s, %(detail)s, 1, %(tried_at)s, %(tried_at)s,
     %(tried_at)s + greatest(
         %(retry_after)s::interval,
         %(shortest)s::interval * (0.5 + ('x' || left(md5(now()::text), 6))::bit(24)::int / 33554432.0)),
     %(evidence)s::jsonb)
on conflict (batch_id, checkpoint_date) do update
set cause = excluded.cause,
    detail = excluded.detail,
    -- A source that could not answer has seen nothing: what was seen before still stands.
    evidence = coalesce(excluded.evidence, case when %(keeps_evidence)s then waiting_days.evidence end),
    attempts = waiting_days.attempts + 1,
    last_tried_at = excluded.last_tried_at,
    next_try_at = excluded.last_tried_at + greatest(
        %(retry_after)s::interval,
        least(%(longest)s::interval, %(shortest)s::interval * power(2, least(waiting_days.attempts, 16)))
        * (0.5 + ('x' || left(md5(now()::text), 6))::bit(24)::int / 33554432.0));

-- name: evidence
-- What each of a batch's days waits for an operator's word on.
select checkpoint_date, evidence
from waiting_days
where batch_id = %(batch_id)s and evidence is not null
order by checkpoint_date;

-- name: all_evidence
-- What the days of every batch wait for an operator's word on.
select b.run_date, w.evidence
from waiting_days w
join batches b on b.id = w.batch_id
where w.evidence is not null and b.status = 'active'
order by b.run_date, w.checkpoint_date;

-- name: try_again
-- Lets every waiting day of a batch be tried at a moment, and never later than it would be.
update waiting_days set next_try_at = least(next_try_at, %(at)s) where batch_id = %(batch_id)s;

-- name: stop_waiting
-- Forgets the waiting of days that are written now, and of batches that ended.
delete from waiting_days w
using batches b
where b.id = w.batch_id
  and w.batch_id = any(%(batch_ids)s)
  and (b.status <> 'active'
       or exists (select from checkpoints c
                  where c.batch_id = w.batch_id and c.checkpoint_date = w.checkpoint_date));
