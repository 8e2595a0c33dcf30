"""What a cluster does to connections and commands: hosts that are silent, old or alone, and commits that wait."""

import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

import db.database
import db.hosts
import db.waiting
import db.write_probe
from core.diagnosis import database_findings
from core.finding import Finding
from core.health import read_health
from core.leading import note_leader
from core.settings import Settings
from db import leadership, migrate
from db.backup import backup
from db.client_programs import run_client
from db.database import Database
from db.errors import DatabaseReadOnlyError, DatabaseUnavailableError, NotConfirmedError
from db.hosts import Hosts
from db.waiting import showing_database_waits
from db.write_probe import probe_write
from tests.core.world import World
from tests.databases import as_onlooker, as_owner, as_superuser, as_worker, leading, make_template
from tests.fakes import exchange
from tests.faults.clusters import Pair, pair
from tests.faults.failovers import DATABASE
from tests.faults.servers import Server, running, wait_until
from tui.cli import main

_AGE = timedelta(minutes=5)
_LEADER = "select 1 from scheduler_state where name = 'leader'"
_NOTE = "insert into scheduler_state (name, value) values ('probe', '{}') on conflict (name) do update set value = '{}'"
_WAITING = "select pid from pg_stat_activity where wait_event = 'SyncRep'"


@pytest.fixture
def cluster(place: Path) -> Iterator[Pair]:
    """A primary and an asynchronous standby with the product's tables."""
    with pair(place / "pair") as made:
        make_template(made.primary, DATABASE)
        wait_until(lambda: _has_tables(made.standby), "the standby has the tables")
        yield made


@pytest.fixture(scope="module")
def sound(shared_place: Path) -> Iterator[Pair]:
    """One for the tests that leave it as they found it."""
    with pair(shared_place / "sound") as made:
        make_template(made.primary, DATABASE)
        wait_until(lambda: _has_tables(made.standby), "the standby has the tables")
        yield made


@pytest.fixture(scope="module")
def alone(shared_place: Path) -> Iterator[Pair]:
    """A primary whose synchronous standby is gone, so that no commit is confirmed."""
    with pair(shared_place / "alone", synchronous=True) as made:
        make_template(made.primary, DATABASE)
        made.standby.kill()
        yield made


@pytest.fixture
def blocked(alone: Pair) -> Iterator[Pair]:
    """The same, without the sessions of other tests."""
    yield alone
    alone.primary.query(f"select pg_terminate_backend(pid, 5000) from ({_WAITING}) as waiting")  # noqa: S608


def _has_tables(server: Server) -> bool:
    with suppress(psycopg.Error):
        return server.query("select to_regclass('scheduler_state') is not null", database=DATABASE) == [(True,)]
    return False


async def _write(database: Database) -> int:
    """Writes, and gives the port of the server that took it."""
    async with database.transaction() as connection:
        await connection.execute(_NOTE)
        return int(connection.info.port)


async def test_of_two_primaries_the_one_on_the_higher_timeline_is_used(
    cluster: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """By a process that has seen no other timeline, though the old primary stands first and takes writes."""
    old = await asyncio.to_thread(cluster.promote)
    address = as_worker(make_conninfo(cluster.conninfo(DATABASE)))
    world = World(address)
    async with Database(address) as database:
        assert await _write(database) == cluster.primary.port
        async with database.dedicated() as connection:
            assert connection.info.port == cluster.primary.port
        [found] = database.old_primaries
        assert (found.port, found.timeline, found.newest) == (old.port, 1, 2)
        await asyncio.sleep(0.1)  # for the task that watches the hosts to begin
        [told] = [vars(record) for record in caplog.records if vars(record).get("event") == "old_timeline"]
        assert told["host"] == f"127.0.0.1:{old.port}"
    async with world.services() as services:
        assert found.words in (await read_health(services, _AGE)).notes
    finding = await _finding("old_timeline", address)
    assert not finding.ok
    assert str(old.port) in finding.message


async def test_an_old_primary_that_goes_on_answering_is_left(cluster: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its cluster software was killed: it answers and takes writes, and a new primary is unused.

    The new primary was slow to answer while it was promoted, and is left out when it begins.
    """
    monkeypatch.setattr(db.database, "_WATCH_HOSTS_EVERY_S", 0.2)
    async with Database(as_worker(cluster.conninfo(DATABASE))) as database, database.dedicated() as leading:
        assert await _write(database) == cluster.primary.port
        database._hosts.shun("127.0.0.1", cluster.standby.port)
        old = await asyncio.to_thread(cluster.promote)
        with pytest.raises(psycopg.OperationalError):  # what waits on it is told, and does not write there for ever
            await leading.execute("select pg_sleep(10)")
        assert await _write(database) == cluster.primary.port != old.port


async def test_a_silent_host_is_left_out_for_a_while(cluster: Pair) -> None:
    cluster.freeze_primary()
    await asyncio.to_thread(cluster.promote)
    hosts = Hosts(as_worker(cluster.conninfo(DATABASE)))
    for longest in (db.hosts._OTHERS_WITHIN_S + 1.5, 0.9):
        began = time.monotonic()
        assert await hosts.writable() == ("127.0.0.1", cluster.primary.port)
        assert time.monotonic() - began < longest
        hosts._chosen = None
    async with Database(as_worker(cluster.conninfo(DATABASE))) as database:
        assert await _write(database) == cluster.primary.port


@pytest.mark.parametrize("attributes", ["target_session_attrs=read-write", ""])
async def test_each_hosts_own_error_is_listed(attributes: str) -> None:
    with pytest.raises(DatabaseUnavailableError) as caught:
        await Database(f"host=127.0.0.1,127.0.0.1 port=1,2 dbname=x {attributes}").open()
    for port in (1, 2):
        assert f"127.0.0.1:{port}: Connection refused" in caught.value.message


async def test_writing_resumes_at_once_however_long_the_outage_was(place: Path) -> None:
    """The pool must not wait twice as long after each attempt."""
    with running(Server(place / "server")) as server:
        make_template(server, DATABASE)
        async with Database(as_worker(server.conninfo(DATABASE))) as database:
            await _write(database)
            await asyncio.to_thread(server.stop)
            ended = asyncio.Event()
            busy = [asyncio.create_task(_try_until(database, ended)) for _ in range(3)]
            await asyncio.sleep(3.5)  # the length of the outage: attempts that double come after 1, 3 and 7 s
            await asyncio.to_thread(server.start)
            began = time.monotonic()
            await _write_at_last(database)
            assert time.monotonic() - began < 2
            ended.set()
            await asyncio.gather(*busy)


async def _try_until(database: Database, ended: asyncio.Event) -> None:
    while not ended.is_set():
        with suppress(DatabaseUnavailableError):
            await _write(database)
        await asyncio.sleep(0.05)


async def _write_at_last(database: Database) -> None:
    while True:
        with suppress(DatabaseUnavailableError):
            await _write(database)
            return
        await asyncio.sleep(0.05)


async def test_a_commit_that_nobody_confirms_has_a_limit_and_is_shown(
    blocked: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.waiting, "STATEMENT_WITHIN_S", 1.0)
    monkeypatch.setattr(db.waiting, "SHOWN_AFTER_S", 0.2)
    shown: list[str] = []
    with showing_database_waits(shown.append):
        async with Database(as_worker(blocked.primary.conninfo(DATABASE))) as database:
            with pytest.raises(DatabaseUnavailableError, match="has not confirmed the write for 1 s"):
                await _write(database)
    assert shown == [
        f"Waiting for the database at 127.0.0.1:{blocked.primary.port} to confirm the write, for at most 1 s."
    ]


async def test_a_server_that_answers_nothing_has_a_limit(sound: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db.waiting, "STATEMENT_WITHIN_S", 1.0)

    async def ask(database: Database) -> None:
        async with database.transaction() as connection:
            sound.freeze_primary()
            await connection.execute("select 1")

    async with Database(as_worker(sound.primary.conninfo(DATABASE))) as database:
        try:
            with pytest.raises(DatabaseUnavailableError, match="has not answered for 1 s"):
                await ask(database)
        finally:
            sound.primary.thaw()


def test_migrations_have_a_limit_too(sound: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every writer looks for pending ones first, over a connection of its own."""
    monkeypatch.setattr(db.waiting, "STATEMENT_WITHIN_S", 1.0)
    raise_unless = migrate.raise_unless_current

    def freeze(*arguments: Any, **options: Any) -> None:
        raise_unless(*arguments, **options)
        sound.freeze_primary()

    monkeypatch.setattr(migrate, "raise_unless_current", freeze)
    sound.primary.query("delete from migration_checksums", database=DATABASE)  # so that something is left to do
    try:
        with pytest.raises(DatabaseUnavailableError, match="has not answered for 1 s"):
            migrate.up(as_owner(sound.primary.conninfo(DATABASE)))
    finally:
        sound.primary.thaw()


@pytest.mark.parametrize("pooled", [True, False])
async def test_a_commit_whose_wait_was_cancelled_is_not_reported_as_done(blocked: Pair, pooled: bool) -> None:
    async with Database(as_worker(blocked.primary.conninfo(DATABASE))) as database:
        opening = database.transaction if pooled else database.dedicated

        async def write() -> None:
            async with opening() as connection:
                await connection.execute(_NOTE)

        writing = asyncio.create_task(write())
        await asyncio.to_thread(wait_until, lambda: bool(blocked.primary.query(_WAITING)), "the commit waits")
        blocked.primary.query(f"select pg_cancel_backend(pid) from ({_WAITING}) as waiting")  # noqa: S608
        with pytest.raises(NotConfirmedError, match="A failover may undo it"):
            await writing
    assert blocked.primary.query("select 1 from scheduler_state where name = 'probe'", database=DATABASE) == [(1,)]


def _cancel_waits(blocked: Pair, ended: threading.Event) -> None:
    while not ended.wait(0.05):
        blocked.primary.query(f"select pg_cancel_backend(pid) from ({_WAITING}) as waiting")  # noqa: S608


async def _by_psql(conninfo: str) -> None:
    await run_client("psql", ["--set=VERBOSITY=verbose", f"--command={_NOTE}"], conninfo, "")


async def _by_migrating(conninfo: str) -> None:
    with psycopg.connect(as_superuser(conninfo), autocommit=True) as connection:
        connection.execute("set synchronous_commit = local")
        connection.execute("delete from migration_checksums")  # so that something is left to do
    await asyncio.to_thread(migrate.up, conninfo)


@pytest.mark.parametrize("write", [_by_psql, _by_migrating])
async def test_commits_of_psql_and_of_migrations_are_not_reported_as_done_either(
    blocked: Pair, write: Callable[[str], Awaitable[None]]
) -> None:
    ended = threading.Event()
    cancelling = threading.Thread(target=_cancel_waits, args=(blocked, ended))
    cancelling.start()
    try:
        with pytest.raises(NotConfirmedError, match="A failover may undo it"):
            await write(as_owner(blocked.primary.conninfo(DATABASE)))
    finally:
        ended.set()
        cancelling.join()


async def test_a_probe_finds_that_nothing_is_confirmed(blocked: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """For readers too, and without leaving a session that waits on the server."""
    monkeypatch.setattr(db.write_probe, "_CONFIRMED_WITHIN_S", 0.3)
    conninfo = blocked.primary.conninfo(DATABASE)
    async with Database(as_onlooker(conninfo), read_only=True) as database, database.connection() as connection:
        found = await probe_write(connection)
        assert found.problem is not None
        assert "has not confirmed a write" in found.problem
        assert blocked.primary.query(_WAITING) == []
        assert await (await connection.execute("select 1")).fetchone() == (1,), "the connection is sound"
    world = World(as_worker(conninfo))
    async with world.services() as services:
        assert found.problem in (await read_health(services, _AGE)).problems
    assert not (await _finding("writes", as_onlooker(conninfo))).ok


async def test_a_probe_of_a_primary_and_of_its_replica(sound: Pair) -> None:
    primary, replica = (as_worker(server.conninfo(DATABASE)) for server in (sound.primary, sound.standby))
    before = sound.primary.query("select pg_current_wal_lsn()")
    assert (await _finding("writes", as_onlooker(primary))).ok
    assert sound.primary.query("select pg_current_wal_lsn()") != before, "it was written"
    finding = await _finding("writes", as_onlooker(replica))
    assert not finding.ok
    assert "is a replica: nothing can be written there" in finding.message
    assert "target_session_attrs=read-write" in finding.remedy
    async with World(replica).services() as services:
        [problem] = [each for each in (await read_health(services, _AGE)).problems if "replica" in each]
        async with Database(primary) as writing, writing.dedicated() as leader:
            await note_leader(leader, "one:1", exchange("2020-01-06", "09:00"))
        await asyncio.to_thread(wait_until, lambda: bool(sound.standby.query(_LEADER, database=DATABASE)), "it is told")
        found = await read_health(services, _AGE)
        assert problem not in found.problems, "a leader is seen to be alive: its primary takes writes"
        assert problem in found.notes


async def test_a_replica_gives_nobody_the_lead(sound: Pair) -> None:
    replica = as_worker(sound.standby.conninfo(DATABASE))
    async with Database(replica) as database, Database(as_worker(sound.primary.conninfo(DATABASE))) as writing:
        for _ in range(2):  # led on its primary or not
            with pytest.raises(DatabaseReadOnlyError):
                async with database.dedicated() as connection:
                    await leadership.take_lead(connection)
            async with leading(writing), database.connection() as connection:
                found = await leadership.lead(connection)
                assert (found.is_held, found.is_replica) == (False, True)


async def _finding(name: str, address: str) -> Finding:
    settings = Settings.model_construct(database_url=SecretStr(address), provider_settings={})
    [found] = [each for each in await database_findings(settings) if each.name == name]
    return found


def test_health_ends_within_ten_seconds(sound: Pair, place: Path) -> None:
    environment = {**os.environ, "HOME": str(place), "DATABASE_URL": as_worker(sound.primary.conninfo(DATABASE))}
    sound.freeze_primary()
    try:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "tui", "health", "--json"],
            capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2], timeout=60, check=False,
        )  # fmt: skip
        took_s = time.monotonic() - began
    finally:
        sound.primary.thaw()
    assert (done.returncode, json.loads(done.stdout)["healthy"]) == (1, False)
    assert took_s < 10


def test_a_pause_that_is_not_confirmed_ends_and_tells(
    blocked: Pair, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("DATABASE_URL", as_worker(blocked.primary.conninfo(DATABASE)))
    monkeypatch.setattr(db.waiting, "STATEMENT_WITHIN_S", 1.0)
    monkeypatch.setattr(db.waiting, "SHOWN_AFTER_S", 0.2)
    assert main(["pause"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "to confirm the write, for at most 1 s" in told.err.splitlines()[0]
    assert "has not confirmed the write for 1 s; it may have been done or not" in told.err


class _Balancer:
    """A port that leads to several servers in turn, as one before replicas does."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = itertools.cycle(ports)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", next(self._ports)))
                pumping = threading.Thread(target=_pump_both, args=(client, server))
                self._threads.append(pumping)
                pumping.start()

    def close(self) -> None:
        """Accepts nobody any more, and returns when all have left."""
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listening.close()


def _pump_both(client: socket.socket, server: socket.socket) -> None:
    with client, server:
        back = threading.Thread(target=_pump, args=(server, client))
        back.start()
        _pump(client, server)
        back.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


async def test_a_backup_through_a_port_that_balances_replicas(sound: Pair, place: Path) -> None:
    """The snapshot of one server is unknown to the other: both parts have to go to one."""
    balancer = _Balancer([sound.primary.port, sound.standby.port])
    try:
        held = await backup(
            make_conninfo(as_onlooker(sound.primary.conninfo(DATABASE)), port=balancer.port, user="postgres"),
            place / "backup",
        )
    finally:
        balancer.close()
    assert held
    assert (place / "backup").stat().st_size > 0
