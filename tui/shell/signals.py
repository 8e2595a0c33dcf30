"""How signals end the commands that do not handle them themselves."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does, so that it leaves nothing behind, its share in a server for one."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as of what a script has started in the background
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def interrupts_left_to_a_child() -> Iterator[None]:
    """Ctrl-C, which a terminal sends to both, is the child's alone: psql ends a query by it and goes on.

    SIGTERM, which comes to this process alone, ends the command as Ctrl-C did before.
    """
    interrupt = signal.getsignal(signal.SIGINT)

    def end(number: int, frame: FrameType | None) -> None:
        if callable(interrupt):
            interrupt(number, frame)

    before = signal.signal(signal.SIGTERM, end)
    try:
        signal.signal(signal.SIGINT, lambda *_: None)  # not ignored, which the child would inherit
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGTERM, before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends a wait for input at once; the event loop's own handler would wait until the input has come."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
