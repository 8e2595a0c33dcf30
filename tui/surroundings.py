"""What widgets and screens may ask of what they stand in, so that nobody has to know the floor above."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Protocol

from rich.text import Text
from textual.message import Message

from db.records import MissedWeek
from tui.commands import Command, Situation
from tui.status import Status

if TYPE_CHECKING:
    from core.reading import BatchRow
    from core.services import Services


class House(Protocol):
    """The app."""

    status: Status
    services: "Services | None"
    local_zone: tzinfo | None
    is_lost: asyncio.Event

    def now(self) -> datetime: ...

    def say(self, words: str | Text) -> None: ...

    def note_simulated(self, rows: "Iterable[BatchRow | MissedWeek]") -> None: ...

    def show_next_theme(self) -> None: ...

    def post_message(self, message: Message) -> bool: ...

    async def action_quit(self) -> None: ...


class Place(Protocol):
    """The screen."""

    @property
    def place(self) -> str: ...

    def situation(self) -> Situation: ...

    def applicable(self) -> list[Command]: ...
