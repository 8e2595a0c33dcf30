"""What leaves the terminal: rows copied to a clipboard, tables and pictures written to files."""

import asyncio
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from db.errors import AlphaMondayError
from tui.literal import LINE_MARK, MARK, clean

_CLIPBOARD_TAKES_AT_MOST_S = 2.0
_CELL_LIMIT = 100_000  # a payload whole, so that its JSON can be read
# Spreadsheets take a cell that begins so for a formula. Some drop blanks and whatever draws nothing before it, and read
# full-width, small and raised signs as the plain ones.
_FORMULA_SIGNS = frozenset("=+-@\N{MINUS SIGN}")
_FIRST_DRAWN = re.compile(rf"[\s{MARK}{LINE_MARK}\u2400-\u243f]*(\S)")
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?", re.ASCII)


class NotWrittenError(AlphaMondayError):
    """A file could not be written."""

    code = "not_written"


@dataclass(frozen=True, slots=True)
class Export:
    """A table as a file holds it: machine-readable values, unrounded; `name` is what the file is called by default."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]


def csv_text(export: Export) -> str:
    """The table as CSV. Text from outside is never a formula and holds no control character."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(export.header)
    for row in export.rows:
        writer.writerow([_cell(value) for value in row])
    return stream.getvalue()


def tabbed_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A line of headings and a line a row, cells parted by tabs, for a clipboard; each cell as in a CSV file."""
    return "\n".join("\t".join(_cell(value, lines=False) for value in row) for row in (header, *rows))


def _cell(value: object, *, lines: bool = True) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    if not isinstance(value, str):
        return str(value)
    text = clean(value, limit=_CELL_LIMIT, lines=lines)
    return f"'{text}" if _reads_as_formula(text) else text


def _reads_as_formula(text: str) -> bool:
    first = _FIRST_DRAWN.match(text)
    if first is None or _NUMBER.fullmatch(text):
        return False
    return unicodedata.normalize("NFKC", first[1]) in _FORMULA_SIGNS


def as_picture(svg: str) -> str:
    """A screenshot of Textual's as XML that leads nowhere: without the fonts that a browser would fetch from a host."""
    style, end, drawn = svg.partition("</style>")
    return _NOT_XML.sub(MARK, _FONT_FACE.sub("", style) + end + drawn)


async def copy_natively(text: str) -> bool:
    """Whether a clipboard program of this machine took `text`; over SSH and on a bare console there is none."""
    import pyperclip  # looks for clipboard programs, which nobody needs who copies nothing

    try:
        await asyncio.wait_for(asyncio.to_thread(pyperclip.copy, text), _CLIPBOARD_TAKES_AT_MOST_S)
    except (pyperclip.PyperclipException, OSError, TimeoutError):
        return False
    return True


async def write_new_file(path: Path, text: str) -> Path:
    """Writes `text` to a file that is not there yet and gives its whole path. Raises NotWrittenError."""
    try:
        return await asyncio.to_thread(_write, path, text)
    except FileExistsError as exc:
        raise NotWrittenError(f"{path} is there already; nothing was written.", "Give it another name.") from exc
    except (OSError, ValueError, RuntimeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise NotWrittenError(f"{path} cannot be written: {reason}.", "Choose another place.") from exc


def _write(path: Path, text: str) -> Path:
    whole = path.expanduser().absolute()
    with whole.open("x", encoding="utf-8", newline="") as stream:
        stream.write(text)
    return whole
