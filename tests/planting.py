"""Files as another user of the machine would plant them."""

import os
from pathlib import Path

import pytest

NOBODY = 65534
# How another user can have written a file: it is his, or its mode lets him.
WAYS = ("another user's", "group-writable", "writable by all")


def plant(file: Path, text: str, way: str) -> Path:
    """Writes `file` in one of WAYS. Skips the test where this user cannot give a file away."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    if way == WAYS[0]:
        if os.geteuid() != 0:
            pytest.skip("only root can give a file to another user")
        os.chown(file, NOBODY, NOBODY)
    else:
        file.chmod(0o664 if way == WAYS[1] else 0o646)
    return file
