"""The terminal as Textual sees it: as large as it is, drawn on in the characters that it takes, a paste being text."""

import os
import selectors
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import Any, TextIO

from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tui.ascii_marks import ascii_cells
from tui.streams import is_ascii
from tui.terminal_input import PasteParser

_USUAL_SIZE = (80, 25)
_READ_BYTES = 4096
_TICK_S = 0.1


class TerminalDriver(LinuxDriver):
    """Draws on stderr, whose terminal says the size: COLUMNS and LINES are of a shell, and stdout may be a file.

    It reads through `PasteParser`; a byte that is no UTF-8 becomes a mark.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._takes_ascii_only = takes_ascii_only()
        self._size = self._get_terminal_size()  # Textual would ask Rich for the first frame's size, and that COLUMNS

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            width, height = os.get_terminal_size(_drawn_on().fileno())
        except OSError:  # the terminal has gone
            return _USUAL_SIZE
        return width or _USUAL_SIZE[0], height or _USUAL_SIZE[1]

    def write(self, data: str) -> None:
        super().write(ascii_cells(data) if self._takes_ascii_only else data)

    def run_input_thread(self) -> None:
        """Reads until the app ends."""
        parser = PasteParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_TICK_S) and (data := decode(os.read(self.fileno, _READ_BYTES))):
                    self._process(parser.feed(data))
                self._process(parser.tick())

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)


def takes_ascii_only() -> bool:
    """Whether the terminal that is drawn on is told of no UTF-8."""
    return is_ascii(_drawn_on())


def _drawn_on() -> TextIO:
    assert sys.__stderr__ is not None  # Textual draws on it, so it is there
    return sys.__stderr__
