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
-- What only a superuser may do (the limit on temporary files, large objects, advisory locks) is done where a superuser
-- runs this, and left undone with a notice elsewhere.

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
    schema_migrations, migration_checksums, scheduler_lead, week_openings, week_backfills
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

-- The locks by which processes take turns. LOCK TABLE in any mode takes one of the rights to update, delete or truncate;
-- of these, truncate permits nothing else on a view.
grant truncate on scheduler_lead, week_openings, week_backfills to alpha_monday_writer;

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

-- PostgreSQL takes settings from the role that logs in and not from those that it is a member of: each member who only
-- reads gets them by name, and one who is added later gets them when this is run again.
do $$
declare
    owner oid := (select relowner from pg_class where oid = 'schema_migrations'::regclass);
    reader name;
    setting text[];
begin
    for reader in
        with recursive members as (
            select member from pg_auth_members where roleid = 'alpha_monday_reader'::regrole
            union
            select deeper.member from pg_auth_members deeper join members on deeper.roleid = members.member
        )
        select rolname
        from pg_roles join members on members.member = pg_roles.oid
        where rolcanlogin and not rolsuper
          and not pg_has_role(pg_roles.oid, 'alpha_monday_writer', 'member')
          and not pg_has_role(pg_roles.oid, owner, 'member')
    loop
        foreach setting slice 1 in array array[['statement_timeout', '5min'], ['temp_file_limit', '1GB']] loop
            begin
                execute format('alter role %I in database %I set %I = %L',
                    reader, current_database(), setting[1], setting[2]);
            exception when insufficient_privilege then
                raise notice '% was not set for the reader %: %', setting[1], reader, sqlerrm
                    using hint = 'Have this run by a superuser.';
            end;
        end loop;
    end loop;
end
$$;

-- Anyone may make large objects, and no limit bounds them; advisory locks use up the lock table of the whole server.
do $$
declare
    call regprocedure;
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        raise notice 'everybody may still make large objects and take advisory locks in the database %',
                current_database()
            using hint = 'Have this run by a superuser.';
        return;
    end if;
    for call in
        select pg_proc.oid
        from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace
          and (
              proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_put', 'lo_truncate',
                          'lo_truncate64', 'lowrite')
              or proname ~ '^pg_(try_)?advisory_(xact_)?lock'
          )
    loop
        execute format('revoke execute on function %s from public, alpha_monday_writer, alpha_monday_reader', call);
    end loop;
end
$$;

commit;
