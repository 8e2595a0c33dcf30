"""Returns in exact decimal arithmetic: values in, values out.

Percentages are percent (1.5 means 1.5 %), prices are in the exchange's currency. All arithmetic carries 60
significant digits; `rounded` is applied once, to what is stored.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction

from db.records import Action

CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
_STORED = Decimal("1e-12")
_STORED_EXPONENT = -12
_HUNDRED = Decimal(100)
_ONE = Decimal(1)
# A baseline close that comes back within one hundredth of a percent of the stored one is the same close.
SAME_CLOSE = Decimal("1e-4")
_LARGEST_DENOMINATOR = 1000
_LARGEST_FACTOR_DIGITS = 12
_SPLIT_TOLERANCE = Fraction(1, 1000)
# Companies split in small whole numbers: p:q with both up to 10, and n:1 or 1:n up to 100.
_SPLITS = frozenset(
    {Fraction(new, old) for new in range(1, 11) for old in range(1, 11)}
    | {Fraction(many) for many in range(2, 101)}
    | {Fraction(1, many) for many in range(2, 101)}
) - {Fraction(1)}


def rounded(value: Decimal) -> Decimal:
    """`value` as it is stored: 12 decimals, half to even."""
    return value.quantize(_STORED, context=CONTEXT)


def stored_price(price: Decimal) -> Decimal:
    """A price as it is stored: digit for digit if it has at most 12 decimals, otherwise rounded to 12."""
    exponent = price.as_tuple().exponent
    return price if isinstance(exponent, int) and exponent >= _STORED_EXPONENT else rounded(price)


def return_pct(initial: Decimal, current: Decimal) -> Decimal:
    """`(current / initial - 1) * 100`, unrounded."""
    ratio = CONTEXT.divide(current, initial)
    return CONTEXT.multiply(CONTEXT.subtract(ratio, _ONE), _HUNDRED)


def vs_benchmark_pct(absolute_return_pct: Decimal, benchmark_return_pct: Decimal) -> Decimal:
    """A pick's return less the benchmark's, in percentage points, unrounded; not signed by action."""
    return CONTEXT.subtract(absolute_return_pct, benchmark_return_pct)


def excess_pct(action: Action, vs_benchmark: Decimal) -> Decimal:
    """What an operator reads as success: the return over the benchmark, signed by what the pick said to do."""
    return vs_benchmark if action is Action.BUY else -vs_benchmark


def mean(values: Iterable[Decimal]) -> Decimal:
    """The arithmetic mean, unrounded. Raises ValueError when there is nothing to average."""
    numbers = list(values)
    if not numbers:
        raise ValueError("no values to average")
    total = Decimal(0)
    for number in numbers:
        total = CONTEXT.add(total, number)
    return CONTEXT.divide(total, Decimal(len(numbers)))


def is_same_close(stored: Decimal, answered: Decimal) -> bool:
    """Whether a source's close for the baseline still is the one that was stored, to 1e-4 relative."""
    return abs(CONTEXT.subtract(answered, stored)) <= CONTEXT.multiply(SAME_CLOSE, stored)


def current_price(initial: Decimal, baseline_close: Decimal, close: Decimal, split_factor: Decimal) -> Decimal:
    """The price of a day on the share basis of the baseline, unrounded.

    `baseline_close` and `close` come from one answer, `split_factor` is the product of the factors after the
    baseline up to the day. Where the baseline still is the stored one, only the split factor multiplies, so that
    an unsplit price keeps its digits; otherwise the answer's ratio is applied to the stored price.
    """
    price = close if split_factor == _ONE else _times(close, split_factor)
    if is_same_close(initial, baseline_close):
        return price
    return CONTEXT.multiply(initial, CONTEXT.divide(price, baseline_close))


def _times(close: Decimal, split_factor: Decimal) -> Decimal:
    """The product; a factor that is a simple ratio to 12 decimals, such as 1:6, counts as that ratio."""
    if split_factor.adjusted() >= _LARGEST_FACTOR_DIGITS:
        return CONTEXT.multiply(close, split_factor)
    factor = Fraction(split_factor)
    ratio = factor.limit_denominator(_LARGEST_DENOMINATOR)
    numerator, denominator = Decimal(ratio.numerator), Decimal(ratio.denominator)
    if ratio == factor or rounded(CONTEXT.divide(numerator, denominator)) != split_factor:
        return CONTEXT.multiply(close, split_factor)
    return CONTEXT.divide(CONTEXT.multiply(close, numerator), denominator)


def explained_by_split(stored: Decimal, answered: Decimal) -> Fraction | None:
    """The split, as new shares per old, that would turn the stored baseline into the answered one.

    Two quotes of one close on different share bases differ by rounding, so a tenth of a percent is allowed. None if
    no plausible split explains it.
    """
    ratio = Fraction(stored) / Fraction(answered)
    nearest = min(_SPLITS, key=lambda split: abs(ratio / split - 1))
    return nearest if abs(ratio / nearest - 1) <= _SPLIT_TOLERANCE else None
