"""Showing the log of events: read in pages, kept up to date, with the payload of the one under the cursor."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from rich.text import Text
from textual import on, work
from textual.containers import Container, Vertical, VerticalScroll
from textual.widget import Widget

from core.reading import EventPage
from db.events import EventType
from db.records import LoggedEvent
from tui.changes import Changes
from tui.commands import Situation
from tui.event_pages import PAGE, EventQuery, cut, newest, read_again, read_on
from tui.messages import EventsRead
from tui.screens.house import HouseScreen
from tui.screens.moving import Movable
from tui.status import Link
from tui.widgets.batch_parts import joined, rule
from tui.widgets.event_log import LOGGED_EVENT_COLUMNS, Payload, event_time, event_type
from tui.widgets.filter_line import FilterLine
from tui.widgets.nothing import Nothing
from tui.widgets.preview import Part
from tui.widgets.table import Table
from tui.widgets.type_line import TypeLine

FIRST_PAGE = 100
NEXT_PAGE = 200
_MOST_COUNTED = 999
# As the breakpoints -roomy and -tall: below both, the payload has a few lines only.
_WIDE_ENOUGH, _HIGH_ENOUGH = 110, 34


class EventListScreen(HouseScreen):
    """Reads pages as the cursor nears the end, and again from the newest down to the cursor what may have changed."""

    CSS_PATH = "events.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.shown: EventPage | None = None
        self.is_following = True
        self._query_shown = EventQuery()
        self.chosen_type: EventType | None = None
        self._reading = asyncio.Lock()
        self._changes = self._changes_shown = self._all_changed = 0

    def compose_body(self) -> Iterable[Widget]:
        yield FilterLine("words of the type or the payload, such as a ticker or a date")
        yield TypeLine()
        with Container(id="body"):
            with Vertical(id="list"):
                yield Table[LoggedEvent](LOGGED_EVENT_COLUMNS, lambda event: event.id, id="log")
                yield Nothing(self._nothing_words)
            with Vertical(id="whole"):
                yield Part("payload-rule")
                with VerticalScroll(id="payload", can_focus=False):
                    yield Payload()

    @property
    def table(self) -> Table[LoggedEvent]:
        """The list."""
        return self.query_one("#log", Table)

    @property
    def movable(self) -> Movable:
        return self.table

    @property
    def event_query(self) -> EventQuery:
        """What the operator asks to see."""
        return EventQuery(self.chosen_type, self.query_one(FilterLine).value)

    @property
    def place(self) -> str:
        if self.shown is None:
            return ""
        count = len(self.shown.events)
        words = f"{count}{'+' if self.shown.next_cursor else ''} {'event' if count == 1 else 'events'}"
        words += " found" if self._query_shown.is_filtered else ""
        return f"following · {words}" if self.is_following else words

    def situation(self) -> Situation:
        row = self.table.row
        return replace(
            super().situation(),
            has_batch=row is not None and row.batch_id is not None,
            is_filtered=self.event_query.is_filtered,
        )

    def on_mount(self) -> None:
        self._show_table()
        self.watch(self.app, "status", self._show_table, init=False)
        self.watch(self.table, "scroll_y", self.show_types, init=False)
        self.show_types()

    # Reading

    def note_change(self, changes: Changes) -> None:
        self._changes += 1
        if changes.everything:
            self._all_changed = self._changes  # it may be another database: what is shown is no place to read on from

    async def look_again(self) -> None:
        if self.house.services is None:
            return
        async with self._reading:
            query, changes, shown = self.event_query, self._changes, self.shown
            if shown is None or query != self._query_shown or self._changes_shown < self._all_changed:
                count = FIRST_PAGE if query != self._query_shown else self._wanted_count
                page = await self.ask(lambda services: newest(services, query, count))
            elif changes != self._changes_shown:
                kept = cut(shown, self._wanted_count)
                page = await self.ask(lambda services: read_again(services, query, kept))
            else:
                return
            if page is not None:
                self._changes_shown = changes
                self.post_message(EventsRead(query, page))

    @property
    def _wanted_count(self) -> int:
        """How many events are worth reading again: what is far below the cursor is read when it is gone to."""
        return max(FIRST_PAGE, self.table.cursor + 2 * self.app.size.height)

    def on_events_read(self, message: EventsRead) -> None:
        is_other_list = message.query != self._query_shown
        self._query_shown, self.shown = message.query, message.page
        self.table.show(message.page.events)
        if is_other_list or self.is_following:
            self.table.move_to(0)
        self._show_table()
        self.show_types()
        self.refresh_frame()
        if self.wants_last:
            self.perform_last()

    @on(Table.NearEnd, "#log")
    def _read_on(self) -> None:
        if self.shown is not None and self.shown.next_cursor is not None and not self._reading.locked():
            self._read_next(NEXT_PAGE)

    @work(group="paging", exclusive=True)
    async def _read_next(self, limit: int) -> None:
        async with self._reading:
            query, shown = self._query_shown, self.shown
            if shown is None or shown.next_cursor is None:
                return
            page = await self.ask(lambda services: read_on(services, query, shown, limit))
            if page is not None:
                self.post_message(EventsRead(query, page))

    def perform_last(self) -> None:
        """Goes to the oldest event, reading up to it first."""
        self.wants_last = self.shown is not None and self.shown.next_cursor is not None
        if self.wants_last:
            self._read_next(PAGE)
        else:
            self.table.move_to(self.LAST)

    # Showing

    def _show_table(self) -> None:
        has_rows = bool(self.table.rows)
        is_empty = not has_rows and (self.shown is not None or self.house.status.link is not Link.OPEN)
        self.table.display = self.query_one("#whole").display = has_rows
        nothing = self.query_one(Nothing)
        nothing.display = is_empty
        nothing.changed()
        if has_rows and self.focused is None:
            self.table.focus()

    def show_types(self) -> None:
        """Shows which type is chosen, and how the list stands to the newest event."""
        above = int(self.table.scroll_offset.y)
        count = f"{above}" if above <= _MOST_COUNTED else f"{_MOST_COUNTED}+"
        note = Text(f"{count} newer", style="quiet") if above else Text()
        if self.is_following:  # the place line says so too, where it has room
            note = Text("following" if self.app.size.width < _WIDE_ENOUGH else "", style="name")
        self.query_one(TypeLine).show(self.chosen_type, note)

    def _nothing_words(self) -> Text:
        if self._query_shown.is_filtered:
            key = self.house.commands["home"].keys[0]
            return Text.assemble(
                "No event is of this type and holds all of these words.  ",
                (key, "key"),
                ("  shows every event", "quiet"),
            )
        return Text.assemble(
            ("Nothing has happened yet.\n\n", "strong"),
            "Here will stand, newest first and as it happens: every batch opened, missed, completed or failed, every "
            "day computed or skipped, and every price that a source revised, each with where its figures came from.",
        )

    @on(Table.Highlighted, "#log")
    def _show_payload(self) -> None:
        if self.is_following and self.table.cursor:
            self.is_following = False  # who moves away wants to stay there
            self.show_types()
        self._draw_payload()
        self.refresh_frame()

    def on_resize(self) -> None:
        self._draw_payload()

    def _draw_payload(self) -> None:
        event = self.table.row
        in_brief = self.app.size.width < _WIDE_ENOUGH and self.app.size.height < _HIGH_ENOUGH
        self.query_one(Payload).show(event, in_brief=in_brief)
        self.query_one("#payload", VerticalScroll).scroll_home(animate=False)
        self.query_one(Part).show(None if event is None else lambda width: _heading(event, width))


def _heading(event: LoggedEvent, width: int) -> Text:
    parts = [Text(f"{event_time(event)} ET", style="strong"), event_type(event)]
    if event.run_date is not None:
        parts.append(Text(f"week {event.run_date}"))
    return rule(joined(parts, width - 6), width)
