"""Which directories are trusted, reached and left unchanged; sockets and locks."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import embedded_files
from db.embedded import EmbeddedServer
from db.embedded_files import (
    locked,
    make_directory,
    open_lock,
    remove_socket_directory,
    room_remedy,
    socket_directory,
    try_lock,
)
from db.embedded_user import ServerUser
from db.errors import EmbeddedServerError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OURSELVES = ServerUser("me", os.geteuid(), os.getegid(), is_another=False)


@pytest.fixture
def place(reachable_directory: Path) -> Path:
    """An empty directory that every user can reach."""
    place = Path(tempfile.mkdtemp(dir=reachable_directory))
    place.chmod(0o755)
    return place


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory with a path short enough for sockets below it, which pytest's are not everywhere."""
    directory = Path(tempfile.mkdtemp(prefix="am-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def long_cluster(short: Path) -> Path:
    """The path of a cluster that is too long for a socket."""
    return short / ("x" * 103)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_link_to_itself_above_the_directory_is_refused(place: Path) -> None:
    (place / "loop").symlink_to("loop")
    with pytest.raises(EmbeddedServerError, match="link"):
        EmbeddedServer.start(place / "loop" / "data" / "postgres")


@root_only
def test_a_closed_parent_is_named_and_nothing_is_made(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match="bars the way") as caught:
        EmbeddedServer.start(closed / "deep" / "server")
    assert f"{closed} bars" in caught.value.message
    assert "ALPHA_MONDAY_DATA_DIR" in caught.value.remedy
    assert not list(closed.iterdir())
    assert mode_of(closed) == 0o700


@root_only
def test_a_parent_closed_later_is_named(place: Path) -> None:
    directory = place / "home" / "server"
    EmbeddedServer.start(directory).close()
    (place / "home").chmod(0o700)
    with pytest.raises(EmbeddedServerError, match=f"{place / 'home'} bars the way"):
        EmbeddedServer.start(directory)
    (place / "home").chmod(0o755)


@root_only
@pytest.mark.parametrize("has_lock_file", [False, True])
def test_root_refuses_a_link(place: Path, has_lock_file: bool) -> None:
    target = place / "target"
    target.mkdir()
    if has_lock_file:
        (target / "gate.lock").touch()
    before = sorted(target.iterdir())
    (place / "server").symlink_to(target)
    with pytest.raises(EmbeddedServerError, match="is a link"):
        EmbeddedServer.start(place / "server")
    assert sorted(target.iterdir()) == before


@root_only
@pytest.mark.parametrize(("owner", "mode"), [(65534, 0o755), (0, 0o775), (0, 0o777)])
def test_root_refuses_a_directory_that_others_write_in(place: Path, owner: int, mode: int) -> None:
    directory = place / "server"
    directory.mkdir()
    directory.chmod(mode)
    os.chown(directory, owner, 0)
    with pytest.raises(EmbeddedServerError, match="others than root can write"):
        EmbeddedServer.start(directory)
    assert (directory.stat().st_uid, mode_of(directory)) == (owner, mode)
    assert not list(directory.iterdir())


@root_only
def test_a_cluster_of_somebody_else_is_refused(place: Path) -> None:
    cluster = place / "server" / "postgresql"
    cluster.mkdir(parents=True)
    os.chown(cluster, 65534, 65534)
    with pytest.raises(EmbeddedServerError, match="belongs to user 65534"):
        EmbeddedServer.start(cluster.parent)
    assert cluster.stat().st_uid == 65534
    assert [path.name for path in cluster.parent.iterdir()] == ["postgresql"]


def test_a_file_in_the_directorys_place(place: Path) -> None:
    (place / "server").touch()
    with pytest.raises(EmbeddedServerError, match=str(place / "server")):
        EmbeddedServer.start(place / "server")


def test_a_new_directory_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_directory(tmp_path / "open", for_all=True)
        make_directory(tmp_path / "private", for_all=False)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "open") == 0o755
    assert mode_of(tmp_path / "private") == 0o700
    make_directory(tmp_path / "private", for_all=True)
    assert mode_of(tmp_path / "private") == 0o700  # what exists is never changed


def test_a_short_path_holds_the_socket_itself(short: Path) -> None:
    assert socket_directory(short, None, OURSELVES) == short


@pytest.mark.parametrize("cluster", ["x" * 103, "a,b", "not \udcff utf-8"])
@pytest.mark.parametrize("is_private", [True, False])
def test_sockets_elsewhere_are_private(
    short: Path, monkeypatch: pytest.MonkeyPatch, cluster: str, is_private: bool
) -> None:
    runtime, temporary = short / "run", short / "tmp"
    runtime.mkdir(mode=0o700 if is_private else 0o755)
    temporary.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    sockets = socket_directory(short / cluster, None, OURSELVES)
    assert sockets.parent == (runtime if is_private else temporary)
    assert mode_of(sockets) == 0o700
    assert socket_directory(short / cluster, None, OURSELVES) != sockets
    assert socket_directory(short / cluster, sockets, OURSELVES) == sockets
    sockets.chmod(0o755)
    assert socket_directory(short / cluster, sockets, OURSELVES) != sockets
    remove_socket_directory(sockets, OURSELVES)
    assert sockets.exists()  # it is not private any more, so not ours to touch
    sockets.chmod(0o700)
    remove_socket_directory(sockets, OURSELVES)
    assert not sockets.exists()


def test_a_linked_runtime_directory_is_not_used(
    short: Path, long_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (short / "real").mkdir(mode=0o700)
    (short / "link").symlink_to(short / "real")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short / "link"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    assert socket_directory(long_cluster, None, OURSELVES).parent == short


def test_no_short_path_at_all(short: Path, long_cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_cluster.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(long_cluster))
    with pytest.raises(EmbeddedServerError, match="short path") as caught:
        socket_directory(long_cluster, None, OURSELVES)
    assert "TMPDIR" in caught.value.remedy
    assert not list(long_cluster.iterdir())


@root_only
def test_roots_run_directory_is_checked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = place / "run"
    run.mkdir()
    run.chmod(0o777)
    monkeypatch.setattr(embedded_files, "RUN_DIRECTORY", run)
    user = ServerUser.of(place / "absent")
    with pytest.raises(EmbeddedServerError, match="others than root can write"):
        socket_directory(place, None, user)
    run.chmod(0o700)
    with pytest.raises(EmbeddedServerError, match=f"{run} bars the way"):
        socket_directory(place, None, user)
    run.chmod(0o755)
    sockets = socket_directory(place, None, user)
    assert sockets.parent == run
    assert (sockets.stat().st_uid, mode_of(sockets)) == (user.uid, 0o700)


def test_a_lock_is_exclusive_private_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "gate.lock"
    with locked(path):
        assert mode_of(path) == 0o600
        assert try_lock(path) is None
        with pytest.raises(EmbeddedServerError, match="has held") as caught, locked(path, patience=0.05):
            pass
        assert str(path) in caught.value.message
    descriptor = try_lock(path)
    assert descriptor is not None
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_a_lock_is_given_up_even_if_a_fork_has_a_copy(tmp_path: Path) -> None:
    with locked(tmp_path / "gate.lock"):
        copies = [os.dup(number) for number in range(3, 256) if is_open_at(number, tmp_path)]
        assert copies
    descriptor = try_lock(tmp_path / "gate.lock")
    assert descriptor is not None
    for number in (*copies, descriptor):
        os.close(number)


def is_open_at(number: int, directory: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), (directory / "gate.lock").stat())
    except OSError:
        return False


def test_a_lock_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gate.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"gate\.lock"):
        open_lock(tmp_path / "gate.lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_is_told_by_its_error(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "there"
    assert room_remedy(missing, OSError(errno.EACCES, "no")) is None
    assert room_remedy(missing, "something else") is None
    for cause in (OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full"), "x: No space left on device"):
        assert str(missing) in (room_remedy(missing, cause) or "")
