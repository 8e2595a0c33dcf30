"""The first screen: the list of weeks, and what is done to it and to the week under its cursor."""

from dataclasses import replace
from datetime import date
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import BindingType

from db.errors import AlphaMondayError
from tui.command_list import COMMANDS
from tui.commands import Scope, Situation
from tui.messages import WeeksRead
from tui.screens.week_list import WeekListScreen
from tui.week_kinds import batch_of, is_staged, unopened
from tui.weeks import key_of
from tui.widgets.filter_line import FilterLine
from tui.widgets.table import Table


class HomeScreen(WeekListScreen):
    """Filters, sorts and opens, edits, unstages and fails."""

    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.HOME, Scope.CHOSEN, Scope.FILTERED, Scope.LIST)]
    scopes = (Scope.HOME, Scope.CHOSEN, Scope.FILTERED)

    def __init__(self) -> None:
        super().__init__()
        self._is_first_look = True

    def situation(self) -> Situation:
        view, batch = self.preview.view, batch_of(self.table.row)
        is_read = view is not None and batch is not None and view.detail.batch.id == batch.id
        return replace(super().situation(), awaits_word=is_read and view is not None and view.detail.awaits_word)

    @on(WeeksRead)
    def _greet_newcomer(self, message: WeeksRead) -> None:
        """Opens set-up by itself, once: where there is no week yet and nobody chose where prices come from."""
        is_first, self._is_first_look = self._is_first_look, False
        is_new = not message.weeks.rows and not self.house.settings.price_source and not self.situation().is_demo
        if is_first and is_new and self.house.status.mode.may_write and self.app.screen is self:
            self.perform_set_up()

    @on(FilterLine.Changed)
    def _filter(self) -> None:
        self.refresh_frame()
        self.read_anew()

    @on(FilterLine.Left)
    def _leave_filter(self) -> None:
        self.table.focus()

    async def perform_filter(self) -> None:
        """Goes to the line in which the words are typed."""
        await self.filter_line.open()

    def perform_clear_filter(self) -> None:
        """Shows everything again."""
        self.filter_line.close()
        self.table.focus()

    @on(Table.HeadingChosen, "#weeks")
    async def _sort_by_heading(self, message: Table.HeadingChosen) -> None:
        from core.week_list import WeekSort

        if message.column in set(WeekSort):
            await self._sort_by(message.column)

    async def perform_sort(self) -> None:
        """Sorts by the next column."""
        from core.week_list import WeekSort

        sorts = list(WeekSort)
        asked = await self.query_wanted()
        await self._sort_by(sorts[(sorts.index(asked.sort) + 1) % len(sorts)])

    async def perform_reverse(self) -> None:
        """Turns the order round."""
        await self._sort_by((await self.query_wanted()).sort)

    async def _sort_by(self, column: str) -> None:
        """Sorts by `column`, the greatest first; by the one that it is sorted by already, the other way round."""
        from core.week_list import WeekSort

        asked = await self.query_wanted()
        is_same = asked.sort == column
        self.query_asked = replace(asked, sort=WeekSort(column), descending=not asked.descending if is_same else True)
        self.read_anew()

    @on(Table.Chosen, "#weeks")
    async def _open_clicked(self) -> None:
        await self.action_perform("open_batch")

    def perform_open_batch(self) -> None:
        """Opens the batch under the cursor, or the form for a week that has none."""
        row = self.table.row
        batch = batch_of(row)
        if batch is not None:
            from tui.screens.batch import BatchScreen  # not needed for the first paint

            known = self.preview.view if self._is_shown(batch.run_date) else None
            self.app.push_screen(BatchScreen(batch.run_date, known), self._return_to)
        elif unopened(row) is not None:
            self.perform_new_batch()

    def _return_to(self, run_date: date | None) -> None:
        """Puts the cursor on the week that was looked at or written last, once the list has it."""
        if run_date is not None:
            self.wanted_week = run_date
            self.find_wanted()

    def perform_new_batch(self) -> None:
        """Opens the form for a new batch, filled with the week under the cursor where that has none yet."""
        from tui.screens.new_batch import NewBatchScreen

        self.app.push_screen(NewBatchScreen(unopened(self.table.row)), self._return_to)

    def perform_edit_staged(self) -> None:
        """Changes what is staged."""
        self.perform_new_batch()

    def perform_unstage(self) -> None:
        """Asks, and takes what is staged out of the picks file."""
        from tui.screens.ask import ConfirmScreen

        week = self.table.row
        if not is_staged(week) or week is None:
            return
        run_date = key_of(week)[1]
        words = Text(f"The picks for {run_date} and their reasoning are taken out of the picks file, for good.")

        def answered(yes: bool | None) -> None:
            if yes:
                self._unstage(run_date)

        self.app.push_screen(ConfirmScreen("Unstage?", words, "unstage"), answered)

    @work(group="writing")
    async def _unstage(self, run_date: date) -> None:
        from core.staging import unstage

        services = self.house.services
        if services is None:
            return
        try:
            await unstage(services, run_date)
        except AlphaMondayError as exc:
            self.house.say(exc.in_one_line)
        else:
            self.house.say(f"The picks for {run_date} are no longer staged.")

    def perform_fail_batch(self) -> None:
        """Asks for the reason and marks the batch failed."""
        from tui.screens.failing import ask_to_fail

        batch = batch_of(self.table.row)
        if batch is not None:
            ask_to_fail(self, batch.run_date)

    def perform_accept_move(self) -> None:
        """Asks, and takes the moves of the batch that wait for a word at theirs."""
        from tui.screens.accepting import ask_to_accept

        batch = batch_of(self.table.row)
        if batch is not None:
            ask_to_accept(self.app, batch.run_date)
