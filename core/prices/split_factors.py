"""The split that a provider's rounded factor stands for: 0.1667 is 1:6."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import ceil, floor

from core.metrics import CONTEXT, rounded

LARGEST_DENOMINATOR = 1000
# With fewer decimals, such as 0.3, too many ratios round to a factor to tell which is meant.
_FEWEST_DECIMALS = 3
_DECIMALS = 12  # of a stored factor


def exact_factor(printed: Decimal) -> Decimal:
    """New shares per old, to 12 decimals, of the split that `printed` is rounded from; `printed` where none is sure.

    That is the only ratio of one new share (1:n) that rounds to `printed`, or else the only ratio p:q at all, with
    n and q up to 1,000. `printed` is positive, finite and below 10^12.
    """
    exponent = printed.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent < _FEWEST_DECIMALS:
        return printed
    # A binary fraction that is printed whole is off in its last digits.
    told, exponent = (rounded(printed), -_DECIMALS) if exponent < -_DECIMALS else (printed, exponent)
    ratio = _only_unit_ratio(told, exponent) or _only_ratio(told, exponent)
    if ratio is None:
        return printed
    exact = rounded(CONTEXT.divide(Decimal(ratio.numerator), Decimal(ratio.denominator)))
    return printed if exact == printed else exact


def _bounds(printed: Decimal, exponent: int) -> tuple[Fraction, Fraction]:
    half = Fraction(1, 2 * 10**-exponent)
    return Fraction(printed) - half, Fraction(printed) + half


def _rounds_to(ratio: Fraction, printed: Decimal, exponent: int) -> bool:
    value = CONTEXT.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))
    return value.quantize(Decimal(1).scaleb(exponent), ROUND_HALF_EVEN, CONTEXT) == printed


def _only_unit_ratio(printed: Decimal, exponent: int) -> Fraction | None:
    lowest, highest = _bounds(printed, exponent)
    if highest > 1 or lowest <= 0:
        return None
    candidates = range(ceil(1 / highest), min(floor(1 / lowest), LARGEST_DENOMINATOR) + 1)
    found = [ratio for many in candidates if _rounds_to(ratio := Fraction(1, many), printed, exponent)]
    return found[0] if len(found) == 1 and 1 / lowest <= LARGEST_DENOMINATOR else None


def _only_ratio(printed: Decimal, exponent: int) -> Fraction | None:
    if Fraction(printed).denominator <= LARGEST_DENOMINATOR:
        return None  # it may be meant as it is printed
    lowest, highest = _bounds(printed, exponent)
    found: set[Fraction] = set()
    for old in range(1, LARGEST_DENOMINATOR + 1):
        for new in range(max(ceil(lowest * old), 1), floor(highest * old) + 1):
            if _rounds_to(ratio := Fraction(new, old), printed, exponent):
                found.add(ratio)
        if len(found) > 1:
            return None
    return found.pop() if found else None
