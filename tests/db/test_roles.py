"""The roles of db/roles.sql: exactly their rights, on every supported PostgreSQL, and everything else refused."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import migrate
from db.client_programs import client_environment
from db.embedded import client_tools
from db.errors import DatabaseRefusedError
from db.roles import roles_sql
from tests.databases import database_of
from tests.db.rows import insert, insert_parents

WRITER, READER = "alpha_monday_writer", "alpha_monday_reader"
APPEND_ONLY = ("batches", "picks", "checkpoints", "pick_checkpoint_metrics", "events")
MUTABLE = ("waiting_days", "scheduler_state")
KEPT = ("schema_migrations", "migration_checksums")
TABLES = (*APPEND_ONLY, *MUTABLE, *KEPT)

RIGHTS_ON_TABLES = """
select relname::text, null, privilege_type
from pg_class cross join aclexplode(coalesce(relacl, acldefault('r', relowner))) a
where relnamespace = {schema}::regnamespace and relkind in ('r', 'v', 'm', 'S', 'p', 'f') and {grantee}
union all
select relname::text, attname::text, privilege_type
from pg_attribute join pg_class on pg_class.oid = attrelid cross join aclexplode(attacl) a
where relnamespace = {schema}::regnamespace and {grantee}
union all
select 'schema', null, privilege_type
from pg_namespace cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
where pg_namespace.oid = {schema}::regnamespace and {grantee}
union all
select 'database', null, privilege_type
from pg_database cross join aclexplode(coalesce(datacl, acldefault('d', datdba))) a
where datname = current_database() and {grantee}
union all
select 'default', defaclobjtype::text, privilege_type
from pg_default_acl cross join aclexplode(defaclacl) a
where {grantee}
"""
READS = {(table, None, "SELECT") for table in TABLES} | {("schema", None, "USAGE"), ("database", None, "CONNECT")}
EVERYBODY = {("schema", None, "USAGE"), ("database", None, "CONNECT")}
WRITES = {
    *((table, None, "INSERT") for table in (*APPEND_ONLY, *MUTABLE)),
    *((table, None, right) for table in MUTABLE for right in ("UPDATE", "DELETE")),
    ("batches", "status", "UPDATE"),
}


class Users(NamedTuple):
    """A database and who may come to it, each as a conninfo; the tables stand in `schema`."""

    superuser: str
    owner: str
    writer: str
    reader: str
    schema: str


def _make(missing: str, schema: str) -> Iterator[Users]:
    mark = os.urandom(4).hex()
    users = [f"{kind} {mark}" for kind in ("owner", "writer", "reader")]
    path = "-c search_path=" + sql.Identifier(schema).as_string().replace(" ", r"\ ")
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        before = {row[0] for row in connection.execute("select rolname::text from pg_roles").fetchall()}
        for user in users:
            connection.execute(sql.SQL("create role {} login").format(sql.Identifier(user)))
        for role in {WRITER, READER} - before:
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
        for role, user in ((WRITER, users[1]), (READER, users[2])):
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(user)))
        name = sql.Identifier(database_of(missing))
        connection.execute(sql.SQL("create database {} owner {}").format(name, sql.Identifier(users[0])))
        addresses = [make_conninfo(missing, user=user, options=path) for user in users]
        with psycopg.connect(addresses[0], autocommit=True) as owner:
            owner.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        migrate.up(addresses[0])
        with psycopg.connect(addresses[0], autocommit=True) as owner:
            owner.execute(roles_sql().encode())
        owner_address, writer_address, reader_address = addresses
        yield Users(make_conninfo(missing, options=path), owner_address, writer_address, reader_address, schema)
        connection.execute(sql.SQL("drop database {} with (force)").format(name))
        for user in users:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))


@pytest.fixture
def users(missing: str) -> Iterator[Users]:
    """A database with the roles, its tables in the schema in which they usually stand."""
    yield from _make(missing, "public")


@pytest.fixture
def users_elsewhere(missing: str) -> Iterator[Users]:
    """A database with the roles, its tables in a schema of their own."""
    yield from _make(missing, "Our tables")


def rights(users: Users, role: str) -> set[tuple[str, str | None, str]]:
    """What was granted to `role`, or to everybody under the name `public`."""
    grantee = sql.SQL("a.grantee = {}").format(0 if role == "public" else sql.Literal(role) + sql.SQL("::regrole"))
    query = sql.SQL(RIGHTS_ON_TABLES).format(
        schema=sql.Literal(sql.Identifier(users.schema).as_string()), grantee=grantee
    )
    with psycopg.connect(users.superuser) as connection:
        return set(connection.execute(query).fetchall())


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_each_role_has_exactly_its_rights(users: Users) -> None:
    check_rights(users)


def test_each_role_has_exactly_its_rights_where_the_tables_stand_in_another_schema(users_elsewhere: Users) -> None:
    check_rights(users_elsewhere)


def check_rights(users: Users) -> None:
    """A table of a later migration is missing from what is expected until db/roles.sql deals with it."""
    assert rights(users, READER) == READS
    assert rights(users, WRITER) == READS | WRITES
    assert rights(users, "public") <= EVERYBODY
    with psycopg.connect(users.superuser) as connection:
        tables = connection.execute(
            "select relname::text from pg_class where relkind = 'r' and relnamespace = %s::regnamespace",
            (sql.Identifier(users.schema).as_string(),),
        ).fetchall()
        powers = connection.execute(
            "select rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls from pg_roles"
            " where rolname = any (%s)",
            ([WRITER, READER],),
        ).fetchall()
        wider = connection.execute(
            "select roleid::regrole::text from pg_auth_members where member::regrole::text = any (%s)",
            ([WRITER, READER],),
        ).fetchall()
    assert {name for (name,) in tables} == set(TABLES)
    assert powers == [(False,) * 6] * 2
    assert not wider


def test_the_rights_are_in_force_for_members(users: Users) -> None:
    query = """
    select t, p from unnest(%s::text[]) t, unnest(%s::text[]) p where has_table_privilege(t, p)
    """
    every = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
    expected = {right[::2] for right in WRITES | READS if right[0] in TABLES and right[1] is None}
    for address, wanted in ((users.writer, expected), (users.reader, {(table, "SELECT") for table in TABLES})):
        with psycopg.connect(address) as connection:
            assert set(connection.execute(query, (list(TABLES), every)).fetchall()) == wanted
            columns = connection.execute(
                "select attname::text from pg_attribute where attrelid = 'batches'::regclass and attnum > 0"
                " and has_column_privilege('batches', attname, 'UPDATE')"
            ).fetchall()
        assert columns == ([("status",)] if address == users.writer else [])


@pytest.mark.parametrize("again", ["", "revoke", "grant"])
def test_running_it_again_ends_in_the_same_rights(users: Users, again: str) -> None:
    if again == "revoke":
        execute(users.owner, f"revoke insert on events from {WRITER}; revoke usage on schema public from {READER}")
    if again == "grant":
        execute(
            users.owner,
            f"grant all on events, schema_migrations to {WRITER}; grant update (payload) on events to {WRITER};"
            f" grant select on picks to public; grant create on schema public to {READER}, {WRITER}",
        )
        assert rights(users, WRITER) != READS | WRITES
    execute(users.owner, roles_sql())
    assert rights(users, WRITER) == READS | WRITES
    assert rights(users, READER) == READS
    assert rights(users, "public") <= EVERYBODY


def test_a_table_that_hides_one_of_the_tables_is_not_taken_for_it(users: Users) -> None:
    with psycopg.connect(users.owner, autocommit=True) as owner:
        owner.execute(f"revoke all on events from {WRITER}, {READER}".encode())
        owner.execute("create schema near; create table near.picks (id integer)")
        owner.execute("create temporary table events (id integer)")
        owner.execute("set search_path = near, public")
        owner.execute(roles_sql().encode())
        assert owner.execute("show search_path").fetchone() == ("near, public",)
    assert rights(users, WRITER) == READS | WRITES
    assert rights(users, READER) == READS


@pytest.mark.parametrize(
    "left", ["grant create on schema public to public", "grant temporary on database {} to public"]
)
def test_a_right_that_the_user_may_not_take_away_is_told_and_nothing_is_granted(users: Users, left: str) -> None:
    """As in the schema `public` of a database that was made before PostgreSQL 15."""
    name = sql.Identifier(database_of(users.owner)).as_string()
    execute(users.owner, f"revoke all on events from {WRITER}")
    execute(
        users.superuser,
        f"alter schema public owner to postgres; alter database {name} owner to postgres; {left.format(name)}",
    )
    with psycopg.connect(users.owner, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="everybody may still make tables") as caught:
            connection.execute(roles_sql().encode())
        connection.execute("rollback")
    assert "owns the database, the schema and the tables" in (caught.value.diag.message_hint or "")
    assert ("events", None, "INSERT") not in rights(users, WRITER)


def test_the_page_names_the_same_rights() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    named: dict[int, set[tuple[str, str | None, str]]] = {1: set(), 2: set()}
    for row in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE):
        for place in row[0].removeprefix("the ").split(", "):
            if place in {*TABLES, "schema", "database"}:
                for column, found in named.items():
                    found.update(right_in(place, words) for words in row[column].split(", "))
    assert named == {1: READS | WRITES, 2: READS}


def right_in(place: str, words: str) -> tuple[str, str | None, str]:
    """The right on `place` that the page calls `words`."""
    of_column = re.fullmatch(r"(\w+) of `(\w+)` alone", words)
    return (place, of_column[2], of_column[1].upper()) if of_column else (place, None, words.upper())


FORBIDDEN = (
    *(f"{verb} {table}" for table in (*APPEND_ONLY, *KEPT) for verb in ("delete from", "truncate")),
    *(f"truncate {table}" for table in MUTABLE),
    *(f"drop table {table} cascade" for table in TABLES),
    *(f"alter table {table} disable trigger all" for table in TABLES),
    *(f"alter table {table} add column extra text" for table in TABLES),
    *(f"create index on {table} ((1))" for table in TABLES),
    "update batches set run_date = run_date",
    "update batches set benchmark_initial_price = 1",
    "update batches set created_at = now()",
    "update batches set status = status, benchmark_symbol = 'X'",
    "update picks set reasoning = ''",
    "update checkpoints set status = 'skipped'",
    "update pick_checkpoint_metrics set current_price = 1",
    "update events set payload = '{}'",
    "update schema_migrations set version = '1'",
    "update migration_checksums set sha256 = ''",
    "insert into schema_migrations values ('20990101000000')",
    "insert into migration_checksums values ('20990101000000', '')",
    "merge into events using (values (1)) v on true when matched then update set payload = '{}'",
    "merge into picks using (values (1)) v on true when matched then delete",
    "insert into batches select * from batches on conflict (run_date) do update set benchmark_symbol = 'X'",
    "create table own (id integer)",
    "create temporary table batches (id integer)",
    "create view seen as select 1",
    "create function ours() returns integer language sql as 'select 1'",
    "create schema own",
    "create extension pg_trgm",
    "create or replace function guard_append_only() returns trigger language plpgsql as 'begin return new; end'",
    "alter function guard_batch_is_active() reset search_path",
    "drop trigger events_are_append_only on events",
    "set session_replication_role = replica",
    "create role another",
    "create database another",
    "copy events to program 'true'",
    "copy events from '/etc/passwd'",
    "alter system set fsync = off",
    "select pg_reload_conf()",
    "select pg_read_file('/etc/passwd')",
)
READERS_FORBIDDEN = (
    *(f"insert into {table} table {table}" for table in TABLES),
    *(f"{verb} {table}" for table in MUTABLE for verb in ("delete from",)),
    "update batches set status = 'failed'",
    "select from batches for update",
    "select from batches for share",
    "update scheduler_state set value = '{}'",
    "update waiting_days set attempts = 2",
)


def not_refused(conninfo: str, statements: tuple[str, ...]) -> list[str]:
    """The statements that met with anything but a missing right, each with what it met."""
    found = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as exc:
                found.append(f"{statement}: {exc.sqlstate} {exc}")
            else:
                found.append(f"{statement}: done")
    return found


@pytest.fixture
def written(users: Users) -> Users:
    """The database with a row in every table; the rows are the writer's own."""
    with psycopg.connect(users.writer) as connection:
        parents = insert_parents(connection, "pick_checkpoint_metrics")
        insert(connection, "pick_checkpoint_metrics", **parents)
        insert(connection, "events")
        connection.execute("insert into scheduler_state (name, value) values ('x', '{}')")
        connection.execute(
            "insert into waiting_days select id, run_date, 'c', 'd', 1, now(), now(), now() from batches"
        )
    return users


def rows_of(conninfo: str) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(conninfo) as connection:
        return {
            table: connection.execute(sql.SQL("select * from {} order by 1").format(sql.Identifier(table))).fetchall()
            for table in TABLES
        }


def test_the_writer_is_refused_everything_else(written: Users) -> None:
    before = rows_of(written.superuser)
    assert all(before.values())
    assert not_refused(written.writer, FORBIDDEN) == []
    for table in TABLES:  # which is answered with a warning
        execute(written.writer, f"grant select, insert on {table} to public")
    assert rows_of(written.superuser) == before
    assert rights(written, "public") <= EVERYBODY


def test_the_reader_is_refused_every_write(written: Users) -> None:
    before = rows_of(written.superuser)
    assert not_refused(written.reader, (*FORBIDDEN, *READERS_FORBIDDEN)) == []
    assert rows_of(written.superuser) == before
    assert rows_of(written.reader) == before


def test_the_writer_needs_nothing_more_where_no_migration_is_pending(users: Users) -> None:
    execute(users.owner, "delete from migration_checksums where version like '%0002'")  # as after dbmate by hand
    assert migrate.up(users.writer) == []
    assert len(migrate.up(users.owner)) == 0
    with psycopg.connect(users.writer) as connection:
        assert connection.execute("select count(*) from migration_checksums").fetchone() == (len(migrate.shipped()),)


def test_the_writer_is_told_who_applies_a_migration_that_is_pending(users: Users, tmp_path: Path) -> None:
    directory = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    (directory / "20990101000001_later.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n")
    owner = str(conninfo_to_dict(users.owner)["user"])
    with pytest.raises(
        DatabaseRefusedError, match=r"'writer .*' may not change the tables: permission denied"
    ) as caught:
        migrate.up(users.writer, directory)
    assert caught.value.remedy == f'Run `alpha-monday db up` as the owner of the database ("{owner}").'
    assert [migration.name for migration in migrate.up(users.owner, directory)] == ["later"]
    assert migrate.up(users.writer, directory) == []


def test_psql_runs_it_as_a_script(users: Users) -> None:
    execute(users.owner, f"revoke all on events from {READER}")
    finished = subprocess.run(
        [client_tools() / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"],
        env=client_environment(users.owner),
        input=roles_sql().encode(),
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, b"", b"")
    assert rights(users, READER) == READS


def test_without_tables_it_says_what_to_do_first_and_grants_nothing(missing: str) -> None:
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(database_of(missing))))
    with psycopg.connect(missing, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="there are no tables") as caught:
            connection.execute(roles_sql().encode())
        connection.execute("rollback")
        granted = connection.execute("select datacl from pg_database where datname = current_database()").fetchone()
    assert "alpha-monday db up" in (caught.value.diag.message_hint or "")
    assert granted == (None,)


def test_an_owner_who_may_make_roles_needs_nobody_else(missing: str) -> None:
    """On a server that knows neither role yet."""
    mark = os.urandom(4).hex()
    owner = sql.Identifier(f"owner {mark}")
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        name = sql.Identifier(database_of(missing))
        renamed = []
        for role in (WRITER, READER):
            with suppress(psycopg.errors.UndefinedObject):
                connection.execute(f"alter role {role} rename to {role}_aside".encode())
                renamed.append(role)
        try:
            connection.execute(sql.SQL("create role {} login createrole").format(owner))
            connection.execute(sql.SQL("create database {} owner {}").format(name, owner))
            address = make_conninfo(missing, user=f"owner {mark}")
            migrate.up(address)
            execute(address, roles_sql())
            users = Users(missing, address, "", "", "public")
            assert rights(users, WRITER) == READS | WRITES
            assert rights(users, READER) == READS
        finally:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            for role in (WRITER, READER):
                connection.execute(f"drop role if exists {role}".encode())
            connection.execute(sql.SQL("drop role {}").format(owner))
            for role in renamed:
                connection.execute(f"alter role {role}_aside rename to {role}".encode())
