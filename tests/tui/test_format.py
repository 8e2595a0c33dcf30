"""Values as text: rounded half to even, never a float, never a negative nothing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading_calendar import EXCHANGE_ZONE
from tui import format as formats

values = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
prices = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("1e-12"), max_value=10**12)


@given(values)
def test_a_percentage_is_within_half_a_hundredth(value: Decimal) -> None:
    shown = Decimal(formats.percent(value))
    assert abs(shown - value) <= Decimal("0.005")
    assert formats.percent(value)[0] in "+-" or shown == 0


@given(values)
def test_nothing_is_never_negative(value: Decimal) -> None:
    for text in (formats.percent(value), formats.short_percent(value), formats.excess(value)):
        assert not (text.lstrip(" ▲▼").startswith("-") and Decimal(text.lstrip(" ▲▼")) == 0)


@given(values)
def test_arrow_sign_and_direction_agree(value: Decimal) -> None:
    arrow, number = formats.excess(value)[0], Decimal(formats.excess(value)[2:])
    assert {1: "▲", -1: "▼", 0: " "}[formats.direction(value)] == arrow
    assert (number > 0, number < 0) == (arrow == "▲", arrow == "▼")


@given(prices)
def test_a_price_keeps_its_size(value: Decimal) -> None:
    shown = Decimal(formats.price(value).replace(",", ""))
    assert abs(shown - value) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2.665", "+2.66"),
        ("2.675", "+2.68"),
        ("-0.004", "0.00"),
        ("-0.005", "0.00"),
        ("-0.006", "-0.01"),
        ("0", "0.00"),
    ],
)
def test_percent(value: str, text: str) -> None:
    assert formats.percent(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("190210", "190,210.00"), ("0.03125", "0.0312"), ("1", "1.00"), ("12.345", "12.34")]
)
def test_price(value: str, text: str) -> None:
    assert formats.price(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("9.96", "+10.0"), ("-99.96", "-100"), ("123.4", "+123"), ("-0.04", "0.0")]
)
def test_short_percent(value: str, text: str) -> None:
    assert formats.short_percent(Decimal(value)) == text


@given(st.lists(values, max_size=40), st.integers(0, 20))
def test_a_sparkline_shows_the_newest_values(numbers: list[Decimal], width: int) -> None:
    bars = formats.sparkline(numbers, width)
    assert len(bars) == min(width, len(numbers))
    newest = numbers[len(numbers) - len(bars) :]
    for first, second, low, high in zip(newest, newest[1:], bars, bars[1:], strict=False):
        assert (first <= second) == (low <= high) or low == high


def test_a_sparkline_reaches_from_floor_to_ceiling() -> None:
    assert formats.sparkline([Decimal(1), Decimal(3), Decimal(2)], 10) == "▁█▅"
    assert formats.sparkline([Decimal(5)] * 3, 10) == "▄▄▄"


def test_exchange_time_tells_the_other_clock_where_it_differs() -> None:
    now = datetime(2024, 11, 21, 17, 0, tzinfo=EXCHANGE_ZONE)
    opening = datetime(2024, 11, 25, 9, 0, tzinfo=EXCHANGE_ZONE)
    assert formats.exchange_time(opening, now) == "Mon 09:00 ET"
    assert formats.exchange_time(opening, now, ZoneInfo("Europe/Berlin")) == "Mon 09:00 ET, 15:00 local"
    assert formats.exchange_time(opening, now, ZoneInfo("Pacific/Auckland")) == "Mon 09:00 ET, Tue 03:00 local"
    assert formats.exchange_time(opening + timedelta(days=7), now) == "Mon 2 Dec 09:00 ET"
    assert formats.clock(now.astimezone(UTC), UTC) == "Thu 21 Nov 17:00 ET, 22:00 local"


def test_days() -> None:
    assert formats.day_and_month(date(2024, 11, 3)) == "Sun 3 Nov"
    assert formats.short_day(date(2024, 11, 3)) == "Su03"


@given(values, st.integers(3, 9))
def test_a_percentage_fits_where_it_must(value: Decimal, width: int) -> None:
    shown = formats.percent_within(value, width)
    assert len(shown) <= width
    assert shown[0] == ("-" if value < 0 else "+") or shown == "0"


@pytest.mark.parametrize(
    ("value", "width", "expected"),
    [
        ("12.5", 4, "+12"),
        ("-0.4", 4, "0"),
        ("999.4", 4, "+999"),
        ("-12345", 4, "-12k"),
        ("99500", 4, "+.1M"),
        ("1234567890", 4, "+1G"),
        ("-9e14", 4, "-###"),
    ],
)
def test_a_long_percentage_is_told_in_thousands(value: str, width: int, expected: str) -> None:
    assert formats.percent_within(Decimal(value), width) == expected
