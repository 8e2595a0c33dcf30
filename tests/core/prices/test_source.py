from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prices.source import parse_price

digits = st.text("0123456789", min_size=1, max_size=12)


@given(st.text() | st.from_regex(r"\A[0-9]{0,14}\.?[0-9]{0,14}\Z") | st.floats().map(str) | st.decimals().map(str))
def test_any_text_is_a_positive_price_digit_for_digit_or_refused(text: str) -> None:
    try:
        price = parse_price(text)
    except ValueError:
        return
    assert price.is_finite()
    assert price > 0
    whole, point, fraction = text.partition(".")
    assert f"{price:f}" == (whole.lstrip("0") or "0") + point + fraction


@given(digits, digits | st.none())
def test_every_plain_decimal_within_twelve_digits_is_accepted(whole: str, fraction: str | None) -> None:
    text = whole if fraction is None else f"{whole}.{fraction}"
    if Decimal(text):
        assert parse_price(f"000{text}") == Decimal(text)
    else:
        with pytest.raises(ValueError, match="not a positive price"):
            parse_price(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1\n", "+1", "-1", "1.", ".5", "1e3", "1e400", "NaN", "Infinity"),
        *("1,5", "1_000", "0x1", "١", "0", "0.000", "1" * 13, "0." + "1" * 13, "9" * 1_000_000),
    ],
    ids=lambda text: text[:14],
)
def test_anything_else_is_refused_and_named_in_few_words(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_price(text)
    assert repr(text[:40]) in str(caught.value)
    assert len(str(caught.value)) < 150
