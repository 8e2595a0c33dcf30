"""Reading a settings file, and writing the user's: the lines that are set, beside those that stand there already."""

import io
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from core.settings import SettingsError
from core.trusted_file import Distrust, read_with_trust
from core.whole_file import replace_whole

_MOST_BYTES = 1_000_000


def write_settings(values: Mapping[str, str], file: Path) -> None:
    """Sets `values`, by their names in the environment, and keeps every other line; the file is private (0600).

    Raises SettingsError if it cannot be written, or could not be read back as it is meant.
    """
    try:
        text = _kept_lines(file, values) + "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())
        _check_reads_back(text, values)
        replace_whole(file, text)
    except (OSError, ValueError) as exc:
        raise SettingsError(
            f"The settings file {str(file)!r} cannot be written: {exc}.", "Make it a file that this user may write."
        ) from exc


def read_settings(file: Path) -> tuple[str, Distrust | None]:
    """The text of a settings file, empty where there is none, and why it is not to be used.

    Raises OSError, UnicodeDecodeError, and ValueError for one of more than a megabyte.
    """
    if not file.is_file():
        return "", None
    data, distrust = read_with_trust(file, _MOST_BYTES)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig").read(), distrust


def distrusted(file: Path, why: Distrust) -> SettingsError:
    """The error for a settings file that another user can have written."""
    return SettingsError(f"The settings file {str(file.absolute())!r} is refused: {why.problem}.", why.remedy)


def values_in(text: str) -> dict[str, str | None]:
    """The values of a settings file by their names, as they are written: nothing in them stands for something else."""
    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def _kept_lines(file: Path, values: Mapping[str, str]) -> str:
    """The text of `file` without what sets one of `values`, each line ended.

    Raises SettingsError for one that is not to be used: the file that is written would be trusted.
    """
    text, distrust = read_settings(file)
    if distrust is not None:
        raise distrusted(file, distrust)
    bindings = parse_stream(io.StringIO(text))
    kept = "".join(bound.original.string for bound in bindings if (bound.key or "").upper() not in values)
    return kept if not kept or kept.endswith("\n") else f"{kept}\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _check_reads_back(text: str, values: Mapping[str, str]) -> None:
    """The file's form cannot hold every text; a value must not come back as another."""
    read = values_in(io.StringIO(text, newline=None).read())  # line ends are read as in a file
    if changed := [name for name, value in values.items() if read.get(name) != value]:
        raise SettingsError(
            f"The settings file cannot hold the value of {changed[0]}.",
            "Choose a value without line breaks, or set it in the environment.",
        )
