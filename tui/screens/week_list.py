"""Showing the list of weeks: read in pages, kept up to date, with a preview of the one under the cursor."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from textual import on, work
from textual.containers import Container, Vertical
from textual.widget import Widget

from core.mixing import SIMULATED
from tui.batch_view import BatchView
from tui.changes import NOTHING, Changes
from tui.commands import Situation
from tui.messages import BatchesRead, DetailLoaded, WeeksRead
from tui.outgoing import Export
from tui.screens.house import HouseScreen
from tui.screens.moving import Movable
from tui.status import Link
from tui.week_kinds import batch_of, is_missed, is_staged
from tui.weeks import LoadedWeeks, key_of
from tui.widgets.columns import Span
from tui.widgets.filter_line import FilterLine
from tui.widgets.preview import Preview
from tui.widgets.table import Table
from tui.widgets.week_columns import week_columns, week_words
from tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from core.week_list import WeekQuery, WeekRow

FIRST_PAGE = 60
PAGE = 100
LARGEST_PAGE = 500
# Holding a key down asks only for the batch that it stops at.
PREVIEW_AFTER_S = 0.04


class WeekListScreen(HouseScreen):
    """The list of weeks. Reads pages as the cursor nears the end, and again what was written meanwhile."""

    CSS_PATH = "home.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.weeks = LoadedWeeks()
        self.query_shown: WeekQuery | None = None
        self.query_asked: WeekQuery | None = None
        self._stale: Changes = NOTHING
        self.reading = asyncio.Lock()
        self.wanted_week: date | None = None

    def compose_body(self) -> Iterable[Widget]:
        yield FilterLine("ticker, state, week, or words of the reasoning")
        yield Container(
            Vertical(
                Table["WeekRow"]([], key_of, spanned=self._words_for, id="weeks"),
                Welcome(id="welcome"),
                id="list",
            ),
            Preview("preview"),
            id="body",
        )

    @property
    def table(self) -> "Table[WeekRow]":
        """The list."""
        return self.query_one("#weeks", Table)

    @property
    def preview(self) -> Preview:
        """The batch under the cursor."""
        return self.query_one(Preview)

    @property
    def filter_line(self) -> FilterLine:
        """Where the words to filter by are typed."""
        return self.query_one(FilterLine)

    @property
    def movable(self) -> Movable:
        return self.table

    @property
    def place(self) -> str:
        if not self.weeks.is_begun:
            return ""
        more = "+" if self.weeks.next_cursor else ""
        words = f"{len(self.weeks)}{more} {'week' if len(self.weeks) == 1 else 'weeks'}"
        return f"{words} found" if self.filter_line.value else words

    def situation(self) -> Situation:
        row, view = self.table.row, self.preview.view
        batch = batch_of(row)
        return replace(
            super().situation(),
            has_batch=batch is not None,
            is_active=batch is not None and batch.status == "active",
            is_missed=is_missed(row),
            is_staged=is_staged(row),
            has_days=view is not None and len(view.computed) > 0,
            is_filtered=bool(self.filter_line.value),
        )

    # Reading

    async def query_wanted(self) -> "WeekQuery":
        """What the operator asks to see; the core is imported once the first screen is painted."""
        from core.week_list import WeekQuery

        self.query_asked = replace(self.query_asked or WeekQuery(), words=self.filter_line.value)
        return self.query_asked

    def note_change(self, changes: Changes) -> None:
        self._stale |= changes

    async def look_again(self) -> None:
        if self.house.services is None:
            return
        stale, self._stale = self._stale, NOTHING
        try:
            await self._read_stale(stale)
        except BaseException:
            self._stale |= stale  # what was not read is still to be read
            raise
        if not self.query(Preview):
            return  # the app was left meanwhile
        view = self.preview.view
        if view is not None and stale.touches(view.detail.batch.run_date):
            self._read_detail()

    async def _read_stale(self, stale: Changes) -> None:
        async with self.reading:
            query = await self.query_wanted()
            if not self.weeks.is_begun or query != self.query_shown:
                await self.read_first(query, FIRST_PAGE)
            elif stale and self._fits_in_place(stale, query):
                await self._read_in_place(stale)
            elif stale:
                await self.read_first(query, max(len(self.weeks), FIRST_PAGE))

    def _fits_in_place(self, stale: Changes, query: "WeekQuery") -> bool:
        """Whether no row can have come, gone or moved: loaded batches alone were written, and weeks stand by date."""
        is_by_date = not query.words and query.sort == "week"
        return not stale.everything and is_by_date and stale.run_dates <= self.weeks.batches()

    async def read_first(self, query: "WeekQuery", count: int) -> None:
        """Reads the first `count` weeks of `query`, page by page, and shows them at once."""
        from core.week_list import week_page

        cursor, loaded = None, LoadedWeeks()
        while True:
            limit = min(LARGEST_PAGE, count - len(loaded))
            page = await self.ask(lambda services, c=cursor, n=limit: week_page(services, query, cursor=c, limit=n))  # type: ignore[misc]  # defaults bind the loop's values
            if page is None:
                return
            loaded, cursor = loaded.followed_by(page.rows, page.next_cursor), page.next_cursor
            if cursor is None or len(loaded) >= count:
                break
        self.post_message(WeeksRead(query, loaded))

    async def _read_in_place(self, stale: Changes) -> None:
        from core.week_list import batch_rows

        wanted = set(stale.run_dates)
        if stale.recent:
            near = [*self.weeks.rows[:FIRST_PAGE], *self.table.visible_rows]
            wanted |= {batch.run_date for row in near if (batch := batch_of(row)) is not None}
        rows = await self.ask(lambda services: batch_rows(services, wanted))
        if rows is not None:
            self.post_message(BatchesRead(rows))

    def on_weeks_read(self, message: WeeksRead) -> None:
        is_other_list = message.query != self.query_shown
        self.query_shown = message.query
        self._take(message.weeks)
        if is_other_list:
            self.table.move_to(0)
        if self.wants_last:
            self.perform_last()

    def on_batches_read(self, message: BatchesRead) -> None:
        self._take(self.weeks.with_batches(message.rows))

    def _take(self, weeks: LoadedWeeks) -> None:
        # The newest week is followed, as the end of a log is; any other row is kept.
        follows = self.table.cursor == 0
        self.weeks = weeks
        batches = [batch for row in weeks.rows if (batch := batch_of(row)) is not None]
        if batches:
            self.house.note_simulated(any(batch.source == SIMULATED for batch in batches))
        services, query = self.house.services, self.query_shown
        assert services is not None  # rows come from it
        assert query is not None  # rows answer it
        today = services.calendar.exchange_date(self.house.now())
        self.table.show(weeks.rows, week_columns(weeks.rows, today, query))
        if follows:
            self.table.move_to(0)
        self.find_wanted()
        self._show_welcome()
        self.refresh_frame()

    def find_wanted(self) -> None:
        """Puts the cursor on the week that is to be under it, batch or not, as soon as there is a row for it."""
        if self.wanted_week is not None and any(
            self.table.move_to_key((has_batch, self.wanted_week)) for has_batch in (True, False)
        ):
            self.wanted_week = None

    def _show_welcome(self) -> None:
        has_rows, is_filtered = bool(self.weeks.rows), bool(self.filter_line.value)
        is_empty = not has_rows and (self.weeks.is_begun or self.house.status.link is not Link.OPEN)
        self.table.display = has_rows
        self.preview.set_class(not has_rows, "-empty")
        self.query_one(Welcome).show(is_filtered=is_filtered)
        self.query_one(Welcome).display = is_empty
        if has_rows and self.focused is None:
            self.table.focus()

    @on(Table.NearEnd, "#weeks")
    def _read_on(self) -> None:
        if self.weeks.next_cursor is not None and not self.reading.locked():
            self._read_next(PAGE)

    @work(group="paging", exclusive=True)
    async def _read_next(self, limit: int) -> None:
        from core.week_list import week_page

        async with self.reading:
            query, loaded = self.query_shown, self.weeks
            if loaded.next_cursor is None or query is None:
                return
            page = await self.ask(lambda services: week_page(services, query, cursor=loaded.next_cursor, limit=limit))
            if page is not None:
                self.post_message(WeeksRead(query, loaded.followed_by(page.rows, page.next_cursor)))

    def perform_last(self) -> None:
        """Goes to the last week, reading up to it first."""
        self.wants_last = self.weeks.next_cursor is not None
        if self.wants_last:
            self._read_next(LARGEST_PAGE)
        else:
            self.table.move_to(self.LAST)

    # The preview

    def _words_for(self, row: "WeekRow") -> Span | None:
        status = self.house.status
        return week_words(row, self.house.now(), may_write=status.mode.may_write, is_paused=status.is_paused)

    @on(Table.Highlighted, "#weeks")
    def _show_preview(self) -> None:
        self.refresh_frame()
        row = self.table.row
        batch = batch_of(row)
        if batch is None:
            self.preview.show_week(
                row, self.house.now(), self.situation(), self.house.commands, is_paused=self.house.status.is_paused
            )
        elif not self._is_shown(batch.run_date):
            self._read_detail()

    def show_pause(self, is_paused: bool) -> None:
        view = self.preview.view
        if view is not None:
            self.preview.show(view.while_paused(is_paused))
        self.table.show(self.table.rows)  # it keeps what it has drawn until it is given rows

    def _is_shown(self, run_date: date) -> bool:
        view = self.preview.view
        return view is not None and view.detail.batch.run_date == run_date

    @work(group="preview", exclusive=True)
    async def _read_detail(self) -> None:
        await asyncio.sleep(PREVIEW_AFTER_S)
        batch = None
        with self.while_it_stands():
            batch = batch_of(self.table.row)
        if batch is None:
            return
        from core import reading  # the driver is imported once the first screen is painted

        run_date = batch.run_date
        detail = await self.ask(lambda services: reading.batch_detail(services, run_date))
        if detail is not None:
            self.post_message(DetailLoaded(detail))

    def on_detail_loaded(self, message: DetailLoaded) -> None:
        services, batch = self.house.services, batch_of(self.table.row)
        if services is None or batch is None or batch.run_date != message.detail.batch.run_date:
            return
        shown = self.preview.view if self._is_shown(batch.run_date) else None
        # A day that was chosen stays; the newest one is followed.
        chosen = shown.day.date if shown and shown.day and shown.day is not shown.computed[-1] else None
        is_paused = self.house.status.is_paused
        self.preview.show(BatchView(message.detail, services, self.house.now(), chosen, is_paused=is_paused))
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

    async def exported(self) -> Export | None:
        from tui.week_export import every_week

        query = await self.query_wanted()
        return await self.ask(lambda services: every_week(services, query), patience_s=None)
