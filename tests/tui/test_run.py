"""The process: what it leaves behind in the terminal, and what it says at its end."""

import os
import pty
import select
import signal
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from tests.tui.history import NEWEST_WEEK

ENTERS_SCREEN, LEAVES_SCREEN, SHOWS_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
_WAIT_AT_MOST_S = 20
PROGRAM = """
import sys
from core.settings import load_settings
from tui.app import AlphaMondayApp, run
from tui.mode import Mode
from tui.screens.home import HomeScreen
{before}
settings = load_settings({{"database_url": {conninfo!r}, "price_source": "csv", "price_file": {price_file!r}}}).settings
sys.exit(run(settings, Mode.SCHEDULER))
"""
CRASH = """
def crash(self):
    secret = "hunter2"
    raise RuntimeError("[/x] no good")
HomeScreen.perform_help = crash
"""


@dataclass
class Terminal:
    """A program on a pseudo terminal, and everything that it wrote."""

    pid: int
    descriptor: int
    written: bytearray = field(default_factory=bytearray)

    @classmethod
    def start(cls, arguments: Sequence[str]) -> "Terminal":
        """Runs `arguments` on a terminal of 100 x 30."""
        pid, descriptor = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm-256color", PYTHONPATH=os.pathsep.join(sys.path))
            os.execv(arguments[0], list(arguments))  # noqa: S606 - the interpreter that runs the tests
        ioctl(descriptor, TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        return cls(pid, descriptor)

    def read_until(self, wanted: bytes) -> None:
        """Reads until `wanted` was written, within bounds."""
        deadline = time.monotonic() + _WAIT_AT_MOST_S
        while wanted not in self.written:
            assert time.monotonic() < deadline, f"never wrote {wanted!r}: {bytes(self.written[-500:])!r}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                self.written += self._read()

    def end(self) -> int:
        """Reads to the end and gives the exit code, negative for a signal."""
        deadline = time.monotonic() + _WAIT_AT_MOST_S
        while piece := self._read():
            assert time.monotonic() < deadline, "never ended"
            self.written += piece
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def send(self, keys: bytes) -> None:
        """Types `keys`."""
        os.write(self.descriptor, keys)

    def _read(self) -> bytes:
        try:
            return os.read(self.descriptor, 65536)
        except OSError:  # a terminal whose program has ended gives an input/output error
            return b""


def started(filled: str, price_file: Path, before: str = "") -> Terminal:
    """The app on a terminal, with its list painted."""
    program = PROGRAM.format(before=before, conninfo=filled, price_file=str(price_file))
    terminal = Terminal.start([sys.executable, "-c", program])
    terminal.read_until(NEWEST_WEEK.isoformat().encode())
    return terminal


def test_q_leaves_a_clean_terminal(filled: str, price_file: Path) -> None:
    terminal = started(filled, price_file)
    terminal.send(b"q")
    assert terminal.end() == 0
    after = bytes(terminal.written).rpartition(LEAVES_SCREEN)[2]
    assert SHOWS_CURSOR in after or SHOWS_CURSOR in terminal.written
    assert b"Traceback" not in terminal.written


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal(filled: str, price_file: Path, number: signal.Signals) -> None:
    terminal = started(filled, price_file)
    assert ENTERS_SCREEN in terminal.written
    os.kill(terminal.pid, number)
    assert terminal.end() == 0
    assert LEAVES_SCREEN in terminal.written
    assert terminal.written.rindex(LEAVES_SCREEN) > terminal.written.rindex(ENTERS_SCREEN)


def test_a_crash_exits_with_failure_and_tells_no_secrets(filled: str, price_file: Path) -> None:
    terminal = started(filled, price_file, CRASH)
    terminal.send(b"?")
    assert terminal.end() == 1
    told = bytes(terminal.written).rpartition(LEAVES_SCREEN)[2].decode()
    assert "Alpha Monday failed: RuntimeError: [/x] no good" in told
    assert "hunter2" not in terminal.written.decode()
    assert "Traceback" not in told


def test_a_closed_terminal_ends_the_process(filled: str, price_file: Path) -> None:
    terminal = started(filled, price_file)
    os.close(terminal.descriptor)
    deadline = time.monotonic() + _WAIT_AT_MOST_S
    while (ended := os.waitpid(terminal.pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)
            pytest.fail("the process lives on without a terminal")
        time.sleep(0.05)
    assert os.waitstatus_to_exitcode(ended[1]) == 0
