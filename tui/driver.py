"""The terminal as Textual sees it: as large as it is, and drawn on in the characters that it is told to take."""

import os
import sys
from typing import Any, TextIO

from textual.drivers.linux_driver import LinuxDriver

from tui.ascii_marks import ascii_cells
from tui.streams import is_ascii

_USUAL_SIZE = (80, 25)


class TerminalDriver(LinuxDriver):
    """Draws on stderr, whose terminal says the size: COLUMNS and LINES are of a shell, and stdout may be a file."""

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


def takes_ascii_only() -> bool:
    """Whether the terminal that is drawn on is told of no UTF-8."""
    return is_ascii(_drawn_on())


def _drawn_on() -> TextIO:
    assert sys.__stderr__ is not None  # Textual draws on it, so it is there
    return sys.__stderr__
