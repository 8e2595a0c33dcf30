"""Lines over slots of days: a braille canvas with a mark for each point, ticks, a zero line and a label at each end.

A braille cell holds one colour, so no line is told by colour alone: each has its own mark and its own dashes, and where
lines cross, the cell keeps the dots of both.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len
from rich.text import Text

_NARROWEST = 16
_LOWEST = 3
_LEAST_SPAN = 0.02  # two hundredths: less is shown as nothing
_LEAST_PLOT = 14
_ROWS_PER_TICK = 3
_FEWEST_STEPS = 3
_LABEL_LIMIT = 8
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BRAILLE = 0x2800


@dataclass(frozen=True, slots=True)
class Slot:
    """A place on the x axis: its label, a shorter one, and the sign on the axis that says what became of the day."""

    label: str
    short_label: str
    sign: str = "┴"
    style: str = "quiet"


@dataclass(frozen=True, slots=True)
class Series:
    """A line: one value or None a slot. `dashes` repeats along the line, a blank is a gap; `below` styles losses."""

    label: str
    last: str
    mark: str
    style: str
    values: tuple[float | None, ...]
    dashes: str = "#"
    below: str | None = None

    def style_at(self, *, is_below: bool) -> str:
        """The style of what lies over or under zero."""
        return self.below if is_below and self.below else self.style

    @property
    def end(self) -> float | None:
        """The last value there is."""
        return next((value for value in reversed(self.values) if value is not None), None)

    def label_text(self, *, in_full: bool) -> Text:
        """What stands at the right end: mark, name and, in full, the last value; without a name the value alone."""
        end = self.end
        style = self.style_at(is_below=end is not None and end < 0)
        if not self.label:
            return Text(self.last, style=style)
        return Text(f"{self.mark} {self.label} {self.last}" if in_full else f"{self.mark} {self.label}", style=style)


class Canvas:
    """Cells of one plot; what is put later lies over what was put before, except that dots add up."""

    def __init__(self, columns: int, rows: int, low: float, high: float) -> None:
        """`low` and `high` are the values of the lowest and the highest dot."""
        self.columns, self.rows = columns, rows
        self._low, self._high = low, high
        self._cells: dict[tuple[int, int], tuple[str, str]] = {}
        self._dots: dict[tuple[int, int], int] = {}

    def dot_row(self, value: float) -> int:
        """Which row of dots, from the top, shows `value`."""
        share = (self._high - value) / (self._high - self._low)
        return min(max(round(share * (self.rows * 4 - 1)), 0), self.rows * 4 - 1)

    def rule(self, value: float, character: str, style: str) -> None:
        """A level line."""
        row = self.dot_row(value) // 4
        for column in range(self.columns):
            self._cells[column, row] = (character, style)

    def line(self, start: tuple[int, float], end: tuple[int, float], series: Series) -> None:
        """A line between two points, each a column and a value, dashed by its length so far."""
        (x0, y0), (x1, y1) = ((2 * column, self.dot_row(value)) for column, value in (start, end))
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        zero = self.dot_row(0)
        for step in range(steps + 1):
            if series.dashes[(x0 + step) % len(series.dashes)] == " ":
                continue
            x, y = x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)
            place = (min(x // 2, self.columns - 1), y // 4)
            dots = self._dots[place] = self._dots.get(place, 0) | _DOTS[x % 2][y % 4]
            self._cells[place] = (chr(_BRAILLE + dots), series.style_at(is_below=y > zero))

    def mark(self, column: int, value: float, series: Series, taken: set[tuple[int, int]]) -> None:
        """A point: beside the marks that were put in its place before, as far as there is room."""
        row = self.dot_row(value) // 4
        for shift in (0, 1, -1, 2):
            place = (column + shift, row)
            if place not in taken and 0 <= column + shift < self.columns:
                taken.add(place)
                self._cells[place] = (series.mark, series.style_at(is_below=value < 0))
                return

    def row(self, number: int) -> Text:
        """One line of cells."""
        return Text.assemble(*(self._cells.get((column, number), " ") for column in range(self.columns)))


def plot(series: Sequence[Series], slots: Sequence[Slot], width: int, height: int, title: Text) -> Text:
    """The lines, never wider or higher than asked; where that is too little for a plot, their last values."""
    if width <= 0 or height <= 0:
        return Text()
    drawn = [each for each in series if each.end is not None]
    if not drawn:
        return _cut([title, Text("no day with prices yet", style="quiet")][-height:], width)
    if width < _NARROWEST or height < _LOWEST:
        return _cut([Text("  ").join(each.label_text(in_full=True) for each in drawn)], width)
    with_title, with_axis, with_labels = height >= 8, height >= 6, height >= 4
    rows = height - with_title - with_axis - with_labels
    low, high = _bounds(value for each in drawn for value in each.values if value is not None)
    ticks = _ticks(low, high, rows)
    gutter = max(len(label) for _, label in ticks) + 1
    ends = _ends(drawn, width - gutter)
    end_width = max((text.cell_len for text in ends), default=0)
    columns = max(1, width - gutter - (end_width + 1 if ends else 0))
    canvas = Canvas(columns, rows, low, high)
    places = _places(len(slots), columns)
    tick_rows = _draw(canvas, drawn, ticks, places)
    end_rows = dict(zip(_spread([canvas.dot_row(each.end or 0) // 4 for each in drawn], rows), ends, strict=False))
    lines = [title] if with_title else []
    for number in range(rows):
        line = Text.assemble((tick_rows.get(number, "").rjust(gutter - 1), "quiet"), " ", canvas.row(number))
        if number in end_rows:
            line.append(" ").append_text(end_rows[number])
        lines.append(line)
    if with_axis:
        lines.append(_axis(slots, places, columns, gutter))
    if with_labels:
        lines.append(_slot_labels(slots, places, columns, gutter))
    return _cut(lines, width)


def _draw(
    canvas: Canvas, drawn: Sequence[Series], ticks: Sequence[tuple[float, str]], places: Sequence[int]
) -> dict[int, str]:
    labels: dict[int, str] = {}
    for value, label in ticks:
        row = canvas.dot_row(value) // 4
        # Zero comes first and keeps its row.
        if row not in labels:
            labels[row] = label
            canvas.rule(value, "┈" if value else "─", "grid")
    # The first series is drawn last: it lies on top.
    for each in reversed(drawn):
        points = [None if value is None else (place, value) for place, value in zip(places, each.values, strict=True)]
        for start, end in pairwise(points):
            if start is not None and end is not None:
                canvas.line(start, end, each)
    taken: set[tuple[int, int]] = set()
    for each in drawn:
        for place, known in zip(places, each.values, strict=True):
            if known is not None:
                canvas.mark(place, known, each, taken)
    return labels


def _bounds(values: Iterable[float]) -> tuple[float, float]:
    """The lowest and highest of `values` and zero, never the same."""
    known = [0.0, *values]
    low, high = min(known), max(known)
    lacking = max(0.0, _LEAST_SPAN - (high - low)) / 2
    return low - lacking, high + lacking


def _ticks(low: float, high: float, rows: int) -> list[tuple[float, str]]:
    """Zero, then the multiples of 1, 2 or 5 times a power of ten between `low` and `high`, with their labels."""
    wanted = (high - low) / max(_FEWEST_STEPS, rows // _ROWS_PER_TICK)
    power = math.floor(math.log10(wanted))
    step = next(scale * 10.0**power for scale in (1, 2, 5, 10) if scale * 10.0**power >= wanted * 0.999)
    decimals = max(0, -math.floor(math.log10(step * 1.001)))
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [(0.0, "0"), *((n * step, _tick_label(n * step, decimals)) for n in reversed(numbers) if n)]


def _tick_label(value: float, decimals: int) -> str:
    label = f"{value:+.{decimals}f}"
    return label if len(label) <= _LABEL_LIMIT else f"{value:+.0e}"


def _ends(drawn: Sequence[Series], room: int) -> list[Text]:
    """The labels at the right end, as full as leaves room for the lines; none where there is none."""
    for in_full in (True, False):
        ends = [each.label_text(in_full=in_full) for each in drawn]
        if room - 1 - max(text.cell_len for text in ends) >= _LEAST_PLOT:
            return ends
    return []


def _places(slots: int, columns: int) -> list[int]:
    """The column of each slot."""
    return [round(index * (columns - 1) / max(1, slots - 1)) for index in range(slots)]


def _spread(wanted: Sequence[int], rows: int) -> list[int]:
    """Rows near the wanted ones, one each, in their order from the top; those that no row is left for lie outside."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    found = [0] * len(wanted)
    below = -1
    for index in order:
        below = found[index] = max(wanted[index], below + 1)
    above = rows
    for index in reversed(order[:rows]):
        above = found[index] = min(found[index], above - 1)
    return found


def _axis(slots: Sequence[Slot], places: Sequence[int], columns: int, gutter: int) -> Text:
    signs = {place: (slot.sign, slot.style) for slot, place in zip(slots, places, strict=True)}
    return Text.assemble(" " * gutter, *(signs.get(column, ("─", "grid")) for column in range(columns)))


def _slot_labels(slots: Sequence[Slot], places: Sequence[int], columns: int, gutter: int) -> Text:
    """As many labels as stand apart, each under its slot."""
    spacing = columns / max(1, len(slots))
    is_long = spacing > max(cell_len(slot.label) for slot in slots)
    line = Text()
    for slot, place in zip(slots, places, strict=True):
        label = slot.label if is_long else slot.short_label
        start = min(gutter + place - cell_len(label) // 2, gutter + columns - cell_len(label))
        start = max(start, 0)
        if not line or start > line.cell_len:
            line.pad_right(start - line.cell_len)
            line.append(label, style=slot.style)
    return line


def _cut(lines: Iterable[Text], width: int) -> Text:
    shown = []
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        line.rstrip()
        shown.append(line)
    return Text("\n").join(shown)
