"""The locks by which processes take turns: who may take them, what they hold up, and who holds them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import sql

from db import events, leadership
from db.lock_holders import LOCKS, lock_holders
from tests.databases import LOCK_MODES, database_of
from tests.db.role_users import Users

# A right is missing, a view is no table, or nothing can be written through this view.
REFUSALS = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.WrongObjectType,
    psycopg.errors.ObjectNotInPrerequisiteState,
)


async def session(conninfo: str) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(conninfo, autocommit=True, application_name="a test")


@asynccontextmanager
async def every_lock_held(conninfo: str) -> AsyncIterator[list[int]]:
    """The sessions that lead, that hold openings, and that announce a backfill."""
    async with await session(conninfo) as leader, await session(conninfo) as opener, await session(conninfo) as filler:
        assert await leadership.take_lead(leader)
        await opener.execute("begin")
        await events.serialise_openings(opener)
        await events.announce_backfill(filler)
        yield [each.info.backend_pid for each in (leader, opener, filler)]


def refused(conninfo: str) -> set[tuple[str, str]]:
    """Each lock and each mode in which a user may not take it."""
    found = set()
    with psycopg.connect(conninfo) as connection:
        for view in LOCKS:
            for mode in LOCK_MODES:
                try:
                    connection.execute(f"lock table {view} in {mode} mode".encode())
                except psycopg.errors.InsufficientPrivilege:
                    found.add((view, mode))
                connection.rollback()
    return found


def test_a_reader_may_take_them_in_no_mode_and_a_writer_in_those_that_take_turns(users: Users) -> None:
    assert refused(users.reader) == {(view, mode) for view in LOCKS for mode in LOCK_MODES}
    assert {mode for _, mode in refused(users.writer)} <= {"access share"}


@pytest.mark.parametrize(
    "statement", ["truncate {}", "delete from {}", "insert into {} default values", "drop view {}"]
)
def test_a_writer_can_do_nothing_else_with_them(users: Users, statement: str) -> None:
    with psycopg.connect(users.writer, autocommit=True) as connection:
        for view in LOCKS:
            with pytest.raises(REFUSALS):
                connection.execute(sql.SQL(statement).format(sql.Identifier(view)))


async def test_nothing_that_keeps_the_database_in_order_waits_for_them(migrated: str) -> None:
    """A leader holds its lock for months: no snapshot and no transaction id are held with it, and no table."""
    async with every_lock_held(migrated) as holders, await session(migrated) as keeper:
        held = "select pid, backend_xid, backend_xmin, state from pg_stat_activity where pid = any(%s) order by pid"
        found = await (await keeper.execute(held, (holders,))).fetchall()
        assert found == [(pid, None, None, "idle in transaction") for pid in sorted(holders)]
        await keeper.execute("set lock_timeout = '1s'")
        await keeper.execute("insert into scheduler_state (name, value) values ('x', '{}')")
        await keeper.execute("delete from scheduler_state")
        notices: list[str] = []
        keeper.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        await keeper.execute("vacuum (verbose) scheduler_state")
        assert any("1 removed, 0 remain, 0 are dead but not yet removable" in notice for notice in notices), notices
        for statement in ("vacuum", "vacuum full", "analyze", "reindex database {}"):
            name = sql.Identifier(database_of(migrated))
            await keeper.execute(sql.SQL(statement).format(name))


async def test_a_sign_of_life_of_the_leader_takes_no_snapshot(migrated: str) -> None:
    async with await session(migrated) as leader, await session(migrated) as looking:
        pid = await leadership.take_lead(leader)
        for _ in range(5):
            await leadership.keep_lead(leader)
            query = "select backend_xid, backend_xmin from pg_stat_activity where pid = %s"
            assert await (await looking.execute(query, (pid,))).fetchone() == (None, None)


async def test_several_backfills_run_at_once_and_none_begins_while_a_missed_week_is_noted(migrated: str) -> None:
    async with (
        await session(migrated) as one,
        await session(migrated) as two,
        await session(migrated) as noting,
    ):
        async with noting.transaction():
            assert not await events.is_backfilling(noting)
            await one.execute("set lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await events.announce_backfill(one)
        await one.rollback()
        await events.announce_backfill(one)
        await events.announce_backfill(two)
        async with noting.transaction():
            assert await events.is_backfilling(noting)
        await one.rollback()
        await two.rollback()
        async with noting.transaction():
            assert not await events.is_backfilling(noting)


async def test_a_backfill_that_begins_between_the_two_looks_is_seen(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(events._SQL, "is_backfill_announced", b"select false")
    async with await session(migrated) as one, await session(migrated) as noting:
        await events.announce_backfill(one)
        async with noting.transaction():
            assert await events.is_backfilling(noting)
            await leadership.note(noting, "x", {})  # the transaction goes on
        assert await leadership.fact(noting, "x")


async def test_the_holders_are_named_as_far_as_a_user_may_see(users: Users) -> None:
    async with every_lock_held(users.writer) as holders:
        worker = str(psycopg.conninfo.conninfo_to_dict(users.writer)["user"])
        for conninfo in (users.superuser, users.reader):
            async with await session(conninfo) as looking:
                found = {holder.pid: holder for holder in await lock_holders(looking)}
            assert sorted(found) == sorted(holders)
            assert [found[pid].locks for pid in holders] == [[name] for name in LOCKS]
            assert {(each.user_name, each.application, each.address, each.blocks) for each in found.values()} == {
                (worker, "a test", None, 0)
            }
            assert all((each.since is None) == (conninfo == users.reader) for each in found.values())


async def test_whoever_blocks_another_session_is_named_whatever_the_lock(migrated: str) -> None:
    async with await session(migrated) as blocking, await session(migrated) as waiting, await session(migrated) as look:
        await blocking.execute("begin; lock table events in access exclusive mode")
        pid = waiting.info.backend_pid
        task = asyncio.create_task(waiting.execute("select from events"))
        query = "select from pg_locks where pid = %s and not granted"
        async with asyncio.timeout(10):
            while not await (await look.execute(query, (pid,))).fetchall():  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        [holder] = await lock_holders(look)
        assert (holder.pid, holder.locks, holder.blocks) == (blocking.info.backend_pid, [], 1)
        await blocking.rollback()
        await task
