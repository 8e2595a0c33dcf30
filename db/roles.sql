-- Roles for those who use the database without owning it. Run by the owner of the tables, once `alpha-monday db up`
-- has made them and again whenever it has applied something:
--
--     alpha-monday db roles | psql --set=ON_ERROR_STOP=1 "$OWNERS_URL"
--
--   alpha_monday_writer   what the service does, and nothing more: it changes no row that is meant to stay
--   alpha_monday_reader   looking only: the reading commands, doctor, health, db backup, the TUI with --read-only
--
-- Nobody logs in as one of them; whoever works is made a member: `grant alpha_monday_writer to NAME`. The roles belong
-- to the whole server, their rights to this database. Where they are missing, making them takes CREATEROLE.
-- Rights are given table by table and none by default: of a later table only its migration's author knows whether its
-- rows may change. What was granted to the two before is taken away first, so that each run ends in the same rights.

begin;

do $$
declare
    tables name := (
        select nspname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
        where pg_class.oid = to_regclass('schema_migrations')
    );
    role name;
begin
    if tables is null then
        raise exception 'there are no tables of alpha-monday here'
            using hint = 'Run alpha-monday db up first, and this as the same user on the same database.';
    end if;
    foreach role in array array['alpha_monday_writer', 'alpha_monday_reader'] loop
        if not exists (select from pg_roles where rolname = role) then
            execute format('create role %I nologin', role);
        end if;
    end loop;

    -- Whoever may make a table, even a temporary one, could have its own found where the product looks for ours.
    execute format(
        'revoke create, temporary on database %I from public, alpha_monday_writer, alpha_monday_reader',
        current_database());
    execute format('grant connect on database %I to alpha_monday_writer, alpha_monday_reader', current_database());
    execute format('revoke create on schema %I from public, alpha_monday_writer, alpha_monday_reader', tables);
    execute format('grant usage on schema %I to alpha_monday_writer, alpha_monday_reader', tables);

    -- The names below mean the tables of this one schema.
    perform set_config('search_path', format('%I, pg_temp', tables), true);
end
$$;

revoke all on batches, picks, checkpoints, pick_checkpoint_metrics, events, waiting_days, scheduler_state,
    schema_migrations, migration_checksums
    from public, alpha_monday_writer, alpha_monday_reader;

grant select on batches, picks, checkpoints, pick_checkpoint_metrics, events, waiting_days, scheduler_state,
    schema_migrations, migration_checksums
    to alpha_monday_writer, alpha_monday_reader;

-- Append-only: a row is added and stays.
grant insert on batches, picks, checkpoints, pick_checkpoint_metrics, events to alpha_monday_writer;

-- A batch ends. The right is also what the guard of checkpoints and every writer need to lock the batch's row.
grant update (status) on batches to alpha_monday_writer;

-- What waits and what the schedulers tell each other comes and goes.
grant insert, update, delete on waiting_days, scheduler_state to alpha_monday_writer;

-- Who is not the owner is only warned that nothing was revoked, and a schema may have another owner than the tables.
do $$
begin
    if has_schema_privilege('alpha_monday_writer', current_schema(), 'create')
        or has_database_privilege('alpha_monday_writer', current_database(), 'create, temporary') then
        raise exception 'everybody may still make tables in the schema % or temporary ones in the database %',
                current_schema(), current_database()
            using hint = 'Have this run by a user who owns the database, the schema and the tables.';
    end if;
end
$$;

commit;
