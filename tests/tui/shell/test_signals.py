"""A command that is told to end leaves nothing behind, whichever signal says so."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.tui.shell.conftest import PROGRAM

WITHIN_S = 20.0


def shells(process: "subprocess.Popen[str]") -> list[int]:
    """The numbers of the psql processes that `process` has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "psql\n"]


def waits_for_input(process: "subprocess.Popen[str]") -> bool:
    """Whether the process is inside a system call on its standard input."""
    try:
        return Path(f"/proc/{process.pid}/syscall").read_text().split()[1:2] == ["0x0"]
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="the system does not tell what a process waits for")
@pytest.mark.parametrize(
    ("number", "in_background"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)]
)
def test_one_that_waits_for_picks_ends_at_once_and_its_server_with_it(
    anywhere: Path, reachable_directory: Path, number: int, in_background: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a script starts in the background ignores SIGINT from the start."""
    data_dir = reachable_directory / f"signalled-{number}-{in_background}"
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(data_dir))
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "simulated")
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"' if in_background else 'exec "$@"', "sh",
         *PROGRAM, "open", "--picks", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + WITHIN_S
        while not waits_for_input(process):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert (data_dir / "postgres/postgresql/postmaster.pid").exists()
        process.send_signal(number)
        assert process.wait(WITHIN_S) == 130
        assert not (data_dir / "postgres/postgresql/postmaster.pid").exists()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not tell a process's children")
def test_the_shell_of_the_database_has_ctrl_c_to_itself_and_ends_at_sigterm(
    anywhere: Path, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends a query and no more; SIGTERM, which comes to alpha-monday alone, leaves no psql behind."""
    monkeypatch.setenv("DATABASE_URL", conninfo)
    monkeypatch.setenv("PSQLRC", os.devnull)
    process = subprocess.Popen(
        [*PROGRAM, "db", "psql"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ, bufsize=1,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("\\echo ready\n")
        assert "ready" in process.stdout.readline()
        [shell] = shells(process)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.stdin.write("\\echo still there\n")
        assert "still there" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 130
        assert not Path(f"/proc/{shell}").exists()
    finally:
        process.kill()
        process.communicate()


def test_the_shell_of_the_database_gives_its_exit_code(anywhere: Path, conninfo: str) -> None:
    environment = os.environ | {"DATABASE_URL": conninfo, "PSQLRC": os.devnull}
    for typed, code in (("select 1;", 0), ("\\set ON_ERROR_STOP on\nselect 1/0;", 3), ("\\! kill -9 $PPID", 128 + 9)):
        done = subprocess.run([*PROGRAM, "db", "psql"], input=typed.encode(), capture_output=True, env=environment)
        assert done.returncode == code, done.stderr
