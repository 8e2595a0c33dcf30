"""Leaving the terminal in good order, whatever asked for it: a key, a signal, or a terminal that has gone."""

import asyncio
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

LEAVING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# An event loop that something holds up gives the terminal back no sooner than it is free again; a thread does.
GIVEN_BACK_WITHIN_S = 0.35
# Out of the alternate screen, the cursor shown, mouse, focus, paste and keyboard reports off, as Textual ends them.
_GIVE_BACK = b"\x1b[<u\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l\x1b[0m\r\n"


def leave_on_signals(
    leave: Callable[[], Coroutine[Any, Any, None]], given_back: threading.Event, end: Callable[[], None]
) -> None:
    """Has the running loop await `leave`, once, when a signal asks the process to end.

    Textual restores the terminal on leaving, and on nothing that kills the process. `given_back` says that it has;
    where the loop is held up, or Textual waits for a terminal that takes nothing more, `end` is called, and the
    terminal restored without them.
    """
    loop = asyncio.get_running_loop()
    leaving: list[asyncio.Task[None]] = []
    found = None if terminal_is_gone() else termios.tcgetattr(_drawn_to())

    def told() -> None:
        if not leaving:
            leaving.append(asyncio.ensure_future(leave()))

    def give_back() -> None:
        if given_back.is_set():
            return
        end()  # first: a terminal that nobody reads from holds up whoever writes to it
        if found is not None and not terminal_is_gone():
            termios.tcsetattr(_drawn_to(), termios.TCSANOW, found)
            os.write(_drawn_to(), _GIVE_BACK)

    def asked(_: int, __: FrameType | None) -> None:
        loop.call_soon_threadsafe(told)
        timer = threading.Timer(GIVEN_BACK_WITHIN_S, give_back)
        timer.daemon = True
        timer.start()

    def hung_up(number: int, frame: FrameType | None) -> None:
        if terminal_is_gone():
            draw_nowhere()
        asked(number, frame)

    # Not the loop's own handlers: those wait for the loop, and the one of SIGHUP has to run before Textual's of the
    # SIGCONT that comes with a hang-up.
    for number in LEAVING_SIGNALS:
        signal.signal(number, asked)
    signal.signal(signal.SIGHUP, hung_up)


def terminal_is_gone() -> bool:
    """Whether what is drawn can reach nobody any more."""
    try:
        termios.tcgetattr(_drawn_to())
    except termios.error:
        return True
    return False


def draw_nowhere() -> None:
    """Lets everything that is still drawn go nowhere.

    Textual's writing thread dies of the first error, and whoever hands it more would then wait for ever. It would
    also start a second one on SIGCONT.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, _drawn_to())
    os.close(nowhere)
    signal.signal(signal.SIGCONT, lambda *_: None)


def _drawn_to() -> int:
    assert sys.__stderr__ is not None  # Textual draws on it, so it is there
    return sys.__stderr__.fileno()
