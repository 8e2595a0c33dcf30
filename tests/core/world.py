"""Three weeks of a small market, a database, a clock, and services that work on them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from core.picks.source import PickDraft, PicksNotYetError
from core.prices.source import Close
from core.rules import Rules
from core.services import Services
from core.settings import Settings
from core.trading_calendar import TradingCalendar
from db.database import Database
from db.records import Action
from tests.fakes import FixedClock, ScriptedPrices, exchange

CALENDAR = TradingCalendar()
SYMBOLS = ("SPY", "AAA", "BBB", "CCC")
FIRST, SECOND, THIRD = date(2020, 1, 6), date(2020, 1, 13), date(2020, 1, 20)
PICKS = tuple(PickDraft(ticker, Action.BUY, "Because.") for ticker in SYMBOLS[1:])
RULES = Rules(
    open_at=exchange("2020-01-06", "09:00").time(),
    open_until=exchange("2020-01-06", "09:30").time(),
    settle_delay=timedelta(minutes=30),
    give_up_after=timedelta(hours=48),
    benchmark="SPY",
)
ROWS = """
select run_date::text, b.status, benchmark_initial_price::text, c.checkpoint_date::text, c.status,
       benchmark_price::text, benchmark_return_pct::text, ticker, current_price::text, absolute_return_pct::text,
       vs_benchmark_pct::text
from batches b
left join checkpoints c on c.batch_id = b.id
left join pick_checkpoint_metrics m on m.checkpoint_id = c.id
left join picks p on p.id = m.pick_id
order by 1, 4, 8
"""
COUNTS = "select event_type, count(*)::int from events group by event_type"


@dataclass(slots=True)
class PicksOfWeeks:
    """A pick source that knows the same picks for some weeks."""

    weeks: set[date]
    name: str = "scripted"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        if run_date not in self.weeks:
            raise PicksNotYetError(f"nothing for {run_date}", "Wait.")
        return PICKS


def all_closes() -> dict[str, dict[date, Close]]:
    """Closes of every symbol for the sessions of three weeks, and some time before and after."""
    sessions = list(CALENDAR.sessions(date(2019, 12, 23), date(2020, 2, 14)))
    return {
        symbol: {
            day: Close(Decimal(100 + 30 * row) + Decimal((day.toordinal() * (7 + row)) % 19).scaleb(-2))
            for day in sessions
        }
        for row, symbol in enumerate(SYMBOLS)
    }


@dataclass(slots=True)
class World:
    """A database, a clock, and what the sources say; any number of services work on it."""

    conninfo: str
    clock: FixedClock = field(default_factory=lambda: FixedClock(exchange("2020-01-06", "09:00")))
    prices: ScriptedPrices = field(default_factory=lambda: ScriptedPrices(all_closes()))
    picks: PicksOfWeeks = field(default_factory=lambda: PicksOfWeeks({FIRST, SECOND, THIRD}))

    @asynccontextmanager
    async def services(self, prices: ScriptedPrices | None = None) -> AsyncIterator[Services]:
        async with Database(self.conninfo) as database:
            sources = (prices or self.prices,)
            yield Services(Settings(), self.clock, CALENDAR, RULES, database, sources, self.picks)

    def rows(self, query: str = ROWS) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo) as connection:
            return connection.execute(query.encode()).fetchall()
