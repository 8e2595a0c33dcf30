"""A clock that is set at any statement of a tick: what is written is what a right clock would have had written."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import AsyncCursor

from core.clock import ClockError
from core.due_work import run_due_work
from core.services import Services
from db import events
from db.embedded import EmbeddedServer
from tests.core.world import World, all_closes
from tests.databases import cloned
from tests.fakes import ScriptedPrices, exchange
from tests.faults.rows import Row, content

# The exchange was closed on a day on which the calendar expects a session.
CLOSED = date(2020, 1, 8)
MOMENTS = [
    exchange("2020-01-06", "08:50"),
    exchange("2020-01-06", "09:00"),
    exchange("2020-01-06", "16:00"),
    exchange("2020-01-07", "17:00"),
    exchange("2020-01-10", "17:00"),
    exchange("2020-01-13", "09:00"),
    exchange("2020-01-14", "08:00"),
    exchange("2020-01-20", "09:35"),
    exchange("2020-01-22", "17:00"),
    exchange("2020-02-03", "17:00"),
]
MOST_STATEMENTS = 24
STEPS = st.sampled_from([
    sign * step
    for step in (timedelta(minutes=2), timedelta(minutes=30), timedelta(days=1), timedelta(days=7), timedelta(days=365))
    for sign in (1, -1)
])  # fmt: skip
# The clock is set at some statements, to be wrong or to be right again.
SETTINGS = st.dictionaries(st.integers(0, MOST_STATEMENTS), st.one_of(STEPS, STEPS, st.just(timedelta(0))), max_size=3)


@contextmanager
def setting(world: World, settings: Mapping[int, timedelta]) -> Iterator[None]:
    """The machine's clock is that much ahead of the true one from the numbered statements on; the server's is right."""
    truth, execute, clock_time, passed = world.clock.instant, AsyncCursor.execute, events.clock_time, 0

    def is_ahead_by(ahead: timedelta) -> None:
        world.clock.ahead, world.clock.instant = ahead, truth + ahead

    async def counted(cursor: AsyncCursor[Any], *args: Any, **options: Any) -> AsyncCursor[Any]:
        nonlocal passed
        if passed in settings:
            is_ahead_by(settings[passed])
        passed += 1
        return await execute(cursor, *args, **options)

    async def true_time(connection: Any) -> datetime:
        await clock_time(connection)
        return truth

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncCursor, "execute", counted)
        patch.setattr(events, "clock_time", true_time)
        try:
            yield
        finally:
            is_ahead_by(timedelta(0))


@asynccontextmanager
async def scheduling(server: EmbeddedServer, template: str) -> AsyncIterator[tuple[World, Services]]:
    with cloned(server, template) as conninfo:
        everything = all_closes()
        world = World(conninfo)
        world.prices = ScriptedPrices({
            symbol: {day: close for day, close in closes.items() if day != CLOSED}
            for symbol, closes in everything.items()
        })  # fmt: skip
        async with world.services() as services:
            yield world, services


async def tick(world: World, services: Services, settings: Mapping[int, timedelta]) -> list[Row]:
    """The rows after a tick; prices come out with time, so that nobody can know what is still to come."""
    complete, truth = world.prices.closes_by_symbol, world.clock.instant
    world.prices.closes_by_symbol = {
        symbol: {day: close for day, close in closes.items() if exchange(day.isoformat(), "16:00") < truth}
        for symbol, closes in complete.items()
    }
    try:
        with setting(world, settings):
            await run_due_work(services)
    except ClockError:
        pass
    finally:
        world.prices.closes_by_symbol = complete
    return content(world.conninfo)


class Moments(list[list[Row]]):
    """Rows after each moment; too many to be shown with each example that fails."""

    def __repr__(self) -> str:
        return f"{len(self)} moments"


@pytest.fixture(scope="module")
def right(server: EmbeddedServer, template: str) -> Moments:
    """The rows after each moment, by a clock that is right."""

    async def rows() -> list[list[Row]]:
        async with scheduling(server, template) as (world, services):
            found = []
            for world.clock.instant in MOMENTS:
                found.append(await tick(world, services, {}))
            return found

    return Moments(asyncio.run(rows()))


def test_the_right_rows_hold_openings_a_closure_and_missed_weeks(right: Moments) -> None:
    at_the_end = Counter((row.table, row.key.split()[0]) for row in right[-1])
    assert at_the_end["batches", "2020-01-06"] == at_the_end["batches", "2020-01-13"] == 1
    assert [row.key for row in right[-2] if row.is_missed] == ["batch_missed 2020-01-20"]
    assert ("checkpoints", f"2020-01-06 {CLOSED}", "skipped") in right[-1]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(drawn=[{12: timedelta(minutes=2), 15: timedelta(0)} if place == 4 else {} for place in range(len(MOMENTS))])
@given(drawn=st.lists(SETTINGS, min_size=len(MOMENTS), max_size=len(MOMENTS)))
def test_no_row_differs_from_those_of_a_right_clock(
    server: EmbeddedServer, template: str, right: Moments, drawn: list[dict[int, timedelta]]
) -> None:
    async def run() -> None:
        async with scheduling(server, template) as (world, services):
            for world.clock.instant, settings, expected in zip(MOMENTS, drawn, right, strict=True):
                disturbed = await tick(world, services, settings)
                allowed = {row.without_status for row in expected}
                assert {row.without_status for row in disturbed} <= allowed, world.clock.instant
                assert await tick(world, services, {}) == expected, world.clock.instant

    asyncio.run(run())
