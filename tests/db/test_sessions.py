"""No setting of a server, a database, a role or libpq's environment changes what sessions read and write."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import migrate, sessions
from db.backup import backup, restore
from db.client_programs import client_environment, run_client
from db.database import Database
from db.dumps import connected
from db.embedded import EmbeddedServer
from db.errors import DatabaseRefusedError, RowRefusedError
from db.libpq_environment import with_service
from tests.conftest import FAST_AND_FORGETFUL
from tests.databases import database_of
from tests.db.conftest import Postgres15

FOREIGN = {
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Tokyo",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "extra_float_digits": "-5",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "session_replication_role": "replica",
    "statement_timeout": "400ms",
    "lock_timeout": "400ms",
    "idle_in_transaction_session_timeout": "400ms",
    "idle_session_timeout": "400ms",
}
VALUE = "select '2026-01-05'::date, '2026-01-05 12:00+00'::timestamptz, '☀ 🚀', %s::interval, %s::bytea, %s::text[]"
READ = [
    "--no-psqlrc",
    "-At",
    "-c",
    "select '2026-01-05'::date, '2026-01-05 12:00+00'::timestamptz, current_setting('search_path')",
]
# What another program's shell may hold; most of it ends or changes a connection that takes it.
ENVIRONMENT = {
    "PGDATESTYLE": "nonsense",
    "PGTZ": "Mars",
    "PGGEQO": "nonsense",
    "PGCLIENTENCODING": "LATIN1",
    "PGOPTIONS": "-c search_path=nowhere -c datestyle=German",
    "PGSERVICE": "missing",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGREQUIREPEER": "nobody at all",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "system",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLCERTMODE": "require",
    "PGGSSENCMODE": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGLOADBALANCEHOSTS": "nonsense",
    "PGCONNECT_TIMEOUT": "soon",
    "PGMINPROTOCOLVERSION": "nonsense",
    "PGMAXPROTOCOLVERSION": "nonsense",
    "PGHOSTADDR": "127.0.0.1",
    "PGPASSFILE": "/",
    "PGAPPNAME": "another",
}


def give(conninfo: str, settings: dict[str, str], to: str = "database") -> None:
    """Makes `settings` those with which sessions of the database or role of `conninfo` begin."""
    given = conninfo_to_dict(conninfo)
    name = sql.Identifier(str(given["dbname" if to == "database" else "user"]))
    with psycopg.connect(make_conninfo(conninfo, dbname="postgres"), autocommit=True) as connection:
        for setting, value in settings.items():
            alter = sql.SQL("alter {} {} set {} = {}")
            connection.execute(alter.format(sql.SQL(to), name, sql.Identifier(setting), sql.Literal(value)))


async def is_ours(connection: psycopg.AsyncConnection[Any]) -> None:
    cursor = await connection.execute(VALUE, ("3 days", b"\x00\\", ["NULL", None]))
    read = await cursor.fetchone()
    assert read is not None
    assert read[:3] == (date(2026, 1, 5), datetime(2026, 1, 5, 12, tzinfo=UTC), "☀ 🚀")
    assert (read[3].days, read[4], read[5]) == (3, b"\x00\\", ["NULL", None])
    names = [name for name in FOREIGN if name != "extra_float_digits"]
    cursor = await connection.execute("select name, current_setting(name) from unnest(%s::text[]) name", (names,))
    assert dict(await cursor.fetchall()) == {name: sessions.SETTINGS[name] for name in names}


@pytest.fixture
def hostile(migrated: str) -> str:
    """A migrated database on each supported server in turn, whose sessions begin with other settings than usual."""
    give(migrated, FOREIGN)
    return migrated


class TestSettingsOfTheDatabase:
    async def test_do_not_reach_any_connection(self, hostile: str) -> None:
        async with Database(hostile) as database:
            for opening in (database.connection, database.dedicated):
                async with opening() as connection:
                    await is_ours(connection)
        async with connected(hostile) as connection:
            await connection.rollback()
            await is_ours(connection)
        with sessions.connect(hostile) as synchronous:
            found = synchronous.execute("select current_setting('datestyle'), '☀'").fetchone()
            assert found == ("ISO, MDY", "☀")

    async def test_do_not_switch_the_guards_off(self, hostile: str) -> None:
        async with Database(hostile) as database:
            with pytest.raises(RowRefusedError, match="batches_run_date_is_monday"):
                async with database.transaction() as connection:
                    await connection.execute(
                        "insert into batches (id, run_date, benchmark_initial_price, status) "
                        "values (gen_random_uuid(), '2020-01-07', 1, 'active')"
                    )
            async with database.transaction() as connection:
                await connection.execute(
                    "insert into batches (id, run_date, benchmark_initial_price, status) "
                    "values (gen_random_uuid(), '2020-01-06', 1, 'active')"
                )
            with pytest.raises(RowRefusedError):
                async with database.transaction() as connection:
                    await connection.execute("update batches set benchmark_initial_price = 2")

    def test_do_not_stop_migrations(self, missing: str, tmp_path: Path) -> None:
        directory = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
        slow = "-- migrate:up\nselect pg_sleep(1);\n-- migrate:down\nselect pg_sleep(1);\n"
        (directory / "20990101000001_slow.sql").write_text(slow)
        with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(database_of(missing))))
        give(missing, FOREIGN)
        assert len(migrate.up(missing, directory)) == len(migrate.shipped()) + 1
        assert migrate.down(missing, directory) is not None

    async def test_do_not_stop_a_restore(self, missing: str, filled: str, scratch: Path, tmp_path: Path) -> None:
        with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(database_of(missing))))
        give(missing, FOREIGN)
        held = await backup(filled, tmp_path / "backup")
        assert (await restore(missing, tmp_path / "backup")).held == held

    async def test_nor_do_those_of_a_role(self, migrated: str) -> None:
        name = f"role {os.urandom(4).hex()}"
        with psycopg.connect(migrated, autocommit=True) as connection:
            connection.execute(sql.SQL("create role {} superuser login").format(sql.Identifier(name)))
        asked = make_conninfo(migrated, user=name)
        try:
            give(asked, FOREIGN, to="role")
            async with Database(asked) as database, database.connection() as pooled:
                await is_ours(pooled)
        finally:
            with psycopg.connect(migrated, autocommit=True) as connection:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))

    async def test_a_user_who_may_not_switch_the_guards_on_is_refused(self, hostile: str) -> None:
        name = f"role {os.urandom(4).hex()}"
        with psycopg.connect(hostile, autocommit=True) as connection:
            connection.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        try:
            with pytest.raises(DatabaseRefusedError, match="session_replication_role"):
                await Database(make_conninfo(hostile, user=name)).open()
        finally:
            with psycopg.connect(hostile, autocommit=True) as connection:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


class TestTheEnvironmentBesideTheEmbeddedServer:
    @pytest.fixture(params=[*ENVIRONMENT, "all of it"], autouse=True)
    def set_for_another_database(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in ENVIRONMENT.items():
            if request.param in (name, "all of it"):
                monkeypatch.setenv(name, value)

    async def test_changes_nothing(self, server: EmbeddedServer, capfd: pytest.CaptureFixture[str]) -> None:
        conninfo = server.conninfo("postgres")
        with psycopg.connect(conninfo) as direct:
            assert direct.execute("select '2026-01-05'::date, '☀'").fetchone() == (date(2026, 1, 5), "☀")
        async with Database(conninfo) as database, database.connection() as pooled:
            await is_ours(pooled)
            cursor = await pooled.execute("select current_setting('search_path'), current_setting('application_name')")
            assert await cursor.fetchone() == ('"$user", public', "alpha-monday")
        printed = await run_client("psql", READ, conninfo, "")
        assert printed == '2026-01-05|2026-01-05 12:00:00+00|"$user", public\n'
        assert capfd.readouterr().err == "", "libpq warns over the screen"


async def test_a_cold_start_takes_nothing_from_the_environment(
    reachable_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ENVIRONMENT, "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    directory = Path(tempfile.mkdtemp(dir=reachable_directory))
    directory.chmod(0o755)
    with EmbeddedServer.start(directory / "server", FAST_AND_FORGETFUL) as server:
        assert len(migrate.up(server.conninfo("cold"))) == len(migrate.shipped())
        async with Database(server.conninfo("cold")) as database, database.connection() as connection:
            await is_ours(connection)


class TestTheEnvironmentBesideAnAddress:
    """It may supply what DATABASE_URL omits, and nothing that changes results."""

    async def test_supplies_a_password(self, postgres_15: Postgres15, monkeypatch: pytest.MonkeyPatch) -> None:
        with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("create role supplied login password 'Pa55-marker'")
        try:
            monkeypatch.setenv("PGPASSWORD", "Pa55-marker")
            address = postgres_15.tcp_conninfo("postgres", user="supplied")
            async with Database(address) as database, database.connection() as pooled:
                await is_ours(pooled)
            assert (await run_client("psql", READ, address, "")).startswith("2026-01-05|2026-01-05 12:00:00+00|")
        finally:
            with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
                connection.execute("drop role supplied")

    @pytest.mark.parametrize("name", ["PGDATESTYLE", "PGTZ", "PGGEQO", "PGCLIENTENCODING", "PGOPTIONS"])
    async def test_supplies_no_setting(
        self, postgres_15: Postgres15, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, ENVIRONMENT[name])
        address = postgres_15.conninfo("postgres")
        async with Database(address) as database, database.connection() as pooled:
            await is_ours(pooled)
            cursor = await pooled.execute("select current_setting('search_path')")
            assert await cursor.fetchone() == ('"$user", public',)
        assert client_environment(address)[b"PGCLIENTENCODING"] == b"UTF8"
        assert (await run_client("psql", READ, address, "")).endswith('|"$user", public\n')

    async def test_an_address_keeps_its_own_options(self, migrated: str) -> None:
        address = make_conninfo(migrated, options="-c search_path=elsewhere")
        async with Database(address) as database, database.connection() as pooled:
            cursor = await pooled.execute("select current_setting('search_path')")
            assert await cursor.fetchone() == ("elsewhere",)

    async def test_a_service_supplies_its_place_and_no_settings(
        self, server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "services"
        host = conninfo_to_dict(server.conninfo("postgres"))["host"]
        file.write_text(f"[here]\nhost={host}\nuser=postgres\noptions=-c search_path=nowhere\n")
        monkeypatch.setenv("PGSERVICEFILE", str(file))
        monkeypatch.setenv("PGSERVICE", "here")
        address = with_service("dbname=postgres")
        server.conninfo("postgres")  # takes the service out of the environment
        for name in (address, make_conninfo(address)):
            async with Database(name) as database, database.connection() as pooled:
                cursor = await pooled.execute("select current_database(), current_setting('search_path')")
                assert await cursor.fetchone() == ("postgres", '"$user", public')

    def test_a_service_that_is_missing_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PGSERVICE", "missing")
        with pytest.raises(DatabaseRefusedError, match="PGSERVICE names the service 'missing'") as caught:
            with_service("postgresql://h/d")
        assert "unset it" in caught.value.remedy
        monkeypatch.delenv("PGSERVICE")
        assert with_service("postgresql://h/d") == "postgresql://h/d"


@contextmanager
def database_in(server: Postgres15, encoding: str) -> Iterator[str]:
    name = f"in {encoding}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        create = sql.SQL("create database {} encoding {} lc_collate 'C' lc_ctype 'C' template template0")
        connection.execute(create.format(sql.Identifier(name), sql.Literal(encoding)))
        yield server.conninfo(name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP", "WIN1252"])
    async def test_that_cannot_hold_text_are_refused_before_anything_is_written(
        self, postgres_15: Postgres15, encoding: str
    ) -> None:
        with database_in(postgres_15, encoding) as conninfo:
            with pytest.raises(DatabaseRefusedError, match=f"has the encoding {encoding}") as caught:
                migrate.up(conninfo)
            assert "encoding UTF8" in caught.value.remedy
            with pytest.raises(DatabaseRefusedError, match=encoding):
                await Database(conninfo, read_only=True).open()
            with pytest.raises(DatabaseRefusedError, match=encoding):
                async with connected(conninfo):
                    pytest.fail("it was opened")
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (
                    0,
                )

    def test_a_missing_database_is_made_in_utf8_whatever_the_server_s_own(self, postgres_15: Postgres15) -> None:
        remake = (
            "alter database template1 is_template false",
            "drop database template1",
            "create database template1 template template0 encoding '{}' lc_collate 'C' lc_ctype 'C' is_template true",
        )
        with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
            try:
                for statement in remake:
                    connection.execute(statement.format("SQL_ASCII").encode())
                assert len(migrate.up(postgres_15.conninfo("made here"))) == len(migrate.shipped())
            finally:
                connection.execute('drop database if exists "made here" with (force)')
                for statement in remake:
                    connection.execute(statement.format("UTF8").encode())
