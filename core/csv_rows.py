"""Strict reading of the CSV files that operators hand over: the form, while the meaning is each caller's."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date

from db.errors import AlphaMondayError

FIRST_YEAR = 1900
LAST_YEAR = 2100
FILE_LIMIT = 256 * 1024 * 1024
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,32}", re.ASCII)
# What spreadsheets write between fields where the comma is in the numbers.
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_LINE_END = re.compile(r"\r\n|\r|\n")


class FileError(AlphaMondayError):
    """A file's content is wrong: the message names file, line and value."""

    code = "file"


class FileUnreadableError(FileError):
    """A file cannot be read at all."""


class FieldError(ValueError):
    """A field has a fault with a remedy of its own, an imperative without its full stop."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def line_error(label: str, line: int, problem: str | ValueError) -> FileError:
    """The error for `problem` on a physical line (from 1) of the file called `label`."""
    remedy = f"{problem.remedy} in line {line}" if isinstance(problem, FieldError) else f"Correct line {line}"
    return FileError(f"{label}, line {line}: {problem}", f"{remedy}; nothing of the file was used.")


def decode_text(data: bytes, label: str) -> str:
    """The text of a file's bytes, without a byte order mark.

    Raises `FileError` for more than 256 MiB and for invalid UTF-8.
    """
    if len(data) > FILE_LIMIT:
        raise FileError(f"{label}: larger than {FILE_LIMIT:,} bytes", "Split the file, or name the right one.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = _line_after(exc.object[: exc.start].decode())
        problem = f"not UTF-8: byte 0x{exc.object[exc.start]:02x}"
        raise FileError(f"{label}, line {line}: {problem}", "Save the file as UTF-8.") from exc


def read_rows(
    text: str, label: str, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of CSV `text` with a header: the first physical line, and the fields in the order asked for.

    An absent optional column reads as empty text; blank lines and rows of separators alone, as spreadsheets write
    them, are passed over. Raises `FileError` at the first fault, so callers collect everything before they use
    anything.
    """
    if (nul := text.find("\0")) >= 0:
        cut = text[max(0, nul - 20) : nul + 20]
        raise line_error(label, _line_after(text[:nul]), f"a NUL character: {cut!r}")
    expected = f"The columns are {_columns(required, optional)}, in any order."
    records = _records(text, label)
    line, header = next(records, (0, []))
    if not header:
        raise FileError(f"{label}: the file is empty", f"Give it a header and rows. {expected}")
    positions = _positions(header, f"{label}, line {line}", expected, required, optional)
    width = len(header)
    for line, row in records:
        if len(row) != width:
            raise line_error(label, line, _width_problem(row, width))
        row.append("")
        yield line, tuple([row[position] for position in positions])


def parse_date(text: str) -> date:
    """The date that `text` spells as YYYY-MM-DD, from 1900 to 2100. Raises ValueError naming the text."""
    if _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"no such date: {text!r}") from None
        if FIRST_YEAR <= day.year <= LAST_YEAR:
            return day
        raise ValueError(f"not a date from {FIRST_YEAR} to {LAST_YEAR}: {text!r}")
    raise ValueError(f"not a date (YYYY-MM-DD): {text[:40]!r}")


def is_blank(record: Sequence[str]) -> bool:
    """Whether a record says nothing: a blank line, or separators alone."""
    return not any(record)


def _records(text: str, label: str) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, with the physical line on which it starts."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for record in reader:
            if not is_blank(record):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as exc:
        raise line_error(label, line, f"not CSV: {exc}") from exc


def _positions(
    header: Sequence[str], label: str, expected: str, required: Sequence[str], optional: Sequence[str]
) -> list[int]:
    """Where each wanted column stands; an absent optional one stands just behind the last field."""
    known = (*required, *optional)
    for column in header:
        if column not in known:
            raise _unknown_column(header, column, label, expected, known)
        if header.count(column) > 1:
            raise FileError(f"{label}: column {column!r} stands there twice", expected)
    for column in required:
        if column not in header:
            raise FileError(f"{label}: column {column!r} is missing", expected)
    places = {column: position for position, column in enumerate(header)}
    return [places.get(column, len(header)) for column in (*required, *optional)]


def _unknown_column(header: Sequence[str], column: str, label: str, expected: str, known: Sequence[str]) -> FileError:
    found = f"{label}: unknown column {column[:40]!r}"
    separator = next((mark for mark in _OTHER_SEPARATORS if mark in "".join(header)), None)
    if separator is not None:
        return FileError(
            f"{found}: the fields are separated by {_OTHER_SEPARATORS[separator]}, not by commas",
            f"Save the file with commas between the fields and points in the numbers. {expected}",
        )
    if (meant := column.strip().lower()) in known:
        fault = "has capital letters" if column != column.lower() else "has blanks around it"
        return FileError(f"{found}: it {fault}, {meant!r} is expected", f"Write {meant}. {expected}")
    return FileError(found, expected)


def _width_problem(row: Sequence[str], width: int) -> str:
    problem = f"{len(row)} fields, the header has {width}: {','.join(row)[:40]!r}"
    if len(row) == 1 and (separator := next((mark for mark in _OTHER_SEPARATORS if mark in row[0]), None)):
        return f"{problem}; the fields are separated by {_OTHER_SEPARATORS[separator]}, commas are expected"
    if numbers := _split_at_decimal_commas(row, len(row) - width):
        return f"{problem}; a decimal comma stands in {', '.join(numbers)}, a decimal point is expected"
    return problem


def _split_at_decimal_commas(row: Sequence[str], surplus: int) -> list[str]:
    """The numbers that decimal commas have torn apart, where they account for every surplus field."""
    found, place = [], 0
    while place + 1 < len(row):
        if _DIGITS.fullmatch(row[place].strip()) and _DIGITS.fullmatch(row[place + 1].strip()):
            found.append(f"{row[place].strip()},{row[place + 1].strip()}"[:40])
            place += 1
        place += 1
    return found if len(found) == surplus else []


def _columns(required: Sequence[str], optional: Sequence[str]) -> str:
    return ",".join(required) + "".join(f"[,{column}]" for column in optional)


def _line_after(text: str) -> int:
    return len(_LINE_END.findall(text)) + 1
