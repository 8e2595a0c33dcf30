"""Clocks that jump, machines that sleep, and dates at which clocks or markets change: the rows stay the same."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from core.backfill import backfill
from core.due_work import run_due_work
from core.picks.source import PickDraft, PicksNotYetError
from core.prices.source import Answer, Basis
from core.rules import Rules
from core.services import Services
from core.settings import Settings
from db.database import Database
from db.embedded import EmbeddedServer
from tests.fakes import FixedClock, ScriptedPrices
from tests.faults.market import CALENDAR, PICKS, closes_of, database, real_server
from tests.faults.rows import Difference, Row, broken, content, difference

RULES = Rules(time(9), time(9, 30), timedelta(minutes=30), timedelta(hours=48), "SPY")
ZONES = (
    "Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Berlin",
    "Africa/Casablanca",
)  # fmt: skip
_MOMENTS = (time(9, 2), time(9, 16), time(9, 28), time(13, 31), time(16, 31))
_SETTLES = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Some weeks, and how the machine's clock and its being awake differ from the truth.

    `reads` gives what the machine's clock shows at a true instant, None while it sleeps. `misses` are the Mondays that
    nobody was awake to open.
    """

    name: str
    weeks: tuple[date, ...]
    reads: Callable[[datetime], datetime | None] = lambda now: now
    misses: frozenset[date] = frozenset()


@dataclass(slots=True)
class ClockFigures:
    """What the rows of each scenario were like, compared with those of a run whose clock was right."""

    differences: dict[str, Difference] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether all rows were the same."""
        return not self.broken and all(found.is_none for found in self.differences.values())


class Market:
    """A price source that knows what the exchange has published by the true time, whatever the machine believes."""

    name, basis, settle_delay = "scripted", Basis.PRICE, timedelta(0)

    def __init__(self, weeks: Sequence[date]) -> None:
        self._prices = ScriptedPrices(closes_of(weeks[0] - timedelta(days=10), weeks[-1] + timedelta(days=30)))
        self.now = datetime.min.replace(tzinfo=UTC)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        answer = await self._prices.closes(symbols, first, last)
        known = {
            symbol: {day: close for day, close in series.items() if CALENDAR.close_of(day) <= self.now}
            for symbol, series in answer.closes.items()
        }
        return Answer(self.name, self.basis, known, answer.unknown)


@dataclass(frozen=True, slots=True)
class WeeklyPicks:
    """The same picks for some weeks; they are known long before."""

    weeks: frozenset[date]
    name: str = "scripted"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        if run_date not in self.weeks:
            raise PicksNotYetError(f"nothing for {run_date}", "Wait.")
        return PICKS


def _mondays(first: str, count: int = 2) -> tuple[date, ...]:
    return tuple(date.fromisoformat(first) + timedelta(weeks=week) for week in range(count))


def _at(day: str, clock_time: str = "00:00") -> datetime:
    return CALENDAR.at(date.fromisoformat(day), time.fromisoformat(clock_time))


def _asleep(first: datetime, last: datetime) -> Callable[[datetime], datetime | None]:
    return lambda now: None if first <= now < last else now


def _off(first: datetime, last: datetime, by: timedelta) -> Callable[[datetime], datetime | None]:
    return lambda now: now + by if first <= now < last else now


def _forward_a_week_and_back_two_days(now: datetime) -> datetime:
    if now < _at("2020-01-08", "10:00"):
        return now
    if now < _at("2020-01-09", "10:00"):
        return now + timedelta(weeks=1)
    if now < _at("2020-01-13", "08:00"):
        return now - timedelta(days=2)
    return now


SCENARIOS = (
    Scenario("clocks go forward", _mondays("2020-03-02")),
    Scenario("clocks go back", _mondays("2020-10-26")),
    Scenario("half days", _mondays("2020-11-23")),
    Scenario("a half day before Christmas", _mondays("2020-12-21")),
    Scenario("a holiday on the opening Monday", _mondays("2020-01-13")),
    Scenario("a holiday on both opening Mondays", (date(2020, 5, 25), date(2020, 9, 7))),
    Scenario("New Year", _mondays("2020-12-21", 3)),
    Scenario(
        "a clock that jumps forward a week and back two days", _mondays("2020-01-06"), _forward_a_week_and_back_two_days
    ),
    Scenario(
        "a clock a week ahead during the opening",
        _mondays("2020-01-06", 3),
        _off(_at("2020-01-13", "09:10"), _at("2020-01-13", "09:20"), timedelta(weeks=1)),
    ),
    Scenario(
        "a clock a week ahead for a day",
        _mondays("2020-01-06", 3),
        _off(_at("2020-01-14"), _at("2020-01-15"), timedelta(weeks=1)),
    ),
    Scenario(
        "a clock two days behind from a Tuesday to a Friday",
        _mondays("2020-01-06"),
        _off(_at("2020-01-07"), _at("2020-01-10"), timedelta(days=-2)),
    ),
    Scenario(
        "asleep for three days", _mondays("2020-01-06"), _asleep(_at("2020-01-07", "12:00"), _at("2020-01-10", "12:00"))
    ),
    Scenario(
        "asleep from Thursday until the opening",
        _mondays("2020-01-06"),
        _asleep(_at("2020-01-09", "12:00"), _at("2020-01-13", "09:20")),
    ),
    Scenario(
        "asleep over an opening",
        _mondays("2020-01-06", 3),
        _asleep(_at("2020-01-12"), _at("2020-01-15", "12:00")),
        frozenset({date(2020, 1, 13)}),
    ),
    Scenario(
        "asleep for two weeks",
        _mondays("2020-01-06", 4),
        _asleep(_at("2020-01-11"), _at("2020-01-25")),
        frozenset({date(2020, 1, 13), date(2020, 1, 20)}),
    ),
)


def moments(weeks: Sequence[date]) -> Sequence[datetime]:
    """The true instants at which a scheduler looks: some in each opening, and when closes have settled."""
    days = [weeks[0] + timedelta(days=offset) for offset in range((weeks[-1] - weeks[0]).days + 14 + _SETTLES.days)]
    return [CALENDAR.at(day, moment) for day in days for moment in _MOMENTS]


@asynccontextmanager
async def world(conninfo: str, weeks: Sequence[date]) -> AsyncIterator[tuple[Services, FixedClock, Market]]:
    """Services for some weeks, with the clock and the market that they see."""
    clock, market = FixedClock(datetime.min.replace(tzinfo=UTC)), Market(weeks)
    async with Database(conninfo) as opened:
        yield (
            Services(
                settings=Settings.model_construct(provider_settings={}),
                clock=clock,
                calendar=CALENDAR,
                rules=RULES,
                database=opened,
                sources=(market,),
                pick_source=WeeklyPicks(frozenset(weeks)),
            ),
            clock,
            market,
        )


async def live(conninfo: str, scenario: Scenario) -> None:
    """Looks for work at every moment at which the machine is awake, with the clock that it has."""
    async with world(conninfo, scenario.weeks) as (services, clock, market):
        for now in moments(scenario.weeks):
            if (read := scenario.reads(now)) is not None:
                market.now = now
                clock.instant = read.astimezone()  # the machine's own zone, whatever it is
                await run_due_work(services)


async def fill(conninfo: str, scenario: Scenario) -> None:
    """Opens and fills the weeks at once, when all is over: one process, one look, nothing in the way."""
    async with world(conninfo, scenario.weeks) as (services, clock, market):
        clock.instant = market.now = moments(scenario.weeks)[-1]
        report = await backfill(services, dict.fromkeys(scenario.weeks, PICKS))
        assert report.computed + report.skipped == 14 * len(scenario.weeks)


def compared(found: Sequence[Row], scenario: Scenario, undisturbed: Sequence[Row]) -> tuple[Difference, list[str]]:
    """How the rows differ from the expected ones, and what is wrong with the notes on missed Mondays.

    Weeks that nobody was awake to open are not expected. A clock that is ahead may have a Monday noted as missed that
    is opened when it comes: the log tells what the machine believed.
    """
    noted = sorted(row.run_date for row in found if row.is_missed and row.run_date in scenario.weeks)
    wrong = [] if not scenario.misses or noted == sorted(scenario.misses) else [f"missed Mondays noted: {noted}"]
    expected = [row for row in undisturbed if row.run_date not in scenario.misses and not row.is_missed]
    return difference(expected, [row for row in found if not row.is_missed]), wrong


def run(server: EmbeddedServer, scenario: Scenario, zone: str | None, figures: ClockFigures) -> None:
    """Runs one scenario, here or in a process whose host is in another zone, beside a run that nothing disturbs."""
    with database(server) as conninfo:
        asyncio.run(fill(conninfo, scenario))
        undisturbed = content(conninfo)
    with database(server) as conninfo:
        if zone is None:
            asyncio.run(live(conninfo, scenario))
        else:
            _in_zone(conninfo, scenario, zone)
        name = scenario.name if zone is None else f"{scenario.name}, on a host in {zone}"
        figures.differences[name], wrong = compared(content(conninfo), scenario, undisturbed)
        figures.broken += [f"{name}: {fault}" for fault in [*wrong, *broken(conninfo)]]


def _in_zone(conninfo: str, scenario: Scenario, zone: str) -> None:
    given = json.dumps({"conninfo": conninfo, "scenario": scenario.name})
    subprocess.run(
        [sys.executable, "-m", "tests.faults.clocks"],
        input=given,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "TZ": zone},
        cwd=Path(__file__).parents[2],
    )


def clocks(directory: Path) -> ClockFigures:
    """Runs every scenario, and one for each zone of a host, on a server in `directory`."""
    figures = ClockFigures()
    with real_server(directory) as server:
        for scenario in SCENARIOS:
            run(server, scenario, None, figures)
        for number, zone in enumerate(ZONES):
            run(server, SCENARIOS[number], zone, figures)
    return figures


def main() -> None:
    """Runs the scenario that is named on the input, in the zone of this process."""
    given = json.loads(sys.stdin.read())
    [scenario] = [scenario for scenario in SCENARIOS if scenario.name == given["scenario"]]
    asyncio.run(live(given["conninfo"], scenario))


if __name__ == "__main__":
    main()
