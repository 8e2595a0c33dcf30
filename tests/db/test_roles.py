"""The roles of db/roles.sql: exactly their rights, on every supported PostgreSQL."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import dbmate, migrate
from db.backup import backup
from db.client_programs import client_environment
from db.embedded import client_tools
from db.errors import DatabaseRefusedError
from db.roles import roles_sql
from tests.databases import database_of
from tests.db.role_users import (
    EVERYBODY,
    LOCKS,
    READER,
    READS,
    TABLES,
    WRITER,
    WRITES,
    Users,
    execute,
    rights,
    with_roles,
)


@pytest.fixture
def users_elsewhere(missing: str) -> Iterator[Users]:
    """A database with the roles, its tables in a schema of their own."""
    yield from with_roles(missing, "Our tables")


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
            "select relname::text from pg_class where relkind in ('r', 'v') and relnamespace = %s::regnamespace",
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
    assert {name for (name,) in tables} == {*TABLES, *LOCKS}
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
            if place in {*TABLES, *LOCKS, "schema", "database"}:
                for column, found in named.items():
                    found.update(right_in(place, words) for words in row[column].split(", ") if words != "none")
    assert named == {1: READS | WRITES, 2: READS}


def right_in(place: str, words: str) -> tuple[str, str | None, str]:
    """The right on `place` that the page calls `words`."""
    of_column = re.fullmatch(r"(\w+) of `(\w+)` alone", words)
    return (place, of_column[2], of_column[1].upper()) if of_column else (place, None, words.upper())


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


def test_no_lock_that_a_reader_can_take_holds_up_a_migration(
    users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbmate, "WITHIN_S", 5)
    directory = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    (directory / "20990101000001_later.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n")
    with psycopg.connect(users.reader) as connection:
        connection.execute("select pg_advisory_lock(48372615)")  # dbmate's, when it is asked for one
        connection.execute("select * from schema_migrations")
        assert [migration.name for migration in migrate.up(users.owner, directory)] == ["later"]
        assert migrate.down(users.owner, directory)


def test_psql_runs_it_as_a_script(users: Users) -> None:
    execute(users.owner, f"revoke all on events from {READER}")
    finished = subprocess.run(
        [client_tools() / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"],
        env=client_environment(users.owner),
        input=roles_sql().encode(),
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (0, b"")
    notices = {line.split(b":")[0] for line in finished.stderr.splitlines()}
    assert notices <= {b"NOTICE", b"HINT"}, finished.stderr
    assert rights(users, READER) == READS


STORING = (
    "select lo_creat(-1)",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'kept')",
    "select lo_put(1, 0, 'kept')",
    "select lowrite(0, 'kept')",
    "select lo_truncate(0, 9)",
    "select lo_truncate64(0, 9)",
    "select lo_import('/etc/hostname')",
)
LOCKING = tuple(
    f"select pg_{verb}advisory_{span}lock{kind}({key})"
    for verb in ("", "try_")
    for span in ("", "xact_")
    for kind in ("", "_shared")
    for key in ("1", "1, 2")
)


def notices_of(conninfo: str) -> list[str]:
    """Runs the script; gives its notices."""
    notices: list[str] = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        connection.execute(roles_sql().encode())
    return notices


def limits_of(conninfo: str) -> tuple[str, ...]:
    """`statement_timeout` and `temp_file_limit` of a new session."""
    with psycopg.connect(conninfo) as connection:
        query = "select current_setting('statement_timeout'), current_setting('temp_file_limit')"
        return connection.execute(query).fetchone() or ()


def refused(conninfo: str, statements: tuple[str, ...]) -> set[str]:
    """The statements for which a user lacks a right."""
    found = set()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                found.add(statement)
            except psycopg.errors.UndefinedObject:
                pass  # a large object that nobody has opened
    return found


NO_LIMITS, LIMITS = ("0", "-1"), ("5min", "1GB")


def test_a_superuser_limits_who_only_reads(users: Users) -> None:
    assert limits_of(users.reader) == NO_LIMITS
    assert notices_of(users.superuser) == []
    assert limits_of(users.reader) == LIMITS
    assert (limits_of(users.owner), limits_of(users.writer)) == (NO_LIMITS, NO_LIMITS)
    with psycopg.connect(users.reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("set temp_file_limit = -1")


def test_a_reader_who_also_writes_and_one_who_reads_through_another_role(users: Users) -> None:
    mark = os.urandom(4).hex()
    between, both = sql.Identifier(f"between {mark}"), sql.Identifier(f"both {mark}")
    reader = sql.Identifier(str(conninfo_to_dict(users.reader)["user"]))
    with psycopg.connect(users.superuser, autocommit=True) as connection:
        try:
            connection.execute(sql.SQL("create role {} in role {}").format(between, sql.Identifier(READER)))
            connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(READER), reader))
            connection.execute(sql.SQL("grant {} to {}").format(between, reader))
            roles = sql.SQL("{}, {}").format(sql.Identifier(READER), sql.Identifier(WRITER))
            connection.execute(sql.SQL("create role {} login in role {}").format(both, roles))
            notices_of(users.superuser)
            assert limits_of(users.reader) == LIMITS
            assert limits_of(make_conninfo(users.reader, user=f"both {mark}")) == NO_LIMITS
        finally:
            for role in (both, between):
                connection.execute(sql.SQL("drop role if exists {}").format(role))


def test_an_owner_without_the_rights_for_it_is_told_what_was_not_done(users: Users) -> None:
    notices = notices_of(users.owner)
    reader = str(conninfo_to_dict(users.reader)["user"])
    for name in ("statement_timeout", "temp_file_limit"):
        assert any(notice.startswith(f"{name} was not set for the reader {reader}: ") for notice in notices)
    assert any("everybody may still make large objects" in notice for notice in notices)
    assert limits_of(users.reader) == NO_LIMITS
    assert rights(users, READER) == READS


def test_an_owner_to_whom_a_superuser_gave_the_rights_sets_the_limits(users: Users) -> None:
    owner, reader = (sql.Identifier(str(conninfo_to_dict(user)["user"])) for user in (users.owner, users.reader))
    with psycopg.connect(users.superuser, autocommit=True) as connection:
        connection.execute(sql.SQL("grant set on parameter temp_file_limit to {}").format(owner))
        connection.execute(sql.SQL("alter role {} createrole").format(owner))
        if connection.info.server_version >= 160000:
            connection.execute(sql.SQL("grant {} to {} with admin option, inherit false").format(reader, owner))
        try:
            execute(users.owner, roles_sql())
            assert limits_of(users.reader) == LIMITS
        finally:
            connection.execute(sql.SQL("revoke set on parameter temp_file_limit from {}").format(owner))


def test_a_superuser_takes_away_large_objects_and_advisory_locks(users: Users) -> None:
    assert refused(users.reader, (*STORING, *LOCKING)) == {"select lo_import('/etc/hostname')"}
    assert notices_of(users.superuser) == []
    for user in (users.reader, users.writer, users.owner):
        assert refused(user, (*STORING, *LOCKING)) == {*STORING, *LOCKING}


def test_the_owner_migrates_and_a_reader_backs_up_where_a_superuser_ran_it(users: Users, tmp_path: Path) -> None:
    notices_of(users.superuser)
    directory = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    (directory / "20990101000001_later.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n")
    assert [migration.name for migration in migrate.up(users.owner, directory)] == ["later"]
    assert migrate.down(users.owner, directory)
    asyncio.run(backup(users.reader, tmp_path / "backup"))
    assert (tmp_path / "backup").stat().st_size > 0


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
