"""Replacing a file of the user's whole, so that nobody ever reads half of it."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from db.trusted_path import weakness


def replace_whole(file: Path, text: str) -> None:
    """Puts `text` (UTF-8) in the place of `file`, mode 0600, making its directory (0700) first.

    Raises OSError, for root also where others could exchange the directory: the file would then stand elsewhere.
    """
    if (found := weakness(file.parent)) is not None:
        raise PermissionError(errno.EPERM, found.message, str(file))
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(aside).rename(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(aside).unlink()
        raise
