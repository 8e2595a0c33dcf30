"""Writing the user's settings file: the lines that are set, beside those that stand there already."""

import io
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from core.settings import SettingsError
from core.whole_file import replace_whole


def write_settings(values: Mapping[str, str], file: Path) -> None:
    """Sets `values`, by their names in the environment, and keeps every other line; the file is private (0600).

    Raises SettingsError if it cannot be written, or could not be read back as it is meant.
    """
    try:
        text = _kept_lines(file, values) + "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())
        _check_reads_back(text, values)
        replace_whole(file, text)
    except (OSError, UnicodeError) as exc:
        raise SettingsError(
            f"The settings file {str(file)!r} cannot be written: {exc}.", "Make it a file that this user may write."
        ) from exc


def _kept_lines(file: Path, values: Mapping[str, str]) -> str:
    """The text of `file` without what sets one of `values`, each line ended."""
    if not file.exists():
        return ""
    bindings = parse_stream(io.StringIO(file.read_text(encoding="utf-8-sig")))
    kept = "".join(bound.original.string for bound in bindings if (bound.key or "").upper() not in values)
    return kept if not kept or kept.endswith("\n") else f"{kept}\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _check_reads_back(text: str, values: Mapping[str, str]) -> None:
    """The file's form has no way to write `${`, among others; a value must not come back as another."""
    read = dotenv_values(stream=io.StringIO(text, newline=None))  # line ends are read as in a file
    if changed := [name for name, value in values.items() if read.get(name) != value]:
        raise SettingsError(
            f"The settings file cannot hold the value of {changed[0]}.",
            "Choose a value without ${ and line breaks, or set it in the environment.",
        )
