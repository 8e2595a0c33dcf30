"""One batch: its picks with their whole reasoning, its days as list, heat map and chart, its log."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from tui.batch_view import BatchDay, BatchView
from tui.changes import EVERYTHING, NOTHING, Changes
from tui.command_list import COMMANDS
from tui.commands import Scope, Situation
from tui.messages import DetailLoaded
from tui.outgoing import Export, tabbed_text
from tui.screens.house import HouseScreen
from tui.screens.moving import Movable
from tui.widgets.batch_drawings import HeatMap, ReturnsChart
from tui.widgets.batch_header import BatchHeader
from tui.widgets.columns import Span
from tui.widgets.day_columns import day_columns, why_spanned
from tui.widgets.event_log import EventLog
from tui.widgets.pick_cards import PickCards
from tui.widgets.tab_line import TabLine
from tui.widgets.table import Table

TABS = (("picks", "Picks"), ("days", "Checkpoints"), ("heat", "Heat map"), ("chart", "Chart"), ("log", "Events"))


class BatchScreen(HouseScreen):
    """The batch of `run_date`; `older` and `newer` go to its neighbours and keep the tab."""

    CSS_PATH = "batch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.BATCH, Scope.CHOSEN, Scope.LIST)]
    scopes = (Scope.BATCH, Scope.CHOSEN)

    def __init__(self, run_date: date, known: BatchView | None = None) -> None:
        """`known` is what was read of the batch before; it is shown until the batch is read anew."""
        super().__init__()
        self.run_date = run_date
        self.view: BatchView | None = None
        self._known = known
        self._older: date | None = None
        self._newer: date | None = None
        # Steps asked for before it was known where they lead; a held key is faster than a database.
        self._steps = 0
        self._is_going = True
        self._stale: Changes = EVERYTHING

    def compose_body(self) -> Iterable[Widget]:
        yield BatchHeader()
        yield TabLine(TABS)
        with ContentSwitcher(initial="picks", id="tabs"):
            yield PickCards(id="picks")
            yield Table[BatchDay]([], lambda day: day.date, spanned=self._why, id="days")
            yield HeatMap(id="heat")
            yield ReturnsChart(id="chart")
            with Vertical(id="log"):
                yield EventLog()

    @property
    def tab(self) -> str:
        """The tab that is open."""
        return self.query_one(ContentSwitcher).current or TABS[0][0]

    @property
    def days(self) -> Table[BatchDay]:
        """The list of days."""
        return self.query_one("#days", Table)

    @property
    def movable(self) -> Movable:
        match self.tab:
            case "days":
                return self.days
            case "heat":
                return self.query_one(HeatMap)
            case "chart":
                return self.query_one(ReturnsChart)
            case "log":
                return self.query_one(EventLog).table
        return self.query_one(PickCards)

    @property
    def place(self) -> str:
        return f"› {self.run_date.isoformat()}"

    def situation(self) -> Situation:
        table = self.movable
        has_row = isinstance(table, Table) and table.row is not None
        return replace(
            super().situation(),
            has_batch=self.view is not None,
            is_active=self.view is not None and self.view.detail.batch.status == "active",
            awaits_word=self.view is not None and self.view.detail.awaits_word,
            has_row=has_row or self.view is not None,
            has_details=has_row,
            has_older=self._older is not None or self._is_going,
            has_newer=self._newer is not None or self._is_going,
            has_export=self.view is not None,
        )

    def on_mount(self) -> None:
        if self._known is not None:
            self._show_view(self._known.on_day(None).while_paused(self.house.status.is_paused))
        self._open_tab(TABS[0][0])

    def note_change(self, changes: Changes) -> None:
        self._stale |= changes

    async def look_again(self) -> None:
        if self.house.services is None:
            return
        stale, self._stale = self._stale, NOTHING
        if self.view is None or self.view.detail.batch.run_date != self.run_date or stale.touches(self.run_date):
            try:
                await self._read()
            except BaseException:
                self._stale |= stale  # what was not read is still to be read
                raise

    async def _read(self) -> None:
        from core import reading  # the session has imported it by now; this module is imported without the driver

        run_date = self.run_date
        found = await self.ask(lambda services: reading.batch_with_neighbours(services, run_date))
        if found is None or run_date != self.run_date:
            return
        self.post_message(DetailLoaded(*found))

    def on_detail_loaded(self, message: DetailLoaded) -> None:
        services = self.house.services
        if services is None or message.detail.batch.run_date != self.run_date:
            return
        self._older, self._newer, self._is_going = message.older, message.newer, False
        if self._steps:
            self._take_step()
            return
        self._show_view(BatchView(message.detail, services, self.house.now(), is_paused=self.house.status.is_paused))

    def show_pause(self, is_paused: bool) -> None:
        if self.view is not None:
            self._show_view(self.view.while_paused(is_paused))

    def _show_view(self, view: BatchView) -> None:
        self.view = view
        self.query_one(BatchHeader).show(view)
        self.query_one(PickCards).show(view)
        self.days.show(view.days, day_columns(view))
        self.query_one(HeatMap).show(view)
        self.query_one(ReturnsChart).show(view)
        self.query_one(EventLog).show(view.detail.events)
        self.refresh_frame()

    def _why(self, day: BatchDay) -> Span | None:
        return why_spanned(self.view)(day) if self.view else None

    def action_open_tab(self, tab: str) -> None:
        """Opens a tab, for a click on it."""
        self._open_tab(tab)

    def _open_tab(self, tab: str) -> None:
        self.query_one(ContentSwitcher).current = tab
        self.query_one(TabLine).show(tab)
        movable = self.movable
        if isinstance(movable, Widget):
            movable.focus()
        self.refresh_frame()

    def _step_tab(self, step: int) -> None:
        names = [name for name, _ in TABS]
        self._open_tab(names[(names.index(self.tab) + step) % len(names)])

    def perform_next_tab(self) -> None:
        """Opens the next tab."""
        self._step_tab(1)

    def perform_previous_tab(self) -> None:
        """Opens the tab before."""
        self._step_tab(-1)

    def perform_older_batch(self) -> None:
        """Shows the batch before this one."""
        self._steps -= 1
        self._take_step()

    def perform_newer_batch(self) -> None:
        """Shows the batch after this one."""
        self._steps += 1
        self._take_step()

    def _take_step(self) -> None:
        """Goes one batch on, if it is known where to; the steps after that follow once it has been read."""
        if self._is_going or not self._steps:
            return
        run_date = self._older if self._steps < 0 else self._newer
        if run_date is None:
            self._steps = 0
            self.read_anew()  # what was passed by in going is shown after all
            return
        self._steps += 1 if self._steps < 0 else -1
        self.run_date, self._is_going = run_date, True
        self.read_anew()

    @on(Table.Highlighted)
    def _refresh_frame(self) -> None:
        self.refresh_frame()

    @on(Table.Chosen)
    async def _open_clicked(self) -> None:
        await self.action_perform("open_details")

    def perform_open_details(self) -> None:
        """Shows one day's metrics, or one event's payload."""
        if self.tab == "log":
            from tui.screens.payload import PayloadScreen

            event = self.query_one(EventLog).table.row
            if event is not None:
                self.app.push_screen(PayloadScreen(event))
            return
        from tui.screens.checkpoint import CheckpointScreen  # not needed before it is asked for

        day = self.days.row
        if self.tab == "days" and day is not None and self.view is not None:
            self.app.push_screen(CheckpointScreen(self.view, day))

    def perform_fail_batch(self) -> None:
        """Asks for the reason and marks the batch failed."""
        from tui.screens.failing import ask_to_fail

        ask_to_fail(self, self.run_date)

    def perform_accept_move(self) -> None:
        """Asks, and takes the moves that wait for a word at theirs."""
        from tui.screens.accepting import ask_to_accept

        ask_to_accept(self.app, self.run_date)

    def copied_text(self) -> str:
        from tui.batch_export import days_of_batch, picks_as_text

        movable = self.movable
        if isinstance(movable, Table):
            if movable.row is None:
                return ""
            headings, cells = movable.with_headings(movable.row)
            return "\n".join(("\t".join(("Week", *headings)), "\t".join((self.run_date.isoformat(), *cells))))
        if self.view is None:
            return ""
        if self.tab == "picks":
            return picks_as_text(self.view)
        days = days_of_batch(self.view)
        return tabbed_text(days.header, days.rows)

    async def exported(self) -> Export | None:
        from tui.batch_export import days_of_batch, events_of

        if self.view is None:
            return None
        return events_of(self.view.detail.events) if self.tab == "log" else days_of_batch(self.view)

    def perform_back(self) -> None:
        """Goes back to the list, with the cursor on the batch that was looked at last."""
        self.dismiss(self.run_date)
