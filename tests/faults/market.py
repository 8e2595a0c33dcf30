"""Prices and picks for the proofs: a small market for any stretch of time, and files of real or made-up closes."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from core.picks.source import PickDraft
from core.prices.source import Close
from core.trading_calendar import TradingCalendar, batch_days
from db.embedded import EmbeddedServer
from db.records import Action
from tests.databases import cloned, make_template

CALENDAR = TradingCalendar()
SYMBOLS = ("SPY", "AAA", "BBB", "CCC")
PICKS = tuple(PickDraft(ticker, Action.BUY, "Because.") for ticker in SYMBOLS[1:])
OTHER_PICKS = (PickDraft("AAA", Action.SELL, "On second thoughts."), *PICKS[1:])
REAL = Path(__file__).parents[3] / "shared" / "prices" / "adjusted_2010_2018"
TEMPLATE = "template_faults"


def closes_of(first: date, last: date) -> dict[str, dict[date, Close]]:
    """Closes of every symbol for the sessions of a stretch of time; the same for a date whatever the stretch."""
    return {
        symbol: {
            day: Close(Decimal(100 + 30 * row) + Decimal((day.toordinal() * (7 + row)) % 19).scaleb(-2))
            for day in CALENDAR.sessions(first, last)
        }
        for row, symbol in enumerate(SYMBOLS)
    }


@dataclass(frozen=True, slots=True)
class Files:
    """A price file and a pick file for some weeks, and whether their prices are real ones."""

    prices: Path
    picks: Path
    weeks: tuple[date, ...]
    are_real: bool


def files(directory: Path, weeks: int) -> Files:
    """Files for so many weeks: real closes and picks where those are at hand, made-up ones otherwise."""
    prices, picks = directory / f"prices_{weeks}.csv", directory / f"picks_{weeks}.csv"
    if REAL.exists():
        chosen = _written(picks, _rows_of(REAL / "picks.csv"), "run_date", weeks)
        last = batch_days(chosen[-1])[-1].isoformat()
        tickers = {row["ticker"] for row in _rows_of(picks)} | {"SPY"}
        kept = (row for row in _rows_of(REAL / "prices.csv") if row["date"] <= last and row["symbol"] in tickers)
        _written(prices, kept, "date", None)
        return Files(prices, picks, chosen, are_real=True)
    run_dates = [date(2010, 1, 11) + timedelta(weeks=week) for week in range(weeks)]
    closes = closes_of(date(2010, 1, 4), batch_days(run_dates[-1])[-1])
    _written(
        prices,
        (
            {"date": day.isoformat(), "symbol": symbol, "close": str(close.price)}
            for symbol, series in closes.items()
            for day, close in series.items()
        ),
        "date",
        None,
    )
    rows = (
        {"run_date": str(week), "ticker": pick.ticker, "action": pick.action.value, "reasoning": pick.reasoning}
        for week in run_dates
        for pick in PICKS
    )
    return Files(prices, picks, _written(picks, rows, "run_date", weeks), are_real=False)


def _rows_of(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="") as stream:
        yield from csv.DictReader(stream)


def _written(file: Path, rows: Iterable[dict[str, str]], column: str, dates: int | None) -> tuple[date, ...]:
    """Writes the rows of the first so many dates, or all of them; gives those dates."""
    seen: list[str] = []
    with file.open("w", newline="") as stream:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if row[column] not in seen[-1:]:
                if len(seen) == dates:
                    break
                seen.append(row[column])
            if writer is None:
                writer = csv.DictWriter(stream, list(row))
                writer.writeheader()
            writer.writerow(row)
    return tuple(map(date.fromisoformat, seen))


def database(server: EmbeddedServer) -> AbstractContextManager[str]:
    """A migrated, empty database, reached by one who has the writer's rights and no others; dropped at the end."""
    return cloned(server, TEMPLATE, "faults")


@contextmanager
def real_server(directory: Path) -> Iterator[EmbeddedServer]:
    """A server of its own with the settings of the product: what is committed is on the disk."""
    with EmbeddedServer.start(directory / "server") as server:
        make_template(server, TEMPLATE)
        yield server
