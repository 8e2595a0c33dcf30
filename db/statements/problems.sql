-- name: standing
-- Due days that wait now, the latest to begin first, each with its batch's week and the symbols it waits for.
select w.batch_id, w.checkpoint_date, w.cause, w.detail, w.attempts, w.first_tried_at, w.last_tried_at, w.next_try_at,
       case jsonb_typeof(w.evidence -> 'missing')
           when 'array' then array(select jsonb_array_elements_text(w.evidence -> 'missing'))
           else '{}'
       end as missing,
       b.run_date,
       array(
           select distinct told.symbol #>> '{}'
           from jsonb_path_query(w.evidence, '$.moves[*].symbol ? (@.type() == "string")') as told (symbol)
           order by 1
       ) as moved
from waiting_days w
join batches b on b.id = w.batch_id
order by w.first_tried_at desc, w.checkpoint_date desc, w.batch_id;

-- name: missed
-- Mondays noted as missed after an instant that still have no batch, newest week first.
select e.id, e.created_at, e.batch_id, e.event_type, e.payload, told.run_date
from events e
cross join lateral (
    select (jsonb_path_query_first(e.payload, %(run_date_path)s::jsonpath, '{}', true) #>> '{}')::date as run_date
) told
where e.event_type = 'batch_missed'
  and e.created_at > %(since)s
  and told.run_date is not null
  and not exists (select from batches b where b.run_date = told.run_date)
order by told.run_date desc;

-- name: noted
-- The newest events after an instant that tell of a close that never came, a symbol that trades no more, a baseline
-- that changed, or picks that were refused for a week that still has no batch.
select e.id, e.created_at, e.batch_id, e.event_type, e.payload, coalesce(b.run_date, told.run_date) as run_date
from events e
left join batches b on b.id = e.batch_id
left join lateral (
    select (jsonb_path_query_first(e.payload, %(run_date_path)s::jsonpath, '{}', true) #>> '{}')::date as run_date
) told on e.event_type = 'picks_answered'
where e.created_at > %(since)s
  and ((e.batch_id is not null and e.event_type in ('baseline_revised', 'symbol_stopped'))
       or (e.batch_id is not null and e.event_type = 'checkpoint_skipped'
           and e.payload ->> 'reason' in ('price_missing', 'benchmark_has_no_close'))
       or (e.event_type = 'picks_answered' and e.payload ->> 'outcome' = 'refused' and told.run_date is not null
           and not exists (select from batches opened where opened.run_date = told.run_date)))
order by e.created_at desc, e.id desc
limit %(limit)s;
