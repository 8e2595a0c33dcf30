"""The scheduler wakes for the next due work, however rare its ticks are."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest

import core.scheduler
from core.due_work import run_due_work
from core.picks.source import PickDraft, PicksNotYetError
from core.prices.source import PriceSourceError, UnavailableError
from core.scheduler import Scheduler
from core.services import Services
from core.settings import Settings
from core.ticker import Ticker
from db.errors import DatabaseError
from tests.core.world import CALENDAR, FIRST, PICKS, SECOND, World
from tests.fakes import FixedClock, ScriptedPrices, exchange

STEP = timedelta(seconds=1)
OPENED = "select run_date from batches order by run_date"


def clock_of(services: Services) -> FixedClock:
    assert isinstance(services.clock, FixedClock)
    return services.clock


class RareTicks(Ticker):
    """A ticker that goes by the test's clock."""

    clock: FixedClock

    def __init__(self, every: timedelta) -> None:
        super().__init__(every)
        self._interval, self._next = every, self.clock.now()

    def is_due(self) -> bool:
        if self.clock.now() < self._next:
            return False
        self._next = self.clock.now() + self._interval
        return True

    def until_next(self) -> timedelta:
        return max(self._next - self.clock.now(), timedelta(0))


class TimeLapse(Scheduler):
    """A scheduler whose waits move the test's clock, until `end`. A wait in which the machine `sleeps` takes longer."""

    def __init__(self, services: Services, end: datetime, sleeps: tuple[datetime, datetime] | None = None) -> None:
        super().__init__(services)
        self._test_clock, self._end, self._sleeps = clock_of(services), end, sleeps

    async def _pause(self, duration: timedelta) -> bool:
        before = self._test_clock.instant
        # A wait of a moment, such as for a lock, must not stop time; a turn without any wait must not go on for ever.
        self._test_clock.instant += max(duration, STEP)
        if self._sleeps is not None and before <= self._sleeps[0] < self._test_clock.instant:
            self._test_clock.instant += self._sleeps[1] - self._sleeps[0]
        if self._test_clock.instant >= self._end:
            self.stop()
        await asyncio.sleep(0)
        return self._stopping.is_set()


async def lapse(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    first: datetime,
    last: datetime,
    every: timedelta,
    sleeps: tuple[datetime, datetime] | None = None,
) -> None:
    """Runs a scheduler that ticks `every` so often from `first` to `last`."""
    clock_of(services).instant = first
    monkeypatch.setattr(RareTicks, "clock", clock_of(services), raising=False)
    monkeypatch.setattr(core.scheduler, "Ticker", RareTicks)
    settings = Settings.model_construct(tick_every=every, provider_settings={})
    async with asyncio.timeout(60):
        await TimeLapse(replace(services, settings=settings), last, sleeps).run()


EVERY = [timedelta(minutes=31), timedelta(hours=1), timedelta(days=366)]


@pytest.mark.parametrize("every", EVERY)
async def test_a_week_is_opened_and_its_days_are_written_however_rare_ticks_are(
    world: World, monkeypatch: pytest.MonkeyPatch, every: timedelta
) -> None:
    async with world.services() as services:
        await lapse(services, monkeypatch, exchange("2020-01-06", "07:45"), exchange("2020-01-06", "17:00"), every)
    assert world.rows(OPENED) == [(FIRST,)]
    assert world.rows("select checkpoint_date from checkpoints") == [(FIRST,)]
    assert world.rows("select from events where event_type = 'batch_missed'") == []


async def test_a_machine_that_sleeps_shortly_before_the_opening_does_not_miss_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep = exchange("2020-01-06", "08:00"), exchange("2020-01-06", "08:50")
    async with world.services() as services:
        await lapse(
            services,
            monkeypatch,
            exchange("2020-01-06", "07:45"),
            exchange("2020-01-06", "09:29"),
            timedelta(days=1),
            asleep,
        )
    assert world.rows(OPENED) == [(FIRST,)]


@dataclass(slots=True)
class LatePicks:
    """A pick source that has no picks before an instant."""

    clock: FixedClock
    ready_at: datetime
    queried: int = 0
    name: str = "scripted"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        self.queried += 1
        if self.clock.now() < self.ready_at:
            raise PicksNotYetError("nothing yet", "Wait.")
        return PICKS


@pytest.mark.parametrize("every", EVERY)
async def test_an_opening_that_waits_for_picks_is_tried_again_within_the_opening(
    world: World, monkeypatch: pytest.MonkeyPatch, every: timedelta
) -> None:
    picks = LatePicks(world.clock, exchange("2020-01-13", "09:29"))
    async with world.services() as services:
        late = replace(services, pick_source=picks)
        await lapse(late, monkeypatch, exchange("2020-01-13", "08:20"), exchange("2020-01-13", "09:35"), every)
    assert world.rows(OPENED) == [(SECOND,)]
    assert 30 <= picks.queried <= 61


@dataclass(slots=True)
class BackAt(ScriptedPrices):
    """A price source that is down until an instant, and counts how often it was queried."""

    clock: FixedClock = field(kw_only=True)
    back_at: datetime = field(kw_only=True)

    async def closes(self, *question: object) -> object:  # type: ignore[override]  # the question is passed on as it is
        down: PriceSourceError = UnavailableError("down", "Wait.")
        self.failure = down if self.clock.now() < self.back_at else None
        return await ScriptedPrices.closes(self, *question)  # type: ignore[arg-type]


async def test_a_price_source_that_is_down_is_not_queried_at_every_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = BackAt(world.prices.closes_by_symbol, clock=world.clock, back_at=exchange("2020-01-06", "09:28"))
    async with world.services(prices) as services:
        start, end = exchange("2020-01-06", "08:20"), exchange("2020-01-06", "09:35")
        await lapse(services, monkeypatch, start, end, timedelta(hours=1))
    assert world.rows(OPENED) == [(FIRST,)]
    assert len(prices.questions) <= 15


async def test_a_tick_that_fails_at_the_opening_is_repeated_soon(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[datetime] = []

    async def failing(services: Services, **options: object) -> object:
        if CALENDAR.at(FIRST, exchange("2020-01-06", "09:00").time()) <= services.clock.now() and len(failures) < 2:
            failures.append(services.clock.now())
            raise DatabaseError("The disk is full.", "Make room.")
        return await run_due_work(services, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(core.scheduler, "run_due_work", failing)
    async with world.services() as services:
        start, end = exchange("2020-01-06", "07:45"), exchange("2020-01-06", "09:30")
        await lapse(services, monkeypatch, start, end, timedelta(hours=1))
    assert len(failures) == 2
    assert world.rows(OPENED) == [(FIRST,)]


async def test_nothing_due_means_no_more_ticks_than_the_setting_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks: list[datetime] = []

    async def counted(services: Services, **options: object) -> object:
        ticks.append(services.clock.now())
        return await run_due_work(services, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(core.scheduler, "run_due_work", counted)
    async with world.services() as services:
        start, end = exchange("2020-01-07", "10:00"), exchange("2020-01-07", "16:00")
        await lapse(services, monkeypatch, start, end, timedelta(hours=1))
    assert len(ticks) == 6
