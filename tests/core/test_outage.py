"""A scheduler whose database falls silent, dies or turns it away: it says why, and goes on by itself."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

import core.outage
import core.scheduler
import db.database
from core.outage import Outage
from core.scheduler import Scheduler
from core.scheduler_state import Phase
from core.services import Access, open_services
from core.settings import Settings
from db.embedded import EmbeddedServer
from db.errors import DatabaseUnavailableError, LeadershipLostError, LeadershipUnconfirmedError
from tests.core.scheduling import Running, hurry, running
from tests.core.world import RULES, World

UNHURRIED = core.outage._FIRST, core.outage._LONGEST, core.outage._LONGEST_OWN


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def world_of(conninfo: str) -> World:
    return World(conninfo)


@contextmanager
def frozen_sessions(server: EmbeddedServer, name: str) -> Iterator[None]:
    """The server's processes for the sessions of an application keep their sockets and say nothing."""
    with psycopg.connect(server.conninfo("postgres")) as connection:
        rows = connection.execute("select pid from pg_stat_activity where application_name = %s", (name,)).fetchall()
    assert rows
    for (number,) in rows:
        os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        for (number,) in rows:
            os.kill(number, signal.SIGCONT)


async def test_a_server_that_falls_silent_is_left_and_asked_anew(
    server: EmbeddedServer, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.database, "ANSWERS_WITHIN_S", 0.3)
    world = World(conninfo)
    async with running(world, name="silenced") as run:
        await run.ticks(2)
        with frozen_sessions(server, "silenced"):
            lost = await run.phase(Phase.DATABASE_LOST)
            assert lost.problem is not None
            assert "has not answered" in lost.problem.message
        led = await run.phase(Phase.LEADING)
        assert led.problem is None
        await run.ticks(2)
    assert len(world.rows()) == 1


async def test_the_products_own_server_is_started_again(reachable_directory: Path) -> None:
    """Nobody else would do it."""
    settings = Settings.model_construct(data_dir=reachable_directory / "killed", tick_every=timedelta(seconds=0.05))
    async with open_services(settings, Access.WRITE, with_sources=False) as opened:
        world = World(opened.database.conninfo)
        services = replace(opened, clock=world.clock, rules=RULES, sources=(world.prices,), pick_source=world.picks)
        async with Running.of(services) as run:
            await run.ticks(2)
            postmaster = int((settings.data_dir / "postgres/postgresql/postmaster.pid").read_text().splitlines()[0])
            os.kill(postmaster, signal.SIGKILL)
            await run.phase(Phase.DATABASE_LOST)
            await run.phase(Phase.LEADING)
            await run.ticks(2)
        assert len(world.rows()) == 1


async def test_a_lead_that_is_refused_again_and_again_asks_no_provider_again_and_again(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that lends another session's number: it leads, and is refused whatever it writes."""
    pauses: list[float] = []
    pause = Scheduler._pause

    async def noting(self: Scheduler, duration: timedelta) -> bool:
        pauses.append(duration.total_seconds())
        return await pause(self, min(duration, timedelta(milliseconds=5)))

    async def refused(*_: object, **__: object) -> None:
        raise LeadershipLostError("refused", "Wait.")

    monkeypatch.setattr(core.scheduler, "_AFTER_LOSS", timedelta(seconds=1000))
    monkeypatch.setattr(core.scheduler, "_LONGEST_AFTER_LOSS", timedelta(seconds=9000))
    monkeypatch.setattr(Scheduler, "_pause", noting)
    monkeypatch.setattr(core.scheduler, "run_due_work", refused)
    async with running(World(conninfo)) as run:
        await run.until(lambda _: sum(seconds >= 500 for seconds in pauses) >= 6)
    grown = [seconds for seconds in pauses if seconds >= 500]
    assert grown[0] <= 1000
    assert max(grown) > 4000


async def test_a_leader_that_returns_tells_no_look_of_its_former_lead(
    world_of: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one may have looked since, and a probe must not take the schedule for dead."""
    async with running(world_of, every=0.05) as run:
        await run.ticks(2)
        assert run.scheduler._ticks is not None

        async def lost(*_: object, **__: object) -> None:
            raise LeadershipLostError("lost", "Wait.")

        beats: asyncio.Queue[object] = asyncio.Queue()

        async def noting(*arguments: object) -> None:
            beats.put_nowait(arguments[-1])

        monkeypatch.setattr(core.scheduler, "run_due_work", lost)
        await run.until(lambda state: state.phase is Phase.STANDING_BY)
        hanging = asyncio.Event()

        async def hang(*_: object, **__: object) -> None:
            hanging.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(core.scheduler, "beat", noting)
        monkeypatch.setattr(core.scheduler, "run_due_work", hang)
        await asyncio.wait_for(hanging.wait(), 8)
        assert await asyncio.wait_for(beats.get(), 8) is None


def test_an_outage_is_told_once_and_its_end_with_its_length(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage()
    outage.ends()
    assert not outage
    problem, other = DatabaseUnavailableError("gone", "Wait."), DatabaseUnavailableError("too many", "Wait.")
    waits = [outage.goes_on(each) for each in (problem, problem, other, other, other, other, other)]
    assert outage
    assert timedelta(seconds=0.01) <= waits[0]
    outage.ends()
    outage.ends()
    told = [(vars(record)["event"], vars(record).get("problem")) for record in caplog.records]
    assert told == [("database_lost", "gone"), ("database_lost", "too many"), ("database_back", None)]
    assert vars(caplog.records[-1])["attempts"] == len(waits)


def test_a_long_outage_is_not_followed_by_a_long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new primary must not wait for the worker as long as the worker waited for it."""
    for name, value in zip(("_FIRST", "_LONGEST", "_LONGEST_OWN"), UNHURRIED, strict=True):
        monkeypatch.setattr(core.outage, name, value)
    problem = DatabaseUnavailableError("gone", "Wait.")
    servers, own = Outage(), Outage()
    assert max(servers.goes_on(problem) for _ in range(50)) <= timedelta(seconds=2)
    assert timedelta(seconds=10) < max(own.goes_on(problem, is_own_server=True) for _ in range(50))


async def test_a_lead_that_cannot_be_confirmed_is_told_until_it_is(
    world_of: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut off from its cluster, its primary answers every question and confirms no write."""
    blocked = asyncio.Event()
    confirmed = asyncio.Event()

    async def note(*_: object) -> None:
        if blocked.is_set():
            await confirmed.wait()

    monkeypatch.setattr(core.scheduler, "CONFIRMS_WITHIN", timedelta(milliseconds=50))
    monkeypatch.setattr(core.scheduler, "CONFIRM_EVERY", timedelta(milliseconds=20))
    monkeypatch.setattr(core.scheduler, "HEARTBEAT_EVERY", timedelta(minutes=1))
    monkeypatch.setattr(core.scheduler, "note_leader", note)
    async with running(world_of) as run:
        await run.phase(Phase.LEADING)
        blocked.set()
        told = await run.until(lambda state: isinstance(state.problem, LeadershipUnconfirmedError))
        assert told.phase is Phase.LEADING
        assert "Leadership cannot be confirmed" in str(told.problem)
        blocked.clear()
        confirmed.set()
        await run.until(lambda state: state.problem is None)
    assert "lead_unconfirmed" in {vars(record).get("event") for record in caplog.records}
