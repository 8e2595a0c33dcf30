"""Strict reading of the CSV files that operators hand over: the form, while the meaning is each caller's."""

import csv
import io
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from core.daemon_thread import DaemonThread
from db.errors import AlphaMondayError

Content = TypeVar("Content")

FIRST_YEAR = 1900
LAST_YEAR = 2100
_FILE_LIMIT = 256 * 1024 * 1024
_READ_WITHIN = timedelta(minutes=1)
_RECENT_NANOSECONDS = 2_000_000_000
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LINE_END = re.compile(r"\r\n|\r|\n")


class FileError(AlphaMondayError):
    """A file's content is wrong: the message names file, line and value."""

    code = "file"


class FileUnreadableError(FileError):
    """A file cannot be read at all."""


def line_error(label: str, line: int, problem: str) -> FileError:
    """The error for `problem` on a physical line (from 1) of the file called `label`."""
    return FileError(f"{label}, line {line}: {problem}", f"Correct line {line}; nothing of the file was used.")


def read_text(path: Path) -> str:
    """The whole file as text, without a byte order mark.

    Raises `FileUnreadableError`, or `FileError` for more than 256 MiB and for invalid UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_LIMIT + 1)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _unreadable(path, exc) from exc
    return decode_text(data, str(path))


def decode_text(data: bytes, label: str) -> str:
    """The text of a file's bytes, without a byte order mark; raises `FileError` as `read_text` does."""
    if len(data) > _FILE_LIMIT:
        raise FileError(f"{label}: larger than {_FILE_LIMIT:,} bytes", "Split the file, or name the right one.")
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

    An absent optional column reads as empty text; blank lines are passed over. Raises `FileError` at the
    first fault, so callers collect everything before they use anything.
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
            raise line_error(label, line, f"{len(row)} fields, the header has {width}: {','.join(row)[:40]!r}")
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


class CachedFile(Generic[Content]):
    """What a file holds, read again only after it was changed or replaced. Safe to share between threads."""

    def __init__(self, path: Path, parse: Callable[[str, str], Content]) -> None:
        """`parse` takes the file's text and its label for messages, and raises `FileError`."""
        self.path = path
        self._parse = parse
        self._lock = threading.Lock()
        self._thread = DaemonThread(f"reading {path.name}")
        self._held: tuple[tuple[int, ...], Content] | None = None

    async def read(self) -> Content:
        """As `content`, in a daemon thread. Raises BlockedError after a minute, as on a mount that does not respond.

        The thread goes on: what it has read by the next call is there then.
        """
        return await self._thread.run(_READ_WITHIN, self.content)

    def content(self) -> Content:
        """The parsed content; blocks while it reads. Raises `FileError`."""
        with self._lock:
            # The state is taken before the text: a change in between is then seen the next time.
            state, recent = self._state()
            if self._held and self._held[0] == state:
                return self._held[1]
            content = self._parse(read_text(self.path), str(self.path))
            # Within the file system's clock tick a second change can leave the state as it was.
            self._held = None if recent else (state, content)
            return content

    def _state(self) -> tuple[tuple[int, ...], bool]:
        try:
            status = self.path.stat()
        except (OSError, ValueError) as exc:
            raise _unreadable(self.path, exc) from exc
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(self.path, OSError(0, "it is not a regular file"))
        state = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev)
        return state, time.time_ns() - status.st_mtime_ns < _RECENT_NANOSECONDS


def _unreadable(path: Path, exc: OSError | ValueError) -> FileUnreadableError:
    cause = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return FileUnreadableError(
        f"cannot read {str(path)!r}: {cause}", "Name a file that exists and that this user may read."
    )


def _records(text: str, label: str) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, with the physical line on which it starts."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as exc:
        raise line_error(label, line, f"not CSV: {exc}") from exc


def _positions(
    header: Sequence[str], label: str, expected: str, required: Sequence[str], optional: Sequence[str]
) -> list[int]:
    """Where each wanted column stands; an absent optional one stands just behind the last field."""
    for column in header:
        if column not in (*required, *optional):
            raise FileError(f"{label}: unknown column {column[:40]!r}", expected)
        if header.count(column) > 1:
            raise FileError(f"{label}: column {column!r} stands there twice", expected)
    for column in required:
        if column not in header:
            raise FileError(f"{label}: column {column!r} is missing", expected)
    places = {column: position for position, column in enumerate(header)}
    return [places.get(column, len(header)) for column in (*required, *optional)]


def _columns(required: Sequence[str], optional: Sequence[str]) -> str:
    return ",".join(required) + "".join(f"[,{column}]" for column in optional)


def _line_after(text: str) -> int:
    return len(_LINE_END.findall(text)) + 1
