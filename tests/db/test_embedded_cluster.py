"""The cluster itself: how it is made, configured and refused."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from db import embedded_cluster, embedded_files, embedded_programs
from db.embedded import EmbeddedServer
from db.embedded_cluster import Cluster, Postmaster
from db.embedded_files import try_lock
from db.embedded_user import ServerUser
from db.errors import EmbeddedServerError

AS_ROOT = os.geteuid() == 0
ODD_NAMES = {
    "spaces": "a name with spaces",
    "quotes": "a'b\"c `id` $(id) \\ é",
    "commas": "a,b,c",
    "bytes": "not \udcff utf-8",
}


@pytest.fixture(scope="module")
def made(reachable_directory: Path) -> Path:
    """A directory with a cluster whose server is stopped."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory)) / "server"
    directory.parent.chmod(0o755)
    EmbeddedServer.start(directory).close()
    return directory


@pytest.fixture
def small_disk(reachable_directory: Path) -> Iterator[Path]:
    """A disk with room for 20 MB."""
    if not AS_ROOT:
        pytest.skip("only root can mount a small disk")
    disk = Path(tempfile.mkdtemp(dir=reachable_directory))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("root may not mount here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def show(conninfo: str, name: str) -> str:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("select current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def sockets_of(conninfo: str) -> Path:
    return Path(str(conninfo_to_dict(conninfo)["host"]))


def test_what_a_new_server_is_like(server: EmbeddedServer) -> None:
    conninfo = server.conninfo("postgres")
    cluster = server.log_file.parent / "postgresql"
    assert show(conninfo, "listen_addresses") == ""
    assert show(conninfo, "unix_socket_permissions") == "0700"
    assert show(conninfo, "timezone") == "UTC"
    assert show(conninfo, "shared_buffers") == "32MB"
    assert show(conninfo, "max_connections") == "300"
    assert show(conninfo, "fsync") == "off"  # of the settings that the tests start it with
    if sys.platform == "linux":
        assert show(conninfo, "client_connection_check_interval") == "2s"
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "select pg_encoding_to_char(encoding), datlocale, upper('é') from pg_database"
        ).fetchone()
    assert row == ("UTF8", "C.UTF-8", "É")
    for private in (cluster, sockets_of(conninfo)):
        assert stat.S_IMODE(private.lstat().st_mode) == 0o700
    assert server.log_file.stat().st_mode & 0o077 == 0
    assert "ready to accept connections" in server.log_file.read_text()


def test_nothing_of_a_server_can_be_reached_over_a_network(server: EmbeddedServer) -> None:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        rules = connection.execute(
            "select distinct auth_method from pg_hba_file_rules where type <> 'local'"
        ).fetchall()
        assert rules in ([], [("reject",)])
        if not Path("/proc/net/tcp").exists():
            return
        connections = [
            line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]
        ]
        listening = {f"socket:[{fields[9]}]" for fields in connections if fields[3] == "0A"}
        (postmaster,) = (server.log_file.parent / "postgresql" / "postmaster.pid").read_text().split("\n")[:1]
        processes = [Path("/proc", postmaster), Path("/proc", str(connection.info.backend_pid))]
        held = {str(file.readlink()) for process in processes for file in (process / "fd").iterdir()}
        assert [name for name in held if name.startswith("socket:")], "the server's own socket is not even seen"
        assert not held & listening


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_no_other_user_gets_to_roots_server(server: EmbeddedServer) -> None:
    nobody = ServerUser("nobody", 65534, 65534, is_another=True)
    for private in (sockets_of(server.conninfo("postgres")), server.log_file.parent / "postgresql"):
        assert nobody.first_barred([private]) == private


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
@pytest.mark.parametrize("mode", [0o711, 0o751, 0o755])
def test_root_leaves_the_modes_of_directories_as_they_are(reachable_directory: Path, mode: int) -> None:
    way = [reachable_directory / f"way {mode:o}"]
    way += [way[0] / "data", way[0] / "data" / "postgres"]
    for directory in way:
        directory.mkdir()
        directory.chmod(mode)
    with EmbeddedServer.start(way[-1], {"fsync": "off"}):
        assert [stat.S_IMODE(directory.stat().st_mode) for directory in way] == [mode] * 3
    assert [stat.S_IMODE(directory.stat().st_mode) for directory in way] == [mode] * 3


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_roots_server_runs_as_another(server: EmbeddedServer) -> None:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        process = Path("/proc") / str(connection.info.backend_pid)
        if process.exists():
            assert process.stat().st_uid == Cluster(server.log_file.parent).user.uid
    sockets = sockets_of(server.conninfo("postgres"))
    assert sockets.parent == Path("/run/alpha-monday")
    assert sockets.owner() == Cluster(server.log_file.parent).user.name
    assert server.log_file.owner() == "root"


@pytest.mark.parametrize("name", [*ODD_NAMES, "long"])
def test_odd_paths(made: Path, name: str) -> None:
    # A stopped server's directory may be moved, which spares these tests an initdb each.
    odd = made.parent / ODD_NAMES.get(name, "")
    if name == "long":
        odd = made.parent / ("x" * (161 - len(os.fsencode(made.parent)) - 1))
        assert len(os.fsencode(odd)) == 161
    made.rename(odd)
    try:
        with EmbeddedServer.start(odd) as server:
            conninfo = server.conninfo("postgres")
            assert show(conninfo, "data_directory_mode") == "0700"
            sockets = sockets_of(conninfo)
            assert (sockets == odd / "postgresql") == (not AS_ROOT and name in {"spaces", "quotes"})
            assert stat.S_IMODE(sockets.lstat().st_mode) == 0o700
        assert sockets.exists() == (sockets == odd / "postgresql")
    finally:
        odd.rename(made)


def test_settings_are_quoted_and_cannot_open_the_server(made: Path) -> None:
    settings = {"cluster_name": "it's a \\ 'name'", "listen_addresses": "*", "shared_buffers": "16MB"}
    with EmbeddedServer.start(made, settings) as server:
        conninfo = server.conninfo("postgres")
        assert show(conninfo, "cluster_name") == settings["cluster_name"]
        assert show(conninfo, "listen_addresses") == ""
        assert show(conninfo, "shared_buffers") == "16MB"
    with EmbeddedServer.start(made) as server:
        assert show(server.conninfo("postgres"), "shared_buffers") == "32MB"


def test_our_settings_hold_even_when_postgresql_conf_was_replaced(made: Path) -> None:
    (made / "postgresql" / "postgresql.conf").write_text("max_connections = 20\n")
    for _ in range(2):
        with EmbeddedServer.start(made) as server:
            assert show(server.conninfo("postgres"), "listen_addresses") == ""
    assert (made / "postgresql" / "postgresql.conf").read_text().count("server.conf") == 1


def test_a_setting_that_postgresql_refuses_is_shown(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made.parent / "run"
    monkeypatch.setattr(embedded_files, "RUN_DIRECTORY", run)
    with pytest.raises(EmbeddedServerError, match="no_such_setting") as caught:
        EmbeddedServer.start(made, {"no_such_setting": "1"})
    assert str(made) in caught.value.message
    assert str(made / "server.log") in caught.value.remedy
    assert run.exists() == AS_ROOT
    assert not list(run.glob("*"))  # the socket's directory is gone again


def test_a_long_log_is_put_aside_and_both_are_private_whatever_they_were(made: Path) -> None:
    (made / "server.log").write_text("x" * (embedded_cluster._LOG_LIMIT + 1))
    for name in ("server.log", "server.log.1"):
        (made / name).touch()
        (made / name).chmod(0o644)
    EmbeddedServer.start(made).close()
    assert [stat.S_IMODE((made / name).stat().st_mode) for name in ("server.log", "server.log.1")] == [0o600] * 2
    assert (made / "server.log").stat().st_size < 10_000
    assert (made / "server.log.1").stat().st_size > embedded_cluster._LOG_LIMIT


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("17\n", "alpha-monday db upgrade"),
        ("19\n", "upgrade alpha-monday to a version"),
        ("", "damaged"),
        ("18.1\n", "damaged"),
        ("\x1b[31m" + "9" * 1000, "upgrade alpha-monday to a version"),
    ],
)
def test_another_versions_cluster_is_refused_and_left_alone(made: Path, version: str, remedy: str) -> None:
    version_file = made / "postgresql" / "PG_VERSION"
    before = version_file.read_text()
    version_file.write_text(version)
    try:
        with pytest.raises(EmbeddedServerError, match="was made by PostgreSQL") as caught:
            EmbeddedServer.start(made)
        assert "\x1b" not in caught.value.message
        assert len(caught.value.message) < 500
        assert remedy in caught.value.remedy
        assert (made / "postgresql" / "base").is_dir()
    finally:
        version_file.write_text(before)


def test_a_cluster_open_to_others_is_refused(made: Path) -> None:
    (made / "postgresql").chmod(0o750)
    try:
        with pytest.raises(EmbeddedServerError, match="alone can enter") as caught:
            EmbeddedServer.start(made)
        assert "chmod 700" in caught.value.remedy
    finally:
        (made / "postgresql").chmod(0o700)


def test_something_else_in_the_clusters_place_is_left_alone(reachable_directory: Path) -> None:
    directory = Path(tempfile.mkdtemp(dir=reachable_directory)) / "server"
    directory.parent.chmod(0o755)
    cluster = directory / "postgresql"
    cluster.mkdir(parents=True)
    (cluster / "diary.txt").write_text("dear diary")
    if AS_ROOT:
        user = Cluster(directory.with_name("absent")).user
        os.chown(cluster, user.uid, user.gid)
    with pytest.raises(EmbeddedServerError, match="not a PostgreSQL cluster"):
        EmbeddedServer.start(directory)
    assert (cluster / "diary.txt").read_text() == "dear diary"
    assert not (directory / "postgresql.new").exists()


def test_half_a_cluster_never_gets_its_name(reachable_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Path(tempfile.mkdtemp(dir=reachable_directory)) / "server"
    directory.parent.chmod(0o755)

    def fail(_self: Cluster, _tools: Path, aside: Path, *_: object) -> None:
        (aside / "PG_VERSION").touch()
        raise EmbeddedServerError("halfway", "")

    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "_initialise", fail)
        with pytest.raises(EmbeddedServerError, match="halfway"):
            EmbeddedServer.start(directory)
    assert not list(directory.glob("postgresql*"))
    (directory / "postgresql.new").mkdir()
    (directory / "postgresql.new" / "leftover").touch()
    EmbeddedServer.start(directory).close()
    assert (directory / "postgresql" / "PG_VERSION").exists()
    assert not (directory / "postgresql" / "leftover").exists()
    assert not (directory / "postgresql.new").exists()


def test_a_full_disk(small_disk: Path) -> None:
    directory = small_disk / "server"
    with pytest.raises(EmbeddedServerError) as caught:
        EmbeddedServer.start(directory)
    assert str(directory) in caught.value.message
    assert "No space left on device" in caught.value.message
    assert "make room" in caught.value.remedy
    assert not list(directory.glob("postgresql*"))

    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    EmbeddedServer.start(directory).close()
    subprocess.run(["dd", "if=/dev/zero", f"of={small_disk / 'filler'}"], stderr=subprocess.DEVNULL, check=False)
    assert shutil.disk_usage(small_disk).free == 0
    with pytest.raises(EmbeddedServerError) as caught:
        EmbeddedServer.start(directory)
    assert str(directory) in caught.value.message
    assert "make room" in caught.value.remedy
    (small_disk / "filler").unlink()
    EmbeddedServer.start(directory).close()


def test_a_read_only_disk(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(EmbeddedServerError, match="Read-only file system") as caught:
        EmbeddedServer.start(small_disk / "server")
    assert str(small_disk / "server") in caught.value.message
    assert "ALPHA_MONDAY_DATA_DIR" in caught.value.remedy


def test_a_process_file_in_the_making_is_no_ready_server(tmp_path: Path) -> None:
    owner = ServerUser("me", os.geteuid(), os.getegid(), is_another=False)
    assert Postmaster.of(tmp_path, owner) == Postmaster(sockets=None, is_ready=False)
    lines = ["4711", str(tmp_path), "1760000000", "5432", "/sockets", "", "  123  456", "starting"]
    for count in range(len(lines) + 1):
        (tmp_path / "postmaster.pid").write_text("\n".join(lines[:count]))
        found = Postmaster.of(tmp_path, owner)
        assert not found.is_ready
        assert found.sockets == (Path("/sockets") if count > 4 else None)
    (tmp_path / "postmaster.pid").write_text("\n".join([*lines[:7], "ready   "]))
    assert Postmaster.of(tmp_path, owner).is_ready


def test_waiting_for_an_earlier_server_ends(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_cluster, "_ORPHANS_PATIENCE", 0.05)
    monkeypatch.setattr(embedded_cluster, "_STOP_PATIENCE", 0.05)
    cluster = Cluster(made)
    orphan_lock = try_lock(made / "server.lock")
    assert orphan_lock is not None
    with pytest.raises(EmbeddedServerError, match="neither ready nor gone"):
        cluster.ensure_running({})
    with pytest.raises(EmbeddedServerError, match="could not be stopped"):
        cluster.stop()
    os.close(orphan_lock)


def test_a_server_started_by_hand_is_joined_and_goes_on(made: Path) -> None:
    EmbeddedServer.start(made).close()
    cluster = Cluster(made)
    sockets = embedded_files.socket_directory(cluster.path, None, cluster.user)
    cluster._configure(sockets, {})
    pg_ctl = (embedded_programs.server_tools(cluster.user) / "pg_ctl", "-s", "-w")
    log = os.open(made / "server.log", os.O_WRONLY | os.O_APPEND)
    try:
        cluster.user.run((*pg_ctl, "start"), data_directory=cluster.path, stdout=log, stderr=log)
        with EmbeddedServer.start(made) as server:
            conninfo = server.conninfo("postgres")
            assert sockets_of(conninfo) == sockets
        assert show(conninfo, "listen_addresses") == ""
    finally:
        os.close(log)
        cluster.user.run((*pg_ctl, "stop"), data_directory=cluster.path)
        embedded_files.remove_socket_directory(sockets, cluster.user)
