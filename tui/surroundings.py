"""What widgets and screens may ask of what they stand in, so that nobody has to know the floor above."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from rich.text import Text
from textual.message import Message

from tui.changes import Changes
from tui.commands import Command, CommandSet, Situation
from tui.status import Status

if TYPE_CHECKING:
    from core.problems import Problem
    from core.services import Services
    from core.settings import Settings
    from core.settings_layers import Layers
    from tui.batch_draft import BatchDraft


Answer = TypeVar("Answer")


class Asking(Protocol):
    """Something that asks the core, and knows a loss of the database when it meets one."""

    async def ask(
        self, question: Callable[["Services"], Awaitable[Answer]], *, patience_s: float | None = 15.0
    ) -> Answer | None: ...


class House(Protocol):
    """The app."""

    @property
    def top_screen(self) -> Asking: ...

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

    def offered(self) -> list[Command]: ...
