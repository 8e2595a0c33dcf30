"""The rests between tries at opening a week: they grow, never sleep through the end, and spare what has failed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import due_work as due_work_module
from core.catch_up import DueKind, Existing, plan
from core.due_work import due_work, run_due_work
from core.job_history import Job
from core.opening_tries import FIRST_REST, LAST_CALL, LONGEST_REST, OPENING_FACT, OpeningTry, failed_try, opening_try_in
from core.picks.source import PickDraft, PicksGivenUpError
from core.prices.source import PriceSourceError, RateLimitedError, UnavailableError
from core.rules import Delay
from core.services import Services
from db import leadership
from db.records import SchedulerFact
from tests.core.world import CALENDAR, FIRST, RULES, SECOND, World
from tests.fakes import exchange

OPENS, ENDS = exchange("2020-01-06", "09:00"), exchange("2020-01-06", "09:30")
AWAY = Delay("unavailable", "away")
DELAYS = st.builds(
    Delay,
    st.sampled_from(
        ["unavailable", "picks_unavailable", "close_missing", "picks_not_yet", "no_pick_source", "too_late", "paused"]
    ),
    st.just(""),
    st.none() | st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds)),
)
SECONDS = st.integers(0, 1799)


def after(seconds: float) -> datetime:
    return OPENS + timedelta(seconds=seconds)


@settings(deadline=None)  # a machine that is busy otherwise proves nothing
@given(SECONDS, DELAYS, st.integers(0, 50), st.randoms(use_true_random=False))
def test_a_rest_is_bounded_and_the_last_moments_are_not_slept_through(
    second: int, delay: Delay, before: int, draw: random.Random
) -> None:
    now = after(second)
    earlier = OpeningTry(FIRST, AWAY, before, now) if before else None
    failed = failed_try(earlier, FIRST, delay, now=now, until=ENDS, draw=draw)
    if delay.cause in ("picks_not_yet", "no_pick_source", "too_late", "paused"):
        assert (failed.attempts, failed.next_try_at) == (0, None)
        return
    assert failed.attempts == before + 1
    assert failed.next_try_at is not None
    asked_for = delay.retry_after or timedelta(0)
    rest = failed.next_try_at - now
    assert rest >= asked_for
    last_call = ENDS - LAST_CALL
    if rest > asked_for:
        assert rest <= LONGEST_REST
        assert rest >= FIRST_REST / 2 or failed.next_try_at == last_call
        assert failed.next_try_at <= last_call or now >= last_call
        assert now < last_call or rest <= FIRST_REST


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_source_that_stays_away_is_asked_a_dozen_times_and_again_in_the_last_minute(draw: random.Random) -> None:
    """Ticks come every 30 s; without rests there would be sixty questions."""
    last, asked = None, []
    for second in range(0, 1800, 30):
        now = after(second)
        if last is None or last.rests_until(FIRST, now) is None:
            asked.append(now)
            last = failed_try(last, FIRST, AWAY, now=now, until=ENDS, draw=draw)
    assert 6 <= len(asked) <= 20
    assert asked[-1] >= ENDS - LAST_CALL


@settings(deadline=None)
@given(SECONDS, st.integers(-600, 3600), st.integers(-600, 60))
def test_the_plan_leaves_a_resting_opening_out_and_says_when_it_comes(second: int, rest: int, tried: int) -> None:
    """A try that is still to come was made by a clock that ran ahead: nobody rests for it."""
    now = after(second)
    last_try = OpeningTry(FIRST, AWAY, 1, now + timedelta(seconds=rest), now + timedelta(seconds=tried))
    existing = Existing((), (), None, False, (), last_try)
    planned = plan(existing, CALENDAR, RULES, now, rest_until=now)
    if rest <= 0 or tried > 0:
        assert (planned.opening, planned.resting_opening) == (FIRST, None)
        return
    assert (planned.opening, planned.resting_opening) == (None, existing.opening_try)
    again_at = now + timedelta(seconds=rest)
    assert planned.next_due.kind is DueKind.OPEN
    assert planned.next_due.at == (again_at if again_at < ENDS else exchange(str(SECOND), "09:00"))
    assert plan(existing, CALENDAR, RULES, now, rest_until=None).opening == FIRST, "an operator's own job does not rest"
    other = replace(existing, opening_try=OpeningTry(SECOND, AWAY, 1, again_at))
    assert plan(other, CALENDAR, RULES, now, rest_until=now).opening == FIRST, (
        "another week's failure is none of this one"
    )
    opened = replace(existing, this_week_opened=True)
    assert plan(opened, CALENDAR, RULES, now, rest_until=now).resting_opening is None


FACTS = st.dictionaries(
    st.sampled_from(["run_date", "cause", "detail", "attempts", "next_try_at"]),
    st.none() | st.integers() | st.text(max_size=40) | st.booleans() | st.lists(st.integers(), max_size=2)
    | st.sampled_from(["2020-01-06", "2020-01-06T09:10:00-05:00", "2020-01-06T09:10:00"]),
)  # fmt: skip


@settings(deadline=None)
@given(FACTS, SECONDS, st.randoms(use_true_random=False))
def test_a_fact_of_any_form_is_read_and_followed(value: dict[str, Any], second: int, draw: random.Random) -> None:
    found = opening_try_in(SchedulerFact(OPENING_FACT, value, OPENS))
    failed = failed_try(found, FIRST, AWAY, now=after(second), until=ENDS, draw=draw)
    assert failed.attempts >= 1
    assert opening_try_in(SchedulerFact(OPENING_FACT, failed.fact(), OPENS)) == failed
    assert opening_try_in(None) is None


@pytest.fixture
def world(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(due_work_module, "_draw", random.Random(7))
    return World(conninfo)


async def tries(world: World) -> list[datetime]:
    """When the price source was asked, ticking every 30 s through the opening."""
    asked: list[datetime] = []
    async with world.services() as services:
        for second in range(0, 1800, 30):
            world.clock.instant = after(second)
            before = len(world.prices.questions)
            report, _ = await run_due_work(services)
            if len(world.prices.questions) > before:
                asked.append(world.clock.instant)
            if report.opened:
                break
    return asked


async def test_a_price_source_that_fails_is_asked_ever_more_rarely_and_then_opens_the_week(world: World) -> None:
    world.prices.failure = UnavailableError("away", "Wait.")
    asked = await tries(world)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps[0] <= timedelta(minutes=1)
    assert max(gaps) >= timedelta(minutes=2, seconds=30)
    assert asked[-1] >= ENDS - LAST_CALL
    assert len(asked) <= 20
    world.prices.failure = None
    world.clock.instant = after(1799)
    async with world.services() as services:
        assert (await run_due_work(services, job=Job.OPENING))[0].opened == 1


@pytest.mark.parametrize(
    ("failure", "next_try"),
    [
        (RateLimitedError("limit", "Wait.", retry_after=timedelta(minutes=7)), timedelta(minutes=7)),
        (RateLimitedError("limit", "Wait.", retry_after=timedelta(hours=1)), timedelta(hours=1)),
    ],
)
async def test_what_a_source_asks_for_is_kept_to(world: World, failure: PriceSourceError, next_try: timedelta) -> None:
    world.prices.failure = failure
    assert await tries(world) == [OPENS + n * next_try for n in range(10) if OPENS + n * next_try < ENDS]


async def test_picks_that_are_merely_not_there_yet_are_asked_for_at_every_tick(world: World) -> None:
    world.picks.weeks.clear()
    async with world.services() as services:
        for second in (0, 30, 60):
            world.clock.instant = after(second)
            report, planned = await run_due_work(services)
            assert (planned.opening, report.unopened[FIRST].cause) == (FIRST, "picks_not_yet")
        world.picks.weeks.add(FIRST)
        world.clock.instant = after(90)
        assert (await run_due_work(services))[0].opened == 1


async def test_a_resting_week_is_told_as_unopened_and_another_process_keeps_to_the_rest(world: World) -> None:
    world.prices.failure = UnavailableError("away", "Wait.")
    async with world.services() as services:
        await run_due_work(services)
    async with world.services() as other:
        report, planned = await run_due_work(other)
        assert (planned.opening, planned.is_idle) == (None, True)
        assert report.is_unfinished
        assert report.unopened[FIRST].detail == "away"
        world.clock.instant = (await due_work(other)).next_due.at
        assert OPENS < world.clock.instant <= OPENS + FIRST_REST
        assert (await due_work(other)).opening == FIRST
    assert len(world.prices.questions) == 1


@pytest.mark.parametrize("failed_before", [False, True])
async def test_a_try_as_of_another_moment_leaves_the_live_opening_alone(world: World, *, failed_before: bool) -> None:
    """The live try keeps the count of failures, the rest and the cause that a missed week is recorded with."""

    async def noted(services: Services) -> SchedulerFact | None:
        async with services.database.connection() as connection:
            return await leadership.fact(connection, OPENING_FACT)

    world.clock.instant = after(600)
    async with world.services() as services:
        if failed_before:
            giving_up = replace(services, pick_source=GivingUp())
            await run_due_work(giving_up)
            assert (await due_work(giving_up)).opening is None, "a language model is not queried again"
        before = await noted(services)
        for failing in (world.prices, replace(world.prices, failure=UnavailableError("away", "Wait."))):
            stopped = replace(services, sources=(failing,), pick_source=GivingUp())
            await run_due_work(stopped, after(300))
        await run_due_work(replace(stopped, pick_source=world.picks), OPENS)
        assert await noted(services) == before


@dataclass(frozen=True, slots=True)
class GivingUp:
    """A language model whose answers were all invalid."""

    name: str = "scripted"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        raise PicksGivenUpError("three invalid answers", "Open the week yourself.")
