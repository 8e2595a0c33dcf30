"""Signed bars around zero, an eighth of a cell precise, a line each."""

from collections.abc import Sequence
from decimal import Decimal

from rich.text import Text

from tui import format as formats
from tui.literal import clean
from tui.widgets import figures

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
_AXIS = "│"
_LEAST_SIDE = 4
_LABEL_LIMIT = 20
_NOTE_LIMIT = 20
_ZERO = Decimal(0)


def bars_by_day(values: Sequence[tuple[str, Decimal | None, str]], width: int) -> Text:
    """A line for each (label, value, note): losses reach to the left of zero, gains to the right, on one scale.

    The side that no value reaches takes no room. Without room for bars, the figures stand alone.
    """
    if width <= 0:
        return Text()
    labels = [clean(label, limit=_LABEL_LIMIT) for label, _, _ in values]
    notes = [clean(note, limit=_NOTE_LIMIT) for _, _, note in values]
    shown = [figures.excess(value) for _, value, _ in values]
    label_width, note_width, value_width = (
        max((Text(str(text)).cell_len for text in texts), default=0) for texts in (labels, notes, shown)
    )
    fixed = label_width + 1 + value_width + 2 + (note_width + 1 if note_width else 0)
    numbers = [_ZERO if value is None else formats.fixed(value) for _, value, _ in values]
    least, most = min([_ZERO, *numbers]), max([_ZERO, *numbers])
    left, right = _sides(least, most, width - fixed - 1)
    lines = []
    for label, note, figure, (_, value, _), number in zip(labels, notes, shown, values, numbers, strict=True):
        line = Text.assemble((label.ljust(label_width), "quiet"), " ", " " * (value_width - figure.cell_len), figure)
        if left or right:
            line.append("  ")
            line.append_text(_bar(number, least, most, left, right) if value is not None else _no_bar(left, right))
        if note_width:
            line.append(" " if left or right else "  ").append(note, style="quiet")
        line.truncate(width, overflow="ellipsis")
        line.rstrip()
        lines.append(line)
    return Text("\n").join(lines)


def _sides(least: Decimal, most: Decimal, room: int) -> tuple[int, int]:
    """The cells left and right of zero, in proportion to how far values reach; none where bars would say nothing."""
    if least == most == 0 or room < 2 * _LEAST_SIDE:
        return 0, 0
    left = min(max(round(room * -least / (most - least)), _LEAST_SIDE if least else 0), room)
    if most and room - left < _LEAST_SIDE:
        left = room - _LEAST_SIDE
    return left, room - left


def _eighths(number: Decimal, reach: Decimal, cells: int) -> int:
    """How long a bar is in eighths of a cell; at least one where there is anything to show."""
    return max(1, round(abs(number) / abs(reach) * cells * 8)) if number and cells else 0


def _bar(number: Decimal, least: Decimal, most: Decimal, left: int, right: int) -> Text:
    # One scale for both sides: the side that is tighter decides.
    scale = max(-least / left if left else _ZERO, most / right if right else _ZERO)
    text = Text()
    full, part = divmod(_eighths(number, scale, 1), 8)
    if number < 0:
        text.append(" " * (left - full - bool(part)))
        if part:
            # The blocks grow from the left only; reversed, the rest of one is a bar that ends at the right.
            text.append(_EIGHTHS[8 - part], style="loss")
            text.stylize("reverse", len(text) - 1)
        text.append(_FULL * full, style="loss")
    else:
        text.append(" " * left)
    text.append(_AXIS, style="quiet")
    bar = _FULL * full + (_EIGHTHS[part] if part else "") if number > 0 else ""
    return text.append(bar.ljust(right), style="gain")


def _no_bar(left: int, right: int) -> Text:
    return Text.assemble(" " * left, (_AXIS, "quiet"), " " * right)
