"""One PostgreSQL server on loopback that is killed, frozen, stopped and started again on purpose."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.conninfo import make_conninfo

from db.embedded_programs import server_tools
from db.embedded_user import ServerUser, printable

WITHIN_S = 30.0
_PORTS = range(20_000, 32_000)  # below what the kernel gives to outgoing connections, which could take a dead one's
_SUPERUSER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "replica",
    "max_wal_senders": "5",
    "wal_keep_size": "64MB",
    "hot_standby": "on",
    "max_connections": "30",
    "wal_retrieve_retry_interval": "100ms",  # by default a standby may look for its dead primary for 5 s first
    "shared_buffers": "16MB",
    "timezone": "UTC",
    # Processes are killed here, machines are not: what the kernel has taken is kept.
    "fsync": "off",
    "full_page_writes": "off",
}


def wait_until(holds: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    """Returns as soon as `holds`. Raises TimeoutError naming `what` after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {within_s:.0f} s it did not come about that {what}")
        time.sleep(0.005)


class Server:
    """The server of `directory`, which its user has to be able to reach. Stopped until it is started."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.user = ServerUser.of(self.data)
        self.programs = programs(self.data)
        self.port = free_port()
        self._settings = {**_SETTINGS, **(settings or {})}
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.user.give(directory)

    def initialise(self, *options: str | Path) -> None:
        """Makes the cluster, `options` being initdb's."""
        self.run(
            "initdb",
            *("-D", self.data, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", *options),
        )

    def copy_of(self, primary: "Server") -> None:
        """Makes the cluster anew as a standby that streams from `primary`."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.run(
            "pg_basebackup",
            *("-d", make_conninfo(primary.conninfo(""), application_name=f"standby_{self.port}")),
            *("-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"),
        )

    def run(self, program: str, *arguments: str | Path) -> None:
        """Runs one of PostgreSQL's programs as the server's user. Raises RuntimeError with what it said."""
        done = self.user.run([self.programs / program, *arguments])
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {printable(done.stderr)}\n{self.log()}")

    def log(self) -> str:
        """The end of the server's log."""
        file = self.directory / "log"
        return printable(file.read_bytes()) if file.exists() else ""

    def conninfo(self, database: str) -> str:
        """How a database on this server, and on no other, is reached."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, user=_SUPERUSER, connect_timeout=5, dbname=database or _SUPERUSER
        )

    def query(self, statement: str, *parameters: Any, database: str = "") -> list[tuple[Any, ...]]:
        """The rows that `statement`, in a transaction and session of its own, gives; none where it gives none."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def configure(self, **settings: str) -> None:
        """Changes settings for the next start, and at once for a server that runs, as far as they can be."""
        self._settings |= settings
        self._write_settings()
        if self.processes():
            os.kill(self._postmaster(), signal.SIGHUP)
            for name, value in settings.items():
                wait_until(
                    lambda name=name, value=value: self._shows(name, value),  # type: ignore[misc]
                    f"{name} is {value!r}",
                )

    def _shows(self, name: str, value: str) -> bool:
        [(shown, pending)] = self.query("select setting, pending_restart from pg_settings where name = %s", name)
        return bool(shown == value or pending)

    def start(self) -> None:
        """Starts the server and returns when it answers."""
        self._write_settings()
        self.run("pg_ctl", "-D", self.data, "-l", self.directory / "log", "-s", "-w", "-t", "30", "start")

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stops the server as an operator does."""
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-s", "-w", "-t", "30", "stop")

    def kill(self) -> None:
        """Kills the postmaster, which no child outlives for long, and returns when the last is gone."""
        os.kill(self._postmaster(), signal.SIGKILL)
        wait_until(lambda: not self.processes(), "the server's processes are gone")
        # Until somebody reaps the dead postmaster its number looks like that of a live one.
        (self.data / "postmaster.pid").unlink()

    def freeze(self) -> None:
        """Stops every process of the server where it is, with its connections left open."""
        self._signal_all(self._postmaster(), signal.SIGSTOP, stopped=True)

    def thaw(self) -> None:
        """Lets a frozen server go on as if nothing had happened."""
        self._signal_all(self._postmaster(), signal.SIGCONT, stopped=False)

    def remove(self) -> None:
        """Kills whatever runs and removes every file."""
        while left := self.processes():
            for pid in left:
                _send(pid, signal.SIGKILL)
            wait_until(lambda left=left: not set(left) & set(self.processes()), "they are gone")  # type: ignore[misc]
        shutil.rmtree(self.directory, ignore_errors=True)

    def processes(self) -> Sequence[int]:
        """The processes that work in the cluster's directory, as every one of its server's does."""
        entries = (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        found = [int(entry.name) for entry in entries if _works_in(entry, self.data)]
        return [pid for pid in found if state_of(pid) not in ("Z", "X")]

    def _signal_all(self, postmaster: int, number: int, *, stopped: bool) -> None:
        """Sends a signal to the postmaster and all its children, those that it had just started included."""
        _send(postmaster, number)
        pending = [postmaster]
        deadline = time.monotonic() + WITHIN_S
        while pending:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server's processes did not take signal {number}")
            pending = [pid for pid in self.processes() if (state_of(pid) == "T") is not stopped]
            for pid in pending:
                _send(pid, number)

    def _postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def _write_settings(self) -> None:
        main = self.data / "postgresql.conf"
        include = "include 'server.conf'\n"
        if not main.read_text().endswith(include):
            with main.open("a") as file:
                file.write(include)
        lines = [f"{name} = '{value}'\n" for name, value in {**self._settings, "port": str(self.port)}.items()]
        (self.data / "server.conf").write_text("".join(lines))
        (self.data / "server.conf").chmod(0o644)


@contextmanager
def running(server: Server, *options: str | Path) -> Iterator[Server]:
    """A server made and started, of which nothing is left at the end, however it ends."""
    try:
        server.initialise(*options)
        server.start()
        yield server
    finally:
        server.remove()


def programs(cluster: Path) -> Path:
    """Where the programs are that run `cluster`: those of the machine's own PostgreSQL 15, or else the wheel's.

    Raises EmbeddedServerError where there is neither.
    """
    for found in (shutil.which("initdb"), "/usr/lib/postgresql/15/bin/initdb"):
        if found is None or not Path(found).is_file():
            continue
        directory = Path(found).resolve().parent
        said = subprocess.run([directory / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
        if " 15." in said and (directory / "pg_basebackup").is_file():
            return directory
    return server_tools(ServerUser.of(cluster))


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _works_in(process: Path, directory: Path) -> bool:
    try:
        return (process / "cwd").readlink() == directory
    except OSError:  # it has ended, or is not ours to look at
        return False


def state_of(pid: int) -> str:
    """The state of a process as the kernel writes it: R, S, D, T and so on; X where it has ended."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
