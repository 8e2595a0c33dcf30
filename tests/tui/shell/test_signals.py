"""A command that is told to end leaves nothing behind, whichever signal says so."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.tui.shell.conftest import PROGRAM

WITHIN_S = 20.0


def waits_for_input(process: "subprocess.Popen[str]") -> bool:
    """Whether the process is inside a system call on its standard input."""
    try:
        return Path(f"/proc/{process.pid}/syscall").read_text().split()[1:2] == ["0x0"]
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="the system does not tell what a process waits for")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_waits_for_picks_ends_at_once_and_its_server_with_it(
    anywhere: Path, reachable_directory: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = reachable_directory / f"signalled-{number}"
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(data_dir))
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "simulated")
    process = subprocess.Popen(
        [*PROGRAM, "open", "--picks", "-"],
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
