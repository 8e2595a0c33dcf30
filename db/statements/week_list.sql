-- name: page
-- The keys of one page of weeks, batches and folded runs of missed Mondays alike; keyset over the wanted sort value.
-- Only the wanted value is computed. `direction` is 1 or -1; weeks without a value come last either way.
with missed as materialized (
    select distinct on (told.run_date)
           told.run_date, coalesce(e.payload ->> 'cause', '') as cause, coalesce(e.payload ->> 'detail', '') as detail
    from events e
    cross join lateral (
        select (jsonb_path_query_first(e.payload, %(run_date_path)s::jsonpath, '{}', true) #>> '{}')::date as run_date
    ) told
    where e.event_type = 'batch_missed' and told.run_date is not null
    order by told.run_date, e.id
), runs as (
    -- Mondays in a row differ from their rank by the same date, so that date tells one run from the next.
    select max(run_date) as run_date, min(run_date) as oldest, cause, detail
    from (
        select m.*, m.run_date - 7 * row_number() over (partition by m.cause, m.detail order by m.run_date)::int as run
        from missed m
        where m.run_date <> all (%(staged)s::date[])
          and not exists (select from batches b where b.run_date = m.run_date)
    ) ranked
    group by cause, detail, run
), weeks as (
    select b.run_date, b.id as batch_id, null::date as oldest, null as cause, null as detail,
           case %(sort)s::text
               when 'week' then (b.run_date - date '1900-01-01')::numeric
               when 'state' then array_position(%(states)s::text[], b.status)::numeric
               when 'sessions' then (
                   select count(*)::numeric from checkpoints c where c.batch_id = b.id and c.status = 'computed'
               )
               when 'benchmark' then (
                   select c.benchmark_return_pct
                   from checkpoints c
                   where c.batch_id = b.id and c.status = 'computed'
                   order by c.checkpoint_date desc
                   limit 1
               )
               when 'excess' then (
                   select avg(case p.action when 'BUY' then m.vs_benchmark_pct else -m.vs_benchmark_pct end)
                   from (
                       select c.id
                       from checkpoints c
                       where c.batch_id = b.id and c.status = 'computed'
                       order by c.checkpoint_date desc
                       limit 1
                   ) newest
                   join pick_checkpoint_metrics m on m.checkpoint_id = newest.id
                   join picks p on p.id = m.pick_id
               )
           end as value
    from batches b
    -- As the list opens, the newest week first and every week wanted, a page lies among so many batches.
    where b.run_date >= case
        when %(sort)s::text = 'week' and %(direction)s::int < 0
             and cardinality(%(words)s::text[]) = 0 and cardinality(%(actions)s::text[]) = 0 then (
            select min(near.run_date)
            from (
                select run_date
                from batches
                where %(cursor_run_date)s::date is null or run_date < %(cursor_run_date)s::date
                order by run_date desc
                limit %(limit)s
            ) near
        )
        else '-infinity'::date
    end
      and (cardinality(%(words)s::text[]) = 0 or not exists (
        select
        from unnest(%(words)s::text[]) typed
        cross join lateral (select lower(typed) as word) lowered
        where not (
            starts_with(b.status, word)
            or b.status = 'completed' and starts_with('done', word)
            or starts_with('waiting', word) and exists (select from waiting_days w where w.batch_id = b.id)
            or starts_with((
                select ends.origin
                from unnest(%(origins)s::text[], %(origin_days)s::int[], %(origin_times)s::time[])
                    with ordinality as ends (origin, days, clock_time, place)
                where ends.days is null
                   or b.created_at < (b.run_date + ends.days + ends.clock_time) at time zone %(zone)s::text
                order by ends.place
                limit 1
            ), word)
            or starts_with(to_char(b.run_date, 'YYYY-MM-DD'), word)
            or starts_with(translate(lower(b.benchmark_symbol), '-/', '..'), translate(word, '-/', '..'))
            or exists (
                select
                from picks p
                where p.batch_id = b.id
                  and (cardinality(%(actions)s::text[]) = 0 or p.action = any(%(actions)s::text[]))
                  and (
                      starts_with(translate(lower(p.ticker), '-/', '..'), translate(word, '-/', '..'))
                      or strpos(lower(p.reasoning), word) > 0
                  )
            )
        )
    ))
      and not exists (
        select
        from unnest(%(actions)s::text[]) typed
        where not exists (select from picks p where p.batch_id = b.id and p.action = typed)
    )
    union all
    select r.run_date, null, r.oldest, r.cause, r.detail,
           case %(sort)s::text
               when 'week' then (r.run_date - date '1900-01-01')::numeric
               when 'state' then array_position(%(states)s::text[], 'missed')::numeric
           end
    from runs r
    where cardinality(%(actions)s::text[]) = 0 and not exists (
        select
        from unnest(%(words)s::text[]) typed
        cross join lateral (select lower(typed) as word) lowered
        where not (
            starts_with('missed', word)
            or exists (
                select
                from generate_series(r.oldest::timestamp, r.run_date::timestamp, interval '7 days') monday
                where starts_with(to_char(monday, 'YYYY-MM-DD'), word)
            )
        )
    )
)
select run_date, batch_id, oldest, cause, detail, value
from weeks
where case
    when %(cursor_run_date)s::date is null then true
    when %(cursor_value)s::numeric is null then value is null and run_date < %(cursor_run_date)s::date
    else value is null
         or value * %(direction)s::int > %(cursor_value)s::numeric * %(direction)s::int
         or value = %(cursor_value)s::numeric and run_date < %(cursor_run_date)s::date
end
order by value * %(direction)s::int nulls last, run_date desc
limit %(limit)s;
