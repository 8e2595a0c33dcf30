"""The process: what it leaves behind in the terminal, and what it says at its end."""

import os
import pty
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD, TIOCSWINSZ

import psycopg
import pytest

from db.embedded import EmbeddedServer
from tests.databases import as_superuser
from tests.tui.history import NEWEST_WEEK
from tests.tui.test_hostile import poison
from tests.tui.test_literal import HOSTILE
from tui.mode import Mode

ENTERS_SCREEN, LEAVES_SCREEN, SHOWS_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
LEAVES_BY_KEY = b"\x11"
_WAIT_AT_MOST_S = 20
_HANGS_S = 60
PROGRAM = """
import sys
from core.settings_layers import load_settings
from tui.app import AlphaMondayApp
from tui.program import run
from tui.mode import Mode
from tui.screens.home import HomeScreen
{before}
settings = load_settings({{"database_url": {conninfo!r}, "price_source": "csv", "price_file": {price_file!r}}}).settings
sys.exit(run(settings, Mode.{mode}))
"""
HANGING_SOURCE = """
import asyncio, time
from core.prices.csv_file import CsvPrices
async def hang(*_):
    import os
    os.write(2, b"source hangs")
    {how}
CsvPrices.closes = hang
"""
IN_A_THREAD = f"await asyncio.to_thread(time.sleep, {_HANGS_S})"
IN_THE_LOOP = f"time.sleep({_HANGS_S})"
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

    def grows(self) -> bool:
        """Whether more waits to be read after a while than waits now."""
        before = self._unread()
        time.sleep(1.0)
        return self._unread() > before

    def _unread(self) -> int:
        (count,) = struct.unpack("i", ioctl(self.descriptor, FIONREAD, b"\0" * 4))
        return int(count)

    def send(self, keys: bytes) -> None:
        """Types `keys`."""
        os.write(self.descriptor, keys)

    def _read(self) -> bytes:
        try:
            return os.read(self.descriptor, 65536)
        except OSError:  # a terminal whose program has ended gives an input/output error
            return b""


Start = Callable[..., Terminal]


@pytest.fixture
def start(filled: str, price_file: Path) -> Iterator[Start]:
    """Starts the app on a terminal, with its list painted; whatever still runs afterwards is ended."""
    started: list[Terminal] = []

    def start(
        before: str = "", wanted: bytes = NEWEST_WEEK.isoformat().encode(), mode: Mode = Mode.SCHEDULER
    ) -> Terminal:
        program = PROGRAM.format(before=before, mode=mode.name, conninfo=filled, price_file=str(price_file))
        terminal = Terminal.start([sys.executable, "-c", program])
        started.append(terminal)
        terminal.read_until(wanted)
        return terminal

    yield start
    for terminal in started:
        with suppress(ChildProcessError, ProcessLookupError):
            os.kill(terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)


def wait_for(pid: int) -> int:
    """The exit code of a process that ends within bounds."""
    deadline = time.monotonic() + _WAIT_AT_MOST_S
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < deadline, "the process lives on"
        time.sleep(0.05)
    return os.waitstatus_to_exitcode(ended[1])


def test_q_leaves_a_clean_terminal(start: Start) -> None:
    terminal = start()
    terminal.send(b"\x11")
    assert terminal.end() == 0
    after = bytes(terminal.written).rpartition(LEAVES_SCREEN)[2]
    assert SHOWS_CURSOR in after or SHOWS_CURSOR in terminal.written
    assert b"Traceback" not in terminal.written


def test_the_terminal_says_how_large_it_is(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    terminal = start()
    terminal.read_until(b"\x1b[30;1H")
    ioctl(terminal.descriptor, TIOCSWINSZ, struct.pack("HHHH", 35, 120, 0, 0))
    terminal.read_until(b"\x1b[35;1H")
    terminal.send(LEAVES_BY_KEY)
    assert terminal.end() == 0


@pytest.mark.parametrize(("name", "value"), [("LANG", "C"), ("LC_ALL", "POSIX"), ("LC_ALL", "en_US.ISO-8859-1")])
def test_a_terminal_that_is_told_of_no_utf_8_is_drawn_on_in_ascii(
    start: Start, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("LC_CTYPE", raising=False)
    monkeypatch.setenv(name, value)
    terminal = start()
    terminal.read_until(b"leading")
    terminal.read_until(b"Enter")
    terminal.send(LEAVES_BY_KEY)
    assert terminal.end() == 0
    assert bytes(terminal.written).isascii()
    assert b"+ done" in terminal.written or b"+ completed" in terminal.written


@pytest.mark.parametrize(
    ("how", "leave"),
    [
        pytest.param(IN_A_THREAD, LEAVES_BY_KEY, id="a source in a thread, by key"),
        pytest.param(IN_A_THREAD, signal.SIGTERM, id="a source in a thread, by signal"),
        pytest.param(IN_THE_LOOP, signal.SIGTERM, id="a source that holds up everything, by signal"),
    ],
)
def test_a_source_that_hangs_keeps_neither_the_terminal_nor_the_process(
    start: Start, how: str, leave: bytes | signal.Signals
) -> None:
    terminal = start(HANGING_SOURCE.format(how=how), b"source hangs")
    assert_left(terminal, leave)


@pytest.mark.parametrize("leave", [LEAVES_BY_KEY, signal.SIGTERM], ids=["by key", "by signal"])
def test_a_frozen_database_keeps_neither_the_terminal_nor_the_process(
    server: EmbeddedServer, reachable_directory: Path, start: Start, leave: bytes | signal.Signals
) -> None:
    terminal = start()
    terminal.read_until(b"leading")
    with frozen(reachable_directory / "server"):
        terminal.send(b"jjj")  # questions are under way that nobody answers
        assert_left(terminal, leave)


def test_no_escape_sequence_from_outside_reaches_the_terminal(start: Start, filled: str) -> None:
    poison(filled, " ".join(HOSTILE[name] for name in ("clipboard", "title", "c1")))
    with psycopg.connect(as_superuser(filled), autocommit=True) as connection:
        # What a source of this process calls itself is not what opened the poisoned batches.
        connection.execute("set session_replication_role = replica")
        connection.execute("""update events set payload = payload || '{"source": "csv"}'""")
    terminal = start(mode=Mode.NO_SCHEDULER)  # a scheduler would go on with the history from here
    for keys, words in (
        (b"\r", b"Picks"), (b"\t", b"computed"), (b"\t", b"market closed"), (b"\t", b"baseline"),
        (b"\t", b"checkpoint"), (b"q", b"Week"), (b"!", b"Problems"), (b"q", b"Week"), (b"2", b"Batting"),
        (b"3", b"Jobs"), (b"4", b"Exchange time"), (b"1", b"Week"), (b":", b"Sort by the next column"),
    ):  # fmt: skip
        terminal.written.clear()
        terminal.send(keys)
        terminal.read_until(words)
        assert HOSTILE["clipboard"].encode() not in terminal.written
        assert HOSTILE["title"].encode() not in terminal.written
        assert b"\x9b31m" not in terminal.written
    terminal.send(LEAVES_BY_KEY)
    assert terminal.end() == 0


def test_a_terminal_that_nobody_reads_from_does_not_keep_the_process(start: Start) -> None:
    terminal = start()
    while terminal.grows():  # until the terminal holds all that it can, and whoever writes to it waits
        for _ in range(40):
            terminal.send(b"21")
    os.kill(terminal.pid, signal.SIGTERM)
    assert wait_for(terminal.pid) == 0
    os.close(terminal.descriptor)


def assert_left(terminal: Terminal, leave: bytes | signal.Signals) -> None:
    """Asks the program to end; it does, long before what hangs is over. benchmarks/leaving.py has the figures."""
    told = time.monotonic()
    if isinstance(leave, bytes):
        terminal.send(leave)
    else:
        os.kill(terminal.pid, leave)
    terminal.read_until(LEAVES_SCREEN)
    assert terminal.end() == 0
    assert time.monotonic() - told < _HANGS_S / 2


@contextmanager
def frozen(directory: Path) -> Iterator[None]:
    """Stops every process of the server of `directory`, so that it neither answers nor refuses."""
    [file] = directory.rglob("postmaster.pid")
    postmaster = int(file.read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [postmaster, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal(start: Start, number: signal.Signals) -> None:
    terminal = start()
    assert ENTERS_SCREEN in terminal.written
    os.kill(terminal.pid, number)
    assert terminal.end() == 0
    assert LEAVES_SCREEN in terminal.written
    assert terminal.written.rindex(LEAVES_SCREEN) > terminal.written.rindex(ENTERS_SCREEN)


def test_a_crash_exits_with_failure_and_tells_no_secrets(start: Start) -> None:
    terminal = start(CRASH)
    terminal.send(b"?")
    assert terminal.end() == 1
    told = bytes(terminal.written).rpartition(LEAVES_SCREEN)[2].decode()
    assert "Alpha Monday failed: RuntimeError" in told
    assert "no good" not in told, "what an error says may hold a secret; the log masks it"
    assert "hunter2" not in terminal.written.decode()
    assert "Traceback" not in told


def test_a_closed_terminal_ends_the_process(start: Start) -> None:
    terminal = start()
    os.close(terminal.descriptor)
    assert wait_for(terminal.pid) == 0
