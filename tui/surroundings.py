"""What widgets and screens may ask of what they stand in, so that nobody has to know the floor above."""

import asyncio
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, ClassVar, Protocol

from rich.text import Text
from textual.message import Message

from tui.changes import Changes
from tui.commands import Command, CommandSet, Situation
from tui.status import Status

if TYPE_CHECKING:
    from core.problems import Problem
    from core.services import Services
    from core.settings import Layers, Settings
    from tui.batch_draft import BatchDraft


class House(Protocol):
    """The app."""

    status: Status
    services: "Services | None"
    settings: "Settings"
    layers: "Layers | None"
    commands: CommandSet
    local_zone: tzinfo | None
    is_lost: asyncio.Event
    drafts: "dict[date | None, BatchDraft]"

    def now(self) -> datetime: ...

    def say(self, words: str | Text) -> None: ...

    def note_simulated(self, found: bool) -> None: ...

    def note_change(self, changes: Changes) -> None: ...

    def note_looked(self, problems: "tuple[Problem, ...]", at: datetime) -> None: ...

    def enrol(self, screen: "Changing") -> None: ...

    def show_next_theme(self) -> None: ...

    def go_to(self, mode: str) -> None: ...

    def reopen(self, settings: "Settings") -> None: ...

    def post_message(self, message: Message) -> bool: ...

    async def action_quit(self) -> None: ...

    async def ask_to_quit(self) -> None: ...


class Changing(Protocol):
    """Something on the screen that may be out of date."""

    def note_change(self, changes: Changes) -> None: ...


class Place(Protocol):
    """The screen. `mode` names the place that it belongs to."""

    mode: ClassVar[str]

    @property
    def place(self) -> str: ...

    def situation(self) -> Situation: ...

    def applicable(self) -> list[Command]: ...
