"""Keys and pastes through a real terminal, at a typist's speed and all at once."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.tui.history import NEWEST_WEEK
from tests.tui.test_run import PROGRAM, Terminal
from tui.mode import Mode

pytestmark = pytest.mark.slow
_WAIT_AT_MOST_S = 20
# Says again and again, in a file, which screens lie on one another and what stands in the fields of the top one.
TELLS = """
import json, pathlib
from textual.widgets import Input, TextArea
def tell(app):
    fields = [each.value if isinstance(each, Input) else each.text for each in app.screen.query("Input, TextArea")
              if each.id != "week"]
    new = pathlib.Path({file!r} + ".new")
    new.write_text(json.dumps([[type(each).__name__ for each in app.screen_stack], fields]))
    new.rename({file!r})
begin = AlphaMondayApp._begin
def begin_and_tell(self):
    begin(self)
    self.set_interval(0.05, lambda: tell(self))
AlphaMondayApp._begin = begin_and_tell
"""
HOME, FORM = ["HomeScreen"], ["HomeScreen", "NewBatchScreen"]


class Typist:
    """A terminal with the app in it."""

    def __init__(self, terminal: Terminal, file: Path) -> None:
        self._terminal = terminal
        self._file = file

    def type(self, keys: bytes, *, pause_s: float = 0) -> None:
        """Types `keys` one by one with `pause_s` between them, or all in one write."""
        for piece in [keys[number : number + 1] for number in range(len(keys))] if pause_s else [keys]:
            self._terminal.send(piece)
            time.sleep(pause_s)

    def told(self) -> Any:
        """The names of the screens, and the values of the fields."""
        while select.select([self._terminal.descriptor], [], [], 0)[0]:
            os.read(self._terminal.descriptor, 65536)
        return json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else None

    def reaches(self, screens: list[str], fields: list[str]) -> None:
        """Waits until these are the screens and the fields."""
        deadline = time.monotonic() + _WAIT_AT_MOST_S
        while (told := self.told()) != [screens, fields]:
            assert time.monotonic() < deadline, f"{told} is not {[screens, fields]}"
            time.sleep(0.05)

    def stays(self, screens: list[str], fields: list[str]) -> None:
        """Holds that these are the screens and the fields, and still are a moment later."""
        self.reaches(screens, fields)
        time.sleep(0.5)
        assert self.told() == [screens, fields]


@pytest.fixture
def typist(filled: str, price_file: Path, tmp_path: Path) -> Iterator[Typist]:
    """The app with its list painted."""
    file = tmp_path / "told.json"
    program = PROGRAM.format(
        before=TELLS.format(file=str(file)), mode=Mode.NO_SCHEDULER.name, conninfo=filled, price_file=str(price_file)
    )
    terminal = Terminal.start([sys.executable, "-c", program])
    terminal.read_until(NEWEST_WEEK.isoformat().encode())
    yield Typist(terminal, file)
    with suppress(ProcessLookupError):
        os.kill(terminal.pid, signal.SIGKILL)
    os.waitpid(terminal.pid, 0)
    os.close(terminal.descriptor)


@pytest.mark.parametrize("pause_s", [0.03, 0], ids=["30 ms a key", "one write"])
def test_what_is_typed_ahead_lands_where_it_belongs(typist: Typist, pause_s: float) -> None:
    typist.type(b"ngs\t\twhy\rko\rs\rdear\rxom\t\tcheap", pause_s=pause_s)
    typist.reaches(FORM, ["GS", "why", "KO", "dear", "XOM", "cheap"])


PASTES = (
    " note \x1b[31mred\x1b[0m end ",
    "x\x1b[0m\x13",
    "x\x1b\x13\r",
    "a\x1b[A\x1b[Z\x1b[<0;3;3Mb",
    "a\x1b[200~b",
    "\x1b]0;owned\x07\x1b]52;c;aGk=\x07\x1bPq\x1b\\",
    "a\x1b[",
)


def bracketed(text: str) -> bytes:
    return f"\x1b[200~{text}\x1b[201~".encode()


def pictured(text: str) -> str:
    return "".join("\n" if each == "\r" else chr(0x2400 + ord(each)) if each < " " else each for each in text)


@pytest.mark.parametrize("pause_s", [0, 0.001], ids=["one write", "byte by byte"])
def test_a_paste_is_text_in_an_area_and_in_a_line(typist: Typist, pause_s: float) -> None:
    typist.type(b"ngs\t\twhy\rko\rs\rdear\rxom\t\tcheap")
    reasoning = "cheap"
    for pasted in PASTES:
        typist.type(bracketed(pasted), pause_s=pause_s)
        reasoning += pictured(pasted)
        typist.stays(FORM, ["GS", "why", "KO", "dear", "XOM", reasoning])
    typist.type(b"\x1b[Z\x1b[Z")
    for pasted in PASTES:
        typist.type(b"\x15" + bracketed(pasted), pause_s=pause_s)
        line = pictured(pasted).splitlines()[0].upper()
        typist.stays(FORM, ["GS", "why", "KO", "dear", line if len(line) <= 20 else "", reasoning])


def test_a_paste_where_nothing_is_filled_in_does_nothing(typist: Typist) -> None:
    for pasted in PASTES:
        typist.type(bracketed(pasted))
    typist.stays(HOME, [])


def test_bytes_that_are_no_text_do_not_end_the_app(typist: Typist) -> None:
    typist.type(b"n\t\twhy\x1b[200~\xff\xfe ok \xc3\x1b[201~\xff!")
    typist.reaches(FORM, ["", "why\ufffd\ufffd ok \ufffd\ufffd!", "", "", "", ""])
