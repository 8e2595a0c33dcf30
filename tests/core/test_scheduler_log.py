"""What the scheduler logs of pauses, missed weeks and standing by: each once, and with all that is to be known."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

import core.scheduler
from core import leading
from core.pausing import pause, resume
from core.scheduler_state import Phase
from db.errors import DatabaseFullError, DatabaseUnavailableError
from tests.core.scheduling import hurry, running
from tests.core.world import SECOND, World
from tests.fakes import exchange


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[..., list[tuple[Any, ...]]]:
    """Some of the events that the scheduler logged, each with some of its fields."""
    caplog.set_level(logging.INFO)

    def found(names: set[str], *fields: str) -> list[tuple[Any, ...]]:
        records = [vars(record) for record in caplog.records if record.name in {"core.scheduler", "core.outage"}]
        return [(each["event"], *map(each.get, fields)) for each in records if each.get("event") in names]

    return found


PAUSING = {"leading", "paused", "resumed"}


async def test_a_pause_is_told_whole_when_it_is_noticed_and_when_a_leader_begins_under_it(
    world: World, told: Callable[..., list[tuple[Any, ...]]]
) -> None:
    since = world.clock.instant.isoformat()
    told_pause = ("paused", "ann@host", since, "moving house")
    async with running(world) as run:
        await run.phase(Phase.LEADING)
        await pause(run.services, "ann@host", "moving house")
        await run.phase(Phase.PAUSED)
    async with running(world) as run:
        await run.phase(Phase.PAUSED)
        await resume(run.services, "bob@host")
        await run.phase(Phase.LEADING)
    assert told(PAUSING, "who", "since", "reason") == [
        ("leading", "one:1", None, None), told_pause,
        ("leading", "two:2", None, None), told_pause,
        ("resumed", None, None, None),
    ]  # fmt: skip


async def test_weeks_that_were_missed_are_warned_about_once(
    world: World, told: Callable[..., list[tuple[Any, ...]]]
) -> None:
    async with running(world) as run:
        await run.until(lambda state: state.last_work is not None)
        world.picks.weeks.clear()
        world.clock.instant = exchange(str(SECOND), "18:00")
        await run.until(lambda state: state.last_work == world.clock.instant)
        await run.ticks(3)
    assert told({"weeks_missed"}, "missed", "levelname") == [("weeks_missed", 1, "WARNING")]


async def test_standing_by_is_told_once_and_again_after_an_outage(
    world: World, told: Callable[..., list[tuple[Any, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose word of standing by cannot be written, on a full disk say, tries again and again."""
    fails: list[Exception] = []
    note = leading.note_standby

    async def noting(*arguments: Any) -> None:
        if fails:
            raise fails[0]
        await note(*arguments)

    monkeypatch.setattr(core.scheduler, "note_standby", noting)
    async with running(world) as first:
        await first.phase(Phase.LEADING)
        for failure in (DatabaseFullError("full", "Make room."), DatabaseUnavailableError("gone", "Wait.")):
            fails[:] = [failure]
            async with running(world) as second:
                await second.phase(Phase.DATABASE_LOST)
                seen = len(second.states)
                await second.until(lambda _, seen=seen, run=second: len(run.states) >= seen + 4)  # type: ignore[misc]
                fails.clear()
                await second.phase(Phase.STANDING_BY)
                seen = len(second.states)
                await second.until(lambda _, seen=seen, run=second: len(run.states) >= seen + 4)  # type: ignore[misc]
                fails[:] = [failure]
                await second.phase(Phase.DATABASE_LOST)
                fails.clear()
                await second.phase(Phase.STANDING_BY)
    once = [("database_lost",), ("database_back",), ("standing_by",)]
    assert told({"standing_by", "database_lost", "database_back"}) == once * 4
