"""What the cluster's owner, a user whom others may have taken over, plants in it does root no harm."""

import os
import shutil
import socket
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from db import embedded_files
from db.embedded import EmbeddedServer
from db.embedded_cluster import Cluster
from db.embedded_user import ServerUser
from db.errors import EmbeddedServerError
from tests.planting import SECRET, acting_as, plant, secret_file, within

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
READ_AT_A_START = ("PG_VERSION", "postmaster.pid", "postgresql.conf")
HUGE = 1 << 28  # bytes, none of them on the disk


@pytest.fixture(scope="module")
def stopped(reachable_directory: Path) -> Path:
    """A directory with a cluster whose server is stopped."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory)) / "server"
    directory.parent.chmod(0o755)
    EmbeddedServer.start(directory).close()
    return directory


@pytest.fixture
def made(stopped: Path) -> Iterator[Path]:
    """The same; what a test plants in the cluster is taken away again."""
    cluster = stopped / "postgresql"
    kept = {name: (cluster / name).read_bytes() for name in READ_AT_A_START if (cluster / name).exists()}
    user = Cluster(stopped).user
    yield stopped
    with acting_as(user.uid):
        for name in READ_AT_A_START:
            if (cluster / name).is_dir() and not (cluster / name).is_symlink():
                (cluster / name).rmdir()
            (cluster / name).unlink(missing_ok=True)
            if name in kept:
                (cluster / name).write_bytes(kept[name])
                (cluster / name).chmod(0o600)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory that every user can reach, with a path short enough for sockets."""
    directory = Path(tempfile.mkdtemp(prefix="am-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.parametrize("name", READ_AT_A_START)
@pytest.mark.parametrize("kind", ["a link", "a FIFO", "a socket", "a directory"])
def test_what_is_no_file_is_named_at_once_and_nothing_is_read_through_it(made: Path, name: str, kind: str) -> None:
    if kind == "a socket" and not Path("/proc/self/fd").exists():
        pytest.skip("a socket cannot be made by a short path here")
    secret_file(made.parent)
    with acting_as(Cluster(made).user.uid):
        plant(made / "postgresql" / name, kind, made.parent / "secret")
    with within(20), pytest.raises(EmbeddedServerError) as caught:
        EmbeddedServer.start(made)
    assert f"{made / 'postgresql' / name}" in caught.value.message
    assert kind in caught.value.message
    assert f"{made / 'postgresql' / name}" in caught.value.remedy
    assert SECRET not in caught.value.message + caught.value.remedy
    assert (made.parent / "secret").read_text() == SECRET


@root_only
@pytest.mark.parametrize("name", READ_AT_A_START)
def test_another_name_of_roots_file_is_neither_read_nor_written(made: Path, name: str) -> None:
    secret = secret_file(made.parent)
    file = made / "postgresql" / name
    file.unlink(missing_ok=True)
    file.hardlink_to(secret)  # as its owner may where the kernel does not protect hard links
    with pytest.raises(EmbeddedServerError, match="another name of a file of user 0") as caught:
        EmbeddedServer.start(made)
    assert SECRET not in caught.value.message
    assert secret.read_text() == SECRET


@pytest.mark.parametrize("name", READ_AT_A_START)
def test_a_huge_file_is_not_read_whole(made: Path, name: str) -> None:
    with acting_as(Cluster(made).user.uid), (made / "postgresql" / name).open("a") as file:
        file.truncate(HUGE)
    tracemalloc.start()
    try:
        with suppress(EmbeddedServerError):  # whether it is used or refused
            EmbeddedServer.start(made).close()
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < HUGE / 8


@root_only
def test_root_goes_to_no_socket_outside_the_run_directory(
    made: Path, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.embedded_cluster._ORPHANS_PATIENCE", 0.1)
    user = Cluster(made).user
    theirs = short / "alpha-monday-theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, user.uid, user.gid)
    with socket.socket(socket.AF_UNIX) as listening:
        with acting_as(user.uid):
            listening.bind(str(theirs / embedded_files.SOCKET_NAME))
            pid_file(made, theirs)
        listening.listen()
        listening.setblocking(False)
        with EmbeddedServer.start(made) as server:
            assert str(theirs) not in server.conninfo("postgres")
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert (theirs / embedded_files.SOCKET_NAME).exists()


@root_only
def test_root_removes_nothing_where_a_directory_was_exchanged_for_a_link(
    made: Path, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment between look and removal is met by letting it happen within the look."""
    user = Cluster(made).user
    theirs, elsewhere = short / "alpha-monday-theirs", short / "elsewhere"
    for directory, owner in ((short, user.uid), (elsewhere, 0)):
        directory.mkdir(exist_ok=True)
        os.chown(directory, owner, owner)
    with acting_as(user.uid):
        theirs.mkdir(mode=0o700)
        pid_file(made, theirs)
    (elsewhere / embedded_files.SOCKET_NAME).touch()
    is_private = ServerUser.owns_privately
    looks: list[Path] = []

    def exchange(self: ServerUser, directory: Path) -> bool:
        found = is_private(self, directory)
        looks.append(directory)
        if looks.count(theirs) == 2:  # the first look is for a server that listens
            with acting_as(user.uid):
                theirs.rename(short / "aside")
                theirs.symlink_to(elsewhere)
        return found

    monkeypatch.setattr(ServerUser, "owns_privately", exchange)
    with suppress(OSError):
        Cluster(made).stop()
    assert (elsewhere / embedded_files.SOCKET_NAME).exists()


def pid_file(directory: Path, sockets: Path) -> None:
    lines = ["4711", str(directory / "postgresql"), "1760000000", "5432", str(sockets), "", "  123  456", "ready   "]
    (directory / "postgresql" / "postmaster.pid").write_text("\n".join([*lines, ""]))
