"""The scheduler: one leads, the others take over, and nothing that fails ends it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

import core.outage
import core.scheduler
import core.stopping
from core.due_work import run_due_work
from core.prices.source import UnavailableError
from core.scheduler import Scheduler
from core.scheduler_state import Phase, SchedulerState
from core.services import Services
from core.settings import Settings
from core.ticker import Ticker
from db.database import Database
from db.embedded import EmbeddedServer
from db.errors import DatabaseFullError, RowRefusedError
from tests.core.world import CALENDAR, RULES, World, all_closes
from tests.databases import as_superuser
from tests.fakes import ScriptedPrices, exchange

WITHIN_S = 8


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are told in seconds elsewhere are told in hundredths here."""
    monkeypatch.setattr(core.scheduler, "_STAND_BY", timedelta(milliseconds=20))
    monkeypatch.setattr(core.outage, "_FIRST", timedelta(milliseconds=20))
    monkeypatch.setattr(core.outage, "_LONGEST", timedelta(milliseconds=20))


class Running:
    """A scheduler that runs, every state it told of, and ways to wait for one."""

    def __init__(self, services: Services) -> None:
        self.states: list[SchedulerState] = []
        self.services = services
        self.scheduler = Scheduler(services, self.states.append)

    @classmethod
    @asynccontextmanager
    async def of(cls, services: Services) -> AsyncIterator["Running"]:
        """A scheduler at work on `services`; it has ended in good order when the block ends."""
        run = cls(services)
        task = asyncio.create_task(run.scheduler.run())
        try:
            yield run
        finally:
            run.scheduler.stop()
            await asyncio.wait_for(task, WITHIN_S)
        assert run.scheduler.state.phase is Phase.NOT_RUNNING

    async def until(self, holds: Callable[[SchedulerState], bool]) -> SchedulerState:
        """The first state told from now on, or the present one, for which `holds`."""
        seen = max(len(self.states) - 1, 0)
        async with asyncio.timeout(WITHIN_S):
            while True:
                for state in self.states[seen:]:
                    if holds(state):
                        return state
                seen = len(self.states)
                await asyncio.sleep(0.005)

    async def phase(self, phase: Phase) -> SchedulerState:
        return await self.until(lambda state: state.phase is phase)

    async def ticks(self, count: int) -> None:
        """Waits until that many more ticks have ended."""
        for _ in range(count):
            last = self.scheduler.state.last_tick
            self.services.clock.instant += timedelta(seconds=1)  # type: ignore[attr-defined]  # the fixed clock
            await self.until(lambda state, last=last: state.last_tick not in (None, last))  # type: ignore[misc]


@asynccontextmanager
async def running(
    world: World, *, prices: Any = None, name: str = "alpha-monday", every: float = 0.05
) -> AsyncIterator[Running]:
    """A scheduler at work; it has ended in good order when the block ends."""
    settings = Settings.model_construct(tick_every=timedelta(seconds=every), provider_settings={})
    async with Database(world.conninfo, application_name=name) as database:
        services = Services(settings, world.clock, CALENDAR, RULES, database, (prices or world.prices,), world.picks)
        async with Running.of(services) as run:
            yield run


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticker that needs no whole seconds."""

    class Quick(Ticker):
        def __init__(self, every: timedelta) -> None:
            super().__init__(max(every, timedelta(seconds=1)))
            self._pause = every

        def is_due(self) -> bool:
            super().is_due()
            return True

        def until_next(self) -> timedelta:
            return self._pause

    monkeypatch.setattr(core.scheduler, "Ticker", Quick)


def kill(server: EmbeddedServer, name: str, query: str = "%") -> int:
    """Ends the sessions of an application whose last statement is like `query`; gives their number."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        return connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where application_name = %s and query ilike %s",
            (name, query),
        ).rowcount


def kill_leader(conninfo: str) -> int:
    """Ends the one session that holds the leader's lock; gives the number of sessions ended."""
    with psycopg.connect(as_superuser(conninfo), autocommit=True) as connection:
        return connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_locks "
            "where relation = 'scheduler_lead'::regclass and granted and mode = 'ExclusiveLock'"
        ).rowcount


async def test_it_leads_and_works(world: World) -> None:
    async with running(world) as run:
        state = await run.until(lambda state: state.last_report is not None)
        assert (state.phase, state.problem) == (Phase.LEADING, None)
        assert state.leader is not None
        assert state.last_report is not None
        assert state.last_report.opened == 1
        world.clock.instant = exchange("2020-01-07")
        state = await run.until(lambda state: state.last_work == world.clock.instant)
        assert state.last_report is not None
        assert state.last_report.computed == 2
    assert len({row[3] for row in world.rows() if row[3]}) == 2


async def test_a_second_one_stands_by_and_takes_over_when_the_first_stops(world: World) -> None:
    other_prices = ScriptedPrices(all_closes())
    async with running(world, prices=other_prices, name="second") as second:
        first_led = await second.phase(Phase.LEADING)
        async with running(world, name="third") as third:
            standing_by = await third.phase(Phase.STANDING_BY)
            assert (standing_by.leader, standing_by.problem) == (first_led.leader, None)
            await second.ticks(2)
            assert world.prices.questions == [], "who stands by asks nobody"
            second.scheduler.stop()
            await third.phase(Phase.LEADING)
            assert second.scheduler.state.phase is Phase.NOT_RUNNING


async def test_a_second_one_takes_over_when_the_firsts_connection_is_lost(world: World) -> None:
    async with running(world, name="first", every=0.3) as first:
        await first.phase(Phase.LEADING)
        async with running(world, name="second") as second:
            await second.phase(Phase.STANDING_BY)
            assert kill_leader(world.conninfo) == 1, "its other connections live on"
            await second.phase(Phase.LEADING)
            await first.phase(Phase.STANDING_BY)
            await second.until(lambda state: state.last_report is not None)
    assert len(world.rows()) == 1


async def test_a_connection_killed_while_it_writes_leaves_nothing_half_written(
    world: World, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The session dies after the rows and before the commit: they are gone, and come again whole."""
    caplog.set_level(logging.WARNING)
    killed = 0
    from db import events

    notify = events.notify

    async def dying(connection: psycopg.AsyncConnection[Any], run_dates: Any) -> None:
        nonlocal killed
        await notify(connection, run_dates)
        if not killed:
            killed = kill(server, "dying", "%pg_notify%")
            half_written.extend(world.rows())

    half_written: list[Any] = []
    monkeypatch.setattr(events, "notify", dying)
    async with running(world, name="dying") as run:
        lost = await run.phase(Phase.DATABASE_LOST)
        assert lost.problem is not None
        await run.until(lambda state: bool(state.last_report and state.last_report.opened))
        assert run.scheduler.state.problem is None
    assert killed == 1
    assert half_written == []
    assert [row[1] for row in world.rows()] == ["active"]
    assert "database lost" in caplog.messages


async def test_an_unforeseen_exception_does_not_end_it(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    work = run_due_work
    turns = iter([KeyError("a defect"), ZeroDivisionError()])

    async def failing(*arguments: Any, **options: Any) -> Any:
        if (failure := next(turns, None)) is not None:
            raise failure
        return await work(*arguments, **options)

    monkeypatch.setattr(core.scheduler, "run_due_work", failing)
    async with running(world) as run:
        failed = await run.until(lambda state: state.problem is not None)
        assert (failed.phase, failed.problem.code if failed.problem else "") == (Phase.LEADING, "error")
        await run.until(lambda state: state.last_report is not None and state.problem is None)
    failures = [record for record in caplog.records if record.message == "tick failed"]
    assert [vars(record)["event"] for record in failures] == ["tick_failed"] * 2
    assert all(record.exc_info for record in failures), "a defect is logged with its traceback"


@pytest.mark.parametrize("failure", [RowRefusedError("refused", "x"), DatabaseFullError("full", "x"), KeyError("x")])
async def test_what_cannot_be_written_does_not_make_providers_answer_at_every_tick(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The pause grows with each failure; the lead is kept, since the database is there."""
    pauses: list[float] = []
    pause = Scheduler._pause

    async def noting(self: Scheduler, duration: timedelta) -> bool:
        pauses.append(duration.total_seconds())
        return await pause(self, min(duration, timedelta(milliseconds=5)))

    async def failing(*_: object, **__: object) -> Any:
        raise failure

    monkeypatch.setattr(Scheduler, "_pause", noting)
    monkeypatch.setattr(core.scheduler, "run_due_work", failing)
    async with running(world, every=600) as run:
        await run.until(lambda _: len(pauses) > 12)
        assert run.scheduler.state.phase is Phase.LEADING
        assert {state.phase for state in run.states} == {Phase.LEADING}
    grown = [seconds for seconds in pauses if seconds != 30]  # between ticks the clock is read every 30 s
    assert set(grown) == {300}, "five minutes at most: an opening's half hour must not be slept through"


async def test_a_source_that_fails_is_told_and_no_problem_of_the_schedulers(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with running(world) as run:
        await run.until(lambda state: state.last_report is not None)
        world.prices.failure = UnavailableError("the provider is away", "Wait.")
        world.clock.instant = exchange("2020-01-07")
        state = await run.until(lambda state: bool(state.last_report and state.last_report.waiting))
        assert state.problem is None
        asked = len(world.prices.questions)
        await run.ticks(3)
        assert len(world.prices.questions) == asked, "it is left alone for a while"
    waits = [vars(record) for record in caplog.records if record.message == "day waits"]
    assert (waits[0]["event"], waits[0]["cause"]) == ("day_waits", "unavailable")


async def test_stopping_does_not_wait_for_a_source_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.stopping, "_GRACE_S", 0.05)
    hanging = asyncio.Event()
    cancelled: list[bool] = []

    async def hang(*_: object) -> Any:
        hanging.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    prices = replace(world.prices)
    monkeypatch.setattr(ScriptedPrices, "closes", hang)
    async with running(world, prices=prices) as run:
        await asyncio.wait_for(hanging.wait(), WITHIN_S)
        began = asyncio.get_running_loop().time()
        run.scheduler.stop()
        await run.phase(Phase.NOT_RUNNING)
        assert asyncio.get_running_loop().time() - began < 1
    assert cancelled == [True]


async def test_a_cancelled_scheduler_leaves_no_work_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, ended = asyncio.Event(), asyncio.Event()

    async def hang(*_: object, **__: object) -> Any:
        hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(core.scheduler, "run_due_work", hang)
    async with world.services() as services:
        task = asyncio.create_task(Scheduler(services).run())
        await asyncio.wait_for(hanging.wait(), WITHIN_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()


class TestTicker:
    """The real one, on a clock that is set by hand."""

    @pytest.fixture
    def ticker_at(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.undo()
        now = {"wall": datetime(2026, 11, 2, 12, 0), "monotonic": 1000.0}  # noqa: DTZ001 - naive as `schedule` reads it

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return now["wall"]

        monkeypatch.setattr("core.ticker.datetime", Clock)
        monkeypatch.setattr("core.ticker.time.monotonic", lambda: now["monotonic"])
        monkeypatch.setattr("schedule.datetime.datetime", Clock)

        def step(wall: float, monotonic: float | None = None) -> None:
            now["wall"] += timedelta(seconds=wall)  # type: ignore[operator]  # a dict of two kinds of clock
            now["monotonic"] += wall if monotonic is None else monotonic  # type: ignore[operator]  # as above

        return Ticker(timedelta(seconds=30)), step

    def test_ticks_at_once_and_then_at_intervals(self, ticker_at: Any) -> None:
        ticker, step = ticker_at
        assert ticker.is_due()
        assert not ticker.is_due()
        assert ticker.until_next() == timedelta(seconds=30)
        step(29)
        assert not ticker.is_due()
        step(1)
        assert ticker.is_due()
        assert not ticker.is_due()

    @pytest.mark.parametrize("jump", [-2 * 86400, -3600, -6, 6, 3600, 2 * 86400])
    def test_a_clock_that_steps_stops_nothing(self, ticker_at: Any, jump: int) -> None:
        ticker, step = ticker_at
        assert ticker.is_due()
        step(jump, 0.0)
        assert ticker.is_due(), "what is due depends on the clock, so it is looked at once"
        assert not ticker.is_due()
        assert timedelta(0) < ticker.until_next() <= timedelta(seconds=30)
        step(31)
        assert ticker.is_due()

    def test_a_machine_that_slept_is_one_tick_behind(self, ticker_at: Any) -> None:
        ticker, step = ticker_at
        assert ticker.is_due()
        step(3 * 86400)
        assert ticker.is_due()
        assert not ticker.is_due()
