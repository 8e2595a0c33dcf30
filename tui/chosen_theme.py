"""Which theme this operator chose last: a small file of the user's beside that of when they last looked."""

from pathlib import Path

import platformdirs

from core.settings import APPLICATION
from core.whole_file import replace_whole
from db.errors import AlphaMondayError
from db.regular_files import read_regular

_MOST_BYTES = 200


class ChosenThemeError(AlphaMondayError):
    """The choice cannot be kept. Nothing else suffers, so that a caller may show it and go on."""

    code = "chosen_theme"


def theme_file() -> Path:
    """The file in the user's state directory."""
    return platformdirs.user_state_path(APPLICATION) / "theme"


def read() -> str | None:
    """The name that was chosen last; None if none was, or if the file cannot be read. It may be any text."""
    try:
        return read_regular(theme_file(), _MOST_BYTES).decode().strip() or None
    except (OSError, ValueError):  # the usual theme is shown then, and the next choice replaces the file
        return None


def write(name: str) -> None:
    """Keeps `name`. Raises ChosenThemeError if the file cannot be written."""
    file = theme_file()
    try:
        replace_whole(file, f"{name}\n")
    except OSError as exc:
        raise ChosenThemeError(
            f"The theme cannot be kept in {str(file)!r}: {exc.strerror}.",
            "Make the file's directory writable; until then Alpha Monday starts with the theme that it had before.",
        ) from exc
