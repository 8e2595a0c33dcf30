"""A picture of a screen is text in shapes: nothing in it runs, and nothing is fetched when it is opened."""

import re
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from core.settings import Settings
from tests.tui.driving import app_for, has_arrived, running, shown, until
from tests.tui.test_hostile import PLACES, poison
from tui.mode import Mode
from tui.outgoing import as_picture

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {f"{SVG}{name}" for name in ("svg", "style", "defs", "clipPath", "rect", "g", "circle", "text")}
HOSTILE = (
    "</text></svg><script>alert(1)</script><svg onload='alert(1)'>&xxe;&#x3c;script&#62;"
    "<a xlink:href=\"javascript:alert(1)\">x</a><image href='https://evil.example/x'/>"
    "<!DOCTYPE x [<!ENTITY xxe SYSTEM 'file:///etc/passwd'>]><?xml-stylesheet href='https://evil.example'?>"
    "]]>--><style>@import url(https://evil.example/x);</style><foreignObject/>{style}\x1b[8m\x0b\x0c\x7f\ufffe\u202e"
)
SHOWS_TEXT = ("picks", "checkpoint", "payload", "problems", "events", "log")


def check(picture: str) -> str:
    """`picture` is XML of known shapes, with no attribute that runs or leads anywhere; gives its text."""
    root = ET.fromstring(picture)  # noqa: S314 - what is parsed here was written by the product
    assert "<!" not in picture.replace("<!--", "")
    assert "<?" not in picture
    words = []
    for element in root.iter():
        assert element.tag in DRAWN
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            assert "href" not in name
            assert not re.search(r"url\((?!#)|script:|data:|://", value), (name, value)
        if element.tag == f"{SVG}style":
            assert not re.search(r"url\(|@import|@font-face|://|\\", element.text or "")
        elif element.text:
            words.append(element.text)
    return "".join(words).replace("\xa0", " ")


@pytest.mark.parametrize("place", SHOWS_TEXT)
async def test_a_picture_of_hostile_text_holds_nothing_but_text(settings: Settings, filled: str, place: str) -> None:
    poison(filled, HOSTILE.replace("\x00", ""))
    keys, words = PLACES[place]
    async with running(app_for(settings, Mode.READ_ONLY), size=(200, 60)) as pilot:
        for key in keys:
            await until(pilot, lambda: has_arrived(pilot.app), "what the key before opens")
            await pilot.press(key)
        await until(pilot, lambda: has_arrived(pilot.app) and words in shown(pilot.app), words)
        await pilot.pause()
        seen = check(as_picture(pilot.app.export_screenshot()))
    assert "</text></svg><script>" in seen


async def test_the_file_that_is_written_is_such_a_picture(
    settings: Settings, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    poison(filled, HOSTILE)
    async with running(app_for(settings, Mode.READ_ONLY), size=(200, 60)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app) and "▸ Picks" in shown(pilot.app), "the batch")
        await pilot.press("colon")
        await until(pilot, lambda: "Search" in shown(pilot.app), "the palette")
        await pilot.press(*"screenshot", "enter")
        await until(pilot, lambda: "A picture (SVG) of the screen" in shown(pilot.app), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: "Written to" in shown(pilot.app), "the answer")
    [file] = tmp_path.glob("*.svg")
    assert "<script>" in check(file.read_text(encoding="utf-8"))


@given(st.text(st.characters(categories=None), max_size=80))
def test_any_text_makes_a_picture_that_is_xml(text: str) -> None:
    """Also one that was not made `literal` before."""
    console = Console(record=True, width=100, force_terminal=True, file=StringIO())
    console.print(text, markup=False, highlight=False)
    check(as_picture(console.export_svg(title=text)))
