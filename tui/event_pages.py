"""The log of events as a list reads it: pages of a query put together, read again where they may have grown."""

import json
from dataclasses import dataclass
from datetime import date

from core.reading import EventPage, event_page, events_after
from core.services import Services
from db.events import EventType
from db.records import LoggedEvent
from tui.outgoing import Export

PAGE = 500
HEADER = ("id", "created_at", "run_date", "event_type", "payload")


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events are asked for: those of a type (None: of all) that hold every one of the words."""

    event_type: EventType | None = None
    words: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether events are left out."""
        return self.event_type is not None or bool(self.words)


async def newest(services: Services, query: EventQuery, count: int) -> EventPage:
    """At least the newest `count` events, if there are so many."""
    page = EventPage((), None)
    while True:
        page = await read_on(services, query, page, min(PAGE, count - len(page.events)))
        if page.next_cursor is None or len(page.events) >= count:
            return page


async def read_on(services: Services, query: EventQuery, page: EventPage, limit: int) -> EventPage:
    """`page` with at most `limit` more events below it."""
    more = await event_page(
        services, cursor=page.next_cursor, limit=limit, event_type=query.event_type, text=query.words
    )
    return EventPage((*page.events, *more.events), more.next_cursor)


async def read_again(services: Services, query: EventQuery, kept: EventPage) -> EventPage:
    """What stands now from the newest event down to the last of `kept`, however much was written meanwhile.

    Not only what is newer than `kept`: an event may appear below one that was seen before it (`events_after`).
    """
    oldest = kept.next_cursor
    above = await events_after(services, oldest, limit=PAGE, event_type=query.event_type, text=query.words)
    page = kept.refreshed(above)
    while page.next_cursor is not None and (oldest is None or page.next_cursor > oldest):
        page = await read_on(services, query, page, PAGE)
    return page


def cut(page: EventPage, count: int) -> EventPage:
    """The newest `count` events of `page`, to be read on from there."""
    if len(page.events) <= count:
        return page
    return EventPage(page.events[:count], page.events[count - 1].id)


async def every_event(services: Services, query: EventQuery) -> Export:
    """All events of `query` as a file holds them, the payload as JSON. Raises a DatabaseError."""
    rows: list[tuple[object, ...]] = []
    cursor = None
    while True:
        page = await event_page(services, cursor=cursor, limit=PAGE, event_type=query.event_type, text=query.words)
        rows += map(_values, page.events)
        cursor = page.next_cursor
        if cursor is None:
            return Export("alpha-monday-events", HEADER, rows)


def _values(event: LoggedEvent) -> tuple[str | date | None, ...]:
    return (
        str(event.id),
        event.created_at.isoformat(),
        event.run_date,
        event.event_type,
        json.dumps(dict(event.payload), ensure_ascii=False, default=str),
    )
