"""Replacing one week's rows in the operator's picks file: every other byte stays, and a crash leaves old or new."""

import codecs
import csv
import fcntl
import io
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

from core.csv_rows import FileError, FileUnreadableError, decode_text, is_blank
from core.file_at_rest import label_of
from core.picks.file import parse_picks
from core.picks.source import PickDraft

COLUMNS = ("run_date", "ticker", "action", "reasoning")
_LONGEST_WAIT_S = 5.0
_PAUSE_S = 0.02
_LINE_ENDS = ("\r\n", "\n", "\r")


class FileUnwritableError(FileError):
    """A file cannot be replaced; it is as it was."""


def replace_week(path: Path, run_date: date, drafts: Sequence[PickDraft]) -> None:
    """Puts `drafts` in the place of the rows of `run_date`; none takes them away. Blocks while it reads and writes.

    A missing file is made (0600) where there is something to write. A link stays one, and what it names is replaced.
    Raises `FileError` for a file that is malformed, cannot be read or cannot be written: it is then as it was.
    """
    try:
        target = path.resolve()
        with _alone(target.parent):
            before = _bytes(target)
            if before is None and not drafts:
                return
            _replace(target, with_week(before, label_of(path), run_date, drafts))
    except (OSError, RuntimeError) as exc:
        cause = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise FileUnwritableError(
            f"cannot write {str(path)!r}: {cause}", "Give this user the right to write there, or make room."
        ) from exc


def with_week(before: bytes | None, label: str, run_date: date, drafts: Sequence[PickDraft]) -> bytes:
    """A picks file's bytes with `drafts` as the week's only rows: where the old ones stood, or at the end.

    None stands for a file that is not there yet. Raises `FileError` if the bytes are no picks file.
    """
    if before is None:
        before = f"{','.join(COLUMNS)}\n".encode()
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    text = decode_text(before, label)
    parse_picks(text, label)  # whoever edits a file must understand all of it
    (header, header_lines), *records = _records(text)
    end = next((end for end in _LINE_ENDS if header_lines.endswith(end)), "\n")
    kept: list[str] = [header_lines]
    place: int | None = None
    for record, lines in records:
        if not is_blank(record) and record[header.index("run_date")] == run_date.isoformat():
            place = len(kept) if place is None else place
        else:
            kept.append(lines)
    new = [_row(header, run_date, draft) + end for draft in drafts]
    place = len(kept) if place is None else place
    if new and not kept[place - 1].endswith(_LINE_ENDS):
        kept[place - 1] += end
    return mark + "".join([*kept[:place], *new, *kept[place:]]).encode()


def _records(text: str) -> list[tuple[list[str], str]]:
    """Every record from the header on, with the lines that spell it; what is blank before the header belongs to it."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, strict=True)
    found: list[tuple[list[str], str]] = []
    start = 0
    for record in reader:
        if found or not is_blank(record):
            found.append((record, "".join(lines[start : reader.line_num])))
            start = reader.line_num
    return found


def _row(header: Sequence[str], run_date: date, draft: PickDraft) -> str:
    values = dict(zip(COLUMNS, (run_date.isoformat(), draft.ticker, draft.action.value, draft.reasoning), strict=True))
    return ",".join(_field(values[column]) for column in header)


def _field(text: str) -> str:
    # The csv module's writer quotes a line end only if it is its own, and would break a row at any other.
    return '"{}"'.format(text.replace('"', '""')) if any(mark in text for mark in ',"\r\n') else text


def _bytes(path: Path) -> bytes | None:
    try:
        mode = path.stat().st_mode  # fails for a link to itself, which `exists` calls absent
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise FileUnreadableError(f"cannot read {str(path)!r}: it is not a regular file", "Name a file.")
    return path.read_bytes()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Holds the directory's lock, so that no other writer of this product reads what is about to be replaced.

    The file itself could not be locked: each writer replaces it. Raises `FileUnwritableError` after five seconds.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _LONGEST_WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:  # a writer that was stopped must not hold up a quit
                    raise FileUnwritableError(
                        f"another process has held the lock on {str(directory)!r} for {_LONGEST_WAIT_S:.0f} seconds",
                        "Look for one that was stopped, and try again.",
                    ) from None
                time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def _replace(target: Path, content: bytes) -> None:
    """Writes beside the file and renames, so that a reader sees the old file or the new one, with the same mode."""
    descriptor, name = tempfile.mkstemp(prefix=".picks-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if target.exists():
                status = target.stat()
                ours = os.fstat(file.fileno())
                if (status.st_uid, status.st_gid) != (ours.st_uid, ours.st_gid):
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # the rename itself survives a power cut only now
    finally:
        os.close(directory)
