"""Bytes from a terminal: a paste is its text, whole and in order, whatever stands in it and however it is read."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key, Paste

from tui import terminal_input
from tui.terminal_input import LONGEST_PASTE, PasteParser

START, END = "\x1b[200~", "\x1b[201~"
KEY = "\x1b[A"
HARD = st.text(alphabet=st.sampled_from([*"\x1b[20~1;mIOPx^\x13\x03\x11\r\t\x00é"]), max_size=40)


def read(*pieces: str) -> list[str]:
    """What the pieces come to: a paste in brackets of its own, keys by name."""
    parser = PasteParser()
    return [
        f"<{message.text}>" if isinstance(message, Paste) else message.key if isinstance(message, Key) else str(message)
        for piece in pieces
        for message in parser.feed(piece)
    ]


def cut(text: str, places: Sequence[int]) -> list[str]:
    """`text` in pieces."""
    bounds = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [piece for first, last in pairwise(bounds) if (piece := text[first:last])]


@given(HARD | st.text(), st.lists(st.integers(min_value=0), max_size=8))
def test_a_paste_is_its_text_however_it_is_read(text: str, places: list[int]) -> None:
    pasted = text.split(END)[0]
    whole = f"a{START}{pasted}{END}{KEY}b"
    assert read(*cut(whole, places)) == ["a", f"<{pasted}>", "up", "b"]


@pytest.mark.parametrize(
    "text",
    [
        " note \x1b[31mred\x1b[0m end ",
        "x\x1b[0m\x13",
        "x\x1b\x13",
        "\x1b",
        "\x1b\x1b",
        "a\x1b[",
        "a\x1b[20",
        f"a{START}b",
        "\x1b]52;c;aGk=\x07",
        "\x1b[<0;3;3M",
        "\x1b[I\x1b[O\x1b[48;1;1;1;1t",
        "",
    ],
)
def test_no_sequence_in_a_paste_is_a_key(text: str) -> None:
    assert read(f"{START}{text}{END}q") == [f"<{text}>", "q"]
    assert read(*f"{START}{text}{END}q") == [f"<{text}>", "q"]


def test_the_first_closing_bracket_ends_a_paste_and_another_is_nothing() -> None:
    assert read(f"{START}a{START}b{END}{END}c") == [f"<a{START}b>", "c"]


def test_pastes_follow_one_another() -> None:
    assert read(f"{START}a{END}{START}b{END}") == ["<a>", "<b>"]


def test_keys_outside_are_what_they_were() -> None:
    assert read("a", "\x1b[A", "\x1b", "[B", "\x13", "\x1b\x1b[C") == ["a", "up", "down", "ctrl+s", "escape", "right"]


def test_a_lone_escape_is_a_key_and_takes_no_bracket_with_it() -> None:
    parser = PasteParser()
    assert list(parser.feed("\x1b")) == []
    time.sleep(0.11)  # the parser's own limit, read from the clock of the machine
    assert [message.key for message in parser.tick() if isinstance(message, Key)] == ["escape"]
    assert [message.key for message in parser.feed("[200~") if isinstance(message, Key)] == [
        "left_square_bracket", "2", "0", "0", "tilde",
    ]  # fmt: skip
    assert [message.key for message in parser.feed("x\x1b[A") if isinstance(message, Key)] == ["x", "up"]


def test_a_paste_without_an_end_is_text_and_gives_the_keyboard_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    parser = PasteParser()
    assert [*parser.feed(f"{START}abc\x1b[2"), *parser.tick()] == []
    now += terminal_input.PASTE_STALLS_S - 0.1
    assert [*parser.tick(), *parser.feed("d"), *parser.tick()] == []
    now += terminal_input.PASTE_STALLS_S - 0.1
    assert [*parser.tick()] == []
    now += 0.2
    [paste] = parser.tick()
    assert isinstance(paste, Paste)
    assert paste.text == "abc\x1b[2d"
    assert [message.key for message in parser.feed(f"q{END}r") if isinstance(message, Key)] == ["q", "r"]


def test_a_paste_without_bound_is_cut() -> None:
    parser = PasteParser()
    messages = list(parser.feed(START))
    for _ in range(30):
        messages += parser.feed("x" * (LONGEST_PASTE // 20))
    [paste] = [*messages, *parser.feed(END)]
    assert isinstance(paste, Paste)
    assert paste.text == "x" * LONGEST_PASTE
