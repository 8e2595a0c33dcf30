"""More than one machine: whatever becomes of the primary or of the leader, nothing is lost, repeated or falsified."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.prices.csv_file import CsvPrices
from core.prices.source import Answer
from core.scheduler import Scheduler
from core.scheduler_state import Phase
from core.settings import Settings
from db.database import Database
from tests.databases import as_superuser, as_worker, make_template
from tests.faults import hurried
from tests.faults.backlogs import Backlog, of_weeks, unwritten, written
from tests.faults.clusters import pair
from tests.faults.failovers import DATABASE, failovers
from tests.faults.rows import Row, broken, difference
from tests.faults.servers import WITHIN_S, Server, running, wait_until
from tests.faults.workers import HURRIED, Listener, worker

_TABLES = ("batches", "picks", "checkpoints", "pick_checkpoint_metrics", "events", "waiting_days", "scheduler_state")
Undisturbed = Callable[[Backlog], list[Row]]

_A_TRANSACTION = 20  # weeks


def test_failovers_lose_and_repeat_nothing_that_was_acknowledged(place: Path) -> None:
    seed = random.randrange(2**32)
    figures = failovers(2, seed, place)
    assert figures.failovers == 2
    assert figures.interrupted_catch_ups > 0, f"seed {seed}"
    assert (figures.rows_lost, figures.rows_repeated, figures.rows_changed) == (0, 0, 0), f"seed {seed}: {figures}"
    assert figures.broken == (), f"seed {seed}"


def has_all_unwritten(standby: str, backlog: Backlog) -> bool:
    """Whether the standby has every week and no day of any; it may not have the database itself yet."""
    try:
        return unwritten(standby) == len(backlog.weeks)
    except psycopg.OperationalError:
        return False


def test_what_an_asynchronous_standby_had_not_got_is_written_again(place: Path, undisturbed: Undisturbed) -> None:
    backlog = Backlog.of(60, place)
    expected = undisturbed(backlog)
    with pair(place / "pair") as cluster:
        make_template(cluster.primary, DATABASE)
        address = as_worker(cluster.conninfo(DATABASE))
        asyncio.run(backlog.open(address))
        standby = as_worker(cluster.standby.conninfo(DATABASE))
        wait_until(lambda: has_all_unwritten(standby, backlog), "the standby has the weeks")
        cluster.cut_replication()
        listener = Listener(as_worker(cluster.primary.conninfo(DATABASE)), backlog.weeks)
        with worker(address, backlog, place) as program:
            listener.until(lambda heard: len(heard) >= 2, "the worker has committed twice")
            cluster.kill_primary()
            cluster.promote()
            acknowledged = frozenset().union(*listener.after())
            assert len(acknowledged) >= 2 * _A_TRANSACTION
            assert difference(expected, written(address, acknowledged)).lost, "what only the old primary had is gone"
            wait_until(lambda: unwritten(address) == 0, "the worker has written it again")
            assert program.stop() == 0
        assert difference(expected, written(address)).is_none
        assert broken(address) == []


def test_a_backfill_cut_short_by_a_failover_says_so_and_completes_when_run_again(
    place: Path, undisturbed: Undisturbed
) -> None:
    backlog = Backlog.of(60, place)
    expected = undisturbed(backlog)
    arguments = ("backfill", "--picks", str(backlog.picks))
    with pair(place / "pair", synchronous=True) as cluster:
        make_template(cluster.primary, DATABASE)
        address = as_worker(cluster.conninfo(DATABASE))
        listener = Listener(as_worker(cluster.primary.conninfo(DATABASE)), backlog.weeks)
        with worker(address, backlog, place, *arguments, program=HURRIED, freezes="inside") as first:
            wait_until(first.is_frozen, "the backfill is in the middle of its second transaction")
            cluster.kill_primary()
            [acknowledged] = listener.after()
            cluster.promote()
            first.thaw()
            assert first.process.wait(WITHIN_S) == 1
        happened, remedy = first.lines[-2:]
        assert happened.startswith("alpha-monday: The database cannot be reached: ")
        assert "Look whether the server runs" in remedy
        assert written(address) == of_weeks(expected, acknowledged)
        with worker(address, backlog, place, *arguments) as second:
            assert second.process.wait(WITHIN_S) == 0
        assert difference(expected, written(address)).is_none
        assert broken(address) == []


def test_without_its_synchronous_standby_a_primary_makes_work_wait_and_the_worker_says_so(
    place: Path, undisturbed: Undisturbed
) -> None:
    backlog = Backlog.of(60, place)
    expected = undisturbed(backlog)
    with pair(place / "pair", synchronous=True) as cluster:
        make_template(cluster.primary, DATABASE)
        address = as_worker(cluster.conninfo(DATABASE))
        asyncio.run(backlog.open(address))
        listener = Listener(as_worker(cluster.primary.conninfo(DATABASE)), backlog.weeks)
        with worker(address, backlog, place, program=HURRIED) as program:
            listener.until(bool, "the worker has committed something")
            cluster.standby.kill()
            assert "has not answered" in program.until("database_lost")["problem"]
            cluster.do_without_standby()
            program.until("leading", after=1)
            wait_until(lambda: unwritten(address) == 0, "the worker has written the rest")
            assert program.stop() == 0
        assert difference(expected, written(address)).is_none
        assert broken(address) == []
    listener.after()


def test_an_old_primary_that_thaws_is_never_written_to_again(place: Path, undisturbed: Undisturbed) -> None:
    backlog = Backlog.of(60, place)
    expected = undisturbed(backlog)
    with pair(place / "pair") as cluster:
        make_template(cluster.primary, DATABASE)
        address = as_worker(cluster.conninfo(DATABASE))  # what becomes the old primary stands first in it
        asyncio.run(backlog.part(0, 3).open(address))
        with worker(address, backlog, place, program=HURRIED) as program:
            wait_until(lambda: unwritten(address) == 0, "the worker has written the first weeks")
            standby = as_worker(cluster.standby.conninfo(DATABASE))
            wait_until(lambda: len(written(standby)) == len(written(address)), "the standby has them too")

            cluster.freeze_primary()
            old = cluster.promote()
            program.until("leading", after=1)  # nobody told it
            new = as_worker(cluster.primary.conninfo(DATABASE))
            asyncio.run(backlog.part(1, 3).open(new))
            wait_until(lambda: unwritten(new) == 0, "the worker has written the second weeks")

            old.thaw()
            before = _everything(old)
            cluster.primary.query(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'alpha-monday'"
            )
            program.until("leading", after=2)
            assert _everything(old) == before
            asyncio.run(backlog.part(2, 3).open(new))
            wait_until(lambda: unwritten(new) == 0, "the worker has written the third weeks")
            assert program.stop() == 0
        assert _everything(old) == before
        assert difference(expected, written(new)).is_none
        assert broken(new) == []


def _everything(server: Server) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, and the transaction that wrote it."""
    return {
        table: server.query(f"select xmin::text, t::text from {table} t order by 2", database=DATABASE)  # noqa: S608
        for table in _TABLES
    }


class _Gated:
    """The closes of a file, once the gate is open."""

    name, basis, settle_delay = CsvPrices.name, CsvPrices.basis, CsvPrices.settle_delay

    def __init__(self, backlog: Backlog) -> None:
        self._file = CsvPrices(backlog.prices)
        self.gate = asyncio.Event()

    async def closes(self, symbols: Iterable[str], first: Any, last: Any) -> Answer:
        await self.gate.wait()
        return await self._file.closes(symbols, first, last)


@pytest.mark.parametrize("freezes", ["between", "inside"])
async def test_a_leader_that_was_suspended_cannot_write_as_leader(
    place: Path, undisturbed: Undisturbed, freezes: str
) -> None:
    """The lead passes on while it is suspended, and the new leader has written nothing yet when it goes on."""
    backlog = Backlog.of(3 * _A_TRANSACTION, place)
    expected = await asyncio.to_thread(undisturbed, backlog)
    with running(Server(place / "server")) as server:
        make_template(server, DATABASE)
        conninfo = as_worker(server.conninfo(DATABASE))
        await backlog.open(conninfo)
        with worker(conninfo, backlog, place, program=HURRIED, freezes=freezes) as one:
            await asyncio.to_thread(wait_until, one.is_frozen, "the first has suspended itself")
            suspended_at = time.monotonic()
            assert unwritten(conninfo) == 2 * _A_TRANSACTION
            gated = _Gated(backlog)
            async with Database(conninfo) as database:
                services = replace(backlog.services(database, Settings(tick_every="1 s")), sources=(gated,))
                other = Scheduler(services, who="other")
                task = asyncio.create_task(other.run())
                await asyncio.to_thread(wait_until, lambda: other.state.phase is Phase.LEADING, "the other leads")
                assert time.monotonic() - suspended_at < hurried.LEAD_LAPSES_AFTER_S * 2 + 5
                one.thaw()
                await asyncio.to_thread(one.until, "standing_by")
                assert unwritten(conninfo) == 2 * _A_TRANSACTION
                gated.gate.set()
                await asyncio.to_thread(wait_until, lambda: unwritten(conninfo) == 0, "the other has written")
                other.stop()
                await asyncio.wait_for(task, WITHIN_S)
            assert one.stop() == 0
        assert difference(expected, written(conninfo)).is_none
        assert broken(as_superuser(conninfo)) == []
