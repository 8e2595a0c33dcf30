"""The embedded PostgreSQL: shared by all processes that use a directory, stopped by the last that leaves."""

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType

from db.embedded_cluster import Cluster
from db.embedded_files import locked, make_directory, open_lock, prepare_directory, room_remedy
from db.embedded_programs import client_tools
from db.embedded_user import SET_DATA_DIR
from db.errors import EmbeddedServerError

__all__ = ["EmbeddedServer", "client_tools"]


class EmbeddedServer:
    """One user's share in the server of a directory.

    Each user holds a shared lock on `users.lock`: a reference count that the kernel keeps, kill -9 included.
    Who can turn the share into the exclusive lock is the last one. Starting and stopping are done by one
    process at a time, under the exclusive lock on `gate.lock`. A server whose users were all killed runs on
    until the next one leaves.
    """

    def __init__(self, cluster: Cluster, users_lock: int, sockets: Path) -> None:
        self.log_file = cluster.log_file
        self._cluster = cluster
        self._sockets = sockets
        self._users_lock: int | None = users_lock
        self._process = os.getpid()

    @classmethod
    def start(cls, directory: Path, settings: Mapping[str, str] = MappingProxyType({})) -> "EmbeddedServer":
        """Join the server of `directory`, creating and starting it first where need be.

        `settings` are names and values for postgresql.conf; a server that runs already keeps its own.
        Takes about a second the first time, milliseconds when the server runs. Raises EmbeddedServerError.
        """
        with _translated(directory):
            directory = directory.expanduser()
            directory = directory.parent.resolve() / directory.name
            if "\n" in str(directory):
                raise EmbeddedServerError(
                    f"PostgreSQL cannot live in a directory with a line end in its name: {str(directory)[:200]!r}",
                    f"{SET_DATA_DIR} with a plain name",
                )
            cluster = Cluster(directory)
            if not (directory / "gate.lock").exists():
                prepare_directory(directory, cluster.user)
            make_directory(directory, for_all=cluster.user.is_another)
            with locked(directory / "gate.lock"):
                users_lock = open_lock(directory / "users.lock")
                try:
                    fcntl.flock(users_lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return cls(cluster, users_lock, cluster.ensure_running(settings))
                except BaseException:
                    try:
                        _leave(cluster, users_lock)
                    finally:
                        os.close(users_lock)
                    raise

    def conninfo(self, database: str) -> str:
        """How libpq reaches `database` as the superuser, in key=value form."""
        values = {"host": str(self._sockets), "port": "5432", "user": "postgres", "dbname": database}
        return " ".join(f"{key}={_quoted(value)}" for key, value in values.items())

    def close(self) -> None:
        """Leave, and stop the server if nobody else uses it. Calling it again does nothing.

        Raises EmbeddedServerError where the server does not stop.
        """
        users_lock, self._users_lock = self._users_lock, None
        if users_lock is None:
            return
        try:
            if os.getpid() == self._process:  # in a fork's copy the share is still the parent's
                directory = self._cluster.directory
                with _translated(directory), locked(directory / "gate.lock"):
                    _leave(self._cluster, users_lock)
        finally:
            os.close(users_lock)

    def __enter__(self) -> "EmbeddedServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _leave(cluster: Cluster, users_lock: int) -> None:
    """Give up a share, and stop the server if it was the last; the caller holds the gate."""
    try:
        fcntl.flock(users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        is_last = False
    else:
        is_last = True
    try:
        if is_last:
            cluster.stop()
    finally:
        fcntl.flock(users_lock, fcntl.LOCK_UN)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@contextmanager
def _translated(directory: Path) -> Iterator[None]:
    try:
        yield
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
