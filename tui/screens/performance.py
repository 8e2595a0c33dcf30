"""How good the picks are, over all batches, with the number that stands behind every figure."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.widget import Widget

from core.performance import Performance, performance
from tui.changes import Changes
from tui.command_list import COMMANDS
from tui.commands import Scope, Situation
from tui.messages import PerformanceRead
from tui.outgoing import Export
from tui.performance_export import figures_of
from tui.screens.house import HouseScreen
from tui.screens.moving import Movable
from tui.status import Link
from tui.widgets.nothing import Nothing
from tui.widgets.performance_parts import empty_words, performance_words
from tui.widgets.prose import Prose

_COPIED_WIDTH = 100


class Figures(Prose):
    """The figures, drawn for the room there is."""

    found: Performance | None = None

    def draw(self, width: int) -> Text:
        return Text() if self.found is None else performance_words(self.found, width, self.size.height)

    def on_resize(self) -> None:
        self.changed()


class PerformanceScreen(HouseScreen):
    """Reads everything again whenever a batch was written."""

    CSS_PATH = "performance.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.ASIDE, Scope.LIST)]
    scopes = (Scope.ASIDE,)
    mode = "performance"

    def __init__(self) -> None:
        super().__init__()
        self.found: Performance | None = None
        self._reading = asyncio.Lock()
        self._changes, self._changes_shown = 0, -1

    def compose_body(self) -> Iterable[Widget]:
        yield Figures(id="figures")
        yield Nothing(empty_words)

    @property
    def movable(self) -> Movable:
        return self.query_one(Figures)

    @property
    def place(self) -> str:
        return "" if self.found is None else f"over {self.found.completed + self.found.active} batches"

    def situation(self) -> Situation:
        has_figures = self.found is not None and _has_batches(self.found)
        return replace(super().situation(), has_row=has_figures, has_export=has_figures)

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show)

    def note_change(self, changes: Changes) -> None:
        self._changes += bool(changes)

    async def look_again(self) -> None:
        async with self._reading:
            changes = self._changes
            if changes == self._changes_shown:
                return
            found = await self.ask(performance)
            if found is not None:
                self._changes_shown = changes
                self.post_message(PerformanceRead(found))

    def on_performance_read(self, message: PerformanceRead) -> None:
        self.found = message.performance
        self._show()
        self.refresh_frame()

    def _show(self) -> None:
        figures, nothing = self.query_one(Figures), self.query_one(Nothing)
        figures.display = self.found is not None and _has_batches(self.found)
        nothing.display = not figures.display and (self.found is not None or self.house.status.link is not Link.OPEN)
        figures.found = self.found
        figures.changed()
        if figures.display and self.focused is None:
            figures.focus()

    def copied_text(self) -> str:
        if self.found is None:
            return ""
        lines = performance_words(self.found, _COPIED_WIDTH, 0).plain.splitlines()
        return "\n".join(line.rstrip() for line in lines)

    async def exported(self) -> Export | None:
        return None if self.found is None else figures_of(self.found)


def _has_batches(found: Performance) -> bool:
    return bool(found.active or found.completed or found.failed)
