"""The picks that a command is given: from a file, or from standard input."""

import os
import stat
import sys
from datetime import date
from pathlib import Path

from core.csv_rows import FileError, decode_text
from core.file_at_rest import FileAtRest, read_text
from core.file_at_rest import label_of as label_of_path
from core.picks.editing import COLUMNS
from core.picks.file import parse_picks, read_picks_file
from core.picks.source import PickDraft
from core.picks.staged_file import FILE_PICKS, MANUAL_PICKS
from tui.shell.signals import interruptible

STANDARD_INPUT = Path("-")
STANDARD_INPUT_LABEL = "standard input"
STANDARD_INPUT_LIMIT = 32 * 1024 * 1024  # thirty years of picks with a page of reasoning each


def label_of(path: Path) -> str:
    """What messages call the picks given as `path`."""
    return STANDARD_INPUT_LABEL if path == STANDARD_INPUT else repr(str(path))


def pick_source_of(path: Path) -> str:
    """The pick source that a batch opened with them is told to come from: what is sent by hand is no file."""
    return MANUAL_PICKS if path == STANDARD_INPUT else FILE_PICKS


async def read_given_picks(path: Path) -> dict[date, tuple[PickDraft, ...]]:
    """The picks per run date, from a file once it is at rest; see `parse_picks`.

    Raises `FileError`, for a terminal in the place of input too.
    """
    if path == STANDARD_INPUT:
        return await _from_standard_input()
    return _from_pipe(path) if _is_pipe(path) else await read_picks_file(path)


def _is_pipe(path: Path) -> bool:
    """Whether `path` is a pipe, such as a shell makes of `<(...)`: it ends when its writer does."""
    return path.is_fifo()


def _from_pipe(path: Path) -> dict[date, tuple[PickDraft, ...]]:
    with interruptible():
        return parse_picks(read_text(path), label_of_path(path))


async def _from_standard_input() -> dict[date, tuple[PickDraft, ...]]:
    if sys.stdin is None or sys.stdin.isatty():
        raise FileError(
            f"{STANDARD_INPUT_LABEL} is {'closed' if sys.stdin is None else 'a terminal'}; picks are expected on it",
            f"Send them with < FILE or through a pipe, headed {','.join(COLUMNS)}; or press n in the TUI.",
        )
    if (file := _redirected_file()) is not None:
        await FileAtRest(file, parse_picks, label=STANDARD_INPUT_LABEL, given_by_hand=True).read()
    with interruptible():
        given = sys.stdin.buffer.read(STANDARD_INPUT_LIMIT + 1)
    if len(given) > STANDARD_INPUT_LIMIT:
        raise FileError(
            f"{STANDARD_INPUT_LABEL}: larger than {STANDARD_INPUT_LIMIT:,} bytes", "Send picks and nothing else."
        )
    return parse_picks(decode_text(given, STANDARD_INPUT_LABEL), STANDARD_INPUT_LABEL)


def _redirected_file() -> Path | None:
    """The file that a shell put in the place of standard input; None for a pipe, and where /proc does not name it."""
    try:
        number = sys.stdin.fileno()
        is_file = stat.S_ISREG(os.fstat(number).st_mode)
    except OSError:
        return None
    path = Path(f"/proc/self/fd/{number}")
    return path if is_file and path.exists() else None
