"""What a probe is told: the age of the last look for work, the backlog, who leads, and what stands in the way."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import leading
from core.catch_up import Existing
from core.due_work import due_work, run_due_work
from core.health import Backlog, Health, backlog, note_tick, read_backlog, read_health
from core.leading import TICKS_FACT, Ticks
from core.pausing import pause, resume
from core.prices.source import UnavailableError
from core.services import Services
from core.trading_calendar import batch_days
from core.weekly_backup import BACKUP_FACT
from db import leadership
from db.database import Database
from db.records import ActiveBatch
from tests.core.scheduling import age_facts
from tests.core.test_weeks import MONDAY, active_batch
from tests.core.world import CALENDAR, FIRST, RULES, SECOND, World
from tests.databases import leading as lead
from tests.fakes import exchange

MAX_AGE = timedelta(minutes=5)
BATCH = active_batch()[0].batch
DAYS = batch_days(MONDAY)


def existing(written: set[int], **changes: Any) -> Existing:
    days = frozenset(DAYS[n] for n in written)
    values = {"first_run_date": MONDAY, "this_week_opened": True, "unopened": (), **changes}
    return Existing(active=[ActiveBatch(BATCH, days, "scripted", "price")], waiting=(), **values)


@settings(deadline=None)  # a machine that is busy otherwise proves nothing
@given(st.sets(st.integers(0, 13)), st.integers(-600, 20 * 24 * 60), st.integers(0, 72 * 60))
def test_a_day_is_due_from_its_hour_and_overdue_after_its_time(written: set[int], minutes: int, allowed: int) -> None:
    now, overdue_after = exchange("2026-11-16", "00:00") + timedelta(minutes=minutes), timedelta(minutes=allowed)
    found = backlog(existing(written), CALENDAR, RULES, now, overdue_after)
    lacking = [RULES.due_at(CALENDAR, day) for n, day in enumerate(DAYS) if n not in written]
    due = [at for at in lacking if at <= now]
    assert found.due == len(due)
    assert found.oldest_due_at == (due[0] if due else None)
    assert found.overdue == len([at for at in due if at + overdue_after < now])
    assert found.overdue <= found.due
    later = backlog(existing(written), CALENDAR, RULES, now + timedelta(minutes=1), overdue_after)
    assert (later.due, later.overdue) >= (found.due, found.overdue), "nothing falls undue by itself"
    more = backlog(existing(written | {0}), CALENDAR, RULES, now, overdue_after)
    assert more.due <= found.due


@settings(deadline=None)
@given(st.integers(-600, 20 * 24 * 60), st.integers(0, 72 * 60), st.integers(-24 * 60, 20 * 24 * 60))
def test_a_batch_that_was_opened_late_has_its_time_from_then_on(minutes: int, allowed: int, opened: int) -> None:
    midnight = exchange("2026-11-16", "00:00")
    now, opened_at = midnight + timedelta(minutes=minutes), midnight + timedelta(minutes=opened)
    overdue_after = timedelta(minutes=allowed)
    active = ActiveBatch(replace(BATCH, created_at=opened_at), frozenset(), "scripted", "price")
    found = backlog(replace(existing(set()), active=[active]), CALENDAR, RULES, now, overdue_after)
    due = [at for day in DAYS if (at := RULES.due_at(CALENDAR, day)) <= now]
    counted_from = {at: at if opened_at > now else max(at, opened_at) for at in due}
    overdue = [at for at in due if now - counted_from[at] > overdue_after]
    assert (found.due, found.overdue) == (len(due), len(overdue))
    assert found.oldest_overdue_at == (overdue[0] if overdue else None)


def test_a_late_opening_excuses_no_other_batch() -> None:
    """The day that is told is the oldest of those that are overdue, not of those that are due."""
    late = ActiveBatch(replace(BATCH, created_at=exchange("2026-12-01", "15:00")), frozenset(), "scripted", "price")
    other = replace(BATCH, run_date=MONDAY + timedelta(days=7))
    state = replace(existing(set()), active=[late, ActiveBatch(other, frozenset(), "scripted", "price")])
    found = backlog(state, CALENDAR, RULES, exchange("2026-12-01", "16:00"), timedelta(hours=6))
    assert found.oldest_due_at == exchange("2026-11-16", "16:30")
    assert found.oldest_overdue_at == exchange("2026-11-23", "16:30")
    assert found.overdue == 8


@pytest.mark.parametrize(
    ("now", "changes", "missed"),
    [
        ("2026-11-23T09:29", {}, False),
        ("2026-11-23T09:30", {}, True),
        ("2026-11-29T23:59", {}, True),
        ("2026-11-23T09:30", {"this_week_opened": True}, False),
        ("2026-11-23T09:30", {"first_run_date": None}, False),
        ("2026-11-16T09:30", {}, False),
    ],
)
def test_an_opening_is_missed_from_its_end_to_the_weeks(now: str, changes: dict[str, Any], missed: bool) -> None:
    state = existing(set(), **{"this_week_opened": False, **changes})
    day, clock_time = now.split("T")
    found = backlog(state, CALENDAR, RULES, exchange(day, clock_time), timedelta(hours=6))
    assert found.opening_missed is missed


async def looked(services: Services) -> None:
    """One look for work as `--once` makes it."""
    _, planned = await run_due_work(services)
    await note_tick(services, planned)


async def test_a_database_that_nobody_ever_worked_on_is_not_healthy(world: World) -> None:
    async with world.services() as services:
        found = await read_health(services, MAX_AGE)
    assert found == Health(
        ("No scheduler has looked for work yet.",), backlog=Backlog(0, 0, None, opening_missed=False)
    )
    assert not found.is_healthy


async def test_the_last_look_for_work_grows_old(world: World) -> None:
    async with world.services() as services:
        await looked(services)
        began = world.clock.instant
        world.clock.instant = began + MAX_AGE
        found = await read_health(services, MAX_AGE)
        assert (found.problems, found.last_tick_at, found.last_tick_age) == ((), began, MAX_AGE)
        world.clock.instant += timedelta(seconds=1)
        [problem] = (await read_health(services, MAX_AGE)).problems
        assert "since 2020-01-06 09:00 exchange time" in problem
        assert (await read_health(services, timedelta(hours=25))).is_healthy


async def test_a_look_dated_in_the_future_does_not_pass_for_a_fresh_one(world: World) -> None:
    """The clock stepped back two days: taken for fresh, it would hide a dead scheduler until then."""
    async with world.services() as services:
        await looked(services)
        world.clock.instant -= timedelta(days=2)
        found = await read_health(services, MAX_AGE)
        assert found.last_tick_age == timedelta(0)
        [problem] = found.problems
        assert "in the future" in problem


async def test_an_overdue_day_is_a_problem_and_one_that_is_merely_due_is_none(world: World) -> None:
    async with world.services() as services:
        await looked(services)
        world.prices.failure = UnavailableError("away", "Wait.")
        world.clock.instant = exchange("2020-01-06", "22:30")
        await looked(services)
        found = await read_health(services, MAX_AGE)
        due_at = exchange("2020-01-06", "16:30")
        assert found.is_healthy
        assert found.backlog == Backlog(1, 0, due_at, opening_missed=False) == await read_backlog(services)
        world.clock.instant += timedelta(seconds=1)
        await looked(services)
        found = await read_health(services, MAX_AGE)
        assert found.problems == ("1 day is overdue: it fell due 2020-01-06 16:30 exchange time and is not written.",)
        world.clock.instant = exchange("2020-01-08", "23:00")
        await looked(services)
        [problem] = (await read_health(services, MAX_AGE)).problems
        assert problem.startswith("3 days are overdue: the oldest fell due 2020-01-06")
        world.prices.failure = None
        world.clock.instant += timedelta(hours=5)
        await looked(services)
        assert (await read_health(services, MAX_AGE)).problems == ()


async def test_how_late_is_overdue_can_be_set(world: World) -> None:
    async with world.services() as services:
        await looked(services)
        world.clock.instant = exchange("2020-01-06", "16:31")
        tolerant = services.settings.model_copy(update={"overdue_after": timedelta(0)})
        strict = Services(tolerant, *(getattr(services, name) for name in Services.__slots__[1:]))
        assert (await read_backlog(services)).overdue == 0
        assert (await read_backlog(strict)).overdue == 1


async def test_a_pause_excuses_an_old_look_and_no_overdue_day(world: World) -> None:
    async with world.services() as services:
        await looked(services)
        await pause(services, "ann", "moving house")
        world.clock.instant += timedelta(hours=7)
        found = await read_health(services, MAX_AGE)
        assert (found.problems, found.paused is not None) == ((), True)
        assert found.notes == ("The schedulers are paused by ann since 2020-01-06 09:00 exchange time: moving house.",)
        world.clock.instant += timedelta(hours=7)
        assert [problem[:16] for problem in (await read_health(services, MAX_AGE)).problems] == ["1 day is overdue"]
        await resume(services, "ann")
        assert len((await read_health(services, MAX_AGE)).problems) == 2


async def test_who_leads_what_was_missed_and_a_failed_backup_are_told_and_are_no_problems(world: World) -> None:
    async with world.services() as services, lead(services.database), services.database.connection() as connection:
        await run_due_work(services)
        world.clock.instant = exchange(str(SECOND), "09:31")
        world.prices.failure = None
        await looked(services)
        await leading.beat(connection, "one:1", FIRST_INSTANT, Ticks(world.clock.instant, 0))
        await leadership.note(connection, BACKUP_FACT, {"at": "x", "file": "y", "problem": "no room"})
        found = await read_health(services, MAX_AGE)
        assert (found.problems, found.leader, found.leader_alive) == ((), "one:1", True)
        assert found.notes == (
            "This week's opening has passed and left no batch.",
            "The last backup failed: no room",
        )
    async with world.services() as services:
        found = await read_health(services, MAX_AGE)
        assert (found.leader, found.leader_alive) == ("one:1", False)


async def test_a_leader_whose_writes_are_not_confirmed_is_a_problem(world: World) -> None:
    """It holds its lock on a server that is cut off; another may lead on the new primary."""
    async with world.services() as services, lead(services.database), services.database.connection() as connection:
        await run_due_work(services)
        await leading.beat(connection, "one:1", FIRST_INSTANT, Ticks(world.clock.instant, 0))
        assert (await read_health(services, MAX_AGE)).problems == ()
        age_facts(world.conninfo, "leader", timedelta(seconds=95))
        found = await read_health(services, MAX_AGE)
        [problem], [note] = found.problems, found.notes
        assert note.startswith("Process ")
        assert note.endswith(" holds the lead.")
        assert "user 'worker', application 'alpha-monday'" in note
        assert problem == "Leadership cannot be confirmed: one:1 leads, and its last confirmed write is 95 s old."


FIRST_INSTANT = exchange(str(FIRST), "09:00")


@pytest.mark.parametrize("value", [{}, {"last_at": 7}, {"last_at": "2020-01-06"}, {"last_at": "soon", "idle": "many"}])
async def test_a_look_noted_in_an_unknown_form_counts_as_none(world: World, value: dict[str, Any]) -> None:
    async with world.services() as services, services.database.transaction() as connection:
        await leadership.note(connection, TICKS_FACT, value)
        await leadership.note(connection, BACKUP_FACT, {"problem": 7})
    async with world.services() as services:
        found = await read_health(services, MAX_AGE)
        assert found.problems == ("No scheduler has looked for work yet.",)
        assert found.notes == ()


async def test_looks_that_find_nothing_are_counted_and_others_begin_anew(world: World) -> None:
    async with world.services() as services:
        for idle in (0, 1, 2):
            planned = await due_work(services)
            await run_due_work(services)
            await note_tick(services, planned)
            async with services.database.connection() as connection:
                ticks = leading.ticks_in(await leadership.fact(connection, TICKS_FACT))
            assert ticks == Ticks(world.clock.instant, idle)
            world.clock.instant += timedelta(minutes=1)


async def test_a_read_only_session_is_enough(world: World) -> None:
    async with world.services() as writing, Database(world.conninfo, read_only=True) as database:
        await looked(writing)
        services = Services(writing.settings, world.clock, CALENDAR, RULES, database, (), None)
        assert (await read_health(services, MAX_AGE)).is_healthy


def test_ages_are_told_in_exchange_time_whatever_the_zone() -> None:
    utc = datetime.fromisoformat("2026-11-16T21:30:00+00:00")
    found = backlog(existing(set()), CALENDAR, RULES, utc, timedelta(0))
    assert found.oldest_due_at == exchange("2026-11-16", "16:30") == utc
    assert found.overdue == 0, "it has only just fallen due"
