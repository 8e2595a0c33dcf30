"""Lines of aligned cells: columns with priorities, fitted to a width. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Generic, TypeVar

from rich.text import Text

from tui.literal import literal

Row = TypeVar("Row")
TOO_WIDE = "#"
# A text instead of cells, from the column of that key on.
Span = tuple[str, Text]


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column: how wide, what it says, and how soon it gives way.

    `cell` gets the row and the width in cells. Columns of the highest `priority` number are dropped first, those that
    share it together, and 0 never is. `most` is the width up to which spare room widens the column. A number that does
    not fit is never cut but shown as `###`.
    """

    key: str
    label: str
    width: int
    cell: Callable[[Row, int], Text]
    priority: int = 0
    most: int = 0
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Fitted(Generic[Row]):
    """A column with the place it was given."""

    column: Column[Row]
    width: int


def fit(columns: Sequence[Column[Row]], width: int, gap: int, skipped: int = 0) -> list[Fitted[Row]]:
    """The columns that have room in `width`, with `gap` cells between them, spare room handed out in order.

    With `skipped`, so many columns after the first are left out, and the others follow in order and not by priority.
    """
    kept = [*columns[:1], *columns[1 + skipped :]]
    while len(kept) > 1 and _total(kept, gap) > width:
        least = max(column.priority for column in kept)
        if skipped:
            kept.pop()
        elif least == 0:
            break
        else:
            kept = [column for column in kept if column.priority < least] or kept[:1]
    spare = width - _total(kept, gap)
    fitted: list[Fitted[Row]] = []
    for column in kept:
        more = max(0, min(spare, column.most - column.width))
        spare -= more
        fitted.append(Fitted(column, column.width + more))
    return fitted


def shared_out(wanted: Sequence[int], room: int) -> list[int]:
    """`room` cells in equal shares; where one of `wanted` takes more than its share, it has what others leave over."""
    even = max(0, room) // max(1, len(wanted))
    if all(each <= even for each in wanted):
        return [even] * len(wanted)
    shares, left = [0] * len(wanted), max(0, room)
    for served, index in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[index] = min(wanted[index], left // (len(wanted) - served))
        left -= shares[index]
    return shares


def heading(fitted: Sequence[Fitted[Row]], gap: int) -> Text:
    """The line of labels."""
    return _join((_label(each) for each in fitted), gap)


def line(fitted: Sequence[Fitted[Row]], row: Row, gap: int, span: Span | None = None, width: int = 0) -> Text:
    """The line of one row; `span` takes the rest of `width` from its column on."""
    if span is None:
        return _join((_cell(each, row) for each in fitted), gap)
    column, words = span
    before = list(takewhile(lambda each: each.column.key != column, fitted))
    text = _join((_cell(each, row) for each in before), gap)
    text.append(" " * gap if before else "")
    rest = words.copy()
    rest.truncate(max(0, width - text.cell_len), overflow="ellipsis")
    return text.append_text(rest)


def _total(columns: Sequence[Column[Row]], gap: int) -> int:
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def _cell(each: Fitted[Row], row: Row) -> Text:
    return _placed(each.column.cell(row, each.width), each.width, is_number=each.column.is_number)


def _label(each: Fitted[Row]) -> Text:
    label = literal(each.column.label, limit=each.width, style="quiet")
    label.align("right" if each.column.is_number else "left", each.width)
    return label


def _placed(text: Text, width: int, *, is_number: bool) -> Text:
    if is_number:
        if text.cell_len > width:
            return Text(TOO_WIDE * width, style=text.style)
        padded = Text(" " * (width - text.cell_len))
        padded.append_text(text)
        return padded
    cell = text.copy()
    cell.truncate(width, overflow="ellipsis", pad=True)
    return cell


def _join(cells: Iterable[Text], gap: int) -> Text:
    return Text(" " * gap).join(cells)
