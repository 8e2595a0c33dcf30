"""Each price source against its provider, with a key from LIVE_<SOURCE>_KEY; without one it is skipped.

The names differ from the program's own, which the tests take out of their environment.
"""

import os
from datetime import date, timedelta
from decimal import Decimal

import pytest

from core.clock import SystemClock
from core.prices.registry import make_price_source
from core.prices.source import Close, PriceOptions, PriceSource, UnauthorisedError
from core.trading_calendar import TradingCalendar

pytestmark = pytest.mark.live

CALENDAR = TradingCalendar()
KEYLESS = {"yahoo"}
# Before, Alpaca has no prices.
BEGINNINGS = {"alpaca": date(2016, 1, 1)}


@pytest.fixture(params=["alpaca", "alpha_vantage", "tiingo", "yahoo"])
def source(request: pytest.FixtureRequest) -> PriceSource:
    name = str(request.param)
    variable = f"LIVE_{name.upper()}_KEY"
    key = os.environ.get(variable)
    if key is None and name not in KEYLESS:
        pytest.skip(f"{variable} is not set")
    return make_price_source(name, PriceOptions(calendar=CALENDAR, benchmark="SPY", key=key))


async def closes_of(source: PriceSource, symbol: str, first: date, last: date) -> dict[date, Close]:
    if first < BEGINNINGS.get(source.name, first):
        pytest.skip(f"{source.name} begins with {BEGINNINGS[source.name]}")
    try:
        answer = await source.closes([symbol], first, last)
    except UnauthorisedError as refused:
        if "premium" in refused.message:
            pytest.skip(f"{source.name} keeps dates long past for who pays: {refused.message}")
        raise
    assert not answer.unknown
    return dict(answer.closes[symbol])


@pytest.mark.parametrize(
    ("split_on", "low", "high"),
    [
        (date(2014, 6, 9), "1.015", "1.017"),
        (date(2020, 8, 31), "1.033", "1.035"),
    ],  # 645.57 : 7 to 93.70, 499.23 : 4 to 129.04
    ids=str,
)
async def test_a_split_changes_no_return(source: PriceSource, split_on: date, low: str, high: str) -> None:
    first, last = split_on - timedelta(days=7), split_on + timedelta(days=4)
    closes = await closes_of(source, "AAPL", first, last)
    assert list(closes) == list(CALENDAR.sessions(first, last))
    before = closes[CALENDAR.previous_session(split_on)].price
    after = closes[split_on].price * closes[split_on].split_factor
    assert Decimal(low) < after / before < Decimal(high)
    assert all(close.split_factor == 1 for day, close in closes.items() if day != split_on)


async def test_closes_are_those_of_the_exchange(source: PriceSource) -> None:
    first, last = date(2014, 6, 2), date(2014, 6, 13)
    closes = await closes_of(source, "SPY", first, last)
    assert list(closes) == list(CALENDAR.sessions(first, last))
    assert round(closes[date(2014, 6, 6)].price, 2) == Decimal("195.38"), "neither adjusted nor of another day"


async def test_every_session_of_recent_weeks_has_a_close(source: PriceSource) -> None:
    last = CALENDAR.previous_session(CALENDAR.exchange_date(SystemClock().now()))
    first = last - timedelta(days=14)
    closes = await closes_of(source, "SPY", first, last)
    assert list(closes) == list(CALENDAR.sessions(first, last))


async def test_a_symbol_that_nobody_has_is_unknown_or_without_closes(source: PriceSource) -> None:
    last = CALENDAR.previous_session(CALENDAR.exchange_date(SystemClock().now()))
    answer = await source.closes(["ZZZZZZZQ"], last - timedelta(days=7), last)
    assert not answer.closes.get("ZZZZZZZQ")
