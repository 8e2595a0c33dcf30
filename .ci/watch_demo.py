"""Run a demo command in a pseudo-terminal of 80 x 24 until it lists batches, then quit it with ^q.

Exits 0 only if batches were painted and the command ended with 0. Uses the standard library alone.
"""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable

ENTERS_SCREEN = b"\x1b[?1049h"
RUN_DATE = re.compile(rb"20\d\d-\d\d-\d\d")
BATCHES_WANTED = 5
QUIT_KEY = b"\x11"
INSTALLED_WITHIN_S = 900.0
LISTED_WITHIN_S = 120.0
ENDED_WITHIN_S = 30.0


def main(command: str) -> int:
    """Run `command` with bash; return the exit code to end with."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp("bash", ["bash", "-euo", "pipefail", "-c", command])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    written = bytearray()

    def read_until(is_reached: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not is_reached() and time.monotonic() < deadline:
            if select.select([terminal], [], [], 1.0)[0]:
                try:
                    piece = os.read(terminal, 65536)
                except OSError:  # how Linux reports that the program has ended
                    piece = b""
                if not piece:
                    break
                written.extend(piece)
        return is_reached()

    def batches() -> int:
        return len(set(RUN_DATE.findall(written, max(0, written.find(ENTERS_SCREEN)))))

    if not read_until(lambda: ENTERS_SCREEN in written, INSTALLED_WITHIN_S):
        return failed("it drew no screen", written, child)
    if not read_until(lambda: batches() >= BATCHES_WANTED, LISTED_WITHIN_S):
        return failed(f"it listed {batches()} batches", written, child)
    os.write(terminal, QUIT_KEY)
    deadline = time.monotonic() + ENDED_WITHIN_S
    read_until(lambda: False, ENDED_WITHIN_S)
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):  # its terminal closes a moment before it ends
        if time.monotonic() > deadline:
            return failed("it did not quit", written, child)
        time.sleep(0.05)
    status = ended[1]
    if code := os.waitstatus_to_exitcode(status):
        return failed(f"it exited with {code}", written, None)
    print(f"The demo listed {batches()} batches and quit.")
    return 0


def failed(what: str, written: bytes, child: int | None) -> int:
    """Show `what` went wrong with the last output, and end the command if it still runs."""
    print(f"The demo failed: {what}. Its last output:\n{bytes(written[-2000:])!r}")
    if child is not None and os.waitpid(child, os.WNOHANG) == (0, 0):
        os.kill(child, 15)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
