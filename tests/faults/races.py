"""Pairs of processes released at the same moment onto the same week: one wins, and the other finds it done."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from core import batches
from core.backfill import backfill
from core.catch_up import Report
from core.due_work import run_due_work
from core.picks.source import PickDraft, PicksNotYetError
from core.rules import Rules
from core.services import Services
from core.settings import Settings
from db.database import Database
from db.errors import AlphaMondayError
from tests.fakes import FixedClock, ScriptedPrices, exchange
from tests.faults.market import CALENDAR, OTHER_PICKS, PICKS, closes_of, database, real_server
from tests.faults.rows import Row, broken, content

WEEK = date(2020, 1, 6)
_OPENING = exchange("2020-01-06", "09:10")
_END = exchange("2020-01-19", "18:00")
_RULES = Rules(
    open_at=exchange("2020-01-06", "09:00").time(),
    open_until=exchange("2020-01-06", "09:30").time(),
    settle_delay=timedelta(minutes=30),
    give_up_after=timedelta(hours=48),
    benchmark="SPY",
)
_LEAD_S = 0.01
_FURTHEST_APART_S = 0.006
_LONGEST_S = 30


@dataclass(frozen=True, slots=True)
class Act:
    """What one process of a pair does, at an instant by its clock."""

    name: str
    instant: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an act: its counts, or the code of the documented error."""

    opened: int = 0
    already_there: int = 0
    days: int = 0
    missed: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Race:
    """A kind of race: what was done before it, what the two do, and what must have come of it."""

    name: str
    before: tuple[Act, ...]
    pair: tuple[Act, Act]
    holds: Callable[[Result, Result, Sequence[Row]], bool]


@dataclass(slots=True)
class RaceFigures:
    """How many races were run, who came first, and what was not as it must be."""

    races: Counter[str] = field(default_factory=Counter)
    first_won: int = 0
    second_won: int = 0
    lost: int = 0
    repeated: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every race ended as it must."""
        return not (self.lost or self.repeated or self.broken)


class _Picks:
    name = "scripted"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        if run_date != WEEK:
            raise PicksNotYetError(f"nothing for {run_date}", "Wait.")
        return PICKS


async def _tick(services: Services) -> Report:
    report, _ = await run_due_work(services)
    return report


async def _fail(services: Services) -> Report:
    await batches.fail(services, WEEK, "On purpose.")
    return Report()


_ACTS: Mapping[str, Callable[[Services], Coroutine[Any, Any, Report]]] = {
    "open": lambda services: batches.open_week(services, WEEK, PICKS, "file", late=True),
    "open other": lambda services: batches.open_week(services, WEEK, OTHER_PICKS, "file", late=True),
    "backfill": lambda services: backfill(services, {WEEK: PICKS}),
    "tick": _tick,
    "fail": _fail,
}


def _act(name: str, instant: datetime = _END) -> Act:
    return Act(name, instant.isoformat())


def _one_opened(one: Result, other: Result, _: Sequence[Row]) -> bool:
    return one.opened + other.opened == 1 and not (one.error or other.error)


def _one_opened_and_the_other_was_told(one: Result, other: Result, rows: Sequence[Row]) -> bool:
    """The picks that stand are the winner's: there are never some of each."""
    [winner] = [result for result in (one, other) if result.opened] or [one]
    action = "BUY" if winner is one else "SELL"
    picked = next((row.value.split()[0] for row in rows if row.table == "picks" and "AAA" in row.key), "")
    return one.opened + other.opened == 1 and {one.error, other.error} == {"", "conflict"} and picked == action


def _each_day_by_one(one: Result, other: Result, rows: Sequence[Row]) -> bool:
    days = sum(row.table == "checkpoints" for row in rows)
    return days == 14 == one.days + other.days and not (one.error or other.error)


def _all_days_or_none(one: Result, other: Result, rows: Sequence[Row]) -> bool:
    """The tick wrote every day and the operator is told that the batch has ended, or the other way round."""
    days = sum(row.table == "checkpoints" for row in rows)
    status = next(row.value.split()[0] for row in rows if row.table == "batches")
    if other.error:
        return (days, status, one.days, other.error) == (14, "completed", 14, "not_possible")
    return (days, status, one.days) == (0, "failed", 0)


def _one_failed(one: Result, other: Result, _: Sequence[Row]) -> bool:
    return {one.error, other.error} == {"", "not_possible"}


def _one_noted(one: Result, other: Result, rows: Sequence[Row]) -> bool:
    noted = sum(row.key.startswith("batch_missed") for row in rows)
    return noted == 1 == one.missed + other.missed


_OPENED = (_act("open", _OPENING),)
_AFTER_THE_NEXT_MONDAY = exchange("2020-01-13", "10:00")
RACES = (
    Race("open, and open the same", (), (_act("open", _OPENING), _act("open", _OPENING)), _one_opened),
    Race(
        "open, and open other picks",
        (),
        (_act("open", _OPENING), _act("open other", _OPENING)),
        _one_opened_and_the_other_was_told,
    ),
    Race("tick, and open the same", (), (_act("tick", _OPENING), _act("open", _OPENING)), _one_opened),
    Race("tick, and tick to open", (), (_act("tick", _OPENING), _act("tick", _OPENING)), _one_opened),
    Race("tick, and tick to record", _OPENED, (_act("tick"), _act("tick")), _each_day_by_one),
    Race("backfill, and backfill the same", (), (_act("backfill"), _act("backfill")), _each_day_by_one),
    Race("tick, and backfill", _OPENED, (_act("tick"), _act("backfill")), _each_day_by_one),
    Race("tick, and fail", _OPENED, (_act("tick"), _act("fail")), _all_days_or_none),
    Race("fail, and fail", _OPENED, (_act("fail"), _act("fail")), _one_failed),
    Race(
        "tick, and tick after a missed Monday",
        _OPENED,
        (_act("tick", _AFTER_THE_NEXT_MONDAY), _act("tick", _AFTER_THE_NEXT_MONDAY)),
        _one_noted,
    ),
)


class Racer:
    """A process that connects, says that it is ready, and acts at the moment that it is told."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.races"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def tell(self, **said: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """The next answer. Raises RuntimeError if the process has ended."""
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("a racing process failed by itself; what it said stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def get_ready(self, conninfo: str, act: Act) -> None:
        self.tell(conninfo=conninfo, name=act.name, instant=act.instant)
        self.told()

    def act(self, at: float) -> None:
        """Has it begin at an instant of the monotonic clock, which all processes of a machine share."""
        self.tell(at=at)

    def result(self) -> Result:
        return Result(**self.told())


def races(count: int, seed: int, directory: Path) -> RaceFigures:
    """Runs `count` races, each kind in its turn, on a server in `directory`.

    The two are released at the same instant or up to some milliseconds apart, so that every order of their statements
    has its chance.
    """
    draw, figures = random.Random(seed), RaceFigures()
    with real_server(directory) as server, ExitStack() as stack:
        one, other = stack.enter_context(Racer()), stack.enter_context(Racer())
        for number in range(count):
            with database(server) as conninfo:
                race = RACES[number % len(RACES)]
                _run(race, conninfo, one, other, draw, figures)
    return figures


def _run(race: Race, conninfo: str, one: Racer, other: Racer, draw: random.Random, figures: RaceFigures) -> None:
    for act in race.before:
        one.get_ready(conninfo, act)
        one.act(time.monotonic())
        one.result()
    for racer, act in zip((one, other), race.pair, strict=True):
        racer.get_ready(conninfo, act)
    start = time.monotonic() + _LEAD_S
    apart = draw.choice([0.0, draw.uniform(-_FURTHEST_APART_S, _FURTHEST_APART_S)])
    one.act(start + max(-apart, 0))
    other.act(start + max(apart, 0))
    results = one.result(), other.result()
    rows, faults = content(conninfo), broken(conninfo)
    keys = Counter((row.table, row.key) for row in rows)
    figures.races[race.name] += 1
    figures.repeated += keys.total() - len(keys)
    figures.broken += [f"{race.name}: {fault}" for fault in faults]
    if not race.holds(*results, rows):
        figures.broken.append(f"{race.name} ended in {results}")
    figures.lost += max(results[0].days + results[1].days - sum(row.table == "checkpoints" for row in rows), 0)
    figures.first_won += _did_something(results[0])
    figures.second_won += _did_something(results[1])


def _did_something(result: Result) -> bool:
    return bool(result.opened or result.days or result.missed)


@asynccontextmanager
async def _services(conninfo: str, instant: datetime) -> AsyncIterator[Services]:
    async with Database(conninfo) as database:
        prices = ScriptedPrices(closes_of(date(2020, 1, 2), date(2020, 2, 14)))
        settings = Settings.model_construct(provider_settings={})
        yield Services(settings, FixedClock(instant), CALENDAR, _RULES, database, (prices,), _Picks())


async def _serve(line: str) -> None:
    """Takes part in one race."""
    given = json.loads(line)
    async with _services(given["conninfo"], datetime.fromisoformat(given["instant"])) as services:
        async with services.database.connection():
            print(json.dumps({"ready": True}), flush=True)
        at = json.loads(sys.stdin.readline())["at"]
        while time.monotonic() < at:  # to sleep would let the machine choose the order
            pass
        try:
            async with asyncio.timeout(_LONGEST_S):
                report = await _ACTS[given["name"]](services)
        except AlphaMondayError as exc:
            result: dict[str, Any] = {"error": exc.code}
        else:
            result = {
                "opened": report.opened,
                "already_there": report.already_there,
                "days": report.computed + report.skipped,
                "missed": report.missed,
            }
    print(json.dumps(result), flush=True)


def main() -> None:
    """Takes part in races until its input ends."""
    while line := sys.stdin.readline():
        asyncio.run(_serve(line))


if __name__ == "__main__":
    main()
