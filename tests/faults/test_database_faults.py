"""What befalls one server while a scheduler catches up: work stops, says why, resumes by itself, and loses nothing.

The faults are done without giving way to the scheduler, so that it is in the middle of its work whenever they come.
"""

import asyncio
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

import core.scheduler
import core.settling
from core.scheduler_state import Phase
from db.errors import (
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
)
from tests.core.scheduling import EveryTurn
from tests.databases import as_superuser, as_worker, make_template
from tests.faults.backlogs import Backlog, undisturbed_at
from tests.faults.catching_up import APPLICATION, catching_up
from tests.faults.hurried import hurry
from tests.faults.rows import Row
from tests.faults.servers import Server, running, wait_until

_TEMPLATE = "template_faults"
_WEEKS = 40
_TERMINATE = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s and random() < %s"


@pytest.fixture(scope="module")
def victim(shared_place: Path) -> Iterator[Server]:
    """A server that every test finds at work, and leaves at work."""
    with running(Server(shared_place / "victim")) as server:
        make_template(server, _TEMPLATE)
        yield server


@pytest.fixture(scope="module")
def backlog(shared_place: Path) -> Backlog:
    """What there is to write."""
    return Backlog.of(_WEEKS, shared_place)


@pytest.fixture(scope="module")
def expected(victim: Server, backlog: Backlog) -> list[Row]:
    """The rows of a run that nothing disturbs."""
    return undisturbed_at(_database(victim), backlog)


def _database(server: Server, tablespace: str = "pg_default") -> str:
    """A migrated, empty database; it goes with the server."""
    name = f"faults_{os.urandom(6).hex()}"
    server.query(f"create database {name} template {_TEMPLATE} tablespace {tablespace}")
    return as_worker(server.conninfo(name))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs are short, ticks follow each other at once, and two weeks make a transaction."""
    hurry(monkeypatch.setattr)
    monkeypatch.setattr(core.scheduler, "Ticker", EveryTurn)
    monkeypatch.setattr(core.settling, "WEEKS_IN_A_TRANSACTION", 2)


async def test_connections_killed_again_and_again(
    victim: Server, backlog: Backlog, expected: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    async with catching_up(_database(victim), backlog, expected, monkeypatch) as run:
        for _ in range(6):
            await asyncio.sleep(moments.uniform(0, 0.05))  # the moment of the kill, which nothing waits for
            victim.query(_TERMINATE, APPLICATION, moments.choice((0.4, 1)))
            await run.transactions(1)
        await run.ends_well()
    assert any(state.phase is Phase.DATABASE_LOST for state in run.states), f"seed {seed}"


@pytest.mark.parametrize("way", ["fast", "immediate", "kill"])
async def test_the_server_ends_and_comes_back(
    victim: Server, backlog: Backlog, expected: list[Row], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    end = victim.kill if way == "kill" else lambda: victim.stop("fast" if way == "fast" else "immediate")
    async with catching_up(_database(victim), backlog, expected, monkeypatch) as run:
        end()
        try:
            await run.problem(DatabaseUnavailableError, "Connection refused")
            assert run.states[-1].phase is Phase.DATABASE_LOST
        finally:
            await asyncio.to_thread(victim.start)
        await run.ends_well()


async def test_the_server_falls_silent_and_goes_on(
    victim: Server, backlog: Backlog, expected: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with catching_up(_database(victim), backlog, expected, monkeypatch) as run:
        victim.freeze()
        try:
            await run.problem(DatabaseUnavailableError, "has not answered")
            assert run.states[-1].phase is Phase.DATABASE_LOST
        finally:
            await asyncio.to_thread(victim.thaw)
        await run.ends_well()


@pytest.mark.parametrize("taken_by", ["others", "superusers"])
async def test_no_connection_is_left(
    victim: Server, backlog: Backlog, expected: list[Row], monkeypatch: pytest.MonkeyPatch, taken_by: str
) -> None:
    conninfo = _database(victim)
    occupied = as_superuser(conninfo) if taken_by == "superusers" else conninfo
    words = "too many clients" if taken_by == "superusers" else "connection slots"
    taken: list[psycopg.Connection] = []
    async with catching_up(conninfo, backlog, expected, monkeypatch) as run:
        with closing(psycopg.connect(as_superuser(conninfo), autocommit=True)) as operator:

            def is_told() -> bool:
                """Takes every connection, the scheduler's too; whether it has said that none is left."""
                operator.execute(_TERMINATE, (APPLICATION, 1))
                with suppress(psycopg.OperationalError):
                    while True:
                        taken.append(psycopg.connect(occupied))
                problem = run.states[-1].problem
                return isinstance(problem, DatabaseUnavailableError) and words in problem.message

            await run.until(is_told, "the scheduler says that no connection is left")
            assert run.states[-1].phase is Phase.DATABASE_LOST
        for connection in taken:
            connection.close()
        await run.ends_well()


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A small file system of its own, in which every user may make directories."""
    directory = place / "small"
    directory.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=80m,mode=1777", "tmpfs", str(directory)]
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system of its own can be mounted here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", directory], check=True)


def _fill(disk: Path) -> Path:
    """A file that leaves no room beside it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return ballast


async def test_the_disk_is_full(
    place: Path, small_disk: Path, backlog: Backlog, expected: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk that the tables are on."""
    with running(Server(place / "server")) as server:
        make_template(server, _TEMPLATE)
        (small_disk / "tables").mkdir(mode=0o700)
        server.user.give(small_disk / "tables")
        server.query(f"create tablespace small location '{small_disk / 'tables'}'")
        async with catching_up(_database(server, "small"), backlog, expected, monkeypatch) as run:
            ballast = _fill(small_disk)
            await run.problem(DatabaseFullError, "No space left on device")
            assert run.states[-1].phase is Phase.LEADING, "a full disk costs nobody the lead"
            ballast.unlink()
            await run.ends_well()


async def test_the_disk_is_full_and_the_server_gives_up(
    place: Path, small_disk: Path, backlog: Backlog, expected: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk that the write-ahead log is on, without which no PostgreSQL goes on."""
    with running(Server(place / "server"), "-X", small_disk / "log") as server:
        make_template(server, _TEMPLATE)
        async with catching_up(_database(server), backlog, expected, monkeypatch) as run:
            ballast = _fill(small_disk)
            _use_up_log(server)
            await run.problem(DatabaseUnavailableError, "Connection refused")
            assert run.states[-1].phase is Phase.DATABASE_LOST
            ballast.unlink()
            await asyncio.to_thread(server.start)
            await run.ends_well()


def _use_up_log(server: Server) -> None:
    """Goes on to the next file of the log until the server has ended for want of one."""
    with suppress(psycopg.OperationalError):
        while True:
            server.query("select pg_switch_wal() from pg_logical_emit_message(false, 'faults', 'fill')")
    wait_until(lambda: not server.processes(), "the server has ended")
    (server.data / "postmaster.pid").unlink(missing_ok=True)


async def test_the_server_takes_no_writes(
    victim: Server, backlog: Backlog, expected: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back as a standby, as a primary does that its cluster has replaced, and is promoted again."""
    async with catching_up(_database(victim), backlog, expected, monkeypatch) as run:
        victim.stop()
        (victim.data / "standby.signal").touch()
        await asyncio.to_thread(victim.start)
        await run.problem(DatabaseReadOnlyError, "read-only")
        assert run.states[-1].phase is Phase.DATABASE_LOST
        await asyncio.to_thread(victim.query, "select pg_promote()")
        await run.ends_well()
