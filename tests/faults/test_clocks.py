"""Clocks that jump, machines that sleep, hosts in any zone, and dates at which clocks or markets change."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catch_up import Existing, plan
from core.due_work import run_due_work
from core.picks.source import PickDraft
from core.prices.source import Answer
from db.embedded import EmbeddedServer
from db.records import ActiveBatch, Batch, BatchStatus
from tests.core.world import FIRST, SECOND, World, all_closes
from tests.databases import make_template
from tests.fakes import ScriptedPrices, exchange
from tests.faults.clocks import RULES, SCENARIOS, ClockFigures, Scenario, run, world
from tests.faults.market import CALENDAR, TEMPLATE
from tests.faults.rows import content

NAMES = sorted(available_timezones())
# When the closes of these days have settled, as read off the exchange's published hours: standard time is five hours
# behind UTC, summer time four, and a half day ends at 13:00.
SETTLED = [
    (date(2020, 3, 6), "2020-03-06T21:30Z"),
    (date(2020, 3, 9), "2020-03-09T20:30Z"),
    (date(2020, 10, 30), "2020-10-30T20:30Z"),
    (date(2020, 11, 2), "2020-11-02T21:30Z"),
    (date(2020, 11, 27), "2020-11-27T18:30Z"),
    (date(2020, 12, 24), "2020-12-24T18:30Z"),
    (date(2020, 12, 25), "2020-12-25T21:30Z"),
    (date(2021, 1, 1), "2021-01-01T21:30Z"),
    (date(2020, 1, 20), "2020-01-20T21:30Z"),
]


@pytest.fixture(scope="module")
def faults_server(server: EmbeddedServer) -> EmbeddedServer:
    make_template(server, TEMPLATE)
    return server


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_rows_are_those_of_an_undisturbed_run(faults_server: EmbeddedServer, scenario: Scenario) -> None:
    figures = ClockFigures()
    run(faults_server, scenario, None, figures)
    assert figures.is_clean, figures


@pytest.mark.parametrize(("number", "zone"), [(0, "Pacific/Kiritimati"), (7, "America/Los_Angeles")])
def test_the_rows_are_the_same_on_a_host_in_another_zone(faults_server: EmbeddedServer, number: int, zone: str) -> None:
    figures = ClockFigures()
    run(faults_server, SCENARIOS[number], zone, figures)
    assert figures.is_clean, figures


@pytest.mark.parametrize(("day", "settled"), SETTLED)
async def test_a_day_is_written_at_the_first_look_after_its_close_has_settled(
    conninfo: str, day: date, settled: str
) -> None:
    at, week = datetime.fromisoformat(settled), day - timedelta(days=day.weekday())
    async with world(conninfo, (week,)) as (services, clock, market):
        for instant in (CALENDAR.at(week, RULES.open_at), at - timedelta(minutes=1)):
            clock.instant = market.now = instant
            await run_due_work(services)
        assert f"{week} {day}" not in days_in(conninfo)
        clock.instant = market.now = at
        await run_due_work(services)
        assert f"{week} {day}" in days_in(conninfo)


def days_in(conninfo: str) -> Sequence[str]:
    return [row.key for row in content(conninfo) if row.table == "checkpoints"]


@contextmanager
def host_in(zone: str) -> Iterator[None]:
    """This process as if its machine were in `zone`."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.datetimes(datetime(2020, 1, 1), datetime(2021, 12, 31)))  # noqa: DTZ001 - made aware
def test_what_is_due_does_not_depend_on_where_the_host_is(zone: str, naive: datetime) -> None:
    instant = naive.replace(tzinfo=UTC)
    monday = CALENDAR.exchange_date(instant) - timedelta(days=CALENDAR.exchange_date(instant).weekday() + 7)
    batch = Batch(UUID(int=1), instant, monday, "SPY", Decimal(1), BatchStatus.ACTIVE)
    existing = Existing((ActiveBatch(batch, frozenset(), "", ""),), (), monday, False, ())
    expected = plan(existing, CALENDAR, RULES, instant, rest_until=instant)
    with host_in(zone):
        for read in (instant.astimezone(), instant.astimezone(ZoneInfo(zone))):
            found = plan(existing, CALENDAR, RULES, read, rest_until=read)
            assert replace(found, now=instant) == expected


async def test_prices_that_come_after_the_opening_open_nothing(conninfo: str) -> None:
    here = World(conninfo)
    here.clock.instant = exchange(FIRST.isoformat(), "09:29")

    class Slow(ScriptedPrices):
        async def closes(self, *args: Any) -> Answer:
            here.clock.instant = exchange(FIRST.isoformat(), "09:30")
            return await super().closes(*args)

    async with here.services(Slow(all_closes())) as services:
        report, planned = await run_due_work(services)
    assert planned.opening == FIRST
    assert (report.opened, list(report.unopened)) == (0, [FIRST])
    assert content(conninfo) == []


async def test_a_job_that_fails_stops_no_other(conninfo: str) -> None:
    """A pick source with a defect keeps no day from being written, nor a price source the one after it."""

    class Broken:
        name = "broken"

        async def picks(self, run_date: date) -> Sequence[PickDraft]:
            raise KeyError("a defect")

        basis, settle_delay = None, timedelta(0)

        async def closes(self, *_: object) -> object:
            raise ZeroDivisionError

    here = World(conninfo)
    async with here.services() as services:
        await run_due_work(services)
        here.clock.instant = exchange(SECOND.isoformat(), "09:10")
        defective = replace(services, pick_source=Broken(), sources=(Broken(), here.prices))  # type: ignore[arg-type]
        report, planned = await run_due_work(defective)
        assert planned.opening == SECOND
        assert list(report.unopened) == [SECOND]
    written = days_in(conninfo)
    assert f"{FIRST} {FIRST}" in written
    assert f"{FIRST} {SECOND - timedelta(days=1)}" in written
