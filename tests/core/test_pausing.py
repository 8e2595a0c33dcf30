"""A pause holds for every process and outlives each; operators' commands work all the same."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest

import core.scheduler
from core import pausing
from core.due_work import run_due_work
from core.pausing import Pause, pause, resume
from core.picks.source import PickDraft
from core.prices.source import Answer
from core.scheduler import Scheduler
from core.scheduler_state import Phase
from core.services import Services
from db import batches, leadership
from db.database import Database
from db.errors import DatabaseReadOnlyError
from tests.core.scheduling import WITHIN_S, Running, hurry, running
from tests.core.world import FIRST, PICKS, World
from tests.fakes import ScriptedPrices, exchange


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Pause | None]:
    """What each look of a leader for a pause found."""
    found: list[Pause | None] = []

    async def look(connection: object) -> Pause | None:
        found.append(await pausing.read_pause(connection))  # type: ignore[arg-type]  # whatever connection it is
        return found[-1]

    monkeypatch.setattr(core.scheduler, "read_pause", look)
    return found


async def until_looked(looks: list[Pause | None], times: int) -> None:
    wanted = len(looks) + times
    async with asyncio.timeout(WITHIN_S):
        while True:
            if len(looks) >= wanted:
                return
            await asyncio.sleep(0.005)


async def until_something_waits_for_a_lock(world: World) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if world.rows("select from pg_locks where locktype = 'relation' and not granted"):
                return
            await asyncio.sleep(0.005)


async def test_a_paused_leader_does_nothing_while_work_is_due_and_does_it_after_resume(
    world: World, looks: list[Pause | None]
) -> None:
    async with world.services() as other, running(world) as run:
        await run.until(lambda state: state.last_work is not None)
        await pause(other, "ann")
        paused = await run.phase(Phase.PAUSED)
        assert paused.paused == Pause("ann", world.clock.instant)
        assert (paused.leader, paused.problem) == ("one:1", None)
        before, asked = world.rows(), len(world.prices.questions)
        world.clock.instant = exchange("2020-01-07")
        await until_looked(looks, 20)
        assert (world.rows(), len(world.prices.questions)) == (before, asked)
        assert run.scheduler.state.phase is Phase.PAUSED
        await resume(other, "ann")
        resumed = await run.until(lambda state: state.last_work == world.clock.instant)
        assert (resumed.phase, resumed.paused) == (Phase.LEADING, None)
    assert len({row[3] for row in world.rows() if row[3]}) == 2


async def test_a_pause_outlives_a_restart(world: World, looks: list[Pause | None]) -> None:
    async with running(world) as run:
        await pause(run.services, "ann")
        await run.phase(Phase.PAUSED)
    before = world.rows()
    async with running(world) as run:
        again = await run.until(lambda state: state.phase is not Phase.STARTING)
        assert (again.phase, again.paused) == (Phase.PAUSED, Pause("ann", world.clock.instant))
        world.clock.instant = exchange("2020-01-07")
        await until_looked(looks, 10)
        assert {state.phase for state in run.states} == {Phase.PAUSED}
    assert world.rows() == before


async def test_one_that_stands_by_tells_of_the_pause_and_takes_over_paused(world: World) -> None:
    async with running(world) as first:
        await first.phase(Phase.LEADING)
        async with running(world) as second:
            await second.phase(Phase.STANDING_BY)
            await pause(second.services, "bob")
            await first.phase(Phase.PAUSED)
            await second.until(lambda state: state.phase is Phase.STANDING_BY and state.paused is not None)
            first.scheduler.stop()
            taken = await second.phase(Phase.PAUSED)
            assert taken.leader == "two:2"
            await resume(second.services, "bob")
            await second.phase(Phase.LEADING)


async def test_a_pause_ends_a_long_tick_between_transactions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()
    closes = ScriptedPrices.closes

    async def slow(self: ScriptedPrices, *question: object) -> Answer:
        asked.set()
        await answer.wait()
        return await closes(self, *question)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(ScriptedPrices, "closes", slow)
    async with running(world) as run:
        await asyncio.wait_for(asked.wait(), WITHIN_S)
        await pause(run.services, "ann")
        await run.phase(Phase.PAUSED)
        answer.set()
        await run.until(lambda state: state.last_report is not None)
        assert world.rows() == [], "what was answered late is left for after the pause"
        await resume(run.services, "ann")
        await run.until(lambda state: bool(state.last_report and state.last_report.opened))


async def test_a_pause_is_noticed_at_once_however_rare_ticks_are(world: World) -> None:
    async with running(world, every=3600) as run:
        await run.until(lambda state: state.last_tick is not None)
        await pause(run.services, "ann")
        await run.phase(Phase.PAUSED)
        world.clock.instant += timedelta(days=1, hours=8)
        await resume(run.services, "ann")
        await run.until(lambda state: state.last_work == world.clock.instant)


async def test_operators_commands_work_while_paused(world: World) -> None:
    async with world.services() as services:
        await pause(services, "ann")
        report, _ = await run_due_work(services)
        assert report.opened == 1


@dataclass(frozen=True, slots=True)
class PausingPicks:
    """A pick source during whose query an operator pauses the schedulers, from another process."""

    other: Services
    name: str = "scripted"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        await pause(self.other, "ann", "moving house")
        return PICKS


async def test_no_scheduler_opens_a_week_after_a_pause_has_returned(world: World) -> None:
    async with world.services() as services, world.services() as other:
        slow = replace(services, pick_source=PausingPicks(other))
        report, _ = await run_due_work(slow, heeds_pause=True)
        assert (report.opened, report.unopened[FIRST].cause) == (0, "paused")
        assert "by ann" in report.unopened[FIRST].detail
        report, _ = await run_due_work(services, heeds_pause=True)
        assert (report.opened, report.unopened[FIRST].cause) == (0, "paused")
        assert world.rows("select from batches") == []
        await resume(other, "ann")
        report, _ = await run_due_work(services, heeds_pause=True)
        assert report.opened == 1


async def test_a_leader_in_the_middle_of_a_tick_opens_nothing_after_a_pause_has_returned(world: World) -> None:
    async with world.services() as services, world.services() as other:
        async with Running.of(replace(services, pick_source=PausingPicks(other))) as run:
            await run.phase(Phase.PAUSED)
        assert world.rows("select event_type from events order by id") == [("schedule_paused",)]


async def test_a_pause_waits_for_the_week_that_is_being_opened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two is first, the log never shows an opening after the pause."""
    is_writing, may_write = asyncio.Event(), asyncio.Event()
    insert = batches.insert

    async def slow(*arguments: Any) -> Any:
        is_writing.set()
        await may_write.wait()
        return await insert(*arguments)

    monkeypatch.setattr(batches, "insert", slow)
    async with world.services() as services, world.services() as other:
        working = asyncio.create_task(run_due_work(services, heeds_pause=True))
        await is_writing.wait()
        pausing_ = asyncio.create_task(pause(other, "ann"))
        await until_something_waits_for_a_lock(world)
        assert not pausing_.done()
        may_write.set()
        await asyncio.gather(working, pausing_)
    opened, paused = world.rows("select event_type from events order by created_at")
    assert (opened, paused) == (("batch_opened",), ("schedule_paused",))


async def test_an_earlier_pause_stands_and_resuming_twice_is_no_error(world: World) -> None:
    async with world.services() as services:
        first = await pause(services, "ann")
        world.clock.instant += timedelta(hours=1)
        assert await pause(services, "bob") == first
        await resume(services, "bob")
        await resume(services, "bob")
        assert (await pause(services, "b" * 500)).who == "b" * 100


async def test_pausing_and_resuming_tell_every_screen(world: World) -> None:
    async with world.services() as services, Database(world.conninfo) as listener:
        heard = listener.notifications()
        assert await anext(heard) is None
        for act in (pause, resume):
            await act(services, "ann")
            async with asyncio.timeout(WITHIN_S):
                assert await anext(heard) == frozenset()
        await heard.aclose()  # type: ignore[attr-defined]  # a generator, declared as an iterator


async def test_a_read_only_session_cannot_pause(world: World) -> None:
    async with world.services() as writing, Database(world.conninfo, read_only=True) as database:
        services = Services(writing.settings, world.clock, writing.calendar, writing.rules, database, (), None)
        for act in (pause, resume):
            with pytest.raises(DatabaseReadOnlyError):
                await act(services, "ann")


async def test_a_pause_noted_in_an_unknown_form_holds(world: World) -> None:
    async with world.services() as services, services.database.connection() as connection:
        await leadership.note(connection, pausing.PAUSE_FACT, {"who": 7, "since": "yesterday"})
        found = await pausing.read_pause(connection)
        assert found is not None
        assert (found.who, found.since.tzinfo is not None) == ("unknown", True)


async def test_every_wait_after_stop_is_a_short_one(world: World) -> None:
    """Two waits can stand between `stop` and the end: the rest after failures, and the one until the next tick."""
    async with world.services() as services:
        scheduler = Scheduler(services)
        scheduler.stop()
        async with asyncio.timeout(WITHIN_S):
            assert await scheduler._pause(timedelta(hours=1))
            assert await scheduler._pause(timedelta(hours=1))
