"""Text from outside is shown, and does nothing."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.literal import ELLIPSIS, LINE_MARK, MARK, clean, literal

HOSTILE = {
    "markup": "[/x] [b]bold[/b] [@click=app.quit]quit[/]",
    "clipboard": "\x1b]52;c;aGVsbG8=\x07",
    "title": "\x1b]0;owned\x1b\\",
    "bidi": "harmless \u202egnp.exe\u202c",
    "zero width": "A\u200bA\u200dP\ufeffL",
    "c1": "\x9b31mred\x85",
    "surrogate": "half \ud800 pair",
    "combining": "e" + "\u0301" * 50,
    "filler": "\u3164\u2800",
}


@given(st.text(), st.integers(1, 300), st.booleans())
def test_nothing_that_commands_survives(text: str, limit: int, lines: bool) -> None:
    shown = clean(text, limit=limit, lines=lines)
    assert len(shown) <= limit
    for character in shown:
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} or (
            lines and character == "\n"
        )


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=100))
def test_plain_text_is_itself(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_hidden_becomes_a_mark(text: str) -> None:
    shown = clean(text)
    assert all(character.isprintable() for character in shown)
    if not text.isascii():
        assert MARK in shown


def test_escapes_are_told_by_pictures() -> None:
    assert clean("\x1b]52;c;x\x07\x7f") == "␛]52;c;x␇␡"


def test_markup_is_text() -> None:
    text = literal(HOSTILE["markup"])
    assert text.plain == HOSTILE["markup"]
    assert not text.spans


def test_line_breaks_are_marks_unless_kept() -> None:
    assert clean("a\r\nb\nc") == f"a{LINE_MARK}b{LINE_MARK}c"
    assert clean("a\r\nb\rc", lines=True) == "a\nb␍c"


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert clean("x" * 10_000, limit=50) == "x" * 49 + ELLIPSIS
    assert clean("x" * 50, limit=50) == "x" * 50
    assert clean("\r\n" * 5_000, limit=10) == LINE_MARK * 9 + ELLIPSIS


def test_wide_characters_stay() -> None:
    assert clean("漢字 🚀 é") == "漢字 🚀 é"
    assert cell_len(clean("❤️")) == 1


def test_values_are_told_by_their_text() -> None:
    assert clean(None) == "None"
    assert clean(ValueError("no \x07")) == "no ␇"
