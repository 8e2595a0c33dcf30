"""Texts under headings: entries with hanging indents, and columns beside each other. Pure."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from tui.widgets.batch_parts import rule

INDENT = 2
GAP = 4


def section(heading: str, entries: Sequence[Text], width: int, console: Console) -> Text:
    """`entries` below a heading, the lines that an entry goes on with indented."""
    return Text("\n").join([rule(Text(heading, style="name"), width), indented(entries, width, console)])


def indented(entries: Iterable[Text], width: int, console: Console) -> Text:
    """`entries` below each other, wrapped to `width`; an indented entry goes on as it began."""
    lines: list[Text] = []
    for entry in entries:
        indent = len(entry.plain) - len(entry.plain.lstrip(" "))
        hang = indent or INDENT
        first, *more = entry[indent:].wrap(console, max(1, width - hang)) or [Text()]
        lines += [Text.assemble(" " * indent, first), *(Text.assemble(" " * hang, line) for line in more)]
    return Text("\n").join(lines)


def beside(columns: Sequence[Text], width: int, console: Console) -> Text:
    """Columns of text, each at most `width` wide, beside each other."""
    wrapped = [list(column.split("\n", allow_blank=True)) for column in columns]
    lines = []
    for number in range(max(len(column) for column in wrapped)):
        line = Text()
        for column in wrapped:
            if line:
                line.append(" " * GAP)
            cell = column[number].copy() if number < len(column) else Text()
            cell.truncate(width, overflow="ellipsis", pad=True)
            line.append_text(cell)
        lines.append(line)
    return Text("\n").join(lines)
