"""Who leads and who stands by, as every screen sees it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

import core.scheduler
from core.schedule_view import ScheduleView, schedule_view
from core.scheduler_state import Phase
from core.services import Services
from db.errors import DatabaseFullError
from tests.core.scheduling import WITHIN_S, age_facts, hurry, running
from tests.core.world import World
from tests.fakes import exchange


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


async def seen(services: Services, holds: Callable[[ScheduleView], bool]) -> ScheduleView:
    """The first view for which `holds`."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if holds(view := await schedule_view(services)):
                return view
            await asyncio.sleep(0.005)


async def test_standbys_appear_and_go_when_they_stop_or_take_over(world: World) -> None:
    began = world.clock.instant
    async with world.services() as screen, running(world) as first:
        await first.phase(Phase.LEADING)
        assert (await schedule_view(screen)).standing_by == ()
        world.clock.instant += timedelta(minutes=1)
        async with running(world) as second:
            [standby] = (await seen(screen, lambda view: bool(view.standing_by))).standing_by
            assert (standby.who, standby.since) == ("two:2", began + timedelta(minutes=1))
            world.clock.instant += timedelta(minutes=1)
            async with running(world) as third:
                view = await seen(screen, lambda view: len(view.standing_by) == 2)
                assert [standby.who for standby in view.standing_by] == ["two:2", "three:3"], "the longest first"
                assert view.leader is not None
                assert (view.leader.who, view.leader.since, view.leader.is_alive) == ("one:1", began, True)
                first.scheduler.stop()
                view = await seen(screen, lambda view: bool(view.leader and view.leader.who != "one:1"))
                assert view.leader is not None
                assert view.leader.is_alive
                view = await seen(screen, lambda view: len(view.standing_by) == 1)
                assert view.leader is not None
                assert {view.leader.who, view.standing_by[0].who} == {"two:2", "three:3"}
                left = third if view.leader.who == "two:2" else second
                told = await left.until(lambda state: state.leader == view.leader.who)  # type: ignore[union-attr]
                assert told.since == view.leader.since, "a sign of life does not make a leader younger"
                left.scheduler.stop()
                await seen(screen, lambda view: view.standing_by == ())
        ended = (await schedule_view(screen)).leader
        assert ended is not None
        assert (ended.who, ended.is_alive) == (view.leader.who, False)


async def test_a_standby_that_died_without_a_word_is_not_shown_and_then_removed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.scheduler, "_NOTE_STANDBY_EVERY", timedelta(hours=1))
    async with world.services() as screen, running(world) as first:
        await first.phase(Phase.LEADING)
        async with running(world) as second:
            await seen(screen, lambda view: bool(view.standing_by))
            monkeypatch.setattr(core.scheduler, "beat", _no_beat)
            age_facts(world.conninfo, "standby:%", timedelta(seconds=29))
            assert len((await schedule_view(screen)).standing_by) == 1
            age_facts(world.conninfo, "standby:%", timedelta(seconds=31))
            assert (await schedule_view(screen)).standing_by == ()
            assert standby_rows(world) == 1
            monkeypatch.undo()
            hurry(monkeypatch)
            async with asyncio.timeout(WITHIN_S):
                while standby_rows(world):
                    age_facts(world.conninfo, "standby:%", timedelta(seconds=31))
                    await asyncio.sleep(0.005)
            assert second.scheduler.state.phase is Phase.STANDING_BY


async def _no_beat(*_: object) -> None:
    return


def standby_rows(world: World) -> int:
    return len(world.rows("select name from scheduler_state where name like 'standby:%'"))


async def test_the_leader_gives_signs_of_life_and_counts_its_idle_ticks(world: World) -> None:
    async with world.services() as screen, running(world) as run:
        await run.until(lambda state: state.last_work is not None)
        await seen(screen, lambda view: view.idle_ticks >= 3)
        age_facts(world.conninfo, "leader", timedelta(hours=1))
        view = await seen(screen, lambda view: bool(view.leader and view.leader.heartbeat_age < timedelta(minutes=1)))
        assert view.last_tick_at == world.clock.instant
        assert view.leader is not None
        assert view.leader.since == world.clock.instant
        world.clock.instant = exchange("2020-01-07")
        await run.until(lambda state: state.last_work == world.clock.instant)
        await seen(screen, lambda view: view.last_tick_at == world.clock.instant)


async def test_idle_ticks_write_nothing_between_two_signs_of_life(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.scheduler, "HEARTBEAT_EVERY", timedelta(0))
    async with world.services() as screen, running(world) as run:
        await run.until(lambda state: state.last_work is not None)
        await seen(screen, lambda view: view.last_tick_at is not None)
        monkeypatch.setattr(core.scheduler, "HEARTBEAT_EVERY", timedelta(hours=1))
        await run.ticks(5)  # a sign of life that was under way is given by now
        before = world.rows("select name, value, updated_at, xmin::text from scheduler_state order by 1")
        await run.ticks(20)
        assert world.rows("select name, value, updated_at, xmin::text from scheduler_state order by 1") == before


async def test_a_full_disk_costs_nobody_the_lead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = 0

    async def full(*_: object) -> None:
        nonlocal failed
        failed += 1
        raise DatabaseFullError("full", "Free space.")

    monkeypatch.setattr(core.scheduler, "beat", full)
    async with running(world) as run:
        await run.until(lambda _: failed > 3)
        assert {state.phase for state in run.states} == {Phase.LEADING}
