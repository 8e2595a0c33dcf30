"""Who lost the lead, or came back as an old primary, is refused inside the transaction that would write."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest

import db.database
from db import leadership
from db.database import Database
from db.errors import DatabaseUnavailableError, LeadershipLostError, OldTimelineError
from db.fencing import Term, begin_term, take_lead
from tests.databases import as_superuser, leading, take_term

WRITE = "insert into scheduler_state (name, value) values ('probe', '{}') on conflict (name) do nothing"
WRITTEN = "select count(*)::int from scheduler_state where name = 'probe'"


@pytest.fixture
async def database(conninfo: str) -> AsyncIterator[Database]:
    async with Database(conninfo) as database:
        yield database


def count(conninfo: str, query: str = WRITTEN) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


async def write(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(WRITE)


class TestTerms:
    async def test_each_leader_begins_a_higher_one(self, database: Database) -> None:
        numbers = []
        for _ in range(3):
            async with database.dedicated() as connection:
                term = await take_term(database, connection)
                assert term.session == connection.info.backend_pid
                numbers.append(term.number)
            await until_nobody_leads(database)
        assert numbers == [1, 2, 3]

    async def test_in_force_the_leader_writes(self, database: Database, conninfo: str) -> None:
        async with leading(database) as term:
            await write(database.fenced(term))
        assert count(conninfo) == 1

    async def test_without_the_lock_nothing_is_written_though_nobody_else_leads(
        self, database: Database, conninfo: str
    ) -> None:
        async with leading(database) as term:
            pass
        await until_nobody_leads(database)
        with pytest.raises(LeadershipLostError):
            await write(database.fenced(term))
        assert count(conninfo) == 0
        await write(database)  # what operators do is not the leader's

    async def test_a_session_of_the_same_number_is_not_taken_for_the_lost_one(
        self, database: Database, conninfo: str
    ) -> None:
        """Process numbers come again: the lock of another leader's session must not pass for this one's."""
        async with leading(database) as mine:
            pass
        await until_nobody_leads(database)
        async with leading(database) as other:
            with pytest.raises(LeadershipLostError):
                await write(database.fenced(Term(mine.number, other.session)))
        assert count(conninfo) == 0

    async def test_the_next_term_begins_after_what_the_last_leader_has_under_way(
        self, database: Database, conninfo: str
    ) -> None:
        async with database.dedicated() as first, database.dedicated() as second, database.dedicated() as third:
            mine = await take_term(database, first)
            async with database.fenced(mine).transaction() as writing:
                await writing.execute(WRITE)
                await first.close()
                session = await until_led(second)
                beginning = asyncio.create_task(begin_term(third, session))
                await until_waiting(conninfo)
            assert count(conninfo) == 1, "committed while the next leader still waited for its term"
            assert (await beginning).number == mine.number + 1

    async def test_a_term_that_cannot_begin_in_time_is_told_and_tried_again(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(db.fencing._SQL, "lock_timeout", b"set local lock_timeout = '50ms'")
        async with database.dedicated() as first, database.dedicated() as second, database.dedicated() as third:
            mine = await take_term(database, first)
            async with database.fenced(mine).transaction():
                await first.close()
                session = await until_led(second)
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    await begin_term(third, session)
            assert (await begin_term(third, session)).number == mine.number + 1

    @pytest.mark.parametrize("value", ["{}", "[]", '{"number": "x"}', '{"number": null}', '{"number": 41}'])
    async def test_a_term_noted_in_an_unknown_form_is_followed_by_one(
        self, database: Database, conninfo: str, value: str
    ) -> None:
        with psycopg.connect(conninfo) as connection:
            connection.execute("insert into scheduler_state (name, value) values ('term', %s)", (value,))
        async with leading(database) as term:
            assert term.number == (42 if "41" in value else 1)
            await write(database.fenced(term))

    async def test_the_lead_of_a_process_that_says_nothing_lapses(self, database: Database) -> None:
        assert leadership.LEAD_LAPSES_AFTER_S == 30
        async with database.dedicated() as leader:
            assert await take_lead(leader, lapses_after_s=0.3)
            for _ in range(4):
                await asyncio.sleep(0.15)
                await leadership.keep_lead(leader)  # twice as long as the limit in all
            await until_nobody_leads(database)
            with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
                await leadership.keep_lead(leader)


async def until_nobody_leads(database: Database) -> None:
    """Until the server has noticed that the last leader's session has ended."""
    async with asyncio.timeout(5), database.connection() as connection:
        while (await leadership.lead(connection)).is_held:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)


async def until_led(connection: psycopg.AsyncConnection) -> int:
    """Until the last leader's session has ended and this one, which is given, has the lock."""
    async with asyncio.timeout(5):
        while (session := await leadership.take_lead(connection)) is None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    return session


async def until_waiting(conninfo: str) -> None:
    """Until a session waits for a lock of this database."""
    query = "select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(5):
        while not await asyncio.to_thread(count, as_superuser(conninfo), query):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)


class TestTimelines:
    async def test_a_lower_one_than_was_seen_takes_no_write_and_no_reader(
        self, database: Database, conninfo: str
    ) -> None:
        """What a promoted standby would have shown is shown to the process; the server stays what it is."""
        await write(database)
        async with database.transaction() as connection:
            database.timelines.highest += 1
            first = connection.info.backend_pid
        database._pool.timeout = 0.2
        for using in (database.transaction, database.connection, database.snapshot, database.dedicated):
            with pytest.raises(OldTimelineError) as refused:
                async with using():
                    pass
        assert "is an old primary" in refused.value.message
        database.timelines.highest -= 1
        database._pool.timeout = 10
        async with database.connection() as connection:
            assert connection.info.backend_pid != first, "the connection was given up"

    async def test_it_is_looked_at_inside_the_transaction(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A higher one may be seen after the connection was handed out."""

        async def no_check(*_: object) -> None:
            pass

        monkeypatch.setattr(database._pool, "_check", no_check)
        await write(database)
        database.timelines.highest += 1
        with pytest.raises(OldTimelineError):
            await write(database)

    async def test_a_server_that_does_not_tell_is_used_without(self, conninfo: str) -> None:
        """As managed servers do that store their log in another way."""
        with psycopg.connect(as_superuser(conninfo), autocommit=True) as connection:
            connection.execute("revoke execute on function pg_walfile_name(pg_lsn) from public")
            try:
                async with Database(conninfo) as database:
                    assert not database.timelines.are_told
                    await write(database)
            finally:
                connection.execute("grant execute on function pg_walfile_name(pg_lsn) to public")
        assert count(conninfo) == 1


@contextmanager
def frozen(process_numbers: list[int]) -> Iterator[None]:
    """Server processes that keep their sockets and say nothing."""
    for number in process_numbers:
        os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        for number in process_numbers:
            os.kill(number, signal.SIGCONT)


async def test_silence_is_a_lost_database_for_everybody_who_waits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.database, "ANSWERS_WITHIN_S", 0.2)
    async with database.dedicated() as leader, database.connection() as working:
        assert await database.answered(asyncio.sleep(0, "answered")) == "answered"
        with frozen([leader.info.backend_pid, working.info.backend_pid]):
            waiting = asyncio.create_task(_execute(working, "select 1"))
            async with asyncio.timeout(3):
                with pytest.raises(DatabaseUnavailableError, match="has not answered"):
                    await database.answered(_execute(leader, "select 1"))
                with pytest.raises(psycopg.OperationalError):
                    await waiting
    await write(database)


async def _execute(connection: psycopg.AsyncConnection, statement: str) -> None:
    await connection.execute(statement.encode())
