import asyncio
import hashlib
import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import correlation, fmean, pstdev

import pytest

from core.prices.simulated import YEARLY_DRIFT, SimulatedPrices, character_of, shock_quantiles
from core.prices.source import Basis, Close, PriceSource
from core.trading_calendar import TradingCalendar

CALENDAR = TradingCalendar()
FIRST = date(1990, 1, 2)
LAST = date(2025, 12, 31)
SESSIONS_PER_YEAR = 252
SYMBOLS = [f"S{number}" for number in range(60)]


def simulated(withheld: Callable[[str, date], bool] | None = None) -> SimulatedPrices:
    return SimulatedPrices(CALENDAR, "SPY", withheld)


async def closes_of(
    symbol: str, first: date = FIRST, last: date = LAST, source: SimulatedPrices | None = None
) -> Mapping[date, Close]:
    return (await (source or simulated()).closes([symbol], first, last)).closes[symbol]


def returns_of(closes: Mapping[date, Close]) -> "array[float]":
    """The return of every session but the first, as a fraction, splits taken out."""
    pairs = pairwise(closes.values())
    return array("d", (float(newer.price * newer.split_factor / older.price - 1) for older, newer in pairs))


@dataclass(frozen=True)
class History:
    """What the statistics need of one symbol's 36 years."""

    returns: "array[float]"
    lowest: Decimal
    highest: Decimal
    splits: int

    @property
    def volatility(self) -> float:
        return pstdev(self.returns) * math.sqrt(SESSIONS_PER_YEAR)


@pytest.fixture(scope="module")
def market() -> Mapping[str, History]:
    """The benchmark and sixty symbols over 36 years."""
    source = simulated()
    histories = {}
    for symbol in ["SPY", *SYMBOLS]:
        closes = asyncio.run(closes_of(symbol, source=source))
        prices = [close.price for close in closes.values()]
        splits = sum(close.split_factor != 1 for close in closes.values())
        histories[symbol] = History(returns_of(closes), min(prices), max(prices), splits)
    return histories


@pytest.fixture(scope="module")
def others(market: Mapping[str, History]) -> Mapping[str, History]:
    return {symbol: market[symbol] for symbol in SYMBOLS}


# Recorded once: other digits on another machine or Python version would be other prices for the same day.
@pytest.mark.parametrize(
    ("symbol", "day", "price", "digest"),
    [
        ("AAPL", date(2014, 6, 9), "15.95", "720f6a506de0a36b"),
        ("BRK.B", date(1990, 1, 2), "110.11", "18d56c545dd6d547"),
        ("SPY", date(2025, 12, 31), "694.98", "aee08312f2323375"),
    ],
)
async def test_the_closes_are_the_same_everywhere(symbol: str, day: date, price: str, digest: str) -> None:
    closes = await closes_of(symbol)
    assert str(closes[day].price) == price
    text = "".join(f"{day},{close.price},{close.split_factor}\n" for day, close in closes.items())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


async def test_every_session_of_the_span_has_a_close_and_no_other_day() -> None:
    source: PriceSource = simulated()
    answer = await source.closes(iter(["T", "SPY", "T"]), date(2025, 11, 20), date(2025, 12, 5))
    sessions = list(CALENDAR.sessions(date(2025, 11, 20), date(2025, 12, 5)))
    assert len(sessions) == 11
    assert {symbol: list(closes) for symbol, closes in answer.closes.items()} == {"SPY": sessions, "T": sessions}
    assert (answer.source, answer.basis, answer.unknown) == ("simulated", Basis.PRICE, frozenset())
    assert (source.name, source.basis, source.settle_delay) == ("simulated", Basis.PRICE, timedelta(0))


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        (date(2025, 12, 25), date(2025, 12, 25), 0),
        (date(2025, 12, 5), date(2025, 12, 4), 0),
        (date(1950, 1, 1), date(1989, 12, 31), 0),
        (date(1950, 1, 1), date(1990, 1, 3), 2),
        (date(2100, 12, 30), date(2200, 1, 1), 2),
    ],
)
async def test_the_ends_of_a_span_and_of_the_simulation(first: date, last: date, count: int) -> None:
    answer = await simulated().closes(["T"], first, last)
    assert len(answer.closes["T"]) == count
    assert not answer.unknown


async def test_a_close_does_not_depend_on_what_else_is_asked() -> None:
    whole = await closes_of("AAPL")
    source = simulated()
    await source.closes(["T", "GM"], date(2030, 1, 1), date(2030, 2, 1))
    for first, last in (("2020-01-01", "2020-12-31"), ("1990-01-01", "1990-01-31"), ("2010-01-01", "2025-12-31")):
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
        part = await closes_of("AAPL", begin, end, source)
        assert part == {day: close for day, close in whole.items() if begin <= day <= end}
        assert part


async def test_an_unforeseen_closure_changes_no_other_close_and_carries_its_split_on() -> None:
    whole = await closes_of("AAPL")
    day = next(day for day, close in whole.items() if close.split_factor != 1)

    class Surprised(TradingCalendar):
        def is_session(self, other: date) -> bool:
            return other != day and super().is_session(other)

    surprised = await closes_of("AAPL", source=SimulatedPrices(Surprised(), "SPY"))
    following = CALENDAR.next_session(day)
    expected = {other: close for other, close in whole.items() if other != day}
    expected[following] = Close(whole[following].price, whole[day].split_factor)
    assert surprised == expected


async def test_withheld_closes_are_left_out_and_their_splits_carried_on() -> None:
    whole = await closes_of("AAPL")
    day = next(day for day, close in whole.items() if close.split_factor != 1)
    source = simulated(lambda symbol, other: symbol == "AAPL" and other == day)
    following = CALENDAR.next_session(day)
    expected = {other: close for other, close in whole.items() if other != day}
    expected[following] = Close(whole[following].price, whole[day].split_factor)
    assert await closes_of("AAPL", source=source) == expected
    assert (await closes_of("AAPL", following, following, source)) == {following: expected[following]}
    assert day in await closes_of("T", source=source)


async def test_all_closes_may_be_withheld() -> None:
    assert await closes_of("AAPL", source=simulated(lambda symbol, day: True)) == {}


async def test_prices_are_whole_cents() -> None:
    for closes in (await simulated().closes(["SPY", "AAPL"], FIRST, LAST)).closes.values():
        assert {close.price.as_tuple().exponent for close in closes.values()} == {-2}


def test_prices_stay_readable(others: Mapping[str, History]) -> None:
    assert min(history.lowest for history in others.values()) > 4
    assert max(history.highest for history in others.values()) < 1_200


def test_splits_occur_about_once_in_three_years_and_never_to_the_benchmark(market: Mapping[str, History]) -> None:
    assert market["SPY"].splits == 0
    assert 2 < 36 / fmean(market[symbol].splits for symbol in SYMBOLS) < 4


def test_a_split_moves_the_price_and_not_the_return(others: Mapping[str, History]) -> None:
    # Nine standard deviations of the wildest symbol; a 2:1 split taken for a return would be below -0.4.
    for history in others.values():
        assert min(history.returns) > -0.4
        assert max(history.returns) < 0.4


def test_the_benchmark_moves_by_sixteen_percent_a_year(market: Mapping[str, History]) -> None:
    assert market["SPY"].volatility == pytest.approx(0.16, abs=0.01)


def test_volatility_is_that_of_the_character_between_20_and_60_percent(others: Mapping[str, History]) -> None:
    for symbol, history in others.items():
        assert 0.20 < history.volatility < 0.60
        assert history.volatility == pytest.approx(character_of(symbol).volatility, rel=0.1)
    assert pstdev(history.volatility for history in others.values()) > 0.05


def test_beta_is_that_of_the_character_between_0_6_and_1_6(market: Mapping[str, History]) -> None:
    benchmark = market["SPY"].returns
    characters = [character_of(symbol) for symbol in SYMBOLS]
    assert all(0.6 <= character.beta <= 1.6 for character in characters)
    assert pstdev(character.beta for character in characters) > 0.15
    for symbol, character in zip(SYMBOLS, characters, strict=True):
        returns = market[symbol].returns
        beta = correlation(returns, benchmark) * pstdev(returns) / pstdev(benchmark)
        assert beta == pytest.approx(character.beta, abs=0.15)


def test_no_symbol_is_expected_to_beat_the_benchmark(market: Mapping[str, History]) -> None:
    benchmark = fmean(market["SPY"].returns)
    excesses = [(fmean(market[symbol].returns) - benchmark) * SESSIONS_PER_YEAR for symbol in SYMBOLS]
    assert abs(fmean(excesses)) < 0.02
    assert 0 < sum(excess > 0 for excess in excesses) < len(SYMBOLS)
    assert benchmark * SESSIONS_PER_YEAR == pytest.approx(YEARLY_DRIFT, abs=3 * 0.16 / math.sqrt(36))


def test_the_tails_of_returns_are_fat(market: Mapping[str, History]) -> None:
    def kurtosis(returns: "array[float]") -> float:
        mean, deviation = fmean(returns), pstdev(returns)
        return fmean(((value - mean) / deviation) ** 4 for value in returns)

    assert all(kurtosis(history.returns) > 4 for history in market.values())


def test_returns_say_nothing_about_the_next_day(market: Mapping[str, History]) -> None:
    for history in market.values():
        assert abs(correlation(history.returns[:-1], history.returns[1:])) < 4 / math.sqrt(len(history.returns))


def test_the_shocks_are_the_quantiles_of_students_t_with_four_degrees_of_freedom() -> None:
    shocks = shock_quantiles()

    def share_below(value: float) -> float:
        """The distribution's closed form, for t = value times its standard deviation, the root of 2."""
        t = value * math.sqrt(2)
        ratio = t / math.sqrt(4 + t * t)
        return 0.5 + 0.75 * (ratio - ratio**3 / 3)

    assert len(shocks) == 4096
    assert list(shocks) == sorted(shocks)
    for rank, shock in enumerate(shocks):
        assert share_below(shock) == pytest.approx((rank + 0.5) / 4096, abs=1e-12)
    assert pstdev(shocks) == pytest.approx(1, abs=0.01)
    # Tables give 2.7764 for the upper 2.5 percent.
    assert bisect_right(shocks, 2.7764 / math.sqrt(2)) / 4096 == pytest.approx(0.975, abs=1 / 4096)


def test_the_worst_day_leaves_a_positive_price() -> None:
    worst = 0.0
    for character in map(character_of, _many_symbols()):
        own = math.sqrt(character.volatility**2 - (character.beta * 0.16) ** 2)
        worst = min(worst, (character.beta * 0.16 + own) / math.sqrt(261) * shock_quantiles()[0])
    assert -0.5 < worst < -0.3


def _many_symbols() -> Iterator[str]:
    return (f"W{number}" for number in range(2_000))
