-- name: copy
-- Events of the same transaction's domain writes.
copy events (id, batch_id, event_type, payload) from stdin;

-- name: notify
-- Tells every screen that listens which weeks have changed.
select pg_notify(%(channel)s, %(run_dates)s);

-- name: page
-- One page of events, newest first (ids are time-ordered).
select e.id, e.created_at, e.batch_id, e.event_type, e.payload
from events e
where (%(cursor)s::uuid is null or e.id < %(cursor)s::uuid)
  and (%(event_type)s::text is null or e.event_type = %(event_type)s::text)
  and (%(batch_id)s::uuid is null or e.batch_id = %(batch_id)s::uuid)
order by e.id desc
limit %(limit)s;

-- name: of_batch
-- Everything that happened to a batch, oldest first.
select id, created_at, batch_id, event_type, payload
from events
where batch_id = %(batch_id)s
order by id;

-- name: rebasings
-- The baselines that were found changed before, so that each is told once.
select batch_id, payload ->> 'symbol' as symbol, payload ->> 'answered' as answered
from events
where batch_id = any(%(batch_ids)s) and event_type in ('price_rebased', 'baseline_revised');

-- name: serialise_openings
-- Held to the end of the transaction by whatever opens a week or notes a missed one.
select pg_advisory_xact_lock(%(key)s);
