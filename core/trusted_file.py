"""Files that decide where keys go or what is stored: used only if no other user can have written them.

As ssh does for its configuration, the file itself is judged and not the directories above it: who may write there can
put a file of another owner in its place, which is refused, or take it away. What counts of a link is the file it leads
to. An access list shows in the group's bits, which are then its mask.
"""

import os
import pwd
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from db.regular_files import open_regular

_ROOT = 0
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why a file is not used, as a clause, and the command that mends it, as a sentence."""

    problem: str
    remedy: str


def read_with_trust(file: Path, limit: int) -> tuple[bytes, Distrust | None]:
    """At most `limit` + 1 bytes of a regular file, and why they are not to be used; None where they may be.

    The opened file is judged, so that it cannot be replaced between the check and the reading. Never waits for a
    writer, as a pipe would. Raises OSError, and ValueError for a path that cannot be one.
    """
    with os.fdopen(open_regular(file, follow=True), "rb") as opened:
        return opened.read(limit + 1), _distrust(os.fstat(opened.fileno()), file)


def distrust_of(file: Path) -> Distrust | None:
    """Why `file` is not used, for a report; None where it may be, or is not there. Raises OSError."""
    try:
        return read_with_trust(file, 0)[1]
    except FileNotFoundError:
        return None


def _distrust(status: os.stat_result, file: Path) -> Distrust | None:
    """A user trusts himself and root; root trusts root alone."""
    own = os.geteuid()
    problems, commands = [], []
    target = shlex.quote(str(file.resolve()))
    if status.st_uid not in {_ROOT, own}:
        problems.append(f"it belongs to {_name(status.st_uid)}")
        commands.append(f"chown {_name(own)} {target}")
    if status.st_mode & _WRITABLE_BY_OTHERS:
        problems.append(f"group or others may write it (mode {stat.S_IMODE(status.st_mode):04o})")
        commands.append(f"chmod go-w {target}")
    if not problems:
        return None
    return Distrust(" and ".join(problems), f"Check what it holds, then run: {' && '.join(commands)}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
