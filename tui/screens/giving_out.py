"""Copying, exporting and taking pictures, each with a word on what became of it."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from rich.text import Text
from textual.screen import Screen

from core.trading_calendar import EXCHANGE_ZONE
from tui.outgoing import Export, as_picture, copy_natively, csv_text, write_new_file
from tui.screens.ask import AskScreen
from tui.surroundings import House

_STAMP = "%Y-%m-%d-%H%M%S"


async def copy(screen: Screen[Any], text: str) -> None:
    """Copies `text`: by a program of this machine, which can say that it did, or else by the terminal, which cannot."""
    if await copy_natively(text):
        cast("House", screen.app).say("Copied.")
        return
    screen.app.copy_to_clipboard(text)
    words = Text(
        "The terminal was told to copy the row; whether it did, it does not say.\nEnter writes it to this file "
        "instead, Esc leaves it at that."
    )
    _ask(screen, "Copied?", words, "alpha-monday-row", "txt", f"{text}\n")


async def ask_to_export(screen: Screen[Any], export: Export) -> None:
    """Asks for a file and writes `export` to it."""
    text = await asyncio.to_thread(csv_text, export)  # seconds, for a log of many thousands
    words = Text(f"CSV of {len(export.rows)} rows, unrounded, as the table is filtered and sorted. To the file:")
    _ask(screen, "Export", words, export.name, "csv", text)


def ask_to_save_screen(screen: Screen[Any]) -> None:
    """Asks for a file and writes a picture of the screen to it."""
    picture = as_picture(screen.app.export_screenshot())
    _ask(screen, "Screenshot", Text("A picture (SVG) of the screen. To the file:"), "alpha-monday", "svg", picture)


def _ask(screen: Screen[Any], heading: str, words: Text, name: str, suffix: str, content: str) -> None:
    house = cast("House", screen.app)
    if screen.app.screen is not screen:
        house.say(f"{heading}: another screen was opened meanwhile; ask for it again there.")
        return
    file = _here() / f"{name}-{_stamp(house.now())}.{suffix}"

    async def take(answer: str) -> None:
        house.say(f"Written to {await write_new_file(Path(answer), content)}.")

    screen.app.push_screen(AskScreen(heading, words, value=str(file), take=take))


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # the directory that the program was started in is gone
        return Path.home()


def _stamp(now: datetime) -> str:
    return now.astimezone(EXCHANGE_ZONE).strftime(_STAMP)
