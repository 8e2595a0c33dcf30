"""How good the picks are, as text: every figure with the number behind it, and what the numbers are worth. Pure."""

import textwrap
from decimal import Decimal
from itertools import zip_longest

from rich.text import Text

from core.performance import Performance
from db.records import Batting, DayPerformance, FinalExcess
from tui import format as formats
from tui.widgets import figures
from tui.widgets.bars import bars_by_day

# The rule of thumb below which a mean of so scattered a thing as a fortnight's excess says next to nothing.
ENOUGH_BATCHES = 30
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK, _SATURDAY = 7, 5
_TENTH = Decimal("0.1")
_LEFT, _GAP = 42, 4
_WIDE = 150
_HIGH, _VERY_HIGH = 28, 44
_SIDE = 64
_MOST_READABLE = 100
_TERMS = (
    "Excess is a pick's return minus its benchmark's, in percentage points, the other way round for a SELL; a batch's "
    "is the mean of its picks'. It is final on the last computed day of a completed batch. n is the number of batches "
    "behind a figure; ahead says how many of them were above zero. Each batch is measured against its own benchmark, "
    "with the prices of its own source."
)


def performance_words(found: Performance, width: int, height: int) -> Text:
    """Everything for a place of `width` cells; with more air, and the terms explained, from a certain `height` on."""
    has_air = height >= _HIGH
    top = [standing(found), warning(found)]
    if width >= _WIDE:
        side = Text("\n\n").join([*top, batting(found), finals(found), terms(_SIDE)])
        by_day = days(found, width - _SIDE - _GAP, apart=True, airy=height >= _VERY_HIGH)
        return beside(side, by_day, _SIDE)
    blocks = beside(batting(found), finals(found), _LEFT)
    parts = [*top, Text(), blocks, Text(), days(found, width, apart=has_air)]
    return Text("\n").join([*parts, Text(), terms(width)] if has_air else parts)


def empty_words() -> Text:
    """What will stand here."""
    return Text.assemble(
        ("There is nothing to measure yet.\n\n", "strong"),
        "Here will stand, over all batches: the mean excess over the benchmark on each of the 14 days, from the first "
        "computed day on; and once batches are completed, how many picks beat the benchmark, BUY and SELL apart, the "
        "mean final excess, and the best and the worst batch. The number behind each figure stands beside it.",
    )


def standing(found: Performance) -> Text:
    """Which batches stand behind the figures, which are left out, and why."""
    without_price = found.completed - found.finals.batches
    left_out = [f"{found.failed} failed (ended by an operator)"] if found.failed else []
    left_out += [f"{without_price} completed without one price"] if without_price else []
    lines = [_labelled("Counted", f"{found.finals.batches} completed, and {found.active} active (in the days alone)")]
    for label, words in zip_longest(("Left out",), left_out or ["none"], fillvalue=""):
        lines.append(_labelled(label, words))
    return Text("\n").join(lines)


def warning(found: Performance) -> Text:
    """What so many batches are worth."""
    count = found.finals.batches
    if count < ENOUGH_BATCHES:
        words = f"n={count}: too few to tell skill from luck; look again from n={ENOUGH_BATCHES} on"
        return Text.assemble(("! ", "caution"), (words, "caution"))
    return Text(f"n={count}; batches overlap by a week, so they are worth fewer", style="quiet")


def batting(found: Performance) -> Text:
    """The share of picks that beat the benchmark."""
    lines = [Text("Batting average, picks over benchmark", style="strong")]
    digits = len(str(found.all_picks.picks))
    for label, each in (("all", found.all_picks), ("BUY", found.buys), ("SELL", found.sells)):
        behind = f"{each.positive:>{digits}} of {each.picks:>{digits}} picks, n={each.batches}"
        lines.append(Text.assemble((f"{label:<6}", "quiet"), f"{_share(each):>7}  ", (behind, "quiet")))
    return Text("\n").join(lines)


def _share(each: Batting) -> str:
    return "·" if each.average_pct is None else f"{formats.fixed(each.average_pct, _TENTH):f} %"


def finals(found: Performance) -> Text:
    """How completed batches ended."""
    measured = found.finals
    mean = Text(f"n={measured.batches}", style="quiet")
    lines = [
        Text("Final excess of a batch", style="strong"),
        _final("mean", measured.mean_pct, mean),
        _final("best", *_ended(measured.best)),
        _final("worst", *_ended(measured.worst)),
    ]
    return Text("\n").join(lines)


def _ended(final: FinalExcess | None) -> tuple[Decimal | None, Text]:
    return (None, Text()) if final is None else (final.excess_pct, Text(f"{final.run_date}", style="quiet"))


def _final(label: str, value: Decimal | None, note: Text) -> Text:
    figure = figures.excess(value)
    return Text.assemble((f"{label:<6}", "quiet"), " " * max(0, 9 - figure.cell_len), figure, "  ", note)


def days(found: Performance, width: int, *, apart: bool, airy: bool = False) -> Text:
    """The mean excess by day, with air between the weeks or all days; weekends, which never trade, are not listed."""
    shown = [day for day in found.days if day.batches or (day.day - 1) % _WEEK < _SATURDAY]
    digits = len(str(max((day.batches for day in shown), default=0)))
    bars = bars_by_day([(_day(day), day.mean_excess_pct, _note(day, digits)) for day in shown], width).split("\n")
    lines = [Text("Mean excess by day, percentage points", style="strong")]
    for before, day, bar in zip([None, *shown], shown, bars, strict=False):
        is_new_week = before is not None and (before.day - 1) // _WEEK != (day.day - 1) // _WEEK
        lines += [Text()] * (airy + (apart and is_new_week))
        lines.append(bar)
    return Text("\n").join(lines)


def _day(day: DayPerformance) -> str:
    return f"day {day.day:>2} {_DAYS[(day.day - 1) % _WEEK]}"


def _note(day: DayPerformance, digits: int) -> str:
    return f"n={day.batches:<{digits}} {day.positive:>{digits}} ahead" if day.batches else "n=0"


def terms(width: int) -> Text:
    """What the words mean, in lines of at most `width`."""
    return Text(textwrap.fill(_TERMS, min(max(width, 1), _MOST_READABLE)), style="quiet")


def beside(left: Text, right: Text, left_width: int) -> Text:
    """Two texts side by side; lines of `left` have to fit in `left_width`."""
    lines = []
    for one, other in zip_longest(left.split("\n", allow_blank=True), right.split("\n", allow_blank=True)):
        line = one.copy() if one is not None else Text()
        if other is not None and other.plain:
            line.pad_right(max(0, left_width - line.cell_len))
            line.append(" " * _GAP)
            line.append_text(other)
        lines.append(line)
    return Text("\n").join(lines)


def _labelled(label: str, words: str) -> Text:
    return Text.assemble((f"{label:<10}", "quiet"), words)
