"""Providers on loopback that tell of one market in their own JSON, each with distortions and faults of its own."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol

from core.trading_calendar import EXCHANGE_ZONE
from tests.loopback import Loopback, Request, reply, serving
from tests.providers.market import CALENDAR, ONE, Distortion, Quote, Series, Spell

Failure = Callable[[Request, bytes], bytes | None]
"""What is sent in the place of an honest answer; None is silence."""
_ALPACA_PAGE = 7
_ADJUSTED = Decimal("0.0001")


class Clock(Protocol):
    """The time at the provider."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong for a time: with every question, or with those whose target holds `about`."""

    failure: Failure
    spell: Spell
    about: str = ""


@dataclass(slots=True)
class Played:
    """A provider that tells of a market what has been traded by now, and the server that speaks for it."""

    quotes: Mapping[str, Series]
    clock: Clock
    speak: Callable[["Played", Request], bytes]
    distortions: list[Distortion] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[date, Request]] = field(default_factory=list)

    def series(self, symbol: str) -> Series | None:
        """What it says of a symbol now; None if it does not know it."""
        now = self.clock.now()
        told: Series | None = self.quotes.get(symbol)
        if told is not None:
            told = {day: quote for day, quote in told.items() if CALENDAR.close_of(day) <= now}
        for distortion in self.distortions:
            if told is not None and distortion.spell.covers(now):
                told = distortion.change(symbol, told)
        return told

    def answer(self, request: Request) -> bytes | None:
        """The bytes for one question."""
        now = self.clock.now()
        self.asked.append((CALENDAR.exchange_date(now), request))
        honest = self.speak(self, request)
        for fault in self.faults:
            if fault.spell.covers(now) and fault.about in request.target:
                return fault.failure(request, honest)
        return honest

    @contextmanager
    def serving(self) -> Iterator[Loopback]:
        with serving(self.answer) as server:
            yield server


def tiingo(played: Played, request: Request) -> bytes:
    """`/tiingo/daily/SYMBOL/prices`: raw closes and factors beside adjusted ones that nobody is to take."""
    symbol = request.path.split("/")[-2].replace("-", ".")
    if (series := played.series(symbol)) is None:
        return _json(json.dumps({"detail": f"Error: Ticker '{symbol}' not found"}), 404)
    first, last = (date.fromisoformat(request.query[name]) for name in ("startDate", "endDate"))
    rows = [
        f'{{"date": "{day}T00:00:00.000Z", "close": {quote.close}, "adjClose": {quote.close - quote.dividend - 1}, '
        f'"divCash": {quote.dividend}, "splitFactor": {quote.split_factor}}}'
        for day, quote in series.items()
        if first <= day <= last
    ]
    return _json(f"[{', '.join(rows)}]")


def alpaca(played: Played, request: Request) -> bytes:
    """`/v2/stocks/bars`: bars adjusted for the splits that are known now, paged."""
    query, asked_at = request.query, int(request.query.get("page_token", "0"))
    first, last = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
    assert query["adjustment"] == "split,spin-off"
    bars = [
        (symbol, day, close)
        for symbol in query["symbols"].split(",")
        for day, close in split_adjusted(played.series(symbol) or {}).items()
        if first <= CALENDAR.at(day, time()) <= last
    ]
    page = bars[asked_at : asked_at + _ALPACA_PAGE]
    by_symbol: dict[str, list[str]] = {}
    for symbol, day, close in page:
        begins = datetime.combine(day, time(), EXCHANGE_ZONE).astimezone(UTC)
        by_symbol.setdefault(symbol, []).append(f'{{"t": "{begins:%Y-%m-%dT%H:%M:%SZ}", "c": {close}}}')
    told = ", ".join(f'"{symbol}": [{", ".join(rows)}]' for symbol, rows in by_symbol.items())
    following = asked_at + _ALPACA_PAGE
    token = f'"{following}"' if following < len(bars) else "null"
    return _json(f'{{"bars": {{{told}}}, "next_page_token": {token}}}')


def split_adjusted(series: Series) -> dict[date, Decimal]:
    """Closes on the share basis of the last one."""
    found: dict[date, Decimal] = {}
    factor = ONE
    for day in sorted(series, reverse=True):
        close = series[day].close
        found[day] = close if factor == ONE else (close / factor).quantize(_ADJUSTED, ROUND_HALF_EVEN)
        factor *= series[day].split_factor
    return dict(sorted(found.items()))


def adjusted(market: Mapping[str, Series]) -> dict[str, Series]:
    """The market as a provider tells it that has worked every split into its closes."""
    return {
        symbol: {day: Quote(close) for day, close in split_adjusted(series).items()}
        for symbol, series in market.items()
    }


def alpha_vantage(played: Played, request: Request) -> bytes:
    """`/query`: raw closes, and splits by themselves."""
    symbol, function = request.query["symbol"], request.query["function"]
    if (series := played.series(symbol.replace("-", "."))) is None:
        return _json("{}")
    if function == "SPLITS":
        data = [
            {"effective_date": str(day), "split_factor": str(quote.split_factor)}
            for day, quote in series.items()
            if quote.split_factor != ONE
        ]
        return _json(json.dumps({"symbol": symbol, "data": data}))
    meta = {"2. Symbol": symbol, "3. Last Refreshed": str(max(series)), "5. Time Zone": "US/Eastern"}
    rows = {str(day): {"4. close": str(series[day].close)} for day in sorted(series, reverse=True)}
    return _json(json.dumps({"Meta Data": meta, "Time Series (Daily)": rows}))


def status(number: int, headers: Mapping[str, str] | None = None) -> Failure:
    """An answer of nothing but a status."""
    return lambda _, __: reply(number, b"", headers)


def instead(body: bytes, number: int = 200) -> Failure:
    """Another body under whatever status."""
    return lambda _, __: reply(number, body)


def silence(_: Request, __: bytes) -> None:
    """Nothing, for as long as somebody listens."""


def hang_up(_: Request, __: bytes) -> bytes:
    """The end of the connection without a word."""
    return b""


def half(_: Request, honest: bytes) -> bytes:
    """The first half of what was to come, by its own account."""
    head, _sep, body = honest.partition(b"\r\n\r\n")
    assert head
    return reply(200, body[: len(body) // 2])


def cut_off(_: Request, honest: bytes) -> bytes:
    """The first half of an answer whose length says that more was to come."""
    _head, _sep, body = honest.partition(b"\r\n\r\n")
    return reply(200, body[: len(body) // 2], length=len(body))


def _json(text: str, number: int = 200) -> bytes:
    return reply(number, text.encode(), {"Content-Type": "application/json"})
