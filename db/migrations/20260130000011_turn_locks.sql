-- What processes lock to take turns. They hold no rows: a lock on them takes a right that a reader does not have.
-- Views, because VACUUM, ANALYZE and REINDEX would wait for a lock on a table that a leader holds for months.
-- migrate:up
do $$
declare
    turn name;
begin
    foreach turn in array array['scheduler_lead', 'week_openings', 'week_backfills'] loop
        -- Where an older backup was restored they are there, and may be locked.
        if to_regclass(format('%I.%I', current_schema, turn)) is null then
            execute format('create view %I as select where false', turn);
        end if;
    end loop;
end
$$;

-- migrate:down
drop view week_backfills;
drop view week_openings;
drop view scheduler_lead;
