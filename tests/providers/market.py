"""A market with a truth: what every symbol traded at, and how it split; and what a provider makes of that."""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial

from core.trading_calendar import TradingCalendar

CALENDAR = TradingCalendar()
CENT = Decimal("0.01")
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Quote:
    """A session's close as it was traded, with the split and the cash dividend that became effective on it."""

    close: Decimal
    split_factor: Decimal = ONE
    dividend: Decimal = Decimal(0)


Series = Mapping[date, Quote]
Change = Callable[[str, Series], Series | None]
"""What a provider makes of a symbol's series; None where it does not know the symbol."""


def quotes_of(symbols: Collection[str], first: date, last: date, seed: int = 0) -> dict[str, Series]:
    """A market in whole cents that moves by at most 3 % a session; the same for the same arguments."""
    found: dict[str, Series] = {}
    for row, symbol in enumerate(symbols):
        drawn, close = random.Random(f"{seed} {symbol}"), Decimal(90 + 35 * row)
        series = {}
        for day in CALENDAR.sessions(first, last):
            close = (close * (1 + Decimal(drawn.randint(-300, 300)).scaleb(-4))).quantize(CENT)
            series[day] = Quote(close)
        found[symbol] = series
    return found


def split_on(series: Series, day: date, factor: Decimal) -> Series:
    """The series if it had split by `factor` on `day`: new shares per old, in cents."""
    return {
        at: replace(
            quote,
            close=(quote.close / factor).quantize(CENT) if at >= day else quote.close,
            split_factor=factor if at == day else quote.split_factor,
        )
        for at, quote in series.items()
    }


def falling_on(series: Series, day: date, by: Decimal, dividend: Decimal = Decimal(0)) -> Series:
    """The series if everything from `day` on were worth less by the fraction `by`."""
    return {
        at: replace(
            quote,
            close=(quote.close * (1 - by)).quantize(CENT) if at >= day else quote.close,
            dividend=dividend if at == day else quote.dividend,
        )
        for at, quote in series.items()
    }


def unflagged(symbol: str) -> Change:
    """A symbol whose splits are not told."""
    return _of(symbol, lambda series: {day: replace(quote, split_factor=ONE) for day, quote in series.items()})


def closing_at(symbol: str, day: date, close: Decimal) -> Change:
    """Another close for a symbol's session, where that is told at all."""
    return _of(
        symbol, lambda series: {at: replace(quote, close=close) if at == day else quote for at, quote in series.items()}
    )


def without(symbols: Collection[str], days: Collection[date]) -> Change:
    """No rows of some days."""
    return partial(_kept, symbols, lambda day: day not in days)


def up_to(symbols: Collection[str], last: date) -> Change:
    """No rows later than `last`."""
    return partial(_kept, symbols, lambda day: day <= last)


def since(symbols: Collection[str], first: date) -> Change:
    """No rows before `first`."""
    return partial(_kept, symbols, lambda day: day >= first)


def unknown(symbols: Collection[str]) -> Change:
    """Symbols of which the provider has never heard."""
    return lambda symbol, series: None if symbol in symbols else series


def in_digits(places: int) -> Change:
    """Closes that are rounded to so many decimals."""
    step = ONE.scaleb(-places)
    return lambda _, series: {day: replace(quote, close=quote.close.quantize(step)) for day, quote in series.items()}


def _of(symbol: str, change: Callable[[Series], Series]) -> Change:
    return lambda asked, series: change(series) if asked == symbol else series


def _kept(symbols: Collection[str], keep: Callable[[date], bool], symbol: str, series: Series) -> Series:
    return series if symbol not in symbols else {day: quote for day, quote in series.items() if keep(day)}


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time, of which the last instant is no part."""

    first: datetime
    last: datetime

    def covers(self, now: datetime) -> bool:
        return self.first <= now < self.last


ALWAYS = Spell(CALENDAR.at(date(1901, 1, 1), datetime.min.time()), CALENDAR.at(date(2099, 1, 1), datetime.min.time()))


@dataclass(frozen=True, slots=True)
class Distortion:
    """How a provider departs from the truth for a time."""

    change: Change
    spell: Spell = ALWAYS
