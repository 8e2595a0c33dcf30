"""What the tests put at the outside edge: a clock and price sources that say what they are told to."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from core.prices.source import Answer, Basis, Close, PriceSourceError
from core.trading_calendar import EXCHANGE_ZONE


@dataclass(slots=True)
class FixedClock:
    """A clock that stands until it is set. `ahead` is how far it is ahead of the database's."""

    instant: datetime
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.instant

    def ahead_of(self, server_time: datetime) -> timedelta:
        return self.ahead


def start_tasks_at_once() -> None:
    """Run this test's tasks as the TUI runs them: `App.run` has them start at once on Python 3.12 and newer."""
    if (eager := getattr(asyncio, "eager_task_factory", None)) is not None:
        asyncio.get_running_loop().set_task_factory(eager)


def exchange(day: str, clock_time: str = "17:00") -> datetime:
    """An instant in exchange time."""
    return datetime.fromisoformat(f"{day}T{clock_time}").replace(tzinfo=EXCHANGE_ZONE)


@dataclass(slots=True)
class ScriptedPrices:
    """A price source with given closes, which can be made to fail, and which keeps the questions it was asked."""

    closes_by_symbol: Mapping[str, Mapping[date, Close]]
    name: str = "scripted"
    basis: Basis = Basis.PRICE
    settle_delay: timedelta = timedelta(0)
    failure: PriceSourceError | None = None
    questions: list[tuple[frozenset[str], date, date]] = field(default_factory=list)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        asked = frozenset(symbols)
        self.questions.append((asked, first, last))
        if self.failure is not None:
            raise self.failure
        return Answer(
            source=self.name,
            basis=self.basis,
            closes={
                symbol: {day: close for day, close in self.closes_by_symbol[symbol].items() if first <= day <= last}
                for symbol in asked
                if symbol in self.closes_by_symbol
            },
            unknown=asked - self.closes_by_symbol.keys(),
        )


def closes(**prices: str) -> dict[date, Close]:
    """Closes by date, from `d2026_11_20="101.5"` or, with a split factor, `d2026_11_20="50.75*2"`."""
    found = {}
    for name, text in prices.items():
        price, _, factor = text.partition("*")
        day = date.fromisoformat(name.removeprefix("d").replace("_", "-"))
        found[day] = Close(Decimal(price), Decimal(factor or 1))
    return found


@dataclass(slots=True)
class HourBetweenLooks:
    """A clock of files for which every file was written an hour ago, and an hour passes before each look at one."""

    looks: int = 0

    def wall(self) -> float:
        return time.time() + 3600

    def monotonic(self) -> float:
        self.looks += 1
        return self.looks * 3600.0

    async def sleep(self, seconds: float) -> None:
        pass
