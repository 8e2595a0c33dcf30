"""What every screen of the house shares: the status line above, the keys below, and commands in between."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from inspect import isawaitable
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual import work
from textual.app import ComposeResult
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from db.errors import AlphaMondayError, DatabaseUnavailableError
from tui.changes import Changes
from tui.commands import Command, Scope, Situation
from tui.messages import DatabaseAnswered, DatabaseLost
from tui.mode import Mode
from tui.outgoing import Export
from tui.screens.moving import Movable, Moving
from tui.surroundings import House
from tui.widgets.filter_line import FilterLine
from tui.widgets.key_line import KeyLine
from tui.widgets.pressed import Words
from tui.widgets.status_line import Notices, StatusLine
from tui.widgets.table import Table

if TYPE_CHECKING:
    from core.services import Services

Answer = TypeVar("Answer")
ANSWERS_WITHIN_S = 15.0


class HouseScreen(Moving, Screen[date | None]):
    """A screen that shows data: subclasses fill `compose_body`, and read in `look_again`."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-roomy"), (170, "-wide")]  # noqa: RUF012 - declared by Textual
    VERTICAL_BREAKPOINTS = [(0, "-lowest"), (16, "-low"), (34, "-tall")]  # noqa: RUF012 - declared by Textual

    AUTO_FOCUS = "Table, Prose"  # never the line of a filter, which would swallow the keys

    scopes: ClassVar[tuple[Scope, ...]] = ()
    wants_last = False
    mode: ClassVar[str] = "batches"

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
        status, movable = self.house.status, self.movable
        table = movable if isinstance(movable, Table) else None
        return Situation(
            is_open=status.is_open,
            may_write=status.mode.may_write,
            is_demo=status.mode is Mode.DEMO,
            has_row=table is not None and table.row is not None,
            has_columns_left=table is not None and table.has_columns_left,
            has_columns_right=table is not None and table.has_columns_right,
            has_export=table is not None and table.row is not None,
        )

    def on_mount(self) -> None:
        self.house.enrol(self)
        self._was_paused = self.house.status.is_paused
        self.watch(self.app, "status", self._note_pause, init=False)
        self.watch(self, "focused", self.refresh_frame, init=False)

    def _note_pause(self) -> None:
        is_paused = self.house.status.is_paused
        if is_paused != self._was_paused:
            self._was_paused = is_paused
            self.show_pause(is_paused)

    def show_pause(self, is_paused: bool) -> None:
        """Shows anew what a pause of the schedulers, or its end, makes wrong."""

    def note_change(self, changes: Changes) -> None:
        """Remembers what is out of date."""

    async def look_again(self) -> None:
        """Reads again what is out of date and on the screen."""

    @contextmanager
    def while_it_stands(self) -> Iterator[None]:
        """What is read for a screen may go on while the app ends, which takes the widgets away first."""
        try:
            yield
        except NoMatches:
            if self.app.is_running:
                raise

    def on_screen_resume(self) -> None:
        self.read_anew()

    @work(group="reading", exclusive=True)
    async def read_anew(self) -> None:
        """Looks again, beside everything else that goes on."""
        with self.while_it_stands():
            await self.look_again()

    async def ask(
        self, question: Callable[["Services"], Awaitable[Answer]], *, patience_s: float | None = ANSWERS_WITHIN_S
    ) -> Answer | None:
        """The answer of the core to `question`; None, once that is told, where there is none.

        A question that takes longer than `patience_s` counts as not answered; None waits for as long as it takes.
        """
        services = self.house.services
        if services is None or self.house.is_lost.is_set():
            return None
        try:
            answer = await self._unless_lost(question(services), patience_s)
        except AlphaMondayError as exc:
            if services is not self.house.services:
                return None  # they were closed meanwhile, and others opened, about which this says nothing
            if isinstance(exc, DatabaseUnavailableError):
                self.house.post_message(DatabaseLost(exc))
            else:
                self.house.say(f"{exc.message} {exc.remedy}")
            return None
        if answer is not None:
            self.house.post_message(DatabaseAnswered(self.house.now()))
        return answer

    async def _unless_lost(self, question: Awaitable[Answer], patience_s: float | None) -> Answer | None:
        """The answer, or None as soon as the database is known to be lost: a pool would wait for its return.

        Raises DatabaseUnavailableError where the server is silent, as one that is frozen is.
        """
        asking = asyncio.ensure_future(question)
        losing = asyncio.create_task(self.house.is_lost.wait())
        try:
            await asyncio.wait({asking, losing}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return await asking
            if losing.done():
                return None
            raise DatabaseUnavailableError(
                f"The database has not answered for {patience_s or 0:.0f} s.",
                "Look whether the server runs and can be reached; it is tried again by itself.",
            )
        finally:
            for task in (asking, losing):
                task.cancel()

    def applicable(self) -> list[Command]:
        """The commands that apply here, in the order of the list; without those that write where nothing may."""
        found = self.house.commands.of_scopes(*self.scopes, Scope.LIST, Scope.EVERYWHERE)
        may_write = self.house.status.mode.may_write
        return [command for command in found if may_write or not command.writes]

    def offered(self) -> list[Command]:
        """The commands for the line of keys: while words are typed, those whose keys are not typed with them."""
        if not isinstance(self.focused, Input):
            return self.applicable()
        typed = list(self.house.commands.of_scopes(Scope.TYPED))
        return typed + [
            replace(each, key=key)
            for each in self.house.commands.of_scopes(Scope.EVERYWHERE)
            if (key := ",".join(key for key in each.key.split(",") if key.startswith("ctrl+")))
        ]

    def refresh_frame(self) -> None:
        """Shows anew where the operator is and which commands are available."""
        for line in self.query(Words):
            line.refresh_if_changed()

    async def action_perform(self, command_id: str) -> None:
        """Runs a command, or says why it cannot be run now."""
        self.wants_last = False  # whoever does something else meanwhile is not thrown to the end
        chosen = self.house.commands[command_id]
        if chosen.writes and not self.house.status.mode.may_write:
            self.house.say("This terminal is read-only; it writes nothing.")
            return
        if (reason := chosen.unavailable(self.situation())) is not None:
            self.house.say(reason)
            return
        done = getattr(self, f"perform_{command_id}")()
        if isawaitable(done):
            await done

    def copied_text(self) -> str:
        """What `copy_row` copies: the row under the cursor below its headings, cells parted by tabs."""
        movable = self.movable
        if isinstance(movable, Table) and movable.row is not None:
            return "\n".join(map("\t".join, movable.with_headings(movable.row)))
        return ""

    async def exported(self) -> Export | None:
        """What `export` writes; None where the database did not answer."""
        return None

    def perform_to_list(self) -> None:
        self.query_one(FilterLine).action_leave()

    def perform_forget_filter(self) -> None:
        self.query_one(FilterLine).action_clear()

    def perform_batches(self) -> None:
        self.house.go_to("batches")

    def perform_performance(self) -> None:
        self.house.go_to("performance")

    def perform_scheduler(self) -> None:
        self.house.go_to("scheduler")

    def perform_events(self) -> None:
        self.house.go_to("events")

    def perform_home(self) -> None:
        self.house.go_to("batches")

    def perform_help(self) -> None:
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.applicable(), self.situation()))

    def perform_palette(self) -> None:
        self.app.action_command_palette()

    def perform_problems(self) -> None:
        from tui.screens.problems import ProblemsScreen

        shown, now = self.house.status.problems, self.house.now()
        self.app.push_screen(ProblemsScreen(shown, now), lambda _: self.house.note_looked(shown, now))

    def perform_new_batch(self) -> None:
        from tui.screens.new_batch import NewBatchScreen

        self.app.push_screen(NewBatchScreen())

    def perform_set_up(self) -> None:
        from tui.screens.set_up import SetUpScreen

        self.app.push_screen(SetUpScreen())

    def perform_next_theme(self) -> None:
        self.house.show_next_theme()

    def perform_back(self) -> None:
        self.dismiss(None)

    @work(group="giving out", exclusive=True)
    async def perform_copy_row(self) -> None:
        from tui.screens.giving_out import copy

        await copy(self, self.copied_text())

    def perform_export(self) -> None:
        self._export()

    @work(group="exporting", exclusive=True)
    async def _export(self) -> None:
        from tui.screens.giving_out import ask_to_export

        if (export := await self.exported()) is not None:
            await ask_to_export(self, export)

    def perform_save_screen(self) -> None:
        from tui.screens.giving_out import ask_to_save_screen

        ask_to_save_screen(self)

    async def perform_quit(self) -> None:
        from tui.leaving import WORDS, is_the_only_scheduler
        from tui.screens.ask import ConfirmScreen

        if not await is_the_only_scheduler(self.house):
            await self.house.action_quit()
            return
        self.app.push_screen(ConfirmScreen("Leave?", WORDS, "leave"), lambda yes: self.app.exit() if yes else None)

    async def perform_quit_anywhere(self) -> None:
        await self.house.action_quit()
