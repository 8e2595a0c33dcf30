"""The log over all batches: newest first, live; filtered, followed, and its batches and payloads opened from here."""

from datetime import date
from typing import ClassVar

from textual import on
from textual.binding import BindingType

from db.events import EventType
from tui.command_list import COMMANDS
from tui.commands import Scope
from tui.event_pages import every_event
from tui.literal import clean
from tui.outgoing import Export
from tui.screens.batch import BatchScreen
from tui.screens.event_list import EventListScreen
from tui.screens.payload import PayloadScreen
from tui.widgets.event_log import payload_words
from tui.widgets.filter_line import FilterLine
from tui.widgets.table import Table
from tui.widgets.type_line import TYPES


class EventsScreen(EventListScreen):
    """Filters, follows, opens and gives out."""

    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.EVENTS, Scope.ASIDE, Scope.FILTERED, Scope.LIST)]
    scopes = (Scope.EVENTS, Scope.ASIDE, Scope.FILTERED)
    mode = "events"

    @on(FilterLine.Changed)
    def _filter(self) -> None:
        self.read_anew()

    @on(FilterLine.Left)
    def _leave_filter(self) -> None:
        self.table.focus()

    async def perform_filter(self) -> None:
        """Goes to the line in which the words are typed."""
        await self.query_one(FilterLine).open()

    def perform_next_type(self) -> None:
        """Shows the events of the next type alone, and after the last type all."""
        self._show_type(TYPES[(TYPES.index(self.chosen_type) + 1) % len(TYPES)])

    def action_show_type(self, name: str) -> None:
        """Shows the events of a type, for a click on it."""
        self._show_type(next((each for each in EventType if each == name), None))

    def _show_type(self, chosen: EventType | None) -> None:
        self.chosen_type = chosen
        self.show_types()
        self.read_anew()

    def perform_home(self) -> None:
        """Shows every event again, or goes back to the batches where every one is shown."""
        if not self.event_query.is_filtered:
            super().perform_home()
            return
        self.query_one(FilterLine).close()
        self._show_type(None)
        self.table.focus()

    def perform_follow(self) -> None:
        """Keeps the cursor on the newest event from now on, or no more."""
        self.is_following = not self.is_following
        if self.is_following:
            self.table.move_to(0)
        self.show_types()
        self.refresh_frame()

    @on(Table.Chosen, "#log")
    async def _open_clicked(self) -> None:
        await self.action_perform("open_event")

    def perform_open_event(self) -> None:
        """Shows the payload, whole."""
        if self.table.row is not None:
            self.app.push_screen(PayloadScreen(self.table.row))

    def perform_open_its_batch(self) -> None:
        """Goes to the batches, and there to the one of the event under the cursor."""
        event = self.table.row
        if event is not None and event.run_date is not None:
            self.house.go_to("batches")
            self.app.push_screen(BatchScreen(event.run_date), self._come_back)

    def _come_back(self, run_date: date | None) -> None:
        # Not where the operator has gone to another place meanwhile, which closes the batch without a word.
        if run_date is not None:
            self.house.go_to("events")

    def copied_text(self) -> str:
        event = self.table.row
        if event is None:
            return ""
        week = event.run_date.isoformat() if event.run_date else ""
        payload = payload_words(event, in_brief=True).plain
        row = (event.created_at.isoformat(), week, clean(event.event_type), payload)
        return "\n".join(map("\t".join, (("created_at", "run_date", "event_type", "payload"), row)))

    async def exported(self) -> Export | None:
        query = self.event_query
        return await self.ask(lambda services: every_event(services, query), patience_s=None)
