"""What every screen of the house shares: the status line above, the keys below, and commands in between."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from inspect import isawaitable
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar, cast

from textual import work
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from db.errors import DatabaseError
from tui.changes import Changes
from tui.commands import Command, Scope, Situation, command, of_scopes
from tui.messages import DatabaseAnswered, DatabaseLost
from tui.surroundings import House
from tui.widgets.key_line import KeyLine
from tui.widgets.status_line import Notices, StatusLine

if TYPE_CHECKING:
    from core.services import Services

Answer = TypeVar("Answer")


class Movable(Protocol):
    """Something that the movement keys move in."""

    def move(self, lines: int) -> None: ...

    def move_page(self, pages: int) -> None: ...

    def move_to(self, index: int) -> None: ...


class HouseScreen(Screen[date | None]):
    """A screen that shows data: subclasses fill `compose_body`, and read in `look_again`."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-roomy"), (170, "-wide")]  # noqa: RUF012 - declared by Textual
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-tall")]  # noqa: RUF012 - declared by Textual

    scopes: ClassVar[tuple[Scope, ...]] = ()
    LAST = 10**9

    @property
    def house(self) -> House:
        """The app, as screens know it."""
        return cast("House", self.app)

    def compose(self) -> ComposeResult:
        yield StatusLine()
        yield Notices()
        yield from self.compose_body()
        yield KeyLine()

    def compose_body(self) -> Iterable[Widget]:
        """The screen's own widgets."""
        return ()

    @property
    def place(self) -> str:
        """Where the operator is, in a few words, for the second line."""
        return ""

    @property
    def movable(self) -> Movable | None:
        """What the movement keys move in now."""
        return None

    def situation(self) -> Situation:
        """What decides which commands are available."""
        return Situation(is_open=self.house.status.is_open)

    def note_change(self, changes: Changes) -> None:
        """Remembers what is out of date."""

    async def look_again(self) -> None:
        """Reads again what is out of date and on the screen."""

    def on_screen_resume(self) -> None:
        self.read_anew()

    @work(group="reading", exclusive=True)
    async def read_anew(self) -> None:
        """Looks again, beside everything else that goes on."""
        await self.look_again()

    async def ask(self, question: Callable[["Services"], Awaitable[Answer]]) -> Answer | None:
        """The answer of the core to `question`; None, once the loss is told, where the database does not answer."""
        services = self.house.services
        if services is None or self.house.is_lost.is_set():
            return None
        try:
            answer = await self._unless_lost(question(services))
        except DatabaseError as exc:
            self.house.post_message(DatabaseLost(exc))
            return None
        if answer is not None:
            self.house.post_message(DatabaseAnswered(self.house.now()))
        return answer

    async def _unless_lost(self, question: Awaitable[Answer]) -> Answer | None:
        """The answer, or None as soon as the database is known to be lost: a pool would wait for its return."""
        asking = asyncio.ensure_future(question)
        losing = asyncio.create_task(self.house.is_lost.wait())
        try:
            await asyncio.wait({asking, losing}, return_when=asyncio.FIRST_COMPLETED)
            return await asking if asking.done() else None
        finally:
            for task in (asking, losing):
                task.cancel()

    def applicable(self) -> list[Command]:
        """The commands that apply here, in the order of the list."""
        return list(of_scopes(*self.scopes, Scope.LIST, Scope.EVERYWHERE))

    def refresh_frame(self) -> None:
        """Shows anew where the operator is and which commands are available."""
        for line in self.query("StatusLine, KeyLine"):
            line.refresh()

    async def action_perform(self, command_id: str) -> None:
        """Runs a command, or says why it cannot be run now."""
        chosen = command(command_id)
        if (reason := chosen.unavailable(self.situation())) is not None:
            self.house.say(reason)
            return
        done = getattr(self, f"perform_{command_id}")()
        if isawaitable(done):
            await done

    def perform_cursor_down(self) -> None:
        if self.movable:
            self.movable.move(1)

    def perform_cursor_up(self) -> None:
        if self.movable:
            self.movable.move(-1)

    def perform_page_down(self) -> None:
        if self.movable:
            self.movable.move_page(1)

    def perform_page_up(self) -> None:
        if self.movable:
            self.movable.move_page(-1)

    def perform_first(self) -> None:
        if self.movable:
            self.movable.move_to(0)

    def perform_last(self) -> None:
        if self.movable:
            self.movable.move_to(self.LAST)

    def perform_help(self) -> None:
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.applicable(), self.situation()))

    def perform_palette(self) -> None:
        self.app.action_command_palette()

    def perform_next_theme(self) -> None:
        self.house.show_next_theme()

    def perform_back(self) -> None:
        self.dismiss(None)

    async def perform_quit(self) -> None:
        await self.house.action_quit()

    async def perform_quit_anywhere(self) -> None:
        await self.house.action_quit()
