"""A pause in the log: its beginning and end once each, and the Mondays that were missed because of it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import pausing
from core.due_work import run_due_work
from core.pausing import Pause, PauseSpan, ReasonError, begin_pause, pause, pause_over, resume
from db import leadership
from tests.core.world import FIRST, SECOND, THIRD, World
from tests.fakes import exchange

LOG = "select event_type, batch_id, payload from events where event_type like 'schedule_%' order by id"
MISSED = """
select payload ->> 'run_date', payload ->> 'cause', payload ->> 'detail'
from events where event_type = 'batch_missed' order by 1
"""
BEGAN = exchange("2020-01-12", "20:00")


@pytest.fixture
async def world(conninfo: str) -> World:
    """The first week is opened; the second one's opening is still to come."""
    world = World(conninfo)
    async with world.services() as services:
        await run_due_work(services)
    world.clock.instant = BEGAN
    return world


async def missed(world: World, at: datetime) -> list[tuple[Any, ...]]:
    """What is told of missed weeks by a look for work at an instant."""
    world.clock.instant = at
    async with world.services() as services:
        await run_due_work(services)
    return world.rows(MISSED)


async def test_beginning_and_end_are_logged_once_however_often_they_are_told(world: World) -> None:
    async with world.services() as services:
        first, has_begun = await begin_pause(services, "ann@host", " moving house ")
        assert (first, has_begun) == (Pause("ann@host", BEGAN, "moving house"), True)
        world.clock.instant += timedelta(hours=1)
        assert await begin_pause(services, "bob@host", "another") == (first, False)
        ended = world.clock.instant = BEGAN + timedelta(hours=2)
        assert await resume(services, "bob@host") == first
        assert await resume(services, "ann@host") is None
    assert world.rows(LOG) == [
        ("schedule_paused", None, {"who": "ann@host", "reason": "moving house"}),
        (
            "schedule_resumed",
            None,
            {
                "who": "bob@host",
                "paused_by": "ann@host",
                "paused_since": BEGAN.isoformat(),
                "reason": "moving house",
                "resumed_at": ended.isoformat(),
            },
        ),
    ]


async def test_of_those_who_pause_and_resume_at_the_same_moment_one_is_logged(world: World) -> None:
    async with world.services() as one, world.services() as other:
        for _ in range(5):
            begun = await asyncio.gather(*(begin_pause(some, who) for some, who in ((one, "ann"), (other, "bob"))))
            assert sorted(has_begun for _, has_begun in begun) == [False, True]
            assert begun[0][0] == begun[1][0]
            ended = await asyncio.gather(resume(one, "ann"), resume(other, "bob"))
            assert [each for each in ended if each is not None] == [begun[0][0]]
    assert [row[0] for row in world.rows(LOG)] == ["schedule_paused", "schedule_resumed"] * 5


async def test_neither_event_nor_pause_is_left_by_half(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(*_: object) -> None:
        raise RuntimeError

    async with world.services() as services:
        monkeypatch.setattr("db.events.notify_schedule", failing)
        with pytest.raises(RuntimeError):
            await pause(services, "ann")
        async with services.database.connection() as connection:
            assert await pausing.read_pause(connection) is None
        monkeypatch.undo()
        await pause(services, "ann")
        monkeypatch.setattr("db.events.notify_schedule", failing)
        with pytest.raises(RuntimeError):
            await resume(services, "ann")
        async with services.database.connection() as connection:
            assert await pausing.read_pause(connection) is not None
    assert [row[0] for row in world.rows(LOG)] == ["schedule_paused"]


@pytest.mark.parametrize("reason", ["x" * 301, "nul \0", "half \ud800"])
async def test_a_reason_that_cannot_be_kept_is_refused_and_nothing_written(world: World, reason: str) -> None:
    async with world.services() as services:
        with pytest.raises(ReasonError):
            await pause(services, "ann", reason)
        assert (
            await pause(services, "w\0\udcff" + "é" * 200, "x" * 300)
        ).who == "w\N{REPLACEMENT CHARACTER}?" + "é" * 97
        assert (await resume(services, "\udcff")) is not None
    assert len(world.rows(LOG)) == 2


async def test_a_monday_that_passed_while_paused_says_so_once_the_pause_is_over(world: World) -> None:
    async with world.services() as services:
        await pause(services, "ann@host", "moving house")
        world.clock.instant = exchange("2020-01-14")
        await resume(services, "bob@host")
    words = "by ann@host since 2020-01-12 20:00 exchange time: moving house"
    assert await missed(world, exchange("2020-01-14", "18:00")) == [(str(SECOND), "paused", words)]
    assert await missed(world, exchange("2020-01-20", "09:30")) == [
        (str(SECOND), "paused", words),
        (str(THIRD), "not_running", ""),
    ]


async def test_two_pauses_between_two_looks_are_told_apart(world: World) -> None:
    async with world.services() as services:
        for who, began, ended in (
            ("ann", BEGAN, exchange("2020-01-13", "12:00")),
            ("bob", exchange("2020-01-15"), exchange("2020-01-16")),
            ("eve", exchange("2020-01-20", "08:00"), exchange("2020-01-21")),
        ):
            world.clock.instant = began
            await pause(services, who)
            world.clock.instant = ended
            await resume(services, "ann")
    told = await missed(world, exchange("2020-01-22"))
    assert [(row[0], row[1], row[2][:6]) for row in told] == [
        (str(SECOND), "paused", "by ann"),
        (str(THIRD), "paused", "by eve"),
    ]


async def test_a_job_run_by_hand_during_the_pause_tells_of_it_too(world: World) -> None:
    async with world.services() as services:
        await pause(services, "ann")
    [(_, cause, detail)] = await missed(world, exchange("2020-01-13", "09:30"))
    assert (cause, detail) == ("paused", "by ann since 2020-01-12 20:00 exchange time")


async def test_a_try_that_failed_tells_more_than_a_pause_before_it_and_less_than_one_after(world: World) -> None:
    world.picks.weeks = {FIRST}
    for week, began, ended, tried in (
        (SECOND, "08:00", "09:10", "09:20"),
        (THIRD, "09:10", "11:00", "09:05"),
    ):
        async with world.services() as services:
            moments = sorted([(began, "pause"), (ended, "resume"), (tried, "try")])
            for clock_time, act in moments:
                world.clock.instant = exchange(str(week), clock_time)
                match act:
                    case "pause":
                        await pause(services, "ann")
                    case "resume":
                        await resume(services, "ann")
                    case _:
                        await run_due_work(services)
    told = await missed(world, exchange("2020-01-22"))
    assert [row[:2] for row in told] == [(str(SECOND), "picks_not_yet"), (str(THIRD), "paused")]


async def test_a_pause_or_resumption_noted_in_an_unknown_form_stops_nothing(world: World, owner_conninfo: str) -> None:
    async with world.services() as services, services.database.transaction() as connection:
        await connection.execute(
            "insert into events (id, event_type, payload) values "
            "(gen_random_uuid(), 'schedule_resumed', '[1]'), (gen_random_uuid(), 'schedule_resumed', '{\"who\": 1}'), "
            '(gen_random_uuid(), \'schedule_resumed\', \'{"paused_since": "x", "resumed_at": "2020-01-14"}\')'
        )
        await leadership.note(connection, pausing.PAUSE_FACT, {"who": 7, "since": [], "reason": {}})
    [(_, cause, detail)] = await missed(world, exchange("2020-01-13", "09:30"))
    assert (cause, detail) == ("not_running", ""), "the pause begins when it was noted, which is after that Monday"


INSTANTS = st.integers(0, 40).map(lambda minutes: exchange("2020-01-13", "09:00") + timedelta(minutes=minutes))
SPANS = st.builds(
    lambda since, until: PauseSpan(Pause("ann", since), until if until and until > since else None),
    INSTANTS,
    st.none() | INSTANTS,
)


@settings(deadline=None)  # a machine that is busy otherwise proves nothing
@given(st.lists(SPANS, max_size=4), INSTANTS, st.integers(1, 30))
def test_the_pause_that_tells_is_one_that_was_in_force_and_the_last_moment_counts_most(
    spans: list[PauseSpan], first: datetime, minutes: int
) -> None:
    last = first + timedelta(minutes=minutes)
    found = pause_over(spans, first, last)
    in_force = [
        span
        for span in spans
        if any(span.holds_at(first + timedelta(minutes=minute)) for minute in range(minutes))
        or (first < span.pause.since < last)
    ]
    assert (found is None) == (not in_force)
    if found is not None:
        assert found in in_force
        assert found.holds_at(last) or not any(span.holds_at(last) for span in in_force)
