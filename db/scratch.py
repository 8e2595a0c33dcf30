"""A PostgreSQL of one moment: started empty in a private directory, and gone with everything in it afterwards.

Backups are proved in it, because it needs no right on any other server. The directory stands under TMPDIR.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from db.embedded import EmbeddedServer
from db.embedded_cluster import Cluster
from db.embedded_files import check_way, open_lock
from db.errors import EmbeddedServerError

_PREFIX = "alpha-monday-scratch-"
_FORGOTTEN_AFTER_S = 3600
# It holds a copy of what is kept elsewhere, and nobody needs it after a crash.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@contextmanager
def scratch_server() -> Iterator[EmbeddedServer]:
    """A server of its own with nothing in it. Takes about a second. Raises EmbeddedServerError.

    Directories that killed processes left are removed first, with the servers in them.
    """
    check_way(Path(tempfile.gettempdir(), _PREFIX))
    try:
        _sweep()
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX))  # made with mode 0700 and a name that nobody can foresee
    except OSError as exc:
        raise EmbeddedServerError(
            f"no temporary directory can be made: {exc}", "make room, or set TMPDIR to another directory"
        ) from exc
    try:
        if os.geteuid() == 0:
            directory.chmod(0o711)  # the server's own user passes through to what is its own, and nobody can list it
        with EmbeddedServer.start(directory / "server", _FORGETFUL) as server:
            yield server
    finally:
        shutil.rmtree(directory)


def _sweep() -> None:
    """Removes what is old, ours and in nobody's use: the kernel gave up the locks of those who were killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):  # another process sweeps too
            status = directory.lstat()
            if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _FORGOTTEN_AFTER_S:
                continue
            if not directory.is_symlink() and (not (directory / "server").exists() or _stop(directory / "server")):
                shutil.rmtree(directory)


def _stop(server: Path) -> bool:
    """Stops the server of `server` unless somebody uses it; says whether it is stopped."""
    users = open_lock(server / "users.lock")
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        Cluster(server).stop()
        return True
    finally:
        os.close(users)
