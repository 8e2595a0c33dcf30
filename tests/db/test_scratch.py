"""The server of one moment: private, gone afterwards, and swept away where its user was killed."""

import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from db.embedded_files import open_lock
from db.errors import EmbeddedServerError
from db.scratch import scratch_server

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def place(reachable_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory))
    directory.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


def age(directory: Path) -> None:
    """Makes a directory look as if it had been made two hours ago."""
    os.utime(directory, (time.time() - 7200,) * 2)


def test_it_is_private_and_leaves_nothing(place: Path) -> None:
    with scratch_server() as server, psycopg.connect(server.conninfo("postgres")) as connection:
        assert connection.execute("select count(*) from pg_stat_user_tables").fetchone() == (0,)
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        [directory] = place.iterdir()
        assert stat.S_IMODE(directory.lstat().st_mode) == (0o711 if AS_ROOT else 0o700)
        assert stat.S_IMODE((directory / "server" / "postgresql").lstat().st_mode) == 0o700
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_swept_away_and_what_is_in_use_is_not(place: Path) -> None:
    code = "import os\nfrom db.scratch import scratch_server\nwith scratch_server(): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    [left] = place.iterdir()
    servers = open_lock(left / "server" / "server.lock")
    with pytest.raises(BlockingIOError):  # its server runs on
        fcntl.flock(servers, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with scratch_server():
        assert left.exists(), "it might have been made a moment ago"
        [used] = [directory for directory in place.iterdir() if directory != left]
        age(left)
        age(used)
        with scratch_server():
            assert not left.exists()
            assert used.exists()
            fcntl.flock(servers, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by every process of the server while it lives
            os.close(servers)
    assert list(place.iterdir()) == []


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_a_directory_of_somebody_elses_is_left_alone(place: Path) -> None:
    theirs = place / "alpha-monday-scratch-theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    linked = place / "alpha-monday-scratch-linked"
    (place / "elsewhere").mkdir()
    linked.symlink_to(place / "elsewhere")
    age(theirs)
    os.utime(linked, (time.time() - 7200,) * 2, follow_symlinks=False)
    with scratch_server():
        pass
    assert {path.name for path in place.iterdir()} == {theirs.name, linked.name, "elsewhere"}


def test_no_room_for_a_directory_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "missing"))
    with pytest.raises(EmbeddedServerError, match="no temporary directory") as caught, scratch_server():
        pass
    assert "TMPDIR" in caught.value.remedy


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_root_removes_nothing_where_others_can_exchange_directories(place: Path) -> None:
    left = place / "alpha-monday-scratch-left"
    left.mkdir()
    age(left)
    place.chmod(0o777)
    with pytest.raises(EmbeddedServerError, match="others than root can write"), scratch_server():
        pass
    assert [path.name for path in place.iterdir()] == [left.name]
    place.chmod(0o1777)
    with scratch_server():
        pass
    assert list(place.iterdir()) == []
