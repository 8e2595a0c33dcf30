"""Leaving the terminal in good order, whatever asked for it: a key, a signal, or a terminal that has gone."""

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable, Coroutine
from typing import Any

LEAVING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def leave_on_signals(leave: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Has the running loop await `leave` once when a signal asks the process to end.

    Textual restores the terminal on leaving, and on nothing that kills the process.
    """
    loop = asyncio.get_running_loop()
    leaving: list[asyncio.Task[None]] = []

    def told() -> None:
        forget_terminal_if_gone()
        if not leaving:
            leaving.append(asyncio.ensure_future(leave()))

    for number in LEAVING_SIGNALS:
        loop.add_signal_handler(number, told)


def forget_terminal_if_gone() -> None:
    """Lets everything that is still drawn go nowhere when the terminal was closed.

    Textual's writing thread dies of the first error, and whoever hands it more would then wait for ever.
    """
    stream = sys.__stderr__
    if stream is None:
        return
    try:
        termios.tcgetattr(stream.fileno())
    except termios.error:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
