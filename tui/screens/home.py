"""The first screen: every batch and every missed Monday, and a preview of the one under the cursor."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget

from db.records import MissedWeek
from tui.batch_view import BatchView
from tui.changes import NOTHING, Changes
from tui.commands import Scope, Situation, bindings
from tui.messages import DetailLoaded, PageLoaded
from tui.screens.house import HouseScreen, Movable
from tui.status import Link
from tui.weeks import LoadedWeeks, run_date_of
from tui.widgets.preview import Preview
from tui.widgets.table import Table
from tui.widgets.week_columns import missed_words, week_columns
from tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from core.reading import BatchRow

    Week = BatchRow | MissedWeek

FIRST_PAGE = 60
PAGE = 100
LARGEST_PAGE = 500
# Holding a key down asks only for the batch that it stops at.
PREVIEW_AFTER_S = 0.04
_DAY = timedelta(days=1)


class HomeScreen(HouseScreen):
    """The list of weeks. Reads pages as the cursor nears the end, and again what was written meanwhile."""

    CSS_PATH = "home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Scope.HOME, Scope.LIST)]
    scopes = (Scope.HOME,)

    def __init__(self) -> None:
        super().__init__()
        self.weeks = LoadedWeeks()
        self._stale: Changes = NOTHING
        self._reading = asyncio.Lock()
        self._wants_last = False

    def compose_body(self) -> Iterable[Widget]:
        yield Container(
            Vertical(
                Table["Week"]([], run_date_of, spanned=missed_words, id="weeks"),
                Welcome(id="welcome"),
                id="list",
            ),
            Preview("preview"),
            id="body",
        )

    @property
    def table(self) -> "Table[Week]":
        """The list."""
        return self.query_one("#weeks", Table)

    @property
    def preview(self) -> Preview:
        """The batch under the cursor."""
        return self.query_one(Preview)

    @property
    def movable(self) -> Movable:
        return self.table

    @property
    def place(self) -> str:
        if not self.weeks.is_begun:
            return "Batches"
        if self.weeks.next_cursor:
            return f"Batches  the newest {len(self.weeks)} weeks"
        return f"Batches  {len(self.weeks)} {'week' if len(self.weeks) == 1 else 'weeks'}"

    def situation(self) -> Situation:
        row = self.table.row
        view = self.preview.view
        return replace(
            super().situation(),
            has_row=row is not None,
            has_batch=row is not None and not isinstance(row, MissedWeek),
            has_days=view is not None and len(view.computed) > 0,
        )

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show_welcome)

    def note_change(self, changes: Changes) -> None:
        self._stale |= changes

    async def look_again(self) -> None:
        if self.house.services is None or self.house.status.link is Link.PREPARING:
            return  # weeks that come in above the first ones would leave the cursor at the end
        async with self._reading:
            stale, self._stale = self._stale, NOTHING
            if not self.weeks.is_begun:
                await self._read(None, FIRST_PAGE, is_next=True)
            elif stale.everything:
                await self._read_everything()
            else:
                await self._read_named(stale)
        view = self.preview.view
        if view is not None and stale.touches(view.detail.batch.run_date):
            self._read_detail()

    async def _read(self, before: date | None, limit: int, *, is_next: bool) -> bool:
        from core import reading  # the driver is imported once the first screen is painted

        page = await self.ask(lambda services: reading.batch_page(services, cursor=before, limit=limit))
        if page is None:
            return False
        self.post_message(PageLoaded(page, is_next))
        return True

    async def _read_everything(self) -> None:
        """Reads again all that is loaded, from the newest on."""
        rows = self.table.rows
        starts = [None, *(run_date_of(row) for row in rows[LARGEST_PAGE - 1 :: LARGEST_PAGE])]
        for before in starts:
            if not await self._read(before, min(LARGEST_PAGE, max(len(rows), FIRST_PAGE)), is_next=False):
                return

    async def _read_named(self, stale: Changes) -> None:
        if stale.recent:
            await self._read(None, FIRST_PAGE, is_next=False)
            visible = self.table.visible_rows
            if visible and len(self.weeks) > FIRST_PAGE:
                await self._read(run_date_of(visible[0]) + _DAY, len(visible), is_next=False)
        for name in sorted(stale.run_dates):
            run_date = date.fromisoformat(name)
            if self.weeks.reaches(run_date) and not await self._read(run_date + _DAY, 1, is_next=False):
                return

    def on_page_loaded(self, message: PageLoaded) -> None:
        self.weeks.take(message.page, is_next=message.is_next)
        rows = self.weeks.rows
        self.house.note_simulated(rows)
        was_first = self.table.cursor == 0
        self.table.show(rows, week_columns(rows, self._today()))
        if was_first:
            self.table.move_to(0)  # the newest week is followed, as the end of a log is; any other row is kept
        self._show_welcome()
        self.refresh_frame()
        if self._wants_last:
            self.perform_last()

    def _today(self) -> date:
        services = self.house.services
        assert services is not None  # rows come from it
        return services.calendar.exchange_date(self.house.now())

    def _show_welcome(self) -> None:
        has_rows = bool(self.weeks.rows)
        is_empty = not has_rows and (self.weeks.is_begun or self.house.status.link is not Link.OPEN)
        self.table.display = has_rows
        self.preview.display = has_rows
        self.query_one(Welcome).display = is_empty
        if has_rows and self.focused is None:
            self.table.focus()

    @on(Table.NearEnd, "#weeks")
    def _read_on(self) -> None:
        if self.weeks.next_cursor is not None and not self._reading.locked():
            self._read_next(PAGE)

    @work(group="paging", exclusive=True)
    async def _read_next(self, limit: int) -> None:
        async with self._reading:
            if self.weeks.next_cursor is not None:
                await self._read(self.weeks.next_cursor, limit, is_next=True)

    def perform_last(self) -> None:
        """Goes to the oldest week, reading up to it first."""
        self._wants_last = self.weeks.next_cursor is not None
        if self._wants_last:
            self._read_next(LARGEST_PAGE)
        else:
            self.table.move_to(self.LAST)

    @on(Table.Highlighted, "#weeks")
    def _show_preview(self) -> None:
        self.refresh_frame()
        row = self.table.row
        if isinstance(row, MissedWeek):
            self.preview.show_missed(row, may_write=self.house.status.mode.may_write)
        elif row is not None and not self._is_shown(row.overview.run_date):
            self._read_detail()

    def _is_shown(self, run_date: date) -> bool:
        view = self.preview.view
        return view is not None and view.detail.batch.run_date == run_date

    @work(group="preview", exclusive=True)
    async def _read_detail(self) -> None:
        await asyncio.sleep(PREVIEW_AFTER_S)
        row = self.table.row
        if row is None or isinstance(row, MissedWeek):
            return
        from core import reading  # the driver is imported once the first screen is painted

        run_date = row.overview.run_date
        detail = await self.ask(lambda services: reading.batch_detail(services, run_date))
        if detail is not None:
            self.post_message(DetailLoaded(detail))

    def on_detail_loaded(self, message: DetailLoaded) -> None:
        services, row = self.house.services, self.table.row
        if services is None or row is None or run_date_of(row) != message.detail.batch.run_date:
            return
        kept = self.preview.view.day if self.preview.view and self._is_shown(run_date_of(row)) else None
        was_newest = kept is not None and self.preview.view is not None and kept is self.preview.view.computed[-1]
        chosen = kept.date if kept and not was_newest else None
        self.preview.show(BatchView(message.detail, services, self.house.now(), chosen))
        self.refresh_frame()

    def perform_earlier_day(self) -> None:
        """Shows the computed day before in the preview."""
        self._step_day(-1)

    def perform_later_day(self) -> None:
        """Shows the computed day after in the preview."""
        self._step_day(1)

    def _step_day(self, step: int) -> None:
        view = self.preview.view
        if view is not None:
            self.preview.show(view.on_day(view.neighbour(step)))

    @on(Table.Chosen, "#weeks")
    async def _open_clicked(self) -> None:
        await self.action_perform("open_batch")

    def perform_open_batch(self) -> None:
        """Opens the batch under the cursor."""
        from tui.screens.batch import BatchScreen  # not needed for the first paint

        row = self.table.row
        if row is not None:
            self.app.push_screen(BatchScreen(run_date_of(row), self.weeks), self._return_to)

    def _return_to(self, run_date: date | None) -> None:
        if run_date is not None:
            self.table.move_to_key(run_date)
