"""Weeks that are open and have all their days still to be written: work for whoever is disturbed at it, and the rows
that an undisturbed run of the same work gives.
"""

import asyncio
import csv
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg

from core.checkpoints import Recorder
from core.clock import SystemClock
from core.due_work import run_due_work
from core.prices.csv_file import CsvPrices
from core.services import Services, rules_of
from core.settings import Settings
from core.settling import settle
from core.trading_calendar import batch_days, monday_of
from core.weeks import Week
from db.database import Database
from tests.databases import as_superuser
from tests.faults.market import CALENDAR, PICKS, SYMBOLS, closes_of
from tests.faults.rows import Row, content

_SETTLED = timedelta(weeks=3)  # of a week that began so long ago every day is due


@dataclass(frozen=True, slots=True)
class Backlog:
    """Weeks, the newest first, and a file with the prices of all their days.

    They reach back from today without a gap, so that no Monday between them counts as missed.
    """

    weeks: Sequence[date]
    prices: Path
    picks: Path

    @classmethod
    def of(cls, count: int, directory: Path) -> "Backlog":
        """So many weeks, and their files in `directory`."""
        newest = monday_of(CALENDAR.exchange_date(datetime.now(UTC))) - _SETTLED
        weeks = tuple(newest - timedelta(weeks=week) for week in range(count))
        prices, picks = directory / "prices.csv", directory / "picks.csv"
        closes = closes_of(CALENDAR.previous_session(weeks[-1]), batch_days(weeks[0])[-1])
        with prices.open("w", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(("date", "symbol", "close"))
            rows.writerows((day, symbol, close.price) for symbol in SYMBOLS for day, close in closes[symbol].items())
        with picks.open("w", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(("run_date", "ticker", "action", "reasoning"))
            rows.writerows((week, pick.ticker, pick.action.value, pick.reasoning) for week in weeks for pick in PICKS)
        return cls(weeks, prices, picks)

    def services(self, database: Database, settings: Settings | None = None) -> Services:
        """What writes the weeks, with the file's prices and the machine's clock, and opens none by itself."""
        settings = settings or Settings()
        sources = (CsvPrices(self.prices),)
        return Services(settings, SystemClock(), CALENDAR, rules_of(settings, sources), database, sources, None)

    @asynccontextmanager
    async def at(self, conninfo: str) -> AsyncIterator[Services]:
        """The services on a database."""
        async with Database(conninfo) as database:
            yield self.services(database)

    def part(self, number: int, count: int) -> "Backlog":
        """One of `count` equal parts, the first being the newest weeks."""
        size = len(self.weeks) // count
        return replace(self, weeks=self.weeks[number * size : (number + 1) * size])

    async def open(self, conninfo: str) -> None:
        """Opens the weeks in one transaction, and writes none of their days."""
        async with self.at(conninfo) as services:
            now = services.clock.now()
            opening = [
                Week.to_open(week, PICKS, "file", services.rules, CALENDAR, now, with_days=False) for week in self.weeks
            ]
            settled: list[Week] = []

            async def keep(some: Iterable[Week]) -> None:
                settled.extend(some)

            await settle(opening, services.sources, CALENDAR, services.rules, now, keep)
            await Recorder(services.database, services.clock, None)(settled)

    async def write(self, conninfo: str) -> None:
        """Does all that is due, undisturbed."""
        async with self.at(conninfo) as services:
            await run_due_work(services)


def written(conninfo: str, weeks: Collection[date] | None = None) -> list[Row]:
    """The rows of all weeks, or of some. That this week's Monday was missed is none of them."""
    rows = [row for row in content(as_superuser(conninfo)) if not row.key.startswith("batch_missed")]
    return rows if weeks is None else of_weeks(rows, weeks)


def of_weeks(rows: Iterable[Row], weeks: Collection[date]) -> list[Row]:
    """Those of `rows` that belong to some weeks."""
    named = {week.isoformat() for week in weeks}
    return [row for row in rows if row.key.split()[row.table == "events"] in named]


def unwritten(conninfo: str) -> int:
    """How many weeks have days left to be written."""
    with psycopg.connect(as_superuser(conninfo), autocommit=True) as connection:
        [(count,)] = connection.execute("select count(*)::int from batches where status = 'active'").fetchall()
    return int(count)


def undisturbed_at(conninfo: str, backlog: Backlog) -> list[Row]:
    """The rows that a run gives which nothing disturbs, in an empty database; no event loop may be at work here."""
    asyncio.run(backlog.open(conninfo))
    asyncio.run(backlog.write(conninfo))
    return written(conninfo)
