"""Picks by days, each cell shaded by its excess, with the number and its sign in it."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial

from rich.text import Text

from core import metrics
from db.records import Pick
from tui import format as formats
from tui.batch_view import BatchDay, BatchView, DayState, excess_of
from tui.theme import HEAT_LEVELS, heat
from tui.widgets import figures

_SATURDAY = 5
# How wide closed days are, if that leaves the others so much.
_WIDTHS = ((3, 6), (2, 4), (1, 4))
_WIDEST = 8
_ROUND = tuple(Decimal(scale) for scale in ("1", "1.5", "2", "3", "5", "7", "10"))
_TENTH = Decimal("0.1")
_MEAN = "batch"
_CLOSED, _NO_CLOSE = "░", "╱"


@dataclass(frozen=True, slots=True)
class _Layout:
    """The days that are shown, with their widths."""

    label: int
    days: tuple[tuple[BatchDay, int], ...]


def heat_map(view: BatchView, width: int) -> Text:
    """The picks and the batch's mean on every day, a scale below; the newest days where there is not room for all."""
    if width <= 0:
        return Text()
    layout = _layout(view, width)
    step = shade_step(
        [value for day, _ in layout.days for pick in view.detail.picks if (value := _of_pick(pick, day)) is not None]
    )
    rows: list[tuple[Text, Callable[[BatchDay], Decimal | None]]] = [
        (figures.pick(pick.action, pick.ticker, in_words=False), partial(_of_pick, pick)) for pick in view.detail.picks
    ]
    rows.append((Text(_MEAN, style="strong"), lambda day: day.excess_pct))
    lines = _heading(view, layout)
    for label, value_of in rows:
        label.truncate(layout.label, pad=True)
        lines.append(
            Text.assemble(label, *(_cell(day, value_of(day), step, cell_width) for day, cell_width in layout.days))
        )
    lines += [Text(), *_legend(layout, step, width)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def shade_step(values: list[Decimal]) -> Decimal:
    """The excess that one level of shade stands for: a round number, so that the last level just reaches all."""
    most = max((abs(value) for value in values), default=Decimal(0))
    # A level holds what is nearest to it, so that the last one reaches half a step further.
    wanted = max(metrics.CONTEXT.divide(most, HEAT_LEVELS + Decimal("0.5")), _TENTH)
    power = Decimal(1).scaleb(wanted.adjusted())
    return next(scale * power for scale in _ROUND if scale * power >= wanted)


def _of_pick(pick: Pick, day: BatchDay) -> Decimal | None:
    return None if day.day is None else excess_of(pick, day.day)


def _layout(view: BatchView, width: int) -> _Layout:
    """Closed days are narrow, the others share what is left; where that is too little, the oldest drop."""
    label = max(len(_MEAN), *(min(len(pick.ticker), 10) + 2 for pick in view.detail.picks)) + 1
    days, newest = view.days, view.computed[-1] if view.computed else None
    while True:
        closed = sum(_is_closed(day) for day in days)
        for closed_width, narrowest in _WIDTHS:
            each = (width - label - closed * closed_width) // max(1, len(days) - closed)
            if each >= narrowest:
                return _Layout(
                    label, tuple((day, closed_width if _is_closed(day) else min(each, _WIDEST)) for day in days)
                )
        if len(days) <= 1:
            return _Layout(label, ())
        # What lies before the newest day goes first, then what is still to come.
        days = days[:-1] if days[0] is newest else days[1:]


def _is_closed(day: BatchDay) -> bool:
    return day.date.weekday() >= _SATURDAY and day.state is not DayState.COMPUTED


def _heading(view: BatchView, layout: _Layout) -> list[Text]:
    dates, numbers = Text(" " * layout.label), Text.assemble(("day".ljust(layout.label), "quiet"))
    for day, width in layout.days:
        style = "strong" if day is view.day else "quiet"
        date = formats.short_day(day.date)
        dates.append((date if width > len(date) else date[: min(2, width)]).center(width), style=style)
        numbers.append((str(day.number) if width > 2 else "").center(width), style=style)
    return [dates, numbers]


def _cell(day: BatchDay, value: Decimal | None, step: Decimal, width: int) -> Text:
    if value is not None:
        return Text(_number(value, width).center(width), style=heat(_level(value, step)))
    if day.state is DayState.SKIPPED:
        is_closed = day.day is not None and day.day.reason == "market_closed"
        return Text((_CLOSED if is_closed else _NO_CLOSE) * width, style="quiet")
    if day.state in (DayState.WAITING, DayState.DUE):
        return Text("!".center(width), style="caution")
    return Text(" " * width)


def _number(value: Decimal, width: int) -> str:
    """As precise as leaves a gap to the next cell; a number below one never loses its sign to rounding."""
    shown = formats.fixed_percent(value, 1)
    if len(shown) < width:
        return shown
    if abs(formats.fixed(value, _TENTH)) < 1 and len(shown) == width:
        return shown.replace("0.", ".") if shown != "0.0" else "0"
    return formats.percent_within(value, width)


def _level(value: Decimal, step: Decimal) -> int:
    level = int(metrics.CONTEXT.divide(value, step).to_integral_value(ROUND_HALF_EVEN))
    return max(-HEAT_LEVELS, min(level, HEAT_LEVELS))


def _legend(layout: _Layout, step: Decimal, width: int) -> list[Text]:
    """What the shades and the other signs stand for, in one line or two."""
    decimals = max(0, -int(step.normalize().as_tuple().exponent))
    scale = Text.assemble(("points".ljust(layout.label), "quiet"))
    bounds = [formats.fixed_percent(level * step, decimals) for level in range(-HEAT_LEVELS, HEAT_LEVELS + 1)]
    swatch = max(len(bound) for bound in bounds) + 2
    for level, bound in zip(range(-HEAT_LEVELS, HEAT_LEVELS + 1), bounds, strict=True):
        scale.append(bound.center(swatch), style=heat(level))
    signs = Text.assemble(
        (f"{_CLOSED * 2} market closed   {_NO_CLOSE * 2} no close   ", "quiet"), ("!", "caution"), (" waiting", "quiet")
    )
    if scale.cell_len + 3 + signs.cell_len <= width:
        return [Text.assemble(scale, "   ", signs)]
    return [scale, Text.assemble(" " * layout.label, signs)]
