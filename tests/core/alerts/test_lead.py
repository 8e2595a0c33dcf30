"""A scheduler tells its operator beside its ticks, and of a lost lead without the database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

import core.alerts.channel
from core.alerts.channel import Channels
from core.alerts.lead import LeadAlert
from core.pausing import begin_pause
from core.scheduler_state import Phase
from core.settings import ALERTS
from tests.core.alerts.receiving import WITHIN_S, Service, alerting, refuse, service, until
from tests.core.scheduling import Running, hurry, kill_leader
from tests.core.world import World
from tests.fakes import exchange
from tests.loopback import reply


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(core.alerts.channel, "FIRST_REST", timedelta(milliseconds=20))
    monkeypatch.setattr(core.alerts.channel, "LONGEST_REST", timedelta(milliseconds=20))


@pytest.fixture
def taker() -> Iterator[Service]:
    with service() as found:
        yield found


@asynccontextmanager
async def scheduling(world: World, *urls: str, on: tuple[str, ...] = ALERTS) -> AsyncIterator[Running]:
    async with alerting(world, *urls, on=on) as services:
        settings = services.settings.model_copy(update={"tick_every": timedelta(milliseconds=50)})
        async with Running.of(replace(services, settings=settings)) as run:
            yield run


def titles(taker: Service) -> list[str]:
    return [each.title.removeprefix("Alpha Monday: ") for each in taker.received]


async def test_what_a_leader_does_is_told_beside_its_ticks(world: World, taker: Service) -> None:
    world.clock.instant = exchange("2020-01-06", "08:00")
    async with scheduling(world, taker.url, on=("opened", "checkpoint")) as run:
        await run.phase(Phase.LEADING)
        await until(lambda: bool(world.rows("select from scheduler_state where name = 'alerts:json 1'")))
        world.clock.instant = exchange("2020-01-06", "09:00")
        await until(lambda: titles(taker) == ["week of 2020-01-06 opened"])
        world.clock.instant = exchange("2020-01-06")
        await until(lambda: titles(taker)[1:] == ["Mon 6 Jan 1 batch computed"])
    assert len(titles(taker)) == 2, "a clean stop says nothing"


async def test_a_lost_lead_is_told_once_and_so_is_its_return(world: World, taker: Service) -> None:
    async with scheduling(world, taker.url, on=("leadership",)) as run:
        await run.until(lambda state: state.last_report is not None)
        for round_ in (1, 2):
            kill_leader(world.conninfo)
            await until(lambda round_=round_: len(taker.received) == 2 * round_)  # type: ignore[misc]
        await run.ticks(2)
    assert titles(taker) == ["one:1 lost the lead", "one:1 leads"] * 2
    lost, back = taker.received[:2]
    assert (lost.severity, back.severity) == ("failure", "success")
    assert "one:1 led the schedulers until Mon 6 Jan 09:00 exchange time." in lost.body
    assert "one:1 had lost the lead at Mon 6 Jan 09:0" in back.body


async def test_whoever_takes_over_is_told_of_by_the_one_that_lost(
    world: World, taker: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service() as second_taker:
        async with scheduling(world, taker.url, on=("leadership",)) as first:
            await first.until(lambda state: state.last_report is not None)
            async with scheduling(world, second_taker.url, on=("leadership",)) as second:
                await second.phase(Phase.STANDING_BY)
                monkeypatch.setattr("core.outage._FIRST", timedelta(seconds=0.4))
                monkeypatch.setattr("core.outage._LONGEST", timedelta(seconds=0.4))
                kill_leader(world.conninfo)
                await second.phase(Phase.LEADING)
                await until(lambda: len(taker.received) == 2)
                first.scheduler.stop()
        assert titles(taker) == ["one:1 lost the lead", "two:2 leads"]
        assert second_taker.received == [], "who stands by and then leads has lost nothing"


async def test_one_outage_is_told_once(world: World, taker: Service) -> None:
    async with alerting(world, taker.url) as services:
        alert = LeadAlert(Channels(services.settings), services.settings, services.clock, "one:1")
        alert.over("one:1")
        for _ in range(2):
            alert.lost("the <database> is away")
            await until(lambda: bool(taker.received))
            alert.lost("it is away still")
            assert alert._post._sending is not None
            await asyncio.wait_for(alert._post._sending, WITHIN_S)
        alert.over("one:1")
        alert.over("one:1")
        await until(lambda: len(taker.received) >= 2)
        await alert.close()
    assert titles(taker) == ["one:1 lost the lead", "one:1 leads"]
    assert "the ‹database› is away" in taker.received[0].body


async def test_a_dead_channel_is_told_of_the_end_instead_of_the_beginning(world: World, taker: Service) -> None:
    taker.answers(refuse)
    async with alerting(world, taker.url) as services:
        alert = LeadAlert(Channels(services.settings), services.settings, services.clock, "one:1")
        alert.lost("the database is away")
        await until(lambda: len(taker.received) >= 2)
        world.clock.instant += timedelta(minutes=5)
        alert.over("two:2")
        await until(lambda: titles(taker)[-1:] == ["two:2 leads"])
        taker.take()
        taker.answers(lambda _: reply())
        await until(lambda: bool(taker.received))
        await alert.close()
    assert set(titles(taker)) == {"two:2 leads"}
    assert taker.received[-1].body == (
        "two:2 leads; one:1 had lost the lead at Mon 6 Jan 09:00 exchange time, 5 min ago."
    )


async def test_a_silent_channel_keeps_nobody_from_stopping(world: World, taker: Service) -> None:
    taker.answers(lambda _: None)
    async with alerting(world, taker.url) as services:
        alert = LeadAlert(Channels(services.settings), services.settings, services.clock, "one:1")
        alert.lost("the database is away")
        await until(lambda: bool(taker.provider.requests))
        async with asyncio.timeout(1):
            await alert.close()


async def test_what_is_not_chosen_is_not_told(world: World, taker: Service) -> None:
    async with scheduling(world, taker.url, on=("missed",)) as run:
        await run.until(lambda state: state.last_report is not None)
        kill_leader(world.conninfo)
        await run.phase(Phase.DATABASE_LOST)
        await run.until(lambda state: state.phase is Phase.LEADING)
        await run.ticks(2)
    assert taker.received == []


async def test_a_pause_is_told_while_it_holds(world: World, taker: Service) -> None:
    async with scheduling(world, taker.url, on=("leadership",)) as run:
        await run.until(lambda state: state.last_report is not None)
        await until(lambda: bool(world.rows("select from scheduler_state where name = 'alerts:json 1'")))
        await begin_pause(run.services, "ann@host", "moving house")
        await until(lambda: titles(taker) == ["ann＠host paused the schedulers: moving house"])
        assert run.scheduler.state.paused is not None
