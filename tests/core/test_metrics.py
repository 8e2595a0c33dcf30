"""The arithmetic, against exact fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import metrics
from db.records import Action

prices = st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(999999999999), places=6).filter(lambda p: p > 0)
percentages = st.decimals(min_value=-1000, max_value=1000, places=12)


def exact_rounding(value: Fraction) -> Decimal:
    """`value` at 12 decimals, half to even, in integer arithmetic."""
    return Decimal(round(value * 10**12)).scaleb(-12, context=metrics.CONTEXT)


@given(prices, prices)
def test_a_return_is_exact_to_the_last_stored_digit(initial: Decimal, current: Decimal) -> None:
    expected = (Fraction(current) / Fraction(initial) - 1) * 100
    assert metrics.rounded(metrics.return_pct(initial, current)) == exact_rounding(expected)


@given(prices, prices, prices, prices)
def test_the_difference_is_taken_before_rounding(a: Decimal, b: Decimal, c: Decimal, d: Decimal) -> None:
    pick, benchmark = metrics.return_pct(a, b), metrics.return_pct(c, d)
    expected = (Fraction(b) / Fraction(a) - Fraction(d) / Fraction(c)) * 100
    assert metrics.rounded(metrics.vs_benchmark_pct(pick, benchmark)) == exact_rounding(expected)


def test_rounding_is_half_to_even() -> None:
    assert metrics.rounded(Decimal("0.0000000000005")) == 0
    assert metrics.rounded(Decimal("0.0000000000015")) == Decimal("0.000000000002")


@given(percentages)
def test_a_sell_turns_the_excess_round(vs_benchmark: Decimal) -> None:
    assert metrics.excess_pct(Action.BUY, vs_benchmark) == vs_benchmark
    assert metrics.excess_pct(Action.SELL, vs_benchmark) == -vs_benchmark


@given(st.lists(percentages, min_size=1, max_size=5))
def test_the_mean_is_exact(values: list[Decimal]) -> None:
    expected = sum(map(Fraction, values), Fraction(0)) / len(values)
    assert metrics.rounded(metrics.mean(values)) == exact_rounding(expected)


def test_there_is_no_mean_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        metrics.mean([])


@given(prices, prices)
def test_an_unsplit_price_keeps_its_digits(baseline: Decimal, close: Decimal) -> None:
    price = metrics.current_price(baseline, baseline, close, Decimal(1))
    assert str(metrics.stored_price(price)) == str(close)


@given(prices, prices, st.sampled_from(["2", "7", "0.05", "1.5"]))
def test_a_split_is_multiplied_back_onto_the_basis_of_the_baseline(baseline: Decimal, close: Decimal, by: str) -> None:
    price = metrics.current_price(baseline, baseline, close, Decimal(by))
    assert Fraction(price) == Fraction(close) * Fraction(by)


@given(prices, st.integers(2, 20), st.fractions(min_value="1/2", max_value=2))
def test_an_answer_on_another_share_basis_gives_the_same_return(initial: Decimal, split: int, move: Fraction) -> None:
    """A source that has adjusted its history: both closes are divided, the stored baseline is not."""
    baseline = metrics.CONTEXT.divide(initial, Decimal(split))
    close = metrics.CONTEXT.multiply(baseline, Decimal(move.numerator) / Decimal(move.denominator))
    price = metrics.current_price(initial, baseline, close, Decimal(1))
    expected = metrics.return_pct(baseline, close)
    assert metrics.rounded(metrics.return_pct(initial, price)) == metrics.rounded(expected)


def test_the_apple_split_of_2014_does_not_show_as_a_fall() -> None:
    initial, adjusted_baseline, adjusted_close = Decimal("645.57"), Decimal("92.224286"), Decimal("93.70")
    price = metrics.current_price(initial, adjusted_baseline, adjusted_close, Decimal(1))
    assert round(metrics.return_pct(initial, price), 2) == Decimal("1.60")
    assert metrics.explained_by_split(initial, adjusted_baseline) == Fraction(7)


@pytest.mark.parametrize(
    ("stored", "answered", "split"),
    [
        ("100", "50", "2"),
        ("100", "66.67", "3/2"),
        ("2.00", "40.00", "1/20"),
        ("10", "1000", "1/100"),
        ("100", "5", "20"),
        ("100", "99", None),
        ("100", "101.2", None),
        ("100", "52.5", None),
        ("100", "100.02", None),
    ],
)
def test_what_a_split_explains(stored: str, answered: str, split: str | None) -> None:
    found = metrics.explained_by_split(Decimal(stored), Decimal(answered))
    assert found == (Fraction(split) if split else None)


def test_a_close_is_the_same_up_to_a_ten_thousandth() -> None:
    assert metrics.is_same_close(Decimal(100), Decimal("100.01"))
    assert not metrics.is_same_close(Decimal(100), Decimal("100.0101"))


def test_more_than_twelve_decimals_are_rounded_once() -> None:
    assert str(metrics.stored_price(Decimal("1.5"))) == "1.5"
    assert str(metrics.stored_price(Decimal("1.0000000000005"))) == "1.000000000000"


@pytest.mark.parametrize(("old", "new"), [(1, 6), (1, 30), (2, 3), (4, 3), (5, 7)])
def test_a_position_that_did_not_move_through_a_split_returns_nothing(old: int, new: int) -> None:
    """`old` new shares stand for `new` old ones, and the factor is known to 12 decimals."""
    factor = metrics.rounded(metrics.CONTEXT.divide(Decimal(old), Decimal(new)))
    baseline = Decimal("1.0000")
    close = metrics.CONTEXT.multiply(baseline, Decimal(new))
    baseline = metrics.CONTEXT.multiply(baseline, Decimal(old))
    price = metrics.current_price(baseline, baseline, close, factor)
    assert metrics.return_pct(baseline, price) == 0


def test_a_factor_that_is_no_simple_ratio_multiplies_as_it_is() -> None:
    one, factor = Decimal(1), Decimal("0.123456789012")
    assert metrics.current_price(one, one, Decimal(3), factor) == Decimal("0.370370367036")
