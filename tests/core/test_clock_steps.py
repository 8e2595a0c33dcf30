"""Clocks that are wrong: nothing is done while they disagree, and what they left behind silences nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from core.backfill import backfill
from core.batches import open_week
from core.clock import CLOCK_TOLERANCE, ClockError, SystemClock, is_from_future, require_agreement, span
from core.due_work import due_work, run_due_work
from core.leading import leader_in, standing_by_in
from core.pausing import pause, pause_in, read_pause
from core.prices.source import Answer, UnavailableError
from core.services import Services
from core.source_health import HealthLog
from db import leadership
from db.leadership import Lead
from db.records import SchedulerFact
from tests.core.alerts.receiving import alerting, service, tell
from tests.core.world import COUNTS, FIRST, PICKS, SECOND, World
from tests.fakes import ScriptedPrices, exchange

STEPS = [timedelta(days=365), timedelta(days=30), timedelta(hours=1), timedelta(minutes=2)]
BOTH_WAYS = [*STEPS, *(-step for step in STEPS)]
NOW = exchange("2020-01-06", "12:00")


def test_the_machines_clock_is_compared_with_the_servers() -> None:
    clock = SystemClock()
    require_agreement(clock, clock.now())
    require_agreement(clock, clock.now() - CLOCK_TOLERANCE / 2)
    require_agreement(clock, clock.now() + CLOCK_TOLERANCE / 2)
    with pytest.raises(ClockError, match=r"31,5\d\d,\d\d\d s ahead of the database"):
        require_agreement(clock, clock.now() - timedelta(days=365))
    with pytest.raises(ClockError, match="3,600 s behind the database"):
        require_agreement(clock, clock.now() + timedelta(hours=1))


def test_what_clocks_that_agree_differ_by_is_not_the_future() -> None:
    assert not is_from_future(NOW, NOW)
    assert not is_from_future(NOW + CLOCK_TOLERANCE - timedelta(microseconds=1), NOW)
    assert is_from_future(NOW + CLOCK_TOLERANCE, NOW)


@pytest.mark.parametrize("step", BOTH_WAYS, ids=str)
async def test_nothing_is_queried_or_written_while_the_clocks_disagree(
    world: World, services: Services, step: timedelta
) -> None:
    await run_due_work(services)
    before, asked = (world.rows(), world.rows(COUNTS)), len(world.prices.questions)
    world.clock.instant = exchange("2020-01-14") + step
    world.clock.ahead = step
    work: list[Callable[[], Awaitable[Any]]] = [
        lambda: run_due_work(services),
        lambda: run_due_work(services, exchange("2020-01-08")),
        lambda: due_work(services),
        lambda: backfill(services, {SECOND: PICKS}),
    ]
    for attempt in work:
        with pytest.raises(ClockError):
            await attempt()
    assert (world.rows(), world.rows(COUNTS)) == before
    world.clock.ahead = timedelta(0)
    world.clock.instant = exchange("2020-01-07")
    assert (await run_due_work(services))[0].computed == 2
    assert len(world.prices.questions) > asked


@pytest.mark.parametrize("step", BOTH_WAYS, ids=str)
async def test_a_clock_that_steps_while_prices_are_queried_writes_nothing(
    world: World, services: Services, step: timedelta
) -> None:
    class Stepping(ScriptedPrices):
        async def closes(self, *question: Any) -> Answer:
            world.clock.instant += step
            world.clock.ahead = step
            return await super().closes(*question)

    stepping = replace(services, sources=(Stepping(world.prices.closes_by_symbol),))
    with pytest.raises(ClockError):
        await open_week(stepping, FIRST, PICKS, "file")
    world.clock.instant, world.clock.ahead = exchange("2020-01-06", "09:00"), timedelta(0)
    with pytest.raises(ClockError):
        await run_due_work(stepping)
    assert world.rows() == []
    assert world.rows("select from scheduler_state where name = 'opening'") == []


async def test_a_pause_works_with_any_clock_and_does_not_begin_in_the_future(world: World, services: Services) -> None:
    """An operator who stops everything must not be told to set a clock first."""
    world.clock.instant = exchange("2199-01-01")
    world.clock.ahead = timedelta(days=365)
    await pause(services, "ann")
    async with services.database.connection() as connection:
        found = await read_pause(connection)
        fact = await leadership.fact(connection, "pause")
    assert fact is not None
    assert found == pause_in(fact)
    assert found is not None
    assert found.since == fact.updated_at


def publish_until(world: World, day: date) -> None:
    """The market goes by the true date, whatever the machine's clock shows."""
    everything = world.prices.closes_by_symbol
    world.prices = ScriptedPrices(
        {symbol: {at: close for at, close in closes.items() if at <= day} for symbol, closes in everything.items()}
    )


@pytest.mark.parametrize("step", [timedelta(0), *STEPS[:2]], ids=str)
async def test_alerts_go_on_after_one_tick_of_a_clock_that_ran_ahead(world: World, step: timedelta) -> None:
    """Machine and database on one host share the wrong clock, so that only the state it left can be recognised."""
    publish_until(world, FIRST)
    with service() as taker:
        async with alerting(world, taker.url, on=("source", "digest")) as services:
            health = HealthLog(world.clock, services.settings.secrets)
            await tell(services)
            await run_due_work(services, health=health)
            world.clock.instant = exchange("2020-01-06") + step
            await run_due_work(services, health=health)
            await tell(services)
            world.clock.instant = exchange("2020-01-06", "17:30")
            await run_due_work(services, health=health)
            await tell(services)
            taker.take()
            world.prices.failure = UnavailableError("The provider is down.", "Wait.")
            for hours in range(2, 160, 2):
                world.clock.instant = exchange("2020-01-06", "17:30") + timedelta(hours=hours)
                await run_due_work(services, health=health)
                await tell(services)
            titles = [received.title for received in taker.take()]
    assert [title for title in titles if "is failing" in title] == ["Alpha Monday: prices source scripted is failing"]
    assert len([title for title in titles if "the week to Sat 11 Jan" in title]) == 1


async def test_alerts_wait_while_the_clocks_disagree(world: World) -> None:
    with service() as taker:
        async with alerting(world, taker.url) as services:
            await tell(services)
            world.clock.ahead = timedelta(days=365)
            with pytest.raises(ClockError):
                await tell(services)
            assert taker.take() == []


@pytest.mark.parametrize("age", [timedelta(days=-365), timedelta(hours=-1)])
def test_a_process_whose_sign_of_life_is_from_the_future_is_not_alive(age: timedelta) -> None:
    facts = {
        name: SchedulerFact(name, {"who": "one:1", "since": NOW.isoformat()}, NOW - age)
        for name in ("leader", "standby:one:1")
    }
    assert standing_by_in(facts.values(), Lead(False, False, NOW)) == ()
    leader = leader_in(facts, Lead(is_held=False, is_replica=True, server_time=NOW))
    assert leader is not None
    assert (leader.is_alive, leader.heartbeat_age) == (False, -age)


async def test_a_standby_from_the_future_is_forgotten(world: World, services: Services) -> None:
    async with services.database.transaction() as connection:
        await leadership.note(connection, "standby:one:1", {})
        await leadership.note(connection, "standby:two:2", {})
        await connection.execute(
            "update scheduler_state set updated_at = now() + interval '1 year' where name = 'standby:two:2'"
        )
        await leadership.forget_silent(connection, "standby:", timedelta(seconds=30))
    assert world.rows("select name from scheduler_state") == [("standby:one:1",)]


async def test_a_day_that_is_to_be_tried_at_once_is_not_put_off_by_a_clock_ahead(
    world: World, services: Services
) -> None:
    from db import checkpoints

    await run_due_work(services)
    world.prices.failure = UnavailableError("down", "Wait.")
    world.clock.instant = exchange("2020-01-07")
    await run_due_work(services)
    [(batch_id,)] = world.rows("select id from batches")
    before = world.rows("select next_try_at from waiting_days")
    async with services.database.transaction() as connection:
        await checkpoints.try_again(connection, batch_id, world.clock.instant + timedelta(days=365))
    assert world.rows("select next_try_at from waiting_days") == before


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(hours=48), "2 d"),
    ],
)
def test_a_duration_in_words(duration: timedelta, text: str) -> None:
    assert span(duration) == text
