"""A program in a terminal of its own: when it first painted, what a key costs, when it gives the terminal back."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measuring import resident_mb

_SIZE = struct.pack("HHHH", 40, 120, 0, 0)  # rows, columns, and pixels, which nobody asks for
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_].*?\x1b\\|\x1b[ -/]*[0-~]", re.DOTALL
)
_PATIENCE_S = 30
_SETTLING_S = 1.5


@dataclass(frozen=True, slots=True)
class Painted:
    """Seconds from exec to the first painted text and to the wanted one, and the memory afterwards in MB."""

    anything: float
    wanted: float
    resident: float


LEAVES_SCREEN = b"\x1b[?1049l"
_QUIET_S = 0.12


class Program:
    """A program that runs in a terminal of 120 x 40 until `end`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process_id, self._terminal = pty.fork()
        if self.process_id == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, _SIZE)
            everything = {**environment, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}
            os.execvpe(command[0], list(command), everything)  # noqa: S606 - a program of ours, named by the caller
        self.output = b""

    def wait_for(self, wanted: bytes) -> float:
        """Reads until `wanted` was written since the last key, and gives the moment. Raises TimeoutError."""
        end = time.perf_counter() + _PATIENCE_S
        while wanted not in self.output:
            self.output += _read(self._terminal, end - time.perf_counter(), self.output)
        return time.perf_counter()

    def settle(self) -> None:
        """Reads until nothing was painted for a while."""
        while select.select([self._terminal], [], [], _QUIET_S)[0]:
            self.output += os.read(self._terminal, 1 << 16)

    def listen(self, seconds: float) -> int:
        """Reads for `seconds`, and gives how many bytes were painted."""
        painted, end = 0, time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                painted += len(os.read(self._terminal, 1 << 16))
        return painted

    def send(self, keys: bytes) -> None:
        """Types `keys`; what was written before is forgotten."""
        self.output = b""
        os.write(self._terminal, keys)

    def until_painted(self) -> float:
        """Waits for the first byte that is painted, and gives the moment."""
        self.output += _read(self._terminal, _PATIENCE_S, self.output)
        return time.perf_counter()

    def key_to_paint(self, key: bytes) -> float:
        """Seconds from a key to the first byte that it paints, from quiet to quiet."""
        self.settle()
        begun = time.perf_counter()
        self.send(key)
        painted = self.until_painted()
        self.settle()
        return painted - begun

    def end(self) -> None:
        """Ends the program, whatever it does."""
        os.kill(self.process_id, signal.SIGTERM)
        _drain(self._terminal)
        os.kill(self.process_id, signal.SIGKILL)
        os.waitpid(self.process_id, 0)
        os.close(self._terminal)


def paint(command: Sequence[str], environment: Mapping[str, str], wanted: re.Pattern[bytes]) -> Painted:
    """Runs `command` until `wanted` is on its screen, and ends it. Raises TimeoutError if it never is."""
    start = time.perf_counter()
    process_id, terminal = pty.fork()
    if process_id == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, _SIZE)
        everything = {**environment, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}
        os.execvpe(command[0], list(command), everything)  # noqa: S606 - a program of ours, named by the caller
    try:
        anything = wanted_at = None
        output = b""
        while wanted_at is None:
            output += _read(terminal, start + _PATIENCE_S - time.perf_counter(), output)
            now = time.perf_counter() - start
            text = _ESCAPES.sub(b"", output)
            if anything is None and text.strip():
                anything = now
            if wanted.search(text):
                wanted_at = now
        _drain(terminal)
        resident = resident_mb(process_id)
    finally:
        os.kill(process_id, signal.SIGTERM)
        _drain(terminal)
        os.kill(process_id, signal.SIGKILL)
        os.waitpid(process_id, 0)
        os.close(terminal)
    assert anything is not None  # what is wanted is something
    return Painted(anything, wanted_at, resident)


def _read(terminal: int, seconds: float, so_far: bytes) -> bytes:
    ready, _, _ = select.select([terminal], [], [], max(seconds, 0))
    if not ready:
        raise TimeoutError(f"not on the screen after {_PATIENCE_S} s: {_ESCAPES.sub(b'', so_far)[-400:]!r}")
    return os.read(terminal, 1 << 16)


def _drain(terminal: int) -> None:
    """Reads what the program still paints, so that it is never held up, until it is quiet or gone."""
    end = time.perf_counter() + _SETTLING_S
    while (left := end - time.perf_counter()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                if not os.read(terminal, 1 << 16):
                    return
            except OSError:  # the other side is closed: the program has ended
                return
