"""Where the embedded server's files may stand: directories that can be trusted and reached, sockets, locks."""

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.embedded_user import SET_DATA_DIR, ServerUser
from db.errors import EmbeddedServerError
from db.regular_files import NotRegularFileError, open_regular
from db.trusted_path import weakness

RUN_DIRECTORY = Path("/run/alpha-monday" if sys.platform == "linux" else "/var/run/alpha-monday")
SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 103  # bytes: what macOS allows, four less than Linux
_SOCKET_DIRECTORY_PREFIX = "alpha-monday-"
_LITTLE_SPACE = 64 << 20  # bytes; a new cluster takes about 40 MB, a segment of its log 16
_POLL = 0.01  # seconds


def settled_path(directory: Path) -> Path:
    """`directory` as one absolute path, whatever links lead to it; a link in its own place stays to be refused.

    Raises EmbeddedServerError for a name that PostgreSQL's files cannot hold, for a link to itself above it, and as
    root for a way to it that others can change.
    """
    directory = directory.expanduser()
    check_way(directory)
    try:
        directory = directory.parent.resolve() / directory.name
    except RuntimeError as exc:  # before Python 3.13; from then on making the directory fails
        raise EmbeddedServerError(
            f"A link above {str(directory)[:200]!r} leads back to itself.", f"{SET_DATA_DIR} that can be reached"
        ) from exc
    if "\n" in str(directory):
        raise EmbeddedServerError(
            f"PostgreSQL cannot live in a directory with a line end in its name: {str(directory)[:200]!r}",
            f"{SET_DATA_DIR} with a plain name",
        )
    return directory


def lineage(path: Path) -> list[Path]:
    """`path` and its parents, the root directory first."""
    return [*reversed(path.parents), path]


def check_way(directory: Path) -> None:
    """As root, raise EmbeddedServerError naming what others can change on the way to `directory`, itself included.

    Whoever can rename a directory on the way can put one of their own in its place, with whatever they like in it.
    """
    try:
        found = weakness(directory)
    except OSError as exc:
        raise EmbeddedServerError(
            f"the way to {str(directory)[:200]!r} cannot be looked at: {exc.strerror}", f"{SET_DATA_DIR} of root's"
        ) from exc
    if found is not None:
        raise EmbeddedServerError(found.message, found.remedy)


def make_directory(directory: Path, *, for_all: bool) -> None:
    """Create `directory` if it is missing: open for all to enter (0755), or 0700.

    One that exists is never changed; as root it must be no link, and root alone must be able to change the way to it.
    Raises EmbeddedServerError otherwise.
    """
    mode = 0o755 if for_all else 0o700
    check_way(directory)
    try:
        directory.mkdir(mode=mode)
    except FileExistsError:
        _check_directory(directory)
    else:
        if stat.S_IMODE(directory.lstat().st_mode) != mode:  # the umask took something away
            directory.chmod(mode)


def _check_directory(directory: Path) -> None:
    status = directory.lstat() if os.geteuid() == 0 else directory.stat()
    if not stat.S_ISDIR(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a directory"
        raise EmbeddedServerError(f"{directory} is {kind}", f"move it away, or {SET_DATA_DIR} that is real")
    check_way(directory)  # again: somebody may have made it just before


def prepare_directory(directory: Path, user: ServerUser) -> None:
    """Create `directory` and its missing parents, after making sure that `user` will be able to reach it.

    Raises EmbeddedServerError, with nothing created, naming the directory that bars the way.
    """
    check_reach(directory, user)
    for parent in lineage(directory.parent):
        if not parent.exists():
            make_directory(parent, for_all=user.is_another)
    make_directory(directory, for_all=user.is_another)


def check_reach(directory: Path, user: ServerUser) -> None:
    """Raise EmbeddedServerError naming the directory on the way to `directory` that `user` may not enter."""
    if not user.is_another:
        return
    barred = user.first_barred(path for path in lineage(directory) if path.exists())
    if barred is not None:
        raise EmbeddedServerError(
            f"started by root, PostgreSQL runs as {user.name}, who cannot reach {directory}: {barred} bars the way",
            f"{SET_DATA_DIR} that every user can reach, for example under /var/lib",
        )


def socket_directory(cluster: Path, former: Path | None, user: ServerUser) -> Path:
    """A private directory for the server's socket.

    As root it stands under the run directory. Otherwise it is the cluster itself, where libpq can take that
    path, or a directory of unpredictable name in the user's runtime or temporary directory. `former` is where
    a server that was killed had its socket: used again, so that its clients find the next one.
    """
    if user.is_another:
        make_directory(RUN_DIRECTORY, for_all=True)
        check_reach(RUN_DIRECTORY, user)
        base = RUN_DIRECTORY
    elif _suits_libpq(cluster):
        return cluster
    else:
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
        base = runtime if runtime.is_absolute() and user.owns_privately(runtime) else Path(tempfile.gettempdir())
    if former is not None and former.parent == base and _suits_libpq(former) and user.owns_privately(former):
        return former
    sockets = Path(tempfile.mkdtemp(prefix=_SOCKET_DIRECTORY_PREFIX, dir=base))
    user.give(sockets)
    if not user.owns_privately(sockets) or not _suits_libpq(sockets):
        sockets.rmdir()
        raise EmbeddedServerError(
            f"no private directory with a short path for PostgreSQL's socket can be made in {base}",
            f"set TMPDIR to a directory with a short path, or {SET_DATA_DIR} with a path of less than 80 bytes",
        )
    return sockets


def may_hold_socket(sockets: Path, user: ServerUser) -> bool:
    """Whether `sockets`, which a file of `user` names, can be where `socket_directory` puts that user's socket.

    For root only below the run directory: there, nobody else can exchange a directory that was checked for a link.
    """
    return not user.is_another or (sockets.parent == RUN_DIRECTORY and _is_made_here(sockets))


def _is_made_here(sockets: Path) -> bool:
    return sockets.name.startswith(_SOCKET_DIRECTORY_PREFIX)


def remove_socket_files(sockets: Path) -> None:
    """Remove what a killed server left in `sockets`, a private directory."""
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (sockets / name).unlink(missing_ok=True)


def remove_socket_directory(sockets: Path, user: ServerUser) -> None:
    """Remove `sockets` if `socket_directory` made it; the cluster itself stays."""
    if _is_made_here(sockets) and user.owns_privately(sockets):
        remove_socket_files(sockets)
        sockets.rmdir()


def _suits_libpq(directory: Path) -> bool:
    """Whether libpq can name a socket in `directory`: it wants UTF-8, splits at commas, and length is limited."""
    try:
        encoded = str(directory / SOCKET_NAME).encode()
    except UnicodeEncodeError:
        return False
    return len(encoded) <= _SOCKET_PATH_LIMIT and b"," not in encoded


def open_lock(path: Path) -> int:
    """A descriptor of the lock file `path`, created if missing; programs that we start do not inherit it."""
    return open_regular(path, os.O_RDWR | os.O_CREAT)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the exclusive lock on `path`, or None while somebody else has it."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(path: Path, patience: float = 180) -> Iterator[None]:
    """Hold the exclusive lock on `path`; raises EmbeddedServerError after `patience` seconds of waiting."""
    deadline = time.monotonic() + patience
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"another process has held {path} for {patience:g} s, starting or stopping PostgreSQL",
                "look for a suspended or stuck alpha-monday process (ps), end it, and try again",
            )
        time.sleep(_POLL)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone would leave it to a copy that a fork has made
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Makes the names in `directory` outlast a power cut. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def room_remedy(directory: Path, cause: OSError | str) -> str | None:
    """What to do if the disk of `directory` is full or nearly so, or if `cause` says that it was."""
    was_full = "No space left" in cause if isinstance(cause, str) else cause.errno in (errno.ENOSPC, errno.EDQUOT)
    # os.path.exists takes what may not be looked at for missing, where Path.exists may raise.
    existing = next(path for path in reversed(lineage(directory.absolute())) if os.path.exists(path))  # noqa: PTH110
    free = shutil.disk_usage(existing).free
    if not was_full and free >= _LITTLE_SPACE:
        return None
    return f"make room on the disk of {directory} ({free >> 20} MB are free), or {SET_DATA_DIR} on another disk"


@contextmanager
def explained(directory: Path) -> Iterator[None]:
    """Turns what the system refuses while the server of `directory` is prepared into an operator's error."""
    try:
        yield
    except NotRegularFileError as exc:
        raise EmbeddedServerError(f"{exc.filename} cannot be used: {exc.strerror}", exc.remedy) from exc
    except OSError as exc:
        raise EmbeddedServerError(
            f"the directory {directory} cannot be used for the embedded PostgreSQL: {exc}",
            room_remedy(directory, exc)
            or f"make it readable and writable for the user who runs alpha-monday, or {SET_DATA_DIR} that is",
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise EmbeddedServerError(
            f"the embedded PostgreSQL in {directory} took too long: {exc}"[:500],
            "see whether the machine or its disk is overloaded, and try again",
        ) from exc
