"""ASCII spellings: which terminals get them, that every mark has one, and that none is wider than the mark."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual._border import BORDER_CHARS

import tui
from tui.ascii_marks import ascii_cells, ascii_text, needs_ascii
from tui.literal import clean

HOUSE = Path(tui.__file__).parents[1]
# What outside text is replaced by has no better spelling, and alerts draw their own marks elsewhere than here.
WITHOUT = frozenset("\N{REPLACEMENT CHARACTER}＠∶♯⧵。＆＋．＝＿｡")


@pytest.mark.parametrize(
    ("encoding", "environment", "needs"),
    [
        ("utf-8", {}, False),
        ("utf-8", {"LANG": "en_US.UTF-8"}, False),
        ("utf-8", {"LANG": "C.utf8"}, False),
        ("utf-8", {"LANG": "C"}, True),
        ("utf-8", {"LANG": "POSIX"}, True),
        ("utf-8", {"LANG": "en_US.ISO-8859-1"}, True),
        ("utf-8", {"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ("utf-8", {"LANG": "C", "LC_ALL": ""}, True),
        ("utf-8", {"LANG": "C", "PYTHONUTF8": "1"}, False),
        ("utf-8", {"LANG": "C", "PYTHONIOENCODING": "utf-8"}, False),
        ("iso8859-1", {"LANG": "en_US.UTF-8"}, True),
        ("ascii", {}, True),
        ("no-such-encoding", {}, True),
        (None, {}, True),
    ],
)
def test_a_terminal_that_is_told_of_no_utf_8_gets_ascii(
    encoding: str | None, environment: Mapping[str, str], needs: bool
) -> None:
    assert needs_ascii(encoding, environment) is needs


def test_every_mark_of_the_product_and_of_the_frames_has_a_spelling() -> None:
    written = "".join(
        path.read_text(encoding="utf-8") for folder in ("tui", "core", "db") for path in (HOUSE / folder).rglob("*.py")
    )
    frames = "".join(row for rows in BORDER_CHARS.values() for cells in rows for row in cells)
    braille = "".join(map(chr, range(0x2800, 0x2900)))
    marks = {mark for mark in written + frames + braille if not mark.isascii()} - WITHOUT
    assert len(marks) > 300
    for mark in marks:
        assert "?" not in ascii_cells(mark), mark
        assert "\\u" not in ascii_text(mark), mark


@given(st.text())
def test_whatever_is_drawn_is_ascii_and_as_wide(text: str) -> None:
    drawn = clean(text, limit=1000)
    assert ascii_cells(drawn).isascii()
    assert len(ascii_cells(drawn)) == sum(map(cell_len, drawn))
    assert ascii_text(drawn).isascii()


def test_outside_text_can_be_read() -> None:
    assert ascii_text("Café “Zoë” grows… 5 € → 日本") == 'Cafe "Zoe" grows... 5 EUR -> \\u65e5\\u672c'
    assert ascii_cells("Café… 日本") == "Cafe~ ????"


def test_bars_of_different_heights_are_told_apart() -> None:
    heights = ascii_cells("▁▂▃▄▅▆▇█")
    assert len(set(heights)) == len(heights) == 8
    assert not re.search(r"[?\w\s]", heights.replace("_", ""))
