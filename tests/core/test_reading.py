"""Pages of the log: filters that find what they say, pages that join, and a screen that follows without a gap."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from core.batches import NotFoundError
from core.due_work import run_due_work
from core.reading import EventPage, event_page, events_after
from core.services import Services
from db.embedded import EmbeddedServer
from db.events import EventType
from db.records import LoggedEvent
from tests.core.world import FIRST, SECOND, World
from tests.databases import cloned
from tests.fakes import exchange

WORDS = ("AAPL", "100%", "back\\slash", "_", "réserve", 'say "no"', "a.b", "*")
EXAMPLES = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Log:
    """A log that can be added to, and read through services."""

    writer: psycopg.Connection
    services: Services
    runner: asyncio.Runner

    def add(self, event_id: UUID, event_type: str, note: str) -> None:
        self.writer.execute(
            "insert into events (id, event_type, payload) values (%s, %s, %s)",
            (event_id, event_type, json.dumps({"note": note})),
        )

    def page(
        self,
        *,
        limit: int = 1000,
        cursor: UUID | None = None,
        text: str = "",
        event_type: EventType | None = None,
    ) -> EventPage:
        reading = event_page(self.services, limit=limit, cursor=cursor, text=text, event_type=event_type)
        return self.runner.run(reading)

    def after(self, newest: UUID | None, *, limit: int, text: str) -> EventPage:
        return self.runner.run(events_after(self.services, newest, limit=limit, text=text))


@pytest.fixture(scope="module")
def log(server: EmbeddedServer, template: str) -> Iterator[Log]:
    with (
        cloned(server, template) as conninfo,
        asyncio.Runner() as runner,
        psycopg.connect(conninfo, autocommit=True) as writer,
    ):
        opening = World(conninfo).services()
        yield Log(writer, runner.run(opening.__aenter__()), runner)
        runner.run(opening.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def filled_log(log: Log) -> Log:
    """Sixty events of two types whose notes hold zero to two of the words."""
    for number in range(60):
        note = " ".join(WORDS[(number * step) % len(WORDS)] for step in (3, 7)[: number % 3])
        log.add(uuid7(), (EventType.BATCH_FAILED, EventType.CHECKPOINT_SKIPPED)[number % 2], note)
    return log


def occurs(word: str, event: LoggedEvent) -> bool:
    told = f"{event.event_type} {json.dumps(dict(event.payload), ensure_ascii=False)}"
    return word.lower() in told.lower()


searches = st.lists(st.sampled_from([*WORDS, "aapl", "%", "A%", "no\\", "FAILED", "note", "absent"]), max_size=3)
types = st.sampled_from([None, EventType.BATCH_FAILED, EventType.CHECKPOINT_SKIPPED])


@EXAMPLES
@given(searches, types, st.integers(1, 25), st.sampled_from([" ", "  ", "\t"]))
def test_filtered_pages_in_turn_are_one_big_page(
    filled_log: Log, words: list[str], event_type: EventType | None, limit: int, blank: str
) -> None:
    text = blank.join(words)
    expected = [
        event
        for event in filled_log.page().events
        if all(occurs(word, event) for word in text.split()) and event_type in (None, event.event_type)
    ]
    pages = [filled_log.page(limit=limit, text=text, event_type=event_type)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(filled_log.page(limit=limit, cursor=cursor, text=text, event_type=event_type))
        assert len(pages) <= len(expected), "each page has something new"
    assert [event for page in pages for event in page.events] == expected
    assert all(len(page.events) == limit for page in pages[:-1])
    assert filled_log.page(text=text, event_type=event_type) == EventPage(tuple(expected), None)


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "%", "_____", "' or true --"])
def test_text_that_occurs_nowhere_finds_nothing(log: Log, text: str) -> None:
    log.add(uuid7(), "batch_failed", "plain words")
    found = [event for event in log.page(text=text).events if event.payload["note"] == "plain words"]
    assert found == []


def test_buy_and_sell_are_the_action_of_a_pick_of_the_events_batch(log: Log) -> None:
    notes = {}
    for number, (action, ticker) in enumerate((("SELL", "PEP"), ("BUY", "PEP"), ("SELL", "KO"))):
        batch, event = uuid7(), uuid7()
        log.writer.execute(
            "insert into batches values (%s, now(), %s, 'SPY', 100, 'active')",
            (batch, date(2020, 2, 3) + number * timedelta(days=7)),
        )
        for each, name in ((action, ticker), ("BUY", "XOM")):
            log.writer.execute("insert into picks values (%s, %s, %s, %s, 'sell-off', 1)", (uuid7(), batch, name, each))
        notes[event] = f"{action} {ticker}"
        payload = json.dumps({"note": f"sell-off of {ticker} and XOM", "mark": "acted"})
        log.writer.execute("insert into events values (%s, now(), %s, 'batch_opened', %s)", (event, batch, payload))
    log.writer.execute(
        "insert into events values (%s, now(), null, 'batch_failed', %s)", (uuid7(), '{"note": "acted, sell-off"}')
    )

    def found(text: str) -> list[str]:
        return sorted(notes[event.id] for event in log.page(text=f"{text} acted").events)

    assert found("sell") == ["SELL KO", "SELL PEP"]
    assert found("sell pep") == ["SELL PEP"]
    assert found("Buy pep") == ["BUY PEP"]
    assert found("sell sell-off") == ["SELL KO", "SELL PEP"]
    assert found("buy xom") == ["BUY PEP", "SELL KO", "SELL PEP"]
    assert found("sell xom") == []
    assert len(log.page(text="sell-off acted").events) == 4


@EXAMPLES
@given(st.permutations(range(12)), st.integers(0, 12), st.lists(st.integers(0, 4), max_size=6), st.integers(1, 6))
def test_a_screen_that_follows_shows_what_stands_whatever_commits_when(
    log: Log, order: list[int], before: int, steps: list[int], limit: int
) -> None:
    """Events commit in any order of their ids; what is shown down to its last row is always what a reload shows."""
    mark = uuid7().hex
    ids = [uuid7() for _ in order]
    commits = iter(order)

    def commit(number: int) -> None:
        for _, position in zip(range(number), commits, strict=False):
            log.add(ids[position], "batch_failed", mark)

    commit(before)
    shown = log.page(limit=limit, text=mark)
    for step in steps:
        commit(step)
        shown = shown.refreshed(log.after(shown.next_cursor, limit=limit, text=mark))
        everything = log.page(text=mark).events
        assert shown.events == everything[: len(shown.events)]
        below = log.page(cursor=shown.next_cursor, text=mark).events if shown.next_cursor else ()
        assert shown.events + below == everything


def test_reading_on_from_the_newest_one_overlooks_what_commits_late(log: Log) -> None:
    """The fact for which a screen reads from the oldest event that it shows."""
    mark = uuid7().hex
    first, oldest, late, newest = (uuid7() for _ in range(4))
    log.add(first, "batch_failed", mark)
    log.add(oldest, "batch_failed", mark)
    log.add(newest, "batch_failed", mark)
    shown = log.page(limit=2, text=mark)
    log.add(late, "batch_failed", mark)
    assert log.after(newest, limit=9, text=mark).events == ()
    refreshed = shown.refreshed(log.after(shown.next_cursor, limit=9, text=mark))
    assert [event.id for event in refreshed.events] == [newest, late, oldest]


async def test_events_carry_the_week_that_they_are_about(conninfo: str) -> None:
    world = World(conninfo)
    world.picks.weeks = {FIRST}
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange((SECOND + timedelta(days=1)).isoformat())
        await run_due_work(services)
        found = await event_page(services, limit=100)
        assert {event.run_date for event in found.events} == {FIRST, SECOND}
        assert {event.event_type for event in found.events if event.run_date == SECOND} == {"batch_missed"}
        of_first = await events_after(services, None, run_date=FIRST, limit=100)
        assert of_first.events == tuple(event for event in found.events if event.run_date == FIRST)
        by_word = await event_page(services, limit=100, text=FIRST.isoformat())
        assert by_word.events == of_first.events, "a week is found by its date, whatever its events' payloads hold"
        for read in (event_page(services, run_date=SECOND), events_after(services, None, run_date=SECOND)):
            with pytest.raises(NotFoundError):
                await read
