"""What an answer of Alpha Vantage says: closes or splits, digit for digit, of the days that were asked for.

The readers raise ValueError, whatever is wrong. Its text may hold anything that the provider sent, at any length:
whoever tells it redacts it first and shortens it then.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from core.csv_rows import parse_date
from core.prices.http import Question
from core.prices.source import parse_price
from core.prices.split_factors import exact_factor
from core.tickers import canonical_ticker
from core.trading_calendar import TradingCalendar

CLOSES, SPLITS = "TIME_SERIES_DAILY", "SPLITS"
COMPACT, FULL = "compact", "full"
COMPACT_POINTS = 100
_REFRESHED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?", re.ASCII)

Numbers = dict[date, Decimal]


@dataclass(frozen=True, slots=True)
class Asked(Question):
    """A question on one symbol, and the days that matter of an answer that is always about the newest ones."""

    symbol: str
    first: date
    last: date

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """The days belong to it, though they are not sent: what was answered yesterday lacks today's close."""
        days = (("first", self.first.isoformat()), ("last", self.last.isoformat()))
        return self.path, (*sorted(self.query.items()), *days)


def ticker_of(symbol: str) -> str:
    """The symbol as Alpha Vantage writes it: classes with a hyphen, for a point comes before a foreign exchange."""
    return canonical_ticker(symbol).replace(".", "-")


def read_closes(content: Mapping[str, object], asked: Asked, calendar: TradingCalendar) -> Numbers:
    """The closes of the days that were asked for, in order of time."""
    meta, series = content.get("Meta Data"), content.get("Time Series (Daily)")
    if not isinstance(meta, dict) or not isinstance(series, dict):
        raise ValueError("neither closes nor a reason")  # noqa: TRY004 - wrong content is one error, whatever its type
    _check_symbol(meta.get("2. Symbol"), asked)
    if meta.get("5. Time Zone") != "US/Eastern":
        raise ValueError(f"days in another time zone than US/Eastern: {shown(meta.get('5. Time Zone'))}")
    rows = {_day(written): row for written, row in series.items()}
    # A clock that is behind has too few asked for, and what was cut off would look like days without a close.
    is_cut_off = asked.query["outputsize"] == COMPACT and len(rows) >= COMPACT_POINTS
    if is_cut_off and min(rows) > asked.first:
        raise ValueError(f"the newest {len(rows)} closes go back to {min(rows)} only; is the clock right?")
    unfinished = _unfinished(meta.get("3. Last Refreshed"), calendar)
    spans = (day for day in sorted(rows) if asked.first <= day <= asked.last and day != unfinished)
    return {day: _number(rows[day], "4. close") for day in spans}


def _unfinished(refreshed: object, calendar: TradingCalendar) -> date | None:
    """The session during which an answer was made, if any: its row is the price of that moment."""
    found = _REFRESHED.fullmatch(refreshed) if isinstance(refreshed, str) else None
    if not found:
        raise ValueError(f"not the time of its making: {shown(refreshed)}")
    if not found[1]:
        return None
    at = datetime.fromisoformat(found[0]).replace(tzinfo=calendar.zone)
    return at.date() if at < calendar.close_of(at.date()) else None


def read_splits(content: Mapping[str, object], asked: Asked) -> Numbers:
    """The factors of the splits that became effective on days that were asked for; they are printed rounded."""
    rows = content.get("data")
    if not isinstance(rows, list):
        raise ValueError("neither splits nor a reason")  # noqa: TRY004 - as above
    _check_symbol(content.get("symbol"), asked)
    factors: Numbers = {}
    for row in rows:
        day = _day(row.get("effective_date") if isinstance(row, dict) else row)
        if asked.first <= day <= asked.last:
            if day in factors:
                raise ValueError(f"a second split on {day}, or the same once more")
            factors[day] = exact_factor(_number(row, "split_factor"))
    return factors


def _check_symbol(written: object, asked: Asked) -> None:
    if not isinstance(written, str) or ticker_of(written.upper()) != ticker_of(asked.symbol):
        raise ValueError(f"an answer about another symbol: {shown(written)}")


def _day(written: object) -> date:
    try:
        return parse_date(shown(written))
    except ValueError:
        raise ValueError(f"not a date: {shown(written)}") from None


def _number(row: object, name: str) -> Decimal:
    written = row.get(name) if isinstance(row, dict) else row
    if isinstance(written, str):
        with suppress(ValueError):
            return parse_price(written)
    raise ValueError(f"no positive number in quotes for {name}: {shown(written)}")


def shown(value: object) -> str:
    return str(value) if isinstance(value, str | Decimal) else type(value).__name__
