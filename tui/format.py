"""Values become text: pure, in decimal arithmetic, rounded half to even, for display alone."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal

from core.trading_calendar import EXCHANGE_ZONE

GAIN = "▲"
LOSS = "▼"
_BARS = "▁▂▃▄▅▆▇█"
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_HUNDREDTH = Decimal("0.01")
_SMALL = Decimal("0.0001")
_ONE = Decimal(1)
_SOON = timedelta(days=6)


def fixed(value: Decimal, step: Decimal = _HUNDREDTH) -> Decimal:
    """`value` rounded half to even to a multiple of `step`, and never a negative zero."""
    rounded = value.quantize(step, context=_CONTEXT)
    return rounded.copy_abs() if rounded.is_zero() else rounded


def price(value: Decimal) -> str:
    """A price in the exchange's currency: two decimals, four below one."""
    return f"{fixed(value, _HUNDREDTH if value >= _ONE else _SMALL):,f}"


def percent(value: Decimal) -> str:
    """A return in percent or a difference in percentage points, with its sign: `+1.08`, `-0.40`, `0.00`."""
    shown = fixed(value)
    return f"{shown:+f}" if shown else f"{shown:f}"


def short_percent(value: Decimal) -> str:
    """`percent` with one decimal, and none from 100 on, for narrow cells."""
    shown = fixed(value, Decimal("0.1"))
    if abs(shown) >= 100:
        shown = fixed(value, _ONE)
    return f"{shown:+f}" if shown else f"{shown:f}"


def fixed_percent(value: Decimal, decimals: int) -> str:
    """`percent` with so many decimals: `+12.3`, `-4`, `0`."""
    shown = fixed(value, _ONE.scaleb(-decimals))
    return f"{shown:+f}" if shown else f"{shown:f}"


def percent_within(value: Decimal, width: int) -> str:
    """`percent` in whole percents, or where those are too long in thousands, millions or billions: `+12k`, `+.1M`.

    A number that fits in none of them is its sign and `#`.
    """
    for unit, power in (("", 0), ("k", 3), ("M", 6), ("G", 9)):
        scaled = value.scaleb(-power, _CONTEXT)
        shown = fixed_percent(scaled, 0)
        if unit and shown == "0":
            shown = fixed_percent(scaled, 1).replace("0.", ".", 1)
        if len(shown + unit) <= width and shown != ".0":
            return shown + unit
    return ("-" if value < 0 else "+") + "#" * (width - 1)


def direction(value: Decimal) -> int:
    """1 for a gain, -1 for a loss, 0 for what is shown as nothing."""
    shown = fixed(value)
    return (shown > 0) - (shown < 0)


def excess(value: Decimal) -> str:
    """An excess in percentage points, its direction told by arrow and sign: `▲ +2.65`, `▼ -0.12`, `  0.00`."""
    return f"{(' ', GAIN, LOSS)[direction(value)]} {percent(value)}"


def sparkline(values: Sequence[Decimal], width: int) -> str:
    """At most `width` bars, the newest values last; the lowest is the lowest bar, equal values are middling."""
    newest = values[-width:] if width > 0 else ()
    if not newest:
        return ""
    low, high = min(newest), max(newest)
    if low == high:
        return _BARS[len(_BARS) // 2 - 1] * len(newest)
    return "".join(
        _BARS[int(_CONTEXT.divide((value - low) * (len(_BARS) - 1), high - low).to_integral_value(ROUND_HALF_EVEN))]
        for value in newest
    )


def day_and_month(day: date) -> str:
    """`Fri 13 Nov`."""
    return f"{day:%a} {day.day} {day:%b}"


def short_day(day: date) -> str:
    """`Mo16`."""
    return f"{day:%a}"[:2] + f"{day.day:02}"


def exchange_time(instant: datetime, now: datetime, local: tzinfo | None = EXCHANGE_ZONE) -> str:
    """`Mon 09:00 ET`, with the date where it is not near, and the clock of `local` (None: the machine's) if another."""
    there, here = instant.astimezone(EXCHANGE_ZONE), instant.astimezone(local)
    when = f"{there:%a}" if abs(instant - now) < _SOON else day_and_month(there.date())
    if there.utcoffset() == here.utcoffset():
        return f"{when} {there:%H:%M} ET"
    other_day = f"{here:%a} " if here.date() != there.date() else ""
    return f"{when} {there:%H:%M} ET, {other_day}{here:%H:%M} local"


def clock(now: datetime, local: tzinfo | None = None) -> str:
    """`Sun 22 Nov 14:16 ET`, with the clock of `local` (None: the machine's) if another."""
    there, here = now.astimezone(EXCHANGE_ZONE), now.astimezone(local)
    words = f"{day_and_month(there.date())} {there:%H:%M} ET"
    return words if there.utcoffset() == here.utcoffset() else f"{words}, {here:%H:%M} local"
