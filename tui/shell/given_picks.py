"""The picks that a command is given: from a file, or from standard input."""

import sys
from datetime import date
from pathlib import Path

from core.csv_rows import FileError, decode_text
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


def read_given_picks(path: Path) -> dict[date, tuple[PickDraft, ...]]:
    """The picks per run date; see `parse_picks`. Raises `FileError`, for a terminal in the place of input too."""
    return _from_standard_input() if path == STANDARD_INPUT else read_picks_file(path)


def _from_standard_input() -> dict[date, tuple[PickDraft, ...]]:
    if sys.stdin is None or sys.stdin.isatty():
        raise FileError(
            f"{STANDARD_INPUT_LABEL} is {'closed' if sys.stdin is None else 'a terminal'}; picks are expected on it",
            f"Send them with < FILE or through a pipe, headed {','.join(COLUMNS)}; or press n in the TUI.",
        )
    with interruptible():
        given = sys.stdin.buffer.read(STANDARD_INPUT_LIMIT + 1)
    if len(given) > STANDARD_INPUT_LIMIT:
        raise FileError(
            f"{STANDARD_INPUT_LABEL}: larger than {STANDARD_INPUT_LIMIT:,} bytes", "Send picks and nothing else."
        )
    return parse_picks(decode_text(given, STANDARD_INPUT_LABEL), STANDARD_INPUT_LABEL)
