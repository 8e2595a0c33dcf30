"""What is asked of Alpaca's daily bars page by page, and what the pages hold."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from core.csv_rows import parse_date
from core.prices.http import Question
from core.prices.source import Close, is_price
from core.trading_calendar import EXCHANGE_ZONE

BARS_ON_A_PAGE = 10_000
# Several times what a hundred symbols have since 2016, when the data begin.
MOST_PAGES = 200
# Free accounts are refused what reaches into the last 15 minutes; the rest is for a clock that is fast.
EMBARGO = timedelta(minutes=20)
_MIDNIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(0[45]):00:00(\.0{1,9})?(Z|\+00:00)", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,512}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """The days that are asked for, and when they are."""

    first: date
    last: date
    asked_at: datetime

    @property
    def query(self) -> dict[str, str]:
        """From the first day's midnight to the last one's end, or to what a free account is told if that is sooner.

        The end cannot be a date: that stands for the whole day, and is refused until the day is over.
        """
        start = datetime.combine(self.first, time(), EXCHANGE_ZONE)
        end = datetime.combine(self.last, time(23, 59, 59), EXCHANGE_ZONE)
        return {"start": _instant(start), "end": _instant(min(end, self.asked_at - EMBARGO))}


@dataclass(frozen=True, slots=True)
class Page:
    """The closes on one page by symbol and date, and what to ask the next one with; None on the last."""

    closes: Mapping[str, Mapping[date, Close]]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class InvalidSymbol:
    """What Alpaca calls no symbol, and answers nothing before it is left out."""

    symbol: str


@dataclass(slots=True)
class Series:
    """The closes of some symbols as far as the pages were read; each token led to one page after the first."""

    symbols: list[str]
    closes: dict[str, dict[date, Close]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    is_whole: bool = False

    def question(self, span: Span) -> Question:
        """What to ask for the next page."""
        query = {
            "symbols": ",".join(self.symbols),
            "timeframe": "1Day",
            **span.query,
            "adjustment": "split,spin-off",
            "asof": "-",
            "feed": "sip",
            "limit": str(BARS_ON_A_PAGE),
            "sort": "asc",
        }
        if self.tokens:
            query["page_token"] = self.tokens[-1]
        return Question(("v2", "stocks", "bars"), query)

    def take(self, page: Page | InvalidSymbol) -> None:
        """Adds a page, or begins anew without what is no symbol.

        Raises ValueError for a day that stands on two pages, and for pages that lead to no end.
        """
        if isinstance(page, InvalidSymbol):
            self.symbols.remove(page.symbol)
            self.closes, self.tokens, self.is_whole = {}, [], not self.symbols
            return
        for symbol, closes in page.closes.items():
            held = self.closes.setdefault(symbol, {})
            if twice := held.keys() & closes.keys():
                raise ValueError(f"a second close of {symbol} on {min(twice)}")
            held.update(closes)
        if page.next_token is None:
            self.is_whole = True
        elif page.next_token in self.tokens or len(self.tokens) + 1 >= MOST_PAGES:
            raise ValueError(f"pages without an end, of which {len(self.tokens) + 1} were read")
        else:
            self.tokens.append(page.next_token)

    def in_order(self) -> Iterator[tuple[str, dict[date, Close]]]:
        """Each symbol that was not refused, with its closes in order of time."""
        for symbol in self.symbols:
            yield symbol, dict(sorted(self.closes.get(symbol, {}).items()))


def read_page(content: Any, symbols: Iterable[str], span: Span) -> Page:
    """The page in one answer. Raises ValueError, whose text the caller shortens and redacts."""
    if not isinstance(content, dict) or not {"bars", "next_page_token"} <= content.keys():
        raise ValueError("neither bars nor what leads to more of them")
    bars, token = content["bars"], content["next_page_token"]
    if not isinstance(bars, dict | None):
        raise ValueError("bars that are not by symbol")  # noqa: TRY004 - wrong content is one error, whatever its type
    if token is not None and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        raise ValueError(f"not a page's token: {_shown(token)}")
    if (currency := content.get("currency", "USD")) != "USD":
        raise ValueError(f"prices in {_shown(currency)}, not in USD")
    if strange := (bars or {}).keys() - set(symbols):
        raise ValueError(f"closes of {min(strange)}, which was not asked for")
    return Page({symbol: _read_bars(symbol, rows, span) for symbol, rows in (bars or {}).items()}, token)


def _read_bars(symbol: str, rows: Any, span: Span) -> dict[date, Close]:
    if not isinstance(rows, list):
        raise ValueError(f"no list of bars for {symbol}")  # noqa: TRY004 - as above
    closes: dict[date, Close] = {}
    for row in rows:
        bar = row if isinstance(row, dict) else {}
        try:
            day, price = _day(bar.get("t")), _price(bar.get("c"))
        except ValueError as exc:
            raise ValueError(f"{symbol}: {exc}") from None
        if not span.first <= day <= span.last:
            raise ValueError(f"a close of {symbol} on {day}, which was not asked for")
        if day in closes:
            raise ValueError(f"a second close of {symbol} on {day}")
        closes[day] = Close(price)
    return closes


def _day(written: Any) -> date:
    """The day whose bar begins at `written`, in UTC: the exchange's midnight, for any other time is no day's."""
    found = _MIDNIGHT.fullmatch(written) if isinstance(written, str) else None
    if found:
        day = parse_date(found[1])
        if datetime.combine(day, time(), EXCHANGE_ZONE).astimezone(UTC).hour == int(found[2]):
            return day
    raise ValueError(f"not a midnight at the exchange: {_shown(written)}")


def _price(value: Any) -> Decimal:
    if not isinstance(value, Decimal) or not is_price(value):
        raise ValueError(f"no positive number of at most 12 and 12 digits for c: {_shown(value)}")
    return value


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _shown(value: object) -> str:
    return str(value) if isinstance(value, str | Decimal) else type(value).__name__
