"""Rounded split factors: the ratio that is meant where it is sure, and the digits as printed where it is not."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prices.split_factors import LARGEST_DENOMINATOR, exact_factor


@pytest.mark.parametrize(
    ("printed", "exact"),
    [
        ("0.1667", "0.166666666667"),
        ("0.3333", "0.333333333333"),
        ("0.0333", "0.033333333333"),
        ("0.0667", "0.066666666667"),
        ("0.6667", "0.666666666667"),
        ("1.3333", "1.333333333333"),
        ("0.1429", "0.142857142857"),
        ("0.166667", "0.166666666667"),
        ("0.16666666666666666", "0.166666666667"),
        ("0.333", "0.333333333333"),
        ("0.5000", "0.5000"),
        ("1.5000", "1.5000"),
        ("7.0000", "7.0000"),
        ("0.0100", "0.0100"),
        ("20.0000", "20.0000"),
        ("0.0067", "0.0067"),  # 1:149 and 1:150
        ("1.0460", "1.0460"),  # 523:500 and 91:87
        ("0.0010", "0.0010"),  # 1:1000 and 1:999
        ("0.0005", "0.0005"),  # 1:2000 is beyond the bound
        ("0.3", "0.3"),
        ("2", "2"),
        ("1.0", "1.0"),
    ],
)
def test_a_printed_factor_is_the_split_that_it_is_rounded_from(printed: str, exact: str) -> None:
    assert str(exact_factor(Decimal(printed))) == exact


@given(st.integers(1, 70))
def test_a_consolidation_is_told_from_four_decimals(many: int) -> None:
    printed = Decimal(round(Fraction(1, many) * 10**4)).scaleb(-4)
    assert abs(Fraction(exact_factor(printed)) - Fraction(1, many)) <= Fraction(1, 10**12)


@given(st.decimals(Decimal("0.0001"), 1000, places=4), st.integers(3, 12))
def test_what_is_found_still_rounds_to_what_was_printed(printed: Decimal, places: int) -> None:
    printed = round(printed, min(places, 4))
    if printed > 0:
        exact = exact_factor(printed)
        assert round(exact, -printed.as_tuple().exponent) == printed  # type: ignore[operator]
        if exact != printed:
            assert Fraction(exact).limit_denominator(LARGEST_DENOMINATOR).denominator <= LARGEST_DENOMINATOR
