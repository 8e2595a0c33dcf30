"""A real cluster on loopback, broken on purpose: etcd, three PostgreSQL under Patroni, HAProxy and PgBouncer.

`missing()` names the programs that are not installed. Patroni is looked for in `PATRONI_BIN`, then in
/opt/alpha-monday-patroni/bin, where `.ci/cluster` installs it, then where the system has its programs. As root the
servers run as the user postgres. Every process is ended by its pid.
"""

import ctypes
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo

from tests.databases import WORKER
from tests.faults.servers import free_port, state_of

USERS = ("postgres", WORKER)
_OLDEST_PATRONI = 4
_SCOPE = "alpha"
_PROGRAMS = ("etcd", "patroni", "patronictl", "haproxy", "pgbouncer")
_POSTGRES = Path("/usr/lib/postgresql/15/bin")
_PLACES = (
    *filter(None, [os.environ.get("PATRONI_BIN")]),
    *("/opt/alpha-monday-patroni/bin", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin"),
)
_PR_SET_CHILD_SUBREAPER = 36
TTL_S = 20  # the least that Patroni admits: a node that falls silent loses the lead after it
_DYNAMIC = {
    "ttl": TTL_S,
    "loop_wait": 1,
    "retry_timeout": 3,
    "maximum_lag_on_failover": 1 << 20,
    "primary_start_timeout": 300,
    "synchronous_mode": True,
    "postgresql": {
        "use_pg_rewind": True,
        "use_slots": True,
        "parameters": {
            "max_connections": 60,
            "shared_buffers": "32MB",
            "wal_keep_size": "64MB",
            "wal_retrieve_retry_interval": "500ms",
            "unix_socket_directories": "",
            "timezone": "UTC",
            "fsync": "off",  # processes are killed here, machines are not
            "jit": "off",
            "logging_collector": "off",
        },
    },
}


def _program(name: str) -> Path | None:
    found = shutil.which(name, path=":".join(_PLACES))
    return Path(found) if found else None


def missing() -> str:
    """What is not installed of the programs that a cluster takes, in one line; empty where nothing is missing."""
    lacking = [name for name in _PROGRAMS if _program(name) is None]
    if not (_POSTGRES / "postgres").is_file():
        lacking.append("postgresql-15")
    if not lacking and _patroni_major() < _OLDEST_PATRONI:
        lacking.append(f"patroni {_OLDEST_PATRONI} or newer")
    return ", ".join(lacking)


def _patroni_major() -> int:
    said = subprocess.run([str(_program("patroni")), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.", said)
    return int(found[1]) if found else 0


def wait_for(holds: Callable[[], bool], what: str, within_s: float = 60.0, every_s: float = 0.05) -> float:
    """The seconds until `holds`. Raises TimeoutError naming `what`."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"within {within_s:.0f} s it did not come about that {what}")
        time.sleep(every_s)
    return time.monotonic() - began


class Node:
    """One member: Patroni and the PostgreSQL that it looks after."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.data = directory / name / "data"
        self.config = directory / f"{name}.json"
        self.log = directory / f"{name}.log"
        self.port, self.rest_port = free_port(), free_port()
        self.patroni: subprocess.Popen[bytes] | None = None

    def conninfo(self, database: str, user: str = "postgres") -> str:
        """This node alone."""
        return make_conninfo(host="127.0.0.1", port=self.port, user=user, dbname=database, connect_timeout=3)

    def query(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What the superuser is answered by this node."""
        return ask(self.conninfo(database), statement)

    def is_primary(self) -> bool:
        """Whether its Patroni reports that it is the primary and holds the lock."""
        return self._reports("primary")

    def is_synchronous(self) -> bool:
        """Whether Patroni has recorded it as the standby that may become the primary, which PostgreSQL knows before."""
        return self._reports("synchronous")

    def _reports(self, role: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest_port}/{role}", timeout=1.5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def takes_writes(self) -> bool:
        """Whether its PostgreSQL answers and is no standby, whatever Patroni reports."""
        try:
            return self.query("select pg_is_in_recovery()") == [(False,)]
        except psycopg.Error:
            return False

    def processes(self) -> list[int]:
        """PostgreSQL's processes, the postmaster first."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    if (entry / "cwd").readlink() == self.data and state_of(int(entry.name)) not in "ZX":
                        found.append(int(entry.name))
        postmaster = self.postmaster()
        return sorted(found, key=lambda pid: (pid != postmaster, pid))  # the parent first, which would make more

    def postmaster(self) -> int | None:
        """The postmaster's pid as its file has it."""
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None


class PatroniCluster:
    """Everything, below `directory`. Use it as a context manager: all processes are gone afterwards."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self._etcd_port, self._peer_port = free_port(), free_port()
        self.primary_port, self.replica_port, self.pgbouncer_port = free_port(), free_port(), free_port()
        self.nodes = tuple(Node(f"n{number}", self._directory) for number in (1, 2, 3))
        self._others: dict[str, subprocess.Popen[bytes]] = {}
        self._orphans: set[int] = set()
        self._ended = threading.Event()
        self._reaper = threading.Thread(target=self._reap, daemon=True)

    def direct(self, database: str, user: str = WORKER) -> str:
        """Every node, in an order that never changes, for whoever writes."""
        return make_conninfo(
            host=",".join("127.0.0.1" for _ in self.nodes),
            port=",".join(str(node.port) for node in self.nodes),
            dbname=database,
            user=user,
            target_session_attrs="read-write",
        )

    def through(self, port: int, database: str, user: str = WORKER) -> str:
        """A single port: HAProxy's before the primary or the replicas, or PgBouncer's before the former."""
        return make_conninfo(host="127.0.0.1", port=port, dbname=database, user=user)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()

    def _start(self) -> None:
        # A postmaster whose Patroni was killed becomes ours; unless it is reaped at once it seems to live.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self._owner is not None:
            shutil.chown(self._directory, self._owner.pw_uid, self._owner.pw_gid)
        self._write_configuration()
        self._reaper.start()
        self.start_etcd()
        for node in self.nodes:
            self.start_patroni(node)
        self._run("haproxy", "-f", self._directory / "haproxy.cfg")
        self._run("pgbouncer", self._directory / "pgbouncer.ini")
        wait_for(lambda: self.primary() is not None, "there is a primary")
        self.wait_healthy()

    def _stop(self) -> None:
        for node in self.nodes:
            _end(node.patroni)
        for node in self.nodes:
            self._signal_postgres(node, signal.SIGKILL)
        for process in self._others.values():
            _end(process)
        self._ended.set()
        if self._reaper.is_alive():
            self._reaper.join(2)

    def primary(self) -> Node | None:
        """The one node whose Patroni reports that it is the primary; None while there is none, or two."""
        found = [node for node in self.nodes if node.is_primary()]
        return found[0] if len(found) == 1 else None

    def leader(self) -> Node:
        """The primary. Raises LookupError if there is none."""
        if (found := self.primary()) is None:
            raise LookupError("the cluster has no primary")
        return found

    def synchronous(self) -> Node:
        """The node that the primary waits for."""
        [(name,)] = self.leader().query("select application_name from pg_stat_replication where sync_state = 'sync'")
        return next(node for node in self.nodes if node.name == name)

    def wait_healthy(self, within_s: float = 90.0) -> float:
        """The seconds until one primary has two standbys, one of them synchronous, and every port leads there."""
        return wait_for(self._is_healthy, "the cluster is healthy", within_s, 0.2)

    def _is_healthy(self) -> bool:
        if (leader := self.primary()) is None or sum(node.takes_writes() for node in self.nodes) != 1:
            return False
        try:
            rows = leader.query("select sync_state from pg_stat_replication where state = 'streaming'")
            if len(rows) != 2 or ("sync",) not in rows or not any(node.is_synchronous() for node in self.nodes):
                return False
            told = ask(self.through(self.primary_port, "postgres", "postgres"), "show port")
            ask(self.through(self.pgbouncer_port, "postgres", "postgres"), "select 1")
            is_replica = ask(self.through(self.replica_port, "postgres", "postgres"), "select pg_is_in_recovery()")
        except psycopg.Error:
            return False
        return told == [(str(leader.port),)] and is_replica == [(True,)]

    def start_etcd(self) -> None:
        """Starts etcd with what it had stored before."""
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        self._run(
            "etcd", "--name", "e1", "--data-dir", self._directory / "etcd", "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"e1={peer}", "--logger", "zap", "--log-level", "error",
        )  # fmt: skip
        wait_for(self._etcd_answers, "etcd answers", 15)

    def start_patroni(self, node: Node) -> None:
        """Starts a member's Patroni, which starts its PostgreSQL."""
        node.patroni = self._popen(node.log, "patroni", node.config)

    def switchover(self) -> None:
        """A planned change of the primary to its synchronous standby."""
        leader, to = self.leader(), self.synchronous()
        done = subprocess.run(
            [str(_program("patronictl")), "-c", str(leader.config), "switchover", _SCOPE, "--leader", leader.name,
             "--candidate", to.name, "--force"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if "Successfully switched over" not in done.stdout:
            raise RuntimeError(done.stdout + done.stderr)

    def kill_node(self, node: Node) -> None:
        """SIGKILL to Patroni and PostgreSQL together, as a power cut does."""
        _end(node.patroni)
        self._signal_postgres(node, signal.SIGKILL)

    def kill_patroni(self, node: Node) -> None:
        """SIGKILL to Patroni alone: its PostgreSQL goes on as if it were the primary."""
        _end(node.patroni)

    def freeze(self, node: Node) -> None:
        """SIGSTOP to Patroni and PostgreSQL, with every connection left open."""
        if node.patroni is not None:
            _send(node.patroni.pid, signal.SIGSTOP)
        self._signal_postgres(node, signal.SIGSTOP)

    def thaw(self, node: Node) -> None:
        """Lets a frozen member go on, PostgreSQL first."""
        self._signal_postgres(node, signal.SIGCONT)
        if node.patroni is not None:
            _send(node.patroni.pid, signal.SIGCONT)

    def kill_etcd(self) -> None:
        """SIGKILL to etcd: the primary gives up when it cannot renew its lock."""
        _end(self._others["etcd"])

    def _signal_postgres(self, node: Node, number: int) -> None:
        deadline, done = time.monotonic() + 10, set[int]()
        while left := [pid for pid in node.processes() if pid not in done or number == signal.SIGKILL]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{node.name}: its processes did not take signal {number}")
            for pid in left:
                self._orphans.add(pid)
                _send(pid, number)
            done.update(left)
            time.sleep(0.02)

    def _reap(self) -> None:
        """Reaps orphaned processes of the servers, and nobody else's children."""
        while not self._ended.wait(0.1):
            self._orphans.update(pid for node in self.nodes if (pid := node.postmaster()) is not None)
            for pid in list(self._orphans):
                with suppress(ChildProcessError):
                    if os.waitpid(pid, os.WNOHANG)[0] == pid:
                        self._orphans.discard(pid)

    def _etcd_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._etcd_port}/health", timeout=1) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    def _run(self, program: str, *arguments: str | Path) -> None:
        self._others[program] = self._popen(self._directory / f"{program}.log", program, *arguments)

    def _popen(self, log: Path, program: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        as_owner: dict[str, Any] = {}
        if self._owner is not None:
            groups = os.getgrouplist(self._owner.pw_name, self._owner.pw_gid)
            as_owner = {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": groups}
        environment = {
            "PATH": f"{_POSTGRES}:/usr/sbin:/usr/bin:/bin",
            "HOME": str(self._directory),
            "LC_ALL": "C.UTF-8",
        }
        with log.open("ab") as stream:
            return subprocess.Popen(
                [str(_program(program)), *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=self._directory, env=environment,
                start_new_session=True, **as_owner,
            )  # fmt: skip

    def _write_configuration(self) -> None:
        for node in self.nodes:
            self._write(node.config, json.dumps(self._patroni(node), indent=1))  # JSON is YAML
        self._write(self._directory / "haproxy.cfg", self._haproxy())
        self._write(self._directory / "userlist.txt", "".join(f'"{user}" ""\n' for user in USERS))
        self._write(
            self._directory / "pgbouncer.ini",
            f"[databases]\n* = host=127.0.0.1 port={self.primary_port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.pgbouncer_port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self._directory}/userlist.txt\npool_mode = transaction\n"
            "max_client_conn = 100\ndefault_pool_size = 10\nserver_login_retry = 1\nquery_wait_timeout = 60\n"
            "ignore_startup_parameters = extra_float_digits\n",
        )

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o644)

    def _patroni(self, node: Node) -> dict[str, Any]:
        rest = f"127.0.0.1:{node.rest_port}"
        return {
            "scope": _SCOPE,
            "name": node.name,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"hosts": f"127.0.0.1:{self._etcd_port}"},
            "bootstrap": {
                "dcs": _DYNAMIC,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "trust"}, "no-sync"],
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{node.port}",
                "connect_address": f"127.0.0.1:{node.port}",
                "data_dir": str(node.data),
                "bin_dir": str(_POSTGRES),
                "pgpass": str(self._directory / f"{node.name}.pgpass"),
                "basebackup": [{"checkpoint": "fast"}, "no-sync"],
                "authentication": {
                    "superuser": {"username": "postgres", "password": "x"},
                    "replication": {"username": "replicator", "password": "x"},
                    "rewind": {"username": "rewinder", "password": "x"},
                },
            },
            "watchdog": {"mode": "off"},
        }

    def _haproxy(self) -> str:
        def listen(name: str, port: int) -> str:
            servers = "".join(
                f"  server {node.name} 127.0.0.1:{node.port} check port {node.rest_port}\n" for node in self.nodes
            )
            return (
                f"listen {name}\n  bind 127.0.0.1:{port}\n  option httpchk OPTIONS /{name}\n"
                "  http-check expect status 200\n"
                f"  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions\n{servers}"
            )

        return (
            "global\n  maxconn 200\n  nbthread 1\n"
            "defaults\n  mode tcp\n  retries 2\n  timeout connect 4s\n  timeout check 2s\n"
            "  timeout client 30m\n  timeout server 30m\n"
            + listen("primary", self.primary_port)
            + listen("replica", self.replica_port)
        )


def ask(conninfo: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows of one statement in a session of its own; fit for a pooler, too."""
    bounded = make_conninfo(conninfo, connect_timeout=3, tcp_user_timeout=3000)
    with psycopg.connect(bounded, autocommit=True, prepare_threshold=None) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.kill()
        process.wait(10)
