"""Leaving the terminal in good order, whatever asked for it: a key, a signal, or a terminal that has gone."""

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

LEAVING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def leave_on_signals(leave: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Has the running loop await `leave`, once, when a signal asks the process to end.

    Textual restores the terminal on leaving, and on nothing that kills the process.
    """
    loop = asyncio.get_running_loop()
    leaving: list[asyncio.Task[None]] = []

    def told() -> None:
        if not leaving:
            leaving.append(asyncio.ensure_future(leave()))

    def hung_up(_: int, __: FrameType | None) -> None:
        if terminal_is_gone():
            draw_nowhere()
        loop.call_soon_threadsafe(told)

    for number in LEAVING_SIGNALS:
        loop.add_signal_handler(number, told)
    # Not the loop's: this has to run before Textual's own handler of the SIGCONT that comes with a hang-up.
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
