"""Opening files where others may have put something else: a link, a FIFO, a device, or a file without an end."""

import errno
import os
import shlex
import stat
from pathlib import Path

_PRIVATE = 0o600
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularFileError(OSError):
    """Something else stands where a file is expected: `strerror` says what, `filename` where, `remedy` what to do."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(errno.EINVAL, what, str(path))
        self.remedy = f"find out who made it, and move it away: mv {shlex.quote(str(path))} ELSEWHERE"


def open_regular(
    path: Path, flags: int = os.O_RDONLY, mode: int = _PRIVATE, *, follow: bool = False, owner: int | None = None
) -> int:
    """A descriptor of the regular file `path`; programs that are started do not inherit it.

    Opening never waits. A link is followed only with `follow`. `owner` is the user whom the directory belongs to: he
    could give a file of somebody else's a name in it, so that a file of several names has to be his.
    Raises NotRegularFileError, or OSError for what the system refuses.
    """
    how = flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, how, mode)
    except OSError as exc:
        if (kind := _kind_at(path, follow=follow)) is not None:
            raise NotRegularFileError(path, f"it is {kind}, not a regular file") from exc
        raise
    try:
        _require_regular(os.fstat(descriptor), path, owner)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path, limit: int, *, follow: bool = False, owner: int | None = None) -> bytes:
    """The first `limit` bytes of the regular file `path`, opened as by `open_regular`. Raises OSError."""
    with os.fdopen(open_regular(path, follow=follow, owner=owner), "rb") as file:
        return file.read(limit)


def append_privately(path: Path) -> int:
    """A descriptor that appends to `path`, a file that its owner alone may read, whatever the umask or its mode was.

    The file is made if it is missing. Raises OSError.
    """
    descriptor = open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        _make_private(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_private(path: Path) -> None:
    """Lets the file `path` be read by its owner alone, if it is there. Raises OSError."""
    try:
        descriptor = open_regular(path)
    except FileNotFoundError:
        return
    try:
        _make_private(descriptor)
    finally:
        os.close(descriptor)


def _require_regular(status: os.stat_result, path: Path, owner: int | None) -> None:
    if (kind := _KINDS.get(stat.S_IFMT(status.st_mode))) is not None:
        raise NotRegularFileError(path, f"it is {kind}, not a regular file")
    if owner is not None and status.st_nlink > 1 and status.st_uid != owner:
        raise NotRegularFileError(path, f"it is another name of a file of user {status.st_uid}")


def _make_private(descriptor: int) -> None:
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != _PRIVATE:
        os.fchmod(descriptor, _PRIVATE)


def _kind_at(path: Path, *, follow: bool) -> str | None:
    """What stands at `path` instead of a regular file; None for one, and where nothing can be found out."""
    try:
        return _KINDS.get(stat.S_IFMT(path.stat(follow_symlinks=follow).st_mode))
    except OSError:
        return None
