"""What stands at a path as an operator types it."""

import os
from enum import StrEnum
from pathlib import Path


class Finding(StrEnum):
    """What was found."""

    FILE = "a file"
    ABSENT = "nothing"
    DIRECTORY = "a directory"
    UNREADABLE = "a file that this user may not read"


def look_for(text: str) -> Finding:
    """What stands at `text`, `~` and relative paths included. A path that cannot be looked at counts as absent."""
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return Finding.DIRECTORY
        if not path.exists():
            return Finding.ABSENT
    except (OSError, RuntimeError, ValueError):  # too long, an unknown user's home, a NUL
        return Finding.ABSENT
    return Finding.FILE if os.access(path, os.R_OK) else Finding.UNREADABLE
