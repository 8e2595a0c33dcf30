-- migrate:up
alter table batches
    -- A weekday of infinity is null, which a check lets through.
    add constraint batches_run_date_is_monday check (isfinite(run_date) and extract(isodow from run_date) = 1),
    -- NaN sorts above infinity, so one upper bound refuses both.
    add constraint batches_benchmark_initial_price_is_positive
        check (benchmark_initial_price > 0 and benchmark_initial_price < 'Infinity');

alter table picks
    add constraint picks_initial_price_is_positive check (initial_price > 0 and initial_price < 'Infinity');

alter table checkpoints
    add constraint checkpoints_computed_has_benchmark check (
        num_nonnulls(benchmark_price, benchmark_return_pct) = case status when 'computed' then 2 else 0 end
    ),
    add constraint checkpoints_benchmark_price_is_positive
        check (benchmark_price > 0 and benchmark_price < 'Infinity'),
    add constraint checkpoints_benchmark_return_pct_is_finite
        check (benchmark_return_pct > '-Infinity' and benchmark_return_pct < 'Infinity');

alter table pick_checkpoint_metrics
    add constraint pick_checkpoint_metrics_current_price_is_positive
        check (current_price > 0 and current_price < 'Infinity'),
    add constraint pick_checkpoint_metrics_absolute_return_pct_is_finite
        check (absolute_return_pct > '-Infinity' and absolute_return_pct < 'Infinity'),
    add constraint pick_checkpoint_metrics_vs_benchmark_pct_is_finite
        check (vs_benchmark_pct > '-Infinity' and vs_benchmark_pct < 'Infinity');

create function guard_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'table "%" is append-only: % is refused', tg_table_name, tg_op
        using errcode = 'restrict_violation', schema = tg_table_schema, table = tg_table_name, constraint = tg_name;
end
$$;

create function guard_batch_ends_once() returns trigger language plpgsql as $$
declare
    expected batches := old;
begin
    expected.status := new.status;
    -- Images are compared, not values: a price of 10.0 must not become 10.00.
    if old.status <> 'active' or new.status = 'active' or new *<> expected then
        raise exception 'batch of % is %: only its status may change, once, from active', old.run_date, old.status
            using errcode = 'restrict_violation', schema = tg_table_schema, table = tg_table_name,
                constraint = tg_name;
    end if;
    return new;
end
$$;

create function guard_batch_is_active() returns trigger language plpgsql as $$
declare
    batch record;
    batch_ids uuid[] := array(select distinct batch_id from added);
begin
    -- The foreign key's own lock lets a status change pass. This one does not, and each row is judged as it is once
    -- locked: a condition on status in the query would overlook a batch that ends at this moment. Locks are taken
    -- in the order of ids; a writer of several batches has locked them before, in the order of run_date.
    for batch in
        select run_date, status from batches where id = any (batch_ids) order by id for share
    loop
        if batch.status <> 'active' then
            raise exception 'batch of % is %: it takes no more checkpoints', batch.run_date, batch.status
                using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name,
                    constraint = tg_name;
        end if;
    end loop;
    return null;
end
$$;

create function guard_metric_fits() returns trigger language plpgsql as $$
declare
    misfit record;
begin
    -- Picks and checkpoints never change, so they are read without a lock.
    select checkpoint.checkpoint_date, checkpoint.status, pick.ticker
    into misfit
    from added
    join checkpoints as checkpoint on checkpoint.id = added.checkpoint_id
    join picks as pick on pick.id = added.pick_id
    where checkpoint.status <> 'computed' or checkpoint.batch_id <> pick.batch_id
    limit 1;
    if found then
        raise exception 'pick % and the % checkpoint of % do not belong together',
            misfit.ticker, misfit.status, misfit.checkpoint_date
            using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name,
                constraint = tg_name,
                detail = 'A metric joins a pick with a computed checkpoint of the same batch.';
    end if;
    return null;
end
$$;

-- The guards' search path is fixed to pg_catalog and the schema in which the tables stand. Temporary tables come last,
-- where none can pass for one of ours; and the bodies keep plain names, so that their plans are cached.
do $$
declare
    guard regprocedure;
begin
    foreach guard in array array[
        'guard_append_only()', 'guard_batch_ends_once()', 'guard_batch_is_active()', 'guard_metric_fits()'
    ]::regprocedure[]
    loop
        execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', guard, current_schema);
    end loop;
end
$$;

create trigger batches_end_once before update on batches
    for each row execute function guard_batch_ends_once();
create trigger batches_are_kept before delete or truncate on batches
    for each statement execute function guard_append_only();
create trigger picks_are_append_only before update or delete or truncate on picks
    for each statement execute function guard_append_only();
create trigger checkpoints_are_append_only before update or delete or truncate on checkpoints
    for each statement execute function guard_append_only();
create trigger pick_checkpoint_metrics_are_append_only before update or delete or truncate on pick_checkpoint_metrics
    for each statement execute function guard_append_only();
create trigger events_are_append_only before update or delete or truncate on events
    for each statement execute function guard_append_only();

-- A replay copies thousands of rows at once: one look a statement, not one a row.
create trigger checkpoints_batch_is_active after insert on checkpoints
    referencing new table as added
    for each statement execute function guard_batch_is_active();
create trigger pick_checkpoint_metrics_fit after insert on pick_checkpoint_metrics
    referencing new table as added
    for each statement execute function guard_metric_fits();

-- migrate:down
drop trigger pick_checkpoint_metrics_fit on pick_checkpoint_metrics;
drop trigger checkpoints_batch_is_active on checkpoints;
drop trigger events_are_append_only on events;
drop trigger pick_checkpoint_metrics_are_append_only on pick_checkpoint_metrics;
drop trigger checkpoints_are_append_only on checkpoints;
drop trigger picks_are_append_only on picks;
drop trigger batches_are_kept on batches;
drop trigger batches_end_once on batches;

drop function guard_metric_fits();
drop function guard_batch_is_active();
drop function guard_batch_ends_once();
drop function guard_append_only();

alter table pick_checkpoint_metrics
    drop constraint pick_checkpoint_metrics_vs_benchmark_pct_is_finite,
    drop constraint pick_checkpoint_metrics_absolute_return_pct_is_finite,
    drop constraint pick_checkpoint_metrics_current_price_is_positive;

alter table checkpoints
    drop constraint checkpoints_benchmark_return_pct_is_finite,
    drop constraint checkpoints_benchmark_price_is_positive,
    drop constraint checkpoints_computed_has_benchmark;

alter table picks
    drop constraint picks_initial_price_is_positive;

alter table batches
    drop constraint batches_benchmark_initial_price_is_positive,
    drop constraint batches_run_date_is_monday;
