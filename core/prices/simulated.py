"""Invented closes for any ticker, the same on every machine: for the demo and for trying things out.

A price walks over weekdays, holiday or not, and is shown on sessions only: so it depends on symbol, benchmark
and date, and not on what the calendar learns later. The arithmetic is hashes, + - * / and square roots, which
IEEE 754 rounds alike everywhere; logarithms and powers, which it leaves to each platform, are avoided.
"""

import asyncio
import hashlib
import math
import struct
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from core.prices.source import ONE, Answer, Basis, Close, PriceOptions

if TYPE_CHECKING:
    from core.trading_calendar import TradingCalendar

FIRST_DAY = date(1990, 1, 1)  # a Monday, so that five weekdays to each seven days count its index
LAST_DAY = date(2100, 12, 31)
WEEKDAYS_PER_YEAR = 261
YEARLY_DRIFT = 0.06
BENCHMARK_VOLATILITY = 0.16
LOWEST_PRICE = 8.0
HIGHEST_PRICE = 800.0
_DAILY_DRIFT = YEARLY_DRIFT / WEEKDAYS_PER_YEAR
_BENCHMARK_START = 60.0
_BLOCK = 260
_WORD = 2**32
# A weekday's word is used in two parts: 12 bits choose the shock, the other 20 whether a split is decided.
_QUANTILES = 2**12
_SPLIT_CHANCE = _WORD // _QUANTILES // WEEKDAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Character:
    """How a symbol moves: beta to the benchmark, volatility as a fraction a year, and the price in 1990."""

    beta: float
    volatility: float
    start: float


def character_of(symbol: str) -> Character:
    """Beta from 0.6 to 1.6, volatility from 0.22 to 0.55 and a price from 20 to 220, drawn from the name.

    A low volatility limits beta, since the benchmark's share has to fit into it.
    """
    beta_draw, volatility_draw, start_draw = (word / _WORD for word in _words(symbol, "character", 3))
    volatility = 0.22 + 0.33 * volatility_draw
    highest_beta = min(1.6, 0.9 * volatility / BENCHMARK_VOLATILITY)
    return Character(0.6 + (highest_beta - 0.6) * beta_draw, volatility, 20.0 + 200.0 * start_draw)


class SimulatedPrices:
    """A price source of random walks with fat tails: raw closes in whole cents, with their splits.

    Every symbol's expected return is the benchmark's: no pick beats it except by luck.
    """

    name = "simulated"
    basis = Basis.PRICE
    settle_delay = timedelta(0)
    is_taken_at_its_word = True

    def __init__(
        self,
        calendar: "TradingCalendar",
        benchmark: str,
        withheld: Callable[[str, date], bool] | None = None,
    ) -> None:
        """`withheld` says which symbol's close of which session is kept back; it is called from a thread.

        A split on such a session stands at the next close that is shown.
        """
        self._calendar = calendar
        self._withheld = withheld
        self._market = _MarketWalk(benchmark)
        self._walks: dict[str, _MarketWalk | _Walk] = {benchmark: self._market}
        self._lock = threading.Lock()

    @classmethod
    def from_options(cls, options: PriceOptions) -> "SimulatedPrices":
        """Takes the calendar and the benchmark."""
        return cls(options.calendar, options.benchmark)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """A close for every session from `first` to `last` within 1990 to 2100; no symbol is unknown."""
        return await asyncio.to_thread(self._answer, sorted(set(symbols)), first, last)

    def _answer(self, symbols: Sequence[str], first: date, last: date) -> Answer:
        sessions = list(self._calendar.sessions(max(first, FIRST_DAY), min(last, LAST_DAY)))
        closes: Mapping[str, Mapping[date, Close]] = {symbol: {} for symbol in symbols}
        if sessions:
            with self._lock:
                closes = {symbol: self._shown(symbol, sessions) for symbol in symbols}
        return Answer(source=self.name, basis=self.basis, closes=closes)

    def _shown(self, symbol: str, sessions: Sequence[date]) -> dict[date, Close]:
        if (walk := self._walks.get(symbol)) is None:
            walk = self._walks[symbol] = _Walk(symbol, self._market)
        walk.reach(_index(sessions[-1]))
        shown: dict[date, Close] = {}
        before = self._last_shown_before(symbol, sessions[0])
        for day in sessions:
            if self._withheld and self._withheld(symbol, day):
                continue
            index = _index(day)
            factor = ONE
            if walk.splits:
                for passed in range(before + 1, index + 1):
                    factor *= walk.splits.get(passed, ONE)
            shown[day] = Close(Decimal(round(walk.prices[index] * 100)).scaleb(-2), factor)
            before = index
        return shown

    def _last_shown_before(self, symbol: str, day: date) -> int:
        """The index of the last close before `day` that is shown, or -1."""
        while (day := self._calendar.previous_session(day)) >= FIRST_DAY:
            if not (self._withheld and self._withheld(symbol, day)):
                return _index(day)
        return -1


class _MarketWalk:
    """The benchmark: every weekday's return as a fraction, and the price after it. It never splits."""

    def __init__(self, symbol: str) -> None:
        self.returns = array("d")
        self.prices = array("d")
        self.splits: dict[int, Decimal] = {}
        self._symbol = symbol
        self._price = _BENCHMARK_START

    def reach(self, index: int) -> None:
        """Walk on, in whole blocks, until the weekday of `index` is behind."""
        volatility = BENCHMARK_VOLATILITY / math.sqrt(WEEKDAYS_PER_YEAR)
        shocks = shock_quantiles()
        while len(self.prices) <= index:
            for word in _words(self._symbol, f"walk/{len(self.prices)}", _BLOCK):
                change = _DAILY_DRIFT + volatility * shocks[word % _QUANTILES]
                self._price *= 1.0 + change
                self.returns.append(change)
                self.prices.append(self._price)


class _Walk:
    """Any other symbol: every weekday's raw price, and the splits by the index of their weekday."""

    def __init__(self, symbol: str, market: _MarketWalk) -> None:
        self.prices = array("d")
        self.splits: dict[int, Decimal] = {}
        self._symbol = symbol
        self._market = market
        character = character_of(symbol)
        self._beta = character.beta
        own_variance = character.volatility**2 - (character.beta * BENCHMARK_VOLATILITY) ** 2
        self._own_volatility = math.sqrt(own_variance / WEEKDAYS_PER_YEAR)
        self._price = character.start

    def reach(self, index: int) -> None:
        """Walk on, in whole blocks, until the weekday of `index` is behind."""
        self._market.reach(index)
        while len(self.prices) <= index:
            self._walk_block(len(self.prices))

    def _walk_block(self, begin: int) -> None:
        beta, own_volatility, price = self._beta, self._own_volatility, self._price
        shocks = shock_quantiles()
        words = _words(self._symbol, f"walk/{begin}", _BLOCK)
        market = self._market.returns[begin : begin + _BLOCK]
        for index, (word, market_change) in enumerate(zip(words, market, strict=True), begin):
            if word // _QUANTILES < _SPLIT_CHANCE or not LOWEST_PRICE <= price <= HIGHEST_PRICE:
                new, old = _split_at(price)
                if new != old:
                    price = price * old / new
                    self.splits[index] = Decimal(new) / old
            own_change = own_volatility * shocks[word % _QUANTILES]
            price *= 1.0 + _DAILY_DRIFT + beta * (market_change - _DAILY_DRIFT) + own_change
            self.prices.append(price)
        self._price = price


def _split_at(price: float) -> tuple[int, int]:
    """New shares for how many old ones, where a company with that price splits at all."""
    if price > HIGHEST_PRICE:
        return 10, 1
    if price >= 200:
        return 4, 1
    if price >= 40:
        return 2, 1
    if price < LOWEST_PRICE:
        return 1, 10
    return (1, 4) if price < 16 else (1, 1)


@lru_cache(maxsize=1)
def shock_quantiles() -> tuple[float, ...]:
    """4096 equally likely shocks, ascending: Student's t with 4 degrees of freedom, over its standard deviation.

    For u uniform on (-1, 1) and s the root of 3s - s³ = 2u in (-1, 1), the density of s is 3/4 (1 - s²), and
    by substitution 2s / sqrt(1 - s²) has exactly that distribution, whose variance is 2. The outermost shock is
    9 standard deviations, so that even the worst day leaves a positive price.
    """
    upper = []
    root = 0.0
    for step in range(_QUANTILES // 2):
        u = (2 * step + 1) / _QUANTILES
        # The curve is concave, so Newton's steps from below climb to the root and never pass it.
        while (closer := root + (2 * u - 3 * root + root * root * root) / (3 - 3 * root * root)) > root:
            root = closer
        upper.append(root * math.sqrt(2 / (1 - root * root)))
    return (*(-shock for shock in reversed(upper)), *upper)


def _words(symbol: str, topic: str, count: int) -> tuple[int, ...]:
    """`count` uniform integers from 0 to 2³² - 1 that belong to the symbol and topic."""
    digest = hashlib.shake_256(f"{topic}/{symbol}".encode()).digest(4 * count)
    return struct.unpack(f"<{count}I", digest)


def _index(day: date) -> int:
    """How many weekdays lie between the first day and `day`, itself a weekday."""
    weeks, weekday = divmod((day - FIRST_DAY).days, 7)
    return 5 * weeks + weekday
