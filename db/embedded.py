"""The embedded PostgreSQL: shared by all processes that use a directory, stopped by the last that leaves."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

from db.embedded_cluster import Cluster
from db.embedded_files import explained, locked, make_directory, open_lock, prepare_directory, settled_path
from db.embedded_programs import client_tools

__all__ = ["EmbeddedServer", "client_tools", "conninfo_of", "place_of"]


class EmbeddedServer:
    """One user's share in the server of a directory.

    Each user holds a shared lock on `users.lock`: a reference count that the kernel keeps, kill -9 included.
    Who can turn the share into the exclusive lock is the last one. Starting and stopping are done by one
    process at a time, under the exclusive lock on `gate.lock`. A server whose users were all killed runs on
    until the next one leaves.
    """

    def __init__(self, cluster: Cluster, users_lock: int, settings: Mapping[str, str]) -> None:
        self.log_file = cluster.log_file
        self._cluster = cluster
        self._settings = settings
        self._sockets = cluster.ensure_running(settings)
        self._users_lock: int | None = users_lock
        self._process = os.getpid()

    @classmethod
    def start(cls, directory: Path, settings: Mapping[str, str] = MappingProxyType({})) -> "EmbeddedServer":
        """Join the server of `directory`, creating and starting it first where need be.

        `settings` are names and values for postgresql.conf; a server that runs already keeps its own.
        Takes about a second the first time, milliseconds when the server runs. Raises EmbeddedServerError.
        """
        with explained(directory):
            directory = settled_path(directory)
            cluster = Cluster(directory)
            if not (directory / "gate.lock").exists():
                prepare_directory(directory, cluster.user)
            make_directory(directory, for_all=cluster.user.is_another)
            with locked(directory / "gate.lock"):
                users_lock = open_lock(directory / "users.lock")
                try:
                    fcntl.flock(users_lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return cls(cluster, users_lock, settings)
                except BaseException:
                    try:
                        _leave(cluster, users_lock)
                    finally:
                        os.close(users_lock)
                    raise

    def restart(self) -> None:
        """Start the server again if it has ended, killed perhaps. Raises EmbeddedServerError."""
        directory = self._cluster.directory
        with explained(directory), locked(directory / "gate.lock"):
            self._sockets = self._cluster.ensure_running(self._settings)

    def conninfo(self, database: str) -> str:
        """How libpq reaches `database` as the superuser, in key=value form."""
        return conninfo_of(self._sockets, database)

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
                with explained(directory), locked(directory / "gate.lock"):
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


def conninfo_of(sockets: Path, database: str) -> str:
    """How libpq reaches `database` of the server whose socket stands in `sockets`, in key=value form."""
    from db.libpq_environment import embedded_parameters  # with the driver, which takes long to import

    # Complete, so that nothing of the environment leads elsewhere or changes the session.
    values = {"host": str(sockets), "port": "5432", "user": "postgres", "dbname": database, **embedded_parameters()}
    return " ".join(f"{key}={_quoted(value)}" for key, value in values.items())


def place_of(conninfo: str) -> str:
    """`conninfo` of an embedded server without what keeps the environment out, which older libpqs do not know."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = conninfo_to_dict(conninfo)
    return make_conninfo("", **{name: given[name] for name in ("user", "dbname", "host", "hostaddr", "port")})


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
