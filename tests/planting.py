"""Files as another local user plants them: what he does is done with his rights, and what waits is cut short."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

NOBODY = 65534
SECRET = "only root may read this"  # noqa: S105 - nobody's


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """With the rights of the user `uid` alone; nothing where the tests are not run by root."""
    if os.geteuid() != 0:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fails the test, out of a system call too, if what is inside takes longer."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"it took longer than {seconds:g} s")

    former = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def plant(path: Path, kind: str, target: Path) -> None:
    """Puts something of `kind` in the place of the file `path`; a link leads to `target`."""
    path.unlink(missing_ok=True)
    match kind:
        case "a link":
            path.symlink_to(target)
        case "a FIFO":
            os.mkfifo(path)
        case "a socket":
            with socket.socket(socket.AF_UNIX) as planted:
                here = os.open(path.parent, os.O_RDONLY)
                try:  # its path may be too long for a socket's
                    planted.bind(f"/proc/self/fd/{here}/{path.name}")
                finally:
                    os.close(here)
        case "a directory":
            path.mkdir()


def secret_file(directory: Path) -> Path:
    """A file in `directory` that root alone may read."""
    file = directory / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    return file


# How another user can have written a file: it is his, or its mode lets him.
WAYS = ("another user's", "group-writable", "writable by all")


def write_as_another(file: Path, text: str, way: str) -> Path:
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
