"""Whatever Alpaca's answers may hold: closes that are written there, a symbol that is none, or an error."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prices.alpaca import AlpacaPrices
from core.prices.alpaca_bars import InvalidSymbol, Page, Series, Span
from core.prices.http import Reply
from core.prices.source import Close, MalformedError, PriceSourceError, is_price
from core.trading_calendar import EXCHANGE_ZONE
from tests.core.prices.reading import numbers_in

FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)
NOW = datetime(2024, 1, 8, 12, tzinfo=UTC)
STATUSES = [200, 400, 403, 404, 422, 429]


def _read(body: bytes, status: int = 200, span: Span | None = None) -> Page | InvalidSymbol:
    span = span or Span(FIRST, LAST, NOW)
    return AlpacaPrices("id:secret")._read({"0": Series(["SPY"])}, span, "0", Reply(status, body))


def _closes(body: bytes, span: Span | None = None) -> Mapping[date, Close]:
    page = _read(body, span=span)
    assert isinstance(page, Page)
    return page.closes["SPY"]


def _check(body: bytes, status: int = 200) -> None:
    """Either an error of a price source, a symbol that was asked for, or closes that are prices written in `body`."""
    try:
        page = _read(body, status)
    except PriceSourceError:
        return
    if isinstance(page, InvalidSymbol):
        assert page.symbol == "SPY"
        return
    assert page.closes.keys() <= {"SPY"}
    for day, close in page.closes.get("SPY", {}).items():
        assert FIRST <= day <= LAST
        assert is_price(close.price)
        assert any(close.price == Decimal(text) for text in numbers_in(body.decode())), close.price
        assert close.split_factor == 1


@given(st.binary(), st.sampled_from(STATUSES))
def test_arbitrary_bytes_never_give_a_close_that_is_not_written_there(body: bytes, status: int) -> None:
    _check(body, status)


numbers = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.from_regex(r"\A-?[0-9]{1,14}(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,3})?\Z"),
    st.sampled_from(["null", "true", '"1.5"', "{}", "[1]"]),
)
times = st.sampled_from(
    ["2024-01-02T05:00:00Z", "2024-01-03T05:00:00Z", "2024-01-03T04:00:00Z", "2024-01-06T05:00:00Z", "2024-01-03"]
)
rows = st.builds(
    lambda t, close, more: f'{{"t": "{t}", "c": {close}{more}}}',
    times,
    numbers,
    st.sampled_from(["", ', "vw": 9.75', ', "c": 2']),
)
pages = st.builds(
    lambda symbol, found, token: f'{{"bars": {{"{symbol}": [{", ".join(found)}]}}, "next_page_token": {token}}}',
    st.sampled_from(["SPY", "QQQ", "spy"]),
    st.lists(rows, max_size=4),
    st.sampled_from(["null", '"more"', '""', "1"]),
)


@given(pages.map(str.encode))
def test_rows_of_any_numbers_give_what_they_say_or_an_error(body: bytes) -> None:
    _check(body)


@given(
    st.decimals(min_value="0.000000000001", max_value="999999999999", places=12)
    | st.decimals(min_value="0.01", max_value=99999, places=2)
)
def test_every_price_comes_back_digit_for_digit(price: Decimal) -> None:
    bar = f'{{"t": "2024-01-03T05:00:00Z", "c": {price:f}}}'
    closes = _closes(f'{{"bars": {{"SPY": [{bar}]}}, "next_page_token": null}}'.encode())
    assert f"{closes[date(2024, 1, 3)].price:f}" == f"{price:f}"


@given(st.dates(date(1990, 1, 1), date(2100, 12, 30)), st.integers(0, 86399))
def test_a_bar_is_of_the_day_whose_midnight_it_begins_at(day: date, second: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=EXCHANGE_ZONE).astimezone(UTC)
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
    for begin in (midnight, begins):
        body = json.dumps({"bars": {"SPY": [{"t": f"{begin:%Y-%m-%dT%H:%M:%SZ}", "c": 1}]}, "next_page_token": None})
        span = Span(day, day, NOW)
        if begin == midnight:
            assert _closes(body.encode(), span).keys() == {day}
        else:
            with pytest.raises(MalformedError):
                _closes(body.encode(), span)


@given(st.text(), st.sampled_from(STATUSES))
def test_words_never_become_closes(words: str, status: int) -> None:
    with pytest.raises(PriceSourceError):
        _read(json.dumps({"message": words}).encode(), status)
