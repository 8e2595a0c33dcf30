"""Connections: what each way of failing is called, what a session may do, and that a lost one is got over."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from datetime import date

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from db import events, migrate, sessions
from db.address import parse_conninfo, secrets_of, shown_address
from db.database import CHANNEL, Database
from db.driver_errors import translate, translated
from db.embedded import EmbeddedServer
from db.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    RowRefusedError,
    SchemaError,
)
from tests.db.conftest import Postgres15

MARKER = "Pa55-marker"


@contextmanager
def role(server: EmbeddedServer | Postgres15, name: str) -> Iterator[None]:
    """A role that may log in by a password, and nothing else."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login password {}").format(sql.Identifier(name), sql.Literal(MARKER))
        )
        yield
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


class TestFailures:
    @pytest.mark.parametrize(
        "address", ["postgresql://127.0.0.1:1/x", "host=/nowhere dbname=x", "postgresql://no-such-host.invalid/x"]
    )
    async def test_unreachable(self, address: str) -> None:
        with pytest.raises(DatabaseUnavailableError, match="cannot be reached") as caught:
            await Database(address).open()
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        assert caught.value.remedy

    async def test_no_such_database_or_user(self, server: EmbeddedServer) -> None:
        with pytest.raises(DatabaseRefusedError, match="no_such_database"):
            await Database(server.conninfo("no_such_database")).open()
        with pytest.raises(DatabaseRefusedError, match="no_such_user"):
            await Database(f"{server.conninfo('postgres')} user=no_such_user").open()

    async def test_a_wrong_password(self, postgres_15: Postgres15) -> None:
        with role(postgres_15, "asked"):
            right = postgres_15.tcp_conninfo("postgres", user="asked", password=MARKER)
            async with Database(right) as database, database.connection() as connection:
                await connection.execute("select 1")
            for password in (f"wrong-{MARKER}", ""):
                with pytest.raises(DatabaseRefusedError) as caught:
                    await Database(postgres_15.tcp_conninfo("postgres", user="asked", password=password)).open()
                assert MARKER not in str(caught.value)
                assert "asked" in str(caught.value) or "password" in str(caught.value)

    async def test_a_missing_right(self, server: EmbeddedServer, conninfo: str) -> None:
        with role(server, "reader"):
            async with Database(f"{conninfo} user=reader") as database:
                with pytest.raises(DatabaseRefusedError, match="lacks a right: permission denied for table batches"):
                    async with database.connection() as connection:
                        await connection.execute("select * from batches")

    async def test_a_refused_row(self, conninfo: str) -> None:
        async with Database(conninfo) as database:
            with pytest.raises(RowRefusedError, match="batches_run_date_is_monday"):
                async with database.transaction() as connection:
                    await connection.execute(
                        "insert into batches (id, run_date, benchmark_initial_price, status) "
                        "values (gen_random_uuid(), '2020-01-07', 1, 'active')"
                    )
            with pytest.raises(DatabaseError, match="42P01"):
                async with database.connection() as connection:
                    await connection.execute("select * from nowhere")

    def test_a_full_disk(self) -> None:
        assert isinstance(translate(psycopg.errors.DiskFull("could not extend file")), DatabaseFullError)
        assert isinstance(
            translate(psycopg.OperationalError("could not write: No space left on device")), DatabaseFullError
        )

    @pytest.mark.parametrize("state", ["starting up", "shutting down", "in recovery mode"])
    def test_what_waiting_mends_is_no_refusal(self, state: str) -> None:
        error = psycopg.OperationalError(f'connection to server at "h" failed: FATAL:  the database system is {state}')
        assert type(translate(error)) is DatabaseUnavailableError

    @pytest.mark.parametrize("error", [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected])
    def test_another_process_in_the_way_is_no_lost_server(self, error: type[psycopg.Error]) -> None:
        found = translate(error("could not go on"))
        assert type(found) is DatabaseBusyError
        assert "Another process was in the way" in found.message
        assert "cannot be reached" not in found.message
        assert "is tried again" in found.remedy

    def test_the_cause_is_kept(self) -> None:
        with pytest.raises(DatabaseUnavailableError) as caught, translated():
            raise psycopg.InterfaceError("the connection is closed")
        assert isinstance(caught.value.__cause__, psycopg.InterfaceError)


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("postgresql://u:secret@h:1/d", "user=u password=*** dbname=d host=h port=1"),
            ("host=h password='a b' sslpassword=x", "host=h password=*** sslpassword=***"),
            ("postgresql://h/d?scram_client_key=key", "dbname=d host=h scram_client_key=***"),
            ("postgresql://u@h1:1,h2:2/d", "user=u dbname=d host=h1,h2 port=1,2"),
            ("host=@abstract dbname=a@b", "host=@abstract dbname=a@b"),
            ("postgresql://h/a%40b", "dbname=a@b host=h"),
            ("", ""),
        ],
    )
    def test_are_shown_without_secrets(self, url: str, shown: str) -> None:
        assert conninfo_to_dict(shown_address(url)) == conninfo_to_dict(shown)

    @pytest.mark.parametrize(
        "url",
        [
            f"postgres//u:{MARKER}@h/d",
            f"postgresql://u:x@{MARKER}@h/d",
            f"postgresql://u:{MARKER}/x@h/d",
            f"postgresql://u:1/{MARKER}@h/d",
            f"postgresql://u:1/{MARKER}%40x@h/d",
            f"postgresql://u:1/{MARKER}@h/d%40x",
            f"postgresql://u:{MARKER}@@h/d",
            f"postgresql://u:{MARKER}@,@h/d",
            f"postgresql://u:x@h/{MARKER}%40@h/d",
            f"postgresql://u:x@h1,u:{MARKER}@h2/d",
            f"postgresql://u:{MARKER}%zz@h/d",
            f"host=h port={MARKER}",
            f"password=x {MARKER}",
            f"host=h nonsense={MARKER}",
            f"host=h\0password={MARKER}",
            f"host=h password={MARKER}\udcff",
        ],
    )
    def test_are_refused_without_being_repeated(self, url: str) -> None:
        with pytest.raises(DatabaseRefusedError) as caught:
            parse_conninfo(url)
        assert caught.value.__context__ is None, "the driver's error repeats it"
        assert MARKER not in caught.value.message + caught.value.remedy
        assert url in secrets_of(url)

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://u:a%40b%2Fc@h/d",
            "postgresql://u:a?b:c@h/d",
            "postgresql:///d?user=me@realm&host=/tmp",
            "postgresql://u@h1,h2:5433/d?target_session_attrs=read-write",
            "postgresql://u:p@[::1]:5432/d",
            "postgresql://%2Ftmp/d",
            "host=@abstract dbname=my@db password=a@b/c",
        ],
    )
    def test_with_everything_in_place_are_taken(self, url: str) -> None:
        assert conninfo_to_dict(parse_conninfo(url)) == conninfo_to_dict(url)

    def test_secrets_are_known_as_written_and_as_read(self) -> None:
        assert secrets_of("postgresql://u:a%40b@h/d") == {"a%40b", "a@b"}
        assert secrets_of("host=h password=abc") == {"abc"}
        assert secrets_of("postgresql://u@h/d") == set()

    def test_a_host_is_known_where_there_is_one(self, conninfo: str) -> None:
        assert Database("postgresql://db.test/x").host == "db.test"
        assert Database(conninfo).host is None
        assert Database("host=@abstract").host is None


class TestSessions:
    async def test_a_read_only_session_refuses_writes(self, conninfo: str) -> None:
        async with Database(conninfo, read_only=True) as database:
            for opening in (database.connection, database.transaction, database.dedicated, database.snapshot):
                async with opening() as connection:
                    await connection.execute("select * from batches")
                with pytest.raises(DatabaseReadOnlyError, match="read-only"):
                    async with opening() as connection:
                        await connection.execute("insert into scheduler_state (name, value) values ('x', '{}')")

    async def test_a_snapshot_refuses_writes_in_any_session(self, conninfo: str) -> None:
        async with Database(conninfo) as database:
            with pytest.raises(DatabaseReadOnlyError):
                async with database.snapshot() as connection:
                    await connection.execute("insert into scheduler_state (name, value) values ('x', '{}')")

    async def test_sessions_are_in_utc(self, conninfo: str) -> None:
        async with Database(conninfo) as database, database.connection() as connection:
            cursor = await connection.execute("show timezone")
            assert await cursor.fetchone() == ("UTC",)

    async def test_a_lock_is_not_waited_for_without_end(self, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        async with Database(conninfo) as database, database.connection() as connection:
            assert await (await connection.execute("show lock_timeout")).fetchone() == ("10s",)
        monkeypatch.setitem(sessions.SETTINGS, "lock_timeout", "50ms")
        async with Database(conninfo) as database, database.transaction() as holding:
            await events.serialise_openings(holding)
            with pytest.raises(DatabaseBusyError, match="Another process was in the way"):
                async with database.transaction() as waiting:
                    await events.serialise_openings(waiting)

    async def test_behind_a_pooler_nothing_is_prepared(self, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A pooler makes up the session's number that it tells at the start."""
        async with Database(conninfo) as database, database.dedicated() as direct:
            assert direct.prepare_threshold is not None
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 0)
        async with (
            Database(conninfo) as database,
            database.dedicated() as dedicated,
            database.connection() as pooled,
        ):
            assert (dedicated.prepare_threshold, pooled.prepare_threshold) == (None, None)

    async def test_the_servers_usual_isolation_does_not_matter(self, conninfo: str, owner_conninfo: str) -> None:
        with psycopg.connect(owner_conninfo, autocommit=True) as connection:
            connection.execute(
                sql.SQL("alter database {} set default_transaction_isolation = 'serializable'").format(
                    sql.Identifier(connection.info.dbname)
                )
            )
        async with Database(conninfo) as database:
            for opening, expected in (
                (database.connection, "read committed"),
                (database.transaction, "read committed"),
                (database.dedicated, "read committed"),
                (database.snapshot, "repeatable read"),
            ):
                async with opening() as connection:
                    cursor = await connection.execute("show transaction_isolation")
                    assert await cursor.fetchone() == (expected,)

    async def test_a_transaction_is_undone_by_an_error(self, conninfo: str) -> None:
        async with Database(conninfo) as database:
            with suppress(ZeroDivisionError):
                async with database.transaction() as connection:
                    await connection.execute("insert into scheduler_state (name, value) values ('x', '{}')")
                    raise ZeroDivisionError
            async with database.connection() as connection:
                cursor = await connection.execute("select count(*) from scheduler_state")
                assert await cursor.fetchone() == (0,)

    async def test_a_killed_connection_is_replaced(self, server: EmbeddedServer, conninfo: str) -> None:
        async with Database(conninfo, application_name="victim") as database:
            with pytest.raises(DatabaseUnavailableError):
                await write_while_killed(server, database)
            kill(server, "victim")
            async with database.connection() as connection:
                cursor = await connection.execute("select count(*) from scheduler_state")
                assert await cursor.fetchone() == (0,)

    async def test_notifications_come_and_end_with_their_connection(
        self, server: EmbeddedServer, conninfo: str
    ) -> None:
        async with Database(conninfo, application_name="listener") as database:
            heard = database.notifications()
            assert await anext(heard) is None
            async with database.transaction() as connection:
                await events.notify(connection, [])
                await events.notify(connection, [date(2020, 1, 6)])
                await events.notify_schedule(connection)
            assert await asyncio.wait_for(anext(heard), 5) is None
            assert await asyncio.wait_for(anext(heard), 5) == frozenset({date(2020, 1, 6)})
            assert await asyncio.wait_for(anext(heard), 5) == frozenset()
            kill(server, "listener")
            with pytest.raises(DatabaseUnavailableError):
                await asyncio.wait_for(anext(heard), 5)

    @pytest.mark.parametrize(
        "payload", ["", "nonsense", "1", "null", '"2020-01-06"', '{"2020-01-06": 1}', "[1]", '["a"]', "[" * 7000]
    )
    async def test_a_notification_of_another_form_says_that_anything_changed(self, conninfo: str, payload: str) -> None:
        async with Database(conninfo) as database:
            heard = database.notifications()
            assert await anext(heard) is None
            async with database.connection() as connection:
                await connection.execute("select pg_notify(%s, %s)", (CHANNEL, payload))
                await connection.execute("select pg_notify(%s, %s)", (CHANNEL, '["2020-01-06"]'))
            assert await asyncio.wait_for(anext(heard), 5) is None
            assert await asyncio.wait_for(anext(heard), 5) == frozenset({date(2020, 1, 6)})
            assert isinstance(heard, AsyncGenerator)
            await heard.aclose()


class TestReaders:
    """Those who may not migrate."""

    async def test_a_database_without_tables(self, bare_conninfo: str) -> None:
        async with Database(bare_conninfo) as database, database.connection() as connection:
            found = await migrate.check(connection)
        with pytest.raises(SchemaError, match="behind") as caught:
            migrate.raise_unless_current(found, may_be_behind=False)
        assert "alpha-monday db up" in caught.value.remedy

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("insert into schema_migrations values ('20990101000000')", "newer version of alpha-monday"),
            ("update migration_checksums set sha256 = 'x' where version like '%0006'", "Edited after being applied"),
            ("delete from schema_migrations where version like '%0011'", "behind"),
        ],
    )
    async def test_tables_that_do_not_fit(self, conninfo: str, owner_conninfo: str, statement: str, said: str) -> None:
        with psycopg.connect(owner_conninfo, autocommit=True) as connection:
            connection.execute(statement.encode())
        async with Database(conninfo) as database, database.connection() as pooled:
            found = await migrate.check(pooled)
        with pytest.raises(SchemaError, match=said):
            migrate.raise_unless_current(found, may_be_behind=False)


async def write_while_killed(server: EmbeddedServer, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into scheduler_state (name, value) values ('x', '{}')")
        kill(server, "victim")
        await connection.execute("insert into scheduler_state (name, value) values ('y', '{}')")


def kill(server: EmbeddedServer, application_name: str) -> None:
    """Ends every session of that name, and waits until none is left."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s",
            (application_name,),
        )
