"""A field of several lines holds nothing that would command a terminal, whichever way it came in."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.app import App, ComposeResult

from tests.tui.driving import started
from tests.tui.test_literal import HOSTILE
from tui.literal import ELLIPSIS
from tui.widgets.printable_area import PASTE_LIMIT, PrintableArea, printable


class _App(App[None]):
    submitted = 0

    def compose(self) -> ComposeResult:
        yield PrintableArea()

    def on_printable_area_submitted(self) -> None:
        self.submitted += 1


def is_harmless(text: str) -> bool:
    return all(each == "\n" or unicodedata.category(each) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for each in text)


@given(st.text())
def test_only_line_breaks_are_left_of_what_commands(text: str) -> None:
    shown = printable(text)
    assert is_harmless(shown)
    assert printable(shown) == shown


def test_line_ends_and_tabs_are_what_a_paste_means_by_them() -> None:
    assert printable("a\r\nb\rc\nd\te") == "a\nb\nc\nd e"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_no_way_in_lets_a_command_through(text: str) -> None:
    app = _App()
    async with started(app) as pilot:
        area = app.query_one(PrintableArea)
        area.focus()
        app.post_message(events.Paste(text))
        await pilot.pause()
        pasted = area.text
        assert pasted == printable(text)
        await pilot.press("ctrl+z")
        assert area.text == ""
        await pilot.press("ctrl+y")
        assert area.text == pasted
        area.load_text(text)
        assert area.text == pasted
        area.text = text
        assert area.text == pasted
        area.insert(text)
        app._clipboard = text  # what another field of the app has copied
        await pilot.press("ctrl+v")
        assert is_harmless(area.text)


async def test_a_huge_paste_is_cut() -> None:
    app = _App()
    async with started(app) as pilot:
        area = app.query_one(PrintableArea)
        area.focus()
        app.post_message(events.Paste("x" * 1_000_000))
        await pilot.pause()
        assert len(area.text) == PASTE_LIMIT
        assert area.text.endswith(ELLIPSIS)


async def test_enter_goes_on_and_control_j_breaks_the_line() -> None:
    app = _App()
    async with started(app) as pilot:
        area = app.query_one(PrintableArea)
        area.focus()
        await pilot.press("a", "ctrl+j", "b", "enter")
        assert area.text == "a\nb"
        assert app.submitted == 1
