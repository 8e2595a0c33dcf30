"""The words of alerts: bounded, harmless, and exact in their figures."""

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.message import BODY_LIMIT, TITLE_LIMIT, Severity, make_message
from core.alerts.words import listed, plain, points, reason_words

ANYTHING = st.text(st.characters(categories=None), max_size=400)  # surrogates, controls and all
UNDRAWN = set("\n\r\t\x1b\u202e\u200b\ud800\x00")


@given(text=ANYTHING, limit=st.integers(1, 300))
def test_text_from_outside_is_one_line_within_its_limit(text: str, limit: int) -> None:
    shown = plain(text, limit=limit)
    assert len(shown) <= limit
    assert not UNDRAWN & set(shown)
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode()


def test_a_long_text_costs_no_more_than_a_short_one() -> None:
    assert plain("x" * 10_000_000, limit=10) == "xxxxxxxxx…"


def test_marks_in_a_heap_are_cut_to_two() -> None:
    assert plain("a" + "\u0301" * 9).count("\u0301") == 2


@given(value=st.decimals(-10_000, 10_000, places=12))
def test_points_are_the_value_to_two_decimals_with_its_sign(value: Decimal) -> None:
    shown = points(value)
    number = Decimal(shown.removesuffix(" pp"))
    assert abs(number - value) <= Decimal("0.005")
    assert shown[0] in "+-" or number == 0
    assert "-0.00" not in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1.005", "+1.00 pp"), ("1.015", "+1.02 pp"), ("-0.004", "0.00 pp"), ("-0.4", "-0.40 pp"), ("0", "0.00 pp")],
)
def test_points_are_rounded_half_to_even(value: str, shown: str) -> None:
    assert points(Decimal(value)) == shown


@given(title=ANYTHING, lines=st.lists(ANYTHING.map(lambda text: plain(text, limit=300)), max_size=60))
def test_a_message_keeps_its_limits_and_is_never_empty(title: str, lines: list[str]) -> None:
    message = make_message(plain(title, limit=400), lines, Severity.WARNING)
    assert 0 < len(message.title) <= TITLE_LIMIT
    assert 0 < len(message.body) <= BODY_LIMIT
    assert "\n" not in message.title


def test_a_body_that_is_cut_says_where_the_rest_is() -> None:
    assert make_message("x", ["line"] * 1_000).body.endswith("line\n… and more: alpha-monday events")


def test_reasons_and_names() -> None:
    assert reason_words("price_missing") == "no close"
    assert reason_words("of_another_version") == "of another version"
    assert reason_words("") == "unknown"
    assert listed(["A", "B"]) == "A, B"
    assert listed([*"ABCDEFGH"]) == "A, B, C, D, E, F and 2 more"
