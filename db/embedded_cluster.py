"""One PostgreSQL cluster in a directory: made by initdb, configured, started and stopped by pg_ctl."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from db.embedded_files import (
    SOCKET_NAME,
    check_reach,
    may_hold_socket,
    remove_socket_directory,
    remove_socket_files,
    room_remedy,
    socket_directory,
    sync_directory,
    try_lock,
)
from db.embedded_programs import program_major, server_tools
from db.embedded_user import SET_DATA_DIR, ServerUser, printable
from db.errors import EmbeddedServerError
from db.regular_files import append_privately, make_private, open_regular, read_regular

DEFAULTS: Mapping[str, str] = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_buffers": "32MB",
    "max_connections": "300",  # 40 programs at once, each with the six that one may hold while it is busy, and others
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "cluster_name": "alpha-monday",
}
_OLDEST_MAJOR = 10  # of those whose dumps today's programs write and whose version is one number
_INCLUDE = b"include '../server.conf'"
_LOG_LIMIT = 1 << 20  # bytes
_LOG_TAIL = 4096  # bytes
_PID_FILE_LIMIT = 16 << 10  # bytes; it is eight lines
_VERSION_LIMIT = 1024  # bytes
_SETTINGS_LIMIT = 4 << 20  # bytes; what initdb writes takes 30 KB
_START_PATIENCE = 120  # seconds, for PostgreSQL's own recovery after a crash
_STOP_PATIENCE = 60  # seconds
_ORPHANS_PATIENCE = 30  # seconds
_POLL = 0.01  # seconds


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What postmaster.pid says of a server that runs, or of one that was killed; it may be incomplete."""

    sockets: Path | None
    is_ready: bool

    @classmethod
    def of(cls, cluster: Path, owner: ServerUser) -> "Postmaster":
        """The one of the directory `cluster` of `owner`; blank where there is none. Raises OSError."""
        try:
            content = read_regular(cluster / "postmaster.pid", _PID_FILE_LIMIT, owner=owner.uid)
        except (FileNotFoundError, NotADirectoryError):
            content = b""
        _, _, _, _, line, _, _, status, *_ = [*content.split(b"\n"), *[b""] * 8]
        sockets = Path(os.fsdecode(line)) if line.startswith(b"/") and b"\0" not in line else None
        return cls(
            sockets=sockets if sockets is not None and may_hold_socket(sockets, owner) else None,
            is_ready=status.strip() == b"ready",
        )


class Cluster:
    """The server of `directory`, which holds its locks, its log and, in `postgresql`, the cluster.

    Every process that PostgreSQL runs here inherits the lock on `server.lock`. The kernel releases it with the
    last of them, whatever ended it, so that a free lock proves the process number in postmaster.pid stale.
    """

    def __init__(self, directory: Path, tools: Path | None = None) -> None:
        """`tools` is the directory of the server's programs where they are not the installed ones."""
        self.directory = directory
        self.path = directory / "postgresql"
        self.upgraded = directory / "postgresql.upgraded"
        self.log_file = directory / "server.log"
        self.user = ServerUser.of(self.path if os.path.lexists(self.path) else self.upgraded)
        self._tools = tools
        self._lock_file = directory / "server.lock"

    def ensure_running(self, settings: Mapping[str, str]) -> Path:
        """Start the server unless it runs, and return its socket's directory. The caller holds the gate."""
        deadline = time.monotonic() + _ORPHANS_PATIENCE
        while True:
            postmaster = self._postmaster()
            if postmaster.sockets is not None and self._listens(postmaster.sockets):
                if postmaster.is_ready:
                    return postmaster.sockets
            elif (lock := try_lock(self._lock_file)) is not None:
                try:
                    return self._start(lock, postmaster.sockets, settings)
                finally:
                    os.close(lock)  # and no more than that: the server keeps it
            if time.monotonic() > deadline:
                raise self._failure("an earlier PostgreSQL server is neither ready nor gone", self._log_from(0))
            time.sleep(_POLL)

    def stop(self) -> None:
        """Stop the server, if one runs, and wait for the last of its processes. The caller holds the gate."""
        deadline = time.monotonic() + _STOP_PATIENCE
        said = ""
        sockets = self._postmaster().sockets
        while (lock := try_lock(self._lock_file)) is None:
            if time.monotonic() > deadline:
                raise self._failure("PostgreSQL could not be stopped", said)
            sockets = self._postmaster().sockets or sockets
            if sockets is not None and self._listens(sockets):
                command = (self._programs() / "pg_ctl", "-s", "-m", "fast", "-w", "-t", "30", "stop")
                said = printable(self.user.run(command, data_directory=self.path).stderr)
            else:
                time.sleep(_POLL)
        try:
            # A server that an operator started by hand does not hold our lock, and goes on.
            if sockets is not None and not self._listens(sockets):
                remove_socket_directory(sockets, self.user)
        finally:
            os.close(lock)

    def is_running(self) -> bool:
        """Whether a server takes connections, whoever started it."""
        sockets = self._postmaster().sockets
        return sockets is not None and self._listens(sockets)

    def finish_upgrade(self) -> None:
        """Gives a cluster that an interrupted upgrade had made whole its name. The caller holds the gate."""
        if not os.path.lexists(self.path) and os.path.lexists(self.upgraded):
            self.upgraded.rename(self.path)
            sync_directory(self.directory)

    def kept(self) -> list[Path]:
        """The clusters of earlier majors that upgrades have put aside here, by name. Raises OSError."""
        return sorted(self.directory.glob("postgresql-*.kept-*"))

    def _postmaster(self) -> Postmaster:
        return Postmaster.of(self.path, self.user)

    def _programs(self) -> Path:
        return self._tools or server_tools(self.user)

    def _listens(self, sockets: Path) -> bool:
        if not self.user.owns_privately(sockets):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(2)
            try:
                client.connect(str(sockets / SOCKET_NAME))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except BlockingIOError:
                return True  # its queue of new connections is full
        return True

    def _start(self, lock: int, former: Path | None, settings: Mapping[str, str]) -> Path:
        check_reach(self.directory, self.user)
        tools = self._programs()
        self.finish_upgrade()
        if os.path.lexists(self.path / "PG_VERSION"):
            self._check(tools)
        else:
            self._create(tools, lock, is_forgetful=settings.get("fsync") == "off")
        sockets = socket_directory(self.path, former, self.user)
        try:
            self._configure(sockets, settings)
            self._launch(tools, lock, sockets)
        except Exception:
            if self._postmaster().sockets is None:
                remove_socket_directory(sockets, self.user)
            raise
        return sockets

    def _launch(self, tools: Path, lock: int, sockets: Path) -> None:
        # PostgreSQL would take the numbers in these for its own if other processes have them by now.
        (self.path / "postmaster.pid").unlink(missing_ok=True)
        remove_socket_files(sockets)
        log = self._open_log()
        try:
            log_size = os.fstat(log).st_size
            done = self.user.run(
                (tools / "pg_ctl", "-s", "-w", "-t", str(_START_PATIENCE), "start"),
                data_directory=self.path,
                stdout=log,
                stderr=log,
                keep=(lock,),
                timeout=_START_PATIENCE + 30,
            )
        finally:
            os.close(log)
        if done.returncode != 0:
            raise self._failure("PostgreSQL did not start", self._log_from(log_size))

    def _open_log(self) -> int:
        """A descriptor that appends to the server's log; a long one is put aside first."""
        former = self.log_file.with_name("server.log.1")
        make_private(former)
        log = append_privately(self.log_file)
        if os.fstat(log).st_size <= _LOG_LIMIT:
            return log
        os.close(log)
        self.log_file.replace(former)
        return append_privately(self.log_file)

    def _check(self, tools: Path) -> None:
        """Refuse a cluster that is not private to its user, or that another major version made."""
        if not self.user.owns_privately(self.path):
            raise EmbeddedServerError(
                f"{self.path} is not a directory that {self.user.name} alone can enter",
                f"make it one: chmod 700 {self.path}",
            )
        theirs, ours = self.version(), program_major(tools, self.user)
        if theirs == str(ours):
            return
        if theirs in map(str, range(_OLDEST_MAJOR, ours)):
            remedy = "run alpha-monday db upgrade, which carries it across and keeps the old one"
        elif theirs.isdecimal() and int(theirs) > ours:
            remedy = f"upgrade alpha-monday to a version that brings PostgreSQL {theirs}"
        else:
            remedy = f"see whether it is damaged; {SET_DATA_DIR} that is new and restore a backup there"
        raise EmbeddedServerError(
            f"{self.path} was made by PostgreSQL {theirs!r}, and the installed one is {ours}", remedy
        )

    def version(self) -> str:
        """What the cluster says of the major version that made it, made fit to be shown. Raises OSError."""
        return printable(read_regular(self.path / "PG_VERSION", _VERSION_LIMIT, owner=self.user.uid), limit=40)

    def _create(self, tools: Path, lock: int, *, is_forgetful: bool) -> None:
        """Make the cluster aside and rename it: there is a whole one or none."""
        if os.path.lexists(self.path) and (not self.path.is_dir() or any(self.path.iterdir())):
            raise EmbeddedServerError(
                f"{self.path} exists and is not a PostgreSQL cluster",
                f"move it away, or {SET_DATA_DIR} that is empty",
            )
        if kept := self.kept():  # then there was a database here, and an empty one would pass for it
            raise EmbeddedServerError(
                f"{self.path} is gone, and what an upgrade had put aside is still in {kept[-1]}",
                f"put {self.path} back, or give {kept[-1]} its name and run alpha-monday db upgrade; to begin with an "
                f"empty database, move what was kept away, or {SET_DATA_DIR} that is empty",
            )
        aside = self.path.with_name("postgresql.new")
        if os.path.lexists(aside):
            shutil.rmtree(aside)
        aside.mkdir(mode=0o700)
        try:
            self.user.give(aside)
            self._initialise(tools, aside, lock, ("--no-sync",) if is_forgetful else ())
            aside.rename(self.path)
        except BaseException:
            # An initdb that was killed may leave a child that still writes; the next start removes the rest.
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_directory(self.directory)

    def _initialise(self, tools: Path, aside: Path, lock: int, more: tuple[str, ...]) -> None:
        # The builtin provider's C.UTF-8 is the same on every platform, whatever locales are installed.
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
        access = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
        done = self.user.run((tools / "initdb", *locale, *access, *more), data_directory=aside, keep=(lock,))
        if done.returncode != 0:
            raise self._failure("initdb could not make a PostgreSQL cluster", printable(done.stderr))

    def _configure(self, sockets: Path, settings: Mapping[str, str]) -> None:
        ours = {
            **DEFAULTS,
            **({"client_connection_check_interval": "2s"} if sys.platform == "linux" else {}),
            **settings,
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": '"{}"'.format(str(sockets).replace('"', '""')),
            "unix_socket_permissions": "0700",
        }
        lines = ["# Written anew at each start.", *(f"{name} = {_quoted(ours[name])}" for name in ours), ""]
        aside = self.directory / "server.conf.new"
        aside.unlink(missing_ok=True)
        with os.fdopen(open_regular(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(os.fsencode("\n".join(lines)))
            os.fchmod(file.fileno(), 0o644)
        aside.replace(self.directory / "server.conf")
        main = self.path / "postgresql.conf"
        with os.fdopen(open_regular(main, os.O_RDWR | os.O_APPEND, owner=self.user.uid), "r+b") as file:
            content = file.read(_SETTINGS_LIMIT + 1)
            if len(content) > _SETTINGS_LIMIT:
                raise EmbeddedServerError(
                    f"{main} is longer than {_SETTINGS_LIMIT >> 20} MB", "see what was written to it, and shorten it"
                )
            if _INCLUDE not in content.splitlines():
                file.write(b"\n" + _INCLUDE + b"\n")

    def _log_from(self, position: int) -> str:
        try:
            with os.fdopen(open_regular(self.log_file), "rb") as log:
                log.seek(max(position, os.fstat(log.fileno()).st_size - _LOG_TAIL))
                return printable(log.read(_LOG_TAIL))
        except FileNotFoundError:
            return ""

    def _failure(self, what: str, said: str) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"{what} in {self.directory}" + (f":\n{said}" if said else ""),
            room_remedy(self.directory, said)
            or f"see {self.log_file}; if it does not help, set DATABASE_URL to a server of your own",
        )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
