"""Writing weeks: all of one or nothing, and once however many write."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core import batches
from core.backfill import backfill
from core.batches import record_missed
from core.checkpoints import Recorder
from core.due_work import due_work, run_due_work
from core.mixing import MixedPricesError
from core.picks.source import PickDraft
from core.prices.source import Close
from core.services import Services
from core.weeks import Week
from db import events
from db.embedded import EmbeddedServer
from db.errors import DatabaseError
from tests.core.world import CALENDAR, COUNTS, FIRST, PICKS, SECOND, SYMBOLS, THIRD, World, all_closes
from tests.databases import cloned
from tests.fakes import ScriptedPrices, exchange


async def fail(*_: object, **__: object) -> None:
    raise psycopg.errors.InternalError_("failed on purpose")


@pytest.mark.parametrize("late_statement", ["events.insert", "events.notify"])
async def test_a_week_is_written_whole_or_not_at_all(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch, late_statement: str
) -> None:
    """A statement after the rows fails: nothing is left, and the next try does all of it."""
    world.clock.instant = exchange("2020-02-03")
    with monkeypatch.context() as broken:
        broken.setattr(f"db.{late_statement}", fail)
        with pytest.raises(DatabaseError):
            await backfill(services, {FIRST: PICKS, SECOND: PICKS})
    assert world.rows() == []
    assert world.rows(COUNTS) == []
    assert (await backfill(services, {FIRST: PICKS, SECOND: PICKS})).opened == 2
    before = world.rows()
    with monkeypatch.context() as broken:
        broken.setattr(f"db.{late_statement}", fail)
        with pytest.raises(DatabaseError):
            await backfill(services, {FIRST: PICKS, THIRD: PICKS})
    assert world.rows() == before


async def test_one_close_spelled_in_two_ways_is_one_new_basis(world: World, services: Services) -> None:
    await run_due_work(services)
    for day, spelled in (("2020-01-06", "65.055"), ("2020-01-07", "65.05500"), ("2020-01-08", "65.0550")):
        closes = all_closes()
        closes["AAA"][date(2020, 1, 3)] = Close(Decimal(spelled))
        world.prices.closes_by_symbol = closes
        world.clock.instant = exchange(day)
        async with world.services(Trusted(closes)) as anew:
            await run_due_work(anew)
    assert world.rows("select payload ->> 'answered' from events where event_type = 'price_rebased'") == [("65.055",)]


@dataclass(slots=True)
class Trusted(ScriptedPrices):
    """Closes that the operator keeps."""

    is_taken_at_its_word: bool = True


async def test_two_writers_at_once_write_once(server: EmbeddedServer, template: str, world: World) -> None:
    """Twenty rounds, each on a database of its own, through each of the ways that write."""
    expected: list[tuple[Any, ...]] = []
    for turn in range(20):
        with cloned(server, template) as conninfo:
            world = World(conninfo)
            world.clock.instant = exchange("2020-02-03")
            async with world.services() as one, world.services() as other:
                if turn % 2:
                    both = [
                        backfill(one, {FIRST: PICKS, SECOND: PICKS}),
                        backfill(other, {SECOND: PICKS, FIRST: PICKS}),
                    ]
                    reports = list(await asyncio.gather(*both))
                else:
                    world.clock.instant = exchange("2020-01-06", "09:00")
                    reports = []
                    for moment in (world.clock.instant, exchange("2020-01-13", "09:00"), exchange("2020-02-03")):
                        world.clock.instant = moment
                        both_ticks = await asyncio.gather(run_due_work(one), run_due_work(other))
                        reports += [report for report, _ in both_ticks]
            assert sum(report.opened for report in reports) == 2
            assert sum(report.computed for report in reports) == 19
            assert sum(report.skipped for report in reports) == 9
            told = {name: count for name, count in world.rows(COUNTS) if name != "batch_missed"}
            assert told == {
                "batch_opened": 2,
                "batch_completed": 2,
                "checkpoint_computed": 19,
                "checkpoint_skipped": 9,
            }
            expected = expected or world.rows()
            assert world.rows() == expected


async def test_a_batch_that_fails_between_plan_and_write_gets_no_rows(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-07")
    asked = ScriptedPrices.closes

    async def failing_meanwhile(self: ScriptedPrices, *question: Any) -> Any:
        await batches.fail(services, FIRST, "Marked while the prices were fetched.")
        return await asked(self, *question)

    monkeypatch.setattr(ScriptedPrices, "closes", failing_meanwhile)
    report, planned = await run_due_work(services)
    assert [due.active.batch.run_date for due in planned.due] == [FIRST]
    assert (report.computed, report.skipped, report.waiting) == (0, 0, 0)
    assert [(row[1], row[3]) for row in world.rows()] == [("failed", None)], "one batch, and no day"
    assert dict(world.rows(COUNTS)) == {"batch_opened": 1, "batch_failed": 1}


async def test_a_missed_monday_is_noted_once_by_two_at_once(world: World) -> None:
    await open_first(world)
    world.picks.weeks = {FIRST}
    world.clock.instant = exchange("2020-01-13", "09:10")
    async with world.services() as one, world.services() as other:
        await run_due_work(one)
        world.clock.instant = exchange("2020-01-20", "09:40")
        assert (await due_work(one)).missed == (SECOND, THIRD)
        noted = await asyncio.gather(*(record_missed(some, (SECOND, THIRD), None) for some in (one, other, one, other)))
        assert sorted(noted) == [0, 0, 0, 2]
        assert (await due_work(other)).missed == ()
    told = world.rows(
        "select payload ->> 'run_date', payload ->> 'cause', payload ->> 'detail' from events "
        "where event_type = 'batch_missed' order by 1"
    )
    assert told[0] == ("2020-01-13", "picks_not_yet", "nothing for 2020-01-13")
    assert told[1][:2] == ("2020-01-20", "not_running")


async def test_a_tick_beside_a_backfill_notes_no_monday_that_the_backfill_is_about_to_open(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = list(CALENDAR.sessions(date(2019, 1, 2), date(2020, 2, 14)))
    world.prices.closes_by_symbol = {symbol: dict.fromkeys(sessions, Close(Decimal(100))) for symbol in SYMBOLS}
    weeks = [date(2019, 1, 7) + timedelta(weeks=number) for number in range(45)]
    gap = weeks.pop(30)
    world.clock.instant = exchange("2020-01-06", "18:00")
    ticks: list[int] = []
    write = Recorder.__call__

    async def write_and_tick(recorder: Recorder, some: Sequence[Week]) -> None:
        await write(recorder, some)
        ticks.append(await record_missed(ticking, (await due_work(ticking)).missed, None))

    async with world.services() as ticking:
        monkeypatch.setattr(Recorder, "__call__", write_and_tick)
        report = await backfill(services, dict.fromkeys(weeks, PICKS))
        assert report.opened == 44
        assert len(ticks) > 2, "several transactions, or nothing is proved"
        assert sum(ticks) == 1, "this week's Monday alone, which no backfill makes less missed"
        missed = (await due_work(ticking)).missed
        assert gap in missed
        assert not set(missed) & set(weeks)
        assert await record_missed(ticking, missed, None) == len(missed)
    assert missed_mondays(world) == sorted([*missed, FIRST])


async def test_a_backfill_that_was_killed_holds_up_no_missed_monday(world: World, services: Services) -> None:
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-27")
    async with services.database.dedicated() as killed, world.services() as ticking:
        await events.announce_backfill(killed)
        assert await record_missed(ticking, (SECOND, THIRD), None) == 0
        await killed.close()
        async with asyncio.timeout(5):
            # The server tells nobody that a session has ended.
            while not (noted := await record_missed(ticking, (SECOND, THIRD), None)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert noted == 2


def missed_mondays(world: World) -> list[date]:
    told = world.rows("select (payload ->> 'run_date')::date from events where event_type = 'batch_missed' order by 1")
    return [run_date for (run_date,) in told]


async def open_first(world: World) -> None:
    async with world.services() as services:
        assert (await run_due_work(services))[0].opened == 1


async def test_simulated_prices_and_real_ones_do_not_meet_whoever_is_first(world: World) -> None:
    """Each was started on an empty database, so that neither could know of the other."""
    simulated = ScriptedPrices(all_closes(), name="simulated")
    world.clock.instant = exchange("2020-02-03")
    async with world.services() as real, world.services(simulated) as invented:
        results = await asyncio.gather(
            backfill(real, {FIRST: PICKS}), backfill(invented, {SECOND: PICKS}), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["MixedPricesError", "Report"]
        sources = world.rows("select distinct payload ->> 'source' from events where payload ? 'source'")
        assert len(sources) == 1


async def test_simulated_prices_do_not_fill_the_days_of_real_batches(world: World) -> None:
    simulated = ScriptedPrices(all_closes(), name="simulated")
    async with world.services(simulated) as invented:
        await open_first(world)
        before = world.rows()
        world.clock.instant = exchange("2020-02-03")
        for attempt in (backfill(invented, {FIRST: PICKS}), run_due_work(invented)):
            with pytest.raises(MixedPricesError):
                await attempt
        assert world.rows() == before


class SlowPicks:
    """A pick source that takes until `answers_at`, or has a defect."""

    name = "slow"

    def __init__(self, world: World, answers_at: str, defect: Exception | None = None) -> None:
        self._world, self._answers_at, self._defect = world, answers_at, defect

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        self._world.clock.instant = exchange(run_date.isoformat(), self._answers_at)
        if self._defect is not None:
            raise self._defect
        return PICKS


@pytest.mark.parametrize(("answers_at", "opened"), [("09:29", 1), ("09:30", 0), ("09:45", 0)])
async def test_a_week_does_not_open_by_itself_after_the_opening_has_ended(
    world: World, answers_at: str, opened: int
) -> None:
    """Whoever picks after trading has started knows more than a pick may know."""
    async with world.services() as services:
        slow = replace(services, pick_source=SlowPicks(world, answers_at))
        report, _ = await run_due_work(slow)
    assert report.opened == opened
    assert len(world.rows("select from batches")) == opened
    assert not opened or not report.unopened
    assert opened or report.unopened[FIRST].cause == "too_late"


@pytest.mark.parametrize(("answers_at", "opened"), [("09:29", True), ("09:30", False), ("09:33", False)])
async def test_an_operator_without_late_opens_nothing_after_the_opening_has_ended(
    world: World, services: Services, answers_at: str, opened: bool
) -> None:
    world.clock.instant = exchange("2020-01-06", "09:29")

    class SlowPrices(ScriptedPrices):
        async def closes(self, *question: Any) -> Any:
            world.clock.instant = exchange("2020-01-06", answers_at)
            return await super().closes(*question)

    slow = replace(services, sources=(SlowPrices(world.prices.closes_by_symbol),))
    if opened:
        assert (await batches.open_week(slow, FIRST, PICKS, "file")).opened == 1
        return
    with pytest.raises(batches.NotPossibleError) as refused:
        await batches.open_week(slow, FIRST, PICKS, "file")
    assert "ended" in refused.value.message
    assert "--late" in refused.value.remedy
    assert world.rows("select from batches") == []
    assert (await batches.open_week(slow, FIRST, PICKS, "file", late=True)).opened == 1


async def test_a_defect_of_a_pick_source_keeps_no_day_from_being_written(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-13", "09:10")
        broken = replace(services, pick_source=SlowPicks(world, "09:10", RuntimeError("s3cret")))
        report, _ = await run_due_work(broken)
    assert report.computed + report.skipped == 7
    assert report.unopened[SECOND].detail == "The pick source slow failed: RuntimeError."


async def test_a_clock_that_ran_ahead_of_the_servers_notes_no_monday_as_missed(
    world: World, services: Services
) -> None:
    await run_due_work(services)
    world.clock.instant = exchange("2090-01-04")
    coming, past = date(2090, 1, 2), SECOND
    assert await record_missed(services, [past, coming], None) == 1
    assert world.rows("select payload ->> 'run_date' from events where event_type = 'batch_missed'") == [
        (past.isoformat(),)
    ]


async def test_a_week_whose_trading_is_over_is_not_opened_by_a_clock_that_stepped_back(
    world: World, services: Services
) -> None:
    """It would be opened with knowledge of its own days."""
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-15")
    report, _ = await run_due_work(services)
    assert report.missed == 1
    world.clock.instant = exchange("2020-01-13", "09:10")
    report, _ = await run_due_work(services)
    assert (report.opened, report.unopened[SECOND].cause) == (0, "too_late")
    assert {row[0] for row in world.rows()} == {FIRST.isoformat()}
    with pytest.raises(batches.NotPossibleError):
        await batches.open_week(services, SECOND, PICKS, "file")
    assert (await batches.open_week(services, SECOND, PICKS, "file", late=True)).opened == 1, (
        "an operator may, with --late"
    )


async def test_a_tick_tells_screens_which_weeks_it_wrote_or_left_waiting_and_nothing_more(
    world: World, services: Services
) -> None:
    heard = services.database.notifications()
    assert await anext(heard) is None
    closes = all_closes()
    del closes["BBB"][date(2020, 1, 7)]
    world.prices.closes_by_symbol = closes
    for moment in (world.clock.instant, exchange("2020-01-06"), exchange("2020-01-07")):
        world.clock.instant = moment
        await run_due_work(services)
        async with asyncio.timeout(20):  # only where nothing is said
            assert await anext(heard) == frozenset({FIRST})
            assert await anext(heard) == frozenset(), "the state of the schedule"
    await heard.aclose()  # type: ignore[attr-defined]  # a generator, declared as an iterator
