"""Whether others than root could change where a path leads, looked at as sshd looks at the way to a user's keys."""

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from db.embedded_user import SET_DATA_DIR

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40  # as many as Linux follows


@dataclass(frozen=True, slots=True)
class Weakness:
    """A place on the way to a directory that others than root can change, and the commands that mend it.

    There are no commands where the place is meant for everybody, such as /tmp. `owner` is whose it is, a user's number.
    """

    message: str
    mend: str
    owner: int = 0

    @property
    def remedy(self) -> str:
        """What to do where it is on the way to the data directory."""
        steps = [f"run alpha-monday as user {self.owner}"] if self.owner else []
        steps.append(f"{SET_DATA_DIR} of root's")
        steps += [f"give this one to root alone ({self.mend})"] if self.mend else []
        return ", or ".join(steps)


def weakness(directory: Path) -> Weakness | None:
    """The first place on the way to `directory`, itself included, that others than root can change; None without one.

    Each directory and each link on the way has to be root's, and nobody else may write in the directories. Above
    `directory`, a sticky one that all may write in is no weakness: what is root's there, nobody else can rename or
    remove. What is missing is none either. None for users other than root. Raises OSError.
    """
    if os.geteuid() != 0:
        return None
    here = Path("/")
    to_come = list(reversed(directory.absolute().parts[1:]))
    links = 0
    while True:
        status = here.lstat()
        if stat.S_ISDIR(status.st_mode) and (found := _in_directory(here, status, directory, is_last=not to_come)):
            return found
        if not to_come:
            return None
        name = to_come.pop()
        if name == "..":
            here = here.parent
            continue
        step = here / name
        try:
            status = step.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISLNK(status.st_mode):
            here = step
            continue
        if status.st_uid != 0:
            return Weakness(
                f"user {status.st_uid} can change where the link {step} leads{_on_the_way(step, directory)}",
                f"chown -h root {shlex.quote(str(step))}",
                status.st_uid,
            )
        links += 1
        if links > _MOST_LINKS:
            return Weakness(f"links on the way to {directory} lead back to themselves", "")
        target = step.readlink()
        to_come += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        here = Path("/") if target.is_absolute() else here


def _in_directory(here: Path, status: os.stat_result, directory: Path, *, is_last: bool) -> Weakness | None:
    is_written = status.st_mode & _OTHERS_WRITE and (is_last or not status.st_mode & stat.S_ISVTX)
    if status.st_uid == 0 and not is_written:
        return None
    place = shlex.quote(str(here))
    commands = [f"chown root {place}"] if status.st_uid != 0 else []
    if status.st_mode & stat.S_ISVTX:
        commands = []
    elif status.st_mode & _OTHERS_WRITE:
        commands.append(f"chmod go-w {place}")
    return Weakness(
        f"others than root can write in {here}{_on_the_way(here, directory)}: it belongs to user {status.st_uid} with "
        f"mode {stat.S_IMODE(status.st_mode):o}",
        "; ".join(commands),
        status.st_uid,
    )


def _on_the_way(place: Path, directory: Path) -> str:
    return "" if place == directory else f", on the way to {directory}"
