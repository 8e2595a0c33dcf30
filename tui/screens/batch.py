"""One batch: its picks with their whole reasoning, its days, its log."""

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
from tui.changes import NOTHING, Changes
from tui.commands import Command, Scope, Situation, bindings, of_scopes
from tui.messages import DetailLoaded
from tui.screens.house import HouseScreen, Movable
from tui.weeks import LoadedWeeks
from tui.widgets.batch_header import BatchHeader
from tui.widgets.columns import Span
from tui.widgets.day_columns import day_columns, why_spanned
from tui.widgets.event_log import EventLog
from tui.widgets.pick_cards import PickCards
from tui.widgets.tab_line import TabLine
from tui.widgets.table import Table

TABS = (("picks", "Picks"), ("days", "Checkpoints"), ("log", "Events"))


class BatchScreen(HouseScreen):
    """The batch of `run_date`; `older` and `newer` go to its neighbours and keep the tab."""

    CSS_PATH = "batch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Scope.BATCH, Scope.CHECKPOINTS, Scope.LIST)]

    def __init__(self, run_date: date, weeks: LoadedWeeks) -> None:
        """`weeks` are those of the list, which holds every batch from the newest down to this one."""
        super().__init__()
        self.run_date = run_date
        self.view: BatchView | None = None
        self._weeks = weeks
        self._older: date | None = None
        self._newer: date | None = None
        self._stale: Changes = NOTHING

    def compose_body(self) -> Iterable[Widget]:
        yield BatchHeader()
        yield TabLine(TABS)
        with ContentSwitcher(initial="picks", id="tabs"):
            yield PickCards(id="picks")
            yield Table[BatchDay]([], lambda day: day.date, spanned=self._why, id="days")
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
        if self.tab == "days":
            return self.days
        if self.tab == "log":
            return self.query_one(EventLog).table
        return self.query_one(PickCards)

    @property
    def place(self) -> str:
        return f"Batches › {self.run_date.isoformat()}"

    def applicable(self) -> list[Command]:
        here = (Scope.CHECKPOINTS, Scope.BATCH) if self.tab == "days" else (Scope.BATCH,)
        return list(of_scopes(*here, Scope.LIST, Scope.EVERYWHERE))

    def situation(self) -> Situation:
        return replace(
            super().situation(),
            has_row=self.tab != "days" or self.days.row is not None,
            has_older=self._older is not None,
            has_newer=self._newer is not None,
        )

    def on_mount(self) -> None:
        self._open_tab(TABS[0][0])

    def note_change(self, changes: Changes) -> None:
        self._stale |= changes

    async def look_again(self) -> None:
        if self.house.services is None:
            return
        stale, self._stale = self._stale, NOTHING
        if self.view is None or self.view.detail.batch.run_date != self.run_date or stale.touches(self.run_date):
            await self._read()

    async def _read(self) -> None:
        from core import reading  # the session has imported it by now; this module is imported without the driver

        run_date = self.run_date
        older = await self.ask(lambda services: reading.batch_page(services, cursor=run_date, limit=1))
        newest = await self.ask(lambda services: reading.batch_page(services, limit=1))
        detail = await self.ask(lambda services: reading.batch_detail(services, run_date))
        if older is None or newest is None or detail is None or run_date != self.run_date:
            return
        self._older = max((row.overview.run_date for row in older.batches), default=None)
        known = {*self._weeks.batches, *(row.overview.run_date for row in newest.batches)}
        self._newer = min((each for each in known if each > run_date), default=None)
        self.post_message(DetailLoaded(detail))

    def on_detail_loaded(self, message: DetailLoaded) -> None:
        services = self.house.services
        if services is None or message.detail.batch.run_date != self.run_date:
            return
        view = self.view = BatchView(message.detail, services, self.house.now())
        self.query_one(BatchHeader).show(view)
        self.query_one(PickCards).show(view)
        self.days.show(view.days, day_columns(view, with_picks=True))
        self.query_one(EventLog).show(view.detail.events)
        self.refresh_frame()

    def _why(self, day: BatchDay) -> Span | None:
        return why_spanned(self.view.now)(day) if self.view else None

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

    async def perform_older_batch(self) -> None:
        """Shows the batch before this one."""
        await self._go(self._older)

    async def perform_newer_batch(self) -> None:
        """Shows the batch after this one."""
        await self._go(self._newer)

    async def _go(self, run_date: date | None) -> None:
        if run_date is not None:
            self.run_date = run_date
            # Until its neighbours are known, there is nowhere to go on to.
            self._older = self._newer = None
            self.read_anew()

    @on(Table.Highlighted, "#days")
    def _refresh_frame(self) -> None:
        self.refresh_frame()

    @on(Table.Chosen, "#days")
    async def _open_clicked(self) -> None:
        await self.action_perform("open_checkpoint")

    def perform_open_checkpoint(self) -> None:
        """Shows one day's metrics."""
        from tui.screens.checkpoint import CheckpointScreen  # not needed before it is asked for

        day = self.days.row
        if self.tab == "days" and day is not None and self.view is not None:
            self.app.push_screen(CheckpointScreen(self.view, day))

    def perform_back(self) -> None:
        """Goes back to the list, with the cursor on the batch that was looked at last."""
        self.dismiss(self.run_date)
