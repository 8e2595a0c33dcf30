"""Whatever happens in whatever order, every row is that of an undisturbed run, written once and for good."""

import asyncio
import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from core import batches
from core.backfill import backfill
from core.due_work import run_due_work
from core.trading_calendar import batch_days
from db.embedded import EmbeddedServer
from tests.core.world import CALENDAR, FIRST, PICKS, SECOND, SYMBOLS, THIRD, World, all_closes, cloned
from tests.fakes import exchange

FIRST_INSTANT, LAST_INSTANT = exchange("2020-01-06", "09:00"), exchange("2020-02-14", "18:00")
STALE = """
select count(*)
from waiting_days w
join batches b on b.id = w.batch_id
left join checkpoints c using (batch_id, checkpoint_date)
where c.id is not null or b.status <> 'active'
"""
MISSED_TWICE = "select count(*) - count(distinct payload ->> 'run_date') from events where event_type = 'batch_missed'"
OPENED_TWICE = "select count(*) - count(distinct batch_id) from events where event_type = 'batch_opened'"


class Interleavings(RuleBasedStateMachine):
    """Time passes or jumps, prices come and go, others write at the same time, a batch is failed."""

    server: EmbeddedServer
    template: str
    undisturbed: frozenset[tuple[Any, ...]]

    def __init__(self) -> None:
        super().__init__()
        self.clone = cloned(self.server, self.template)
        self.world = World(self.clone.__enter__())
        self.loop = asyncio.new_event_loop()
        self.closes = all_closes()
        self.world.prices.closes_by_symbol = self.closes
        self.withheld: set[tuple[str, date]] = set()
        self.failed: set[date] = set()
        self.seen: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def teardown(self) -> None:
        self.loop.close()
        self.clone.__exit__(None, None, None)

    def work(self, processes: int, as_of: datetime | None = None) -> None:
        async def all_at_once() -> None:
            async with self.world.services() as one, self.world.services() as other:
                await asyncio.gather(*(run_due_work(some, as_of) for some in (one, other)[:processes]))

        self.loop.run_until_complete(all_at_once())

    @rule(hours=st.sampled_from([1, 8, 24, 24, 60, 170]), processes=st.sampled_from([1, 1, 2]))
    def time_passes(self, hours: int, processes: int) -> None:
        self.world.clock.instant = min(self.world.clock.instant + timedelta(hours=hours), LAST_INSTANT)
        self.work(processes)

    @rule(week=st.sampled_from([FIRST, SECOND, THIRD]), minute=st.integers(0, 40))
    def a_monday_comes(self, week: date, minute: int) -> None:
        """The clock jumps there, forwards or backwards."""
        self.world.clock.instant = exchange(week.isoformat(), "09:00") + timedelta(minutes=minute)
        self.work(2)

    @rule(hours=st.integers(1, 72))
    def the_clock_steps_back(self, hours: int) -> None:
        self.world.clock.instant = max(self.world.clock.instant - timedelta(hours=hours), FIRST_INSTANT)
        self.work(1)

    @rule(symbol=st.sampled_from(SYMBOLS), ahead=st.integers(-1, 4))
    def a_price_vanishes(self, symbol: str, ahead: int) -> None:
        day = self.world.clock.instant.date() + timedelta(days=ahead)
        if self.closes[symbol].pop(day, None) is not None:
            self.withheld.add((symbol, day))

    @precondition(lambda self: self.withheld)
    @rule(choice=st.randoms(use_true_random=False))
    def a_price_appears(self, choice: random.Random) -> None:
        symbol, day = choice.choice(sorted(self.withheld))
        self.withheld.discard((symbol, day))
        self.closes[symbol][day] = all_closes()[symbol][day]
        self.work(1, self.world.clock.instant)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def a_close_is_late(self, symbol: str) -> None:
        """It is missing on the evening of the next session, and comes before anybody asks again."""
        day = CALENDAR.next_session(self.world.clock.instant.date())
        close = self.closes[symbol].pop(day, None)
        self.world.clock.instant = min(exchange(day.isoformat()), LAST_INSTANT)
        self.work(1)
        if close is not None:
            self.closes[symbol][day] = close
        self.work(2, self.world.clock.instant)

    @rule(week=st.sampled_from([FIRST, SECOND, THIRD]))
    def an_operator_backfills(self, week: date) -> None:
        async def filling() -> None:
            async with self.world.services() as one, self.world.services() as other:
                await asyncio.gather(backfill(one, {week: PICKS}), run_due_work(other))

        self.loop.run_until_complete(filling())

    @precondition(lambda self: not self.failed)
    @rule(week=st.sampled_from([FIRST, SECOND]))
    def an_operator_fails_a_batch(self, week: date) -> None:
        async def failing() -> None:
            async with self.world.services() as one, self.world.services() as other:
                outcome, working = await asyncio.gather(
                    batches.fail(one, week, "On purpose."), run_due_work(other), return_exceptions=True
                )
            assert not isinstance(working, BaseException), working
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, batches.NotFoundError | batches.NotPossibleError)
            else:
                self.failed.add(week)

        self.loop.run_until_complete(failing())

    @invariant()
    def what_is_written_is_whole_and_stays(self) -> None:
        rows = self.world.rows()
        written = {(row[0], row[3], row[7]): row[2:] for row in rows if row[3] is not None}
        assert len(written) == sum(row[3] is not None for row in rows), "one row a day and pick"
        for key, row in self.seen.items():
            assert written[key] == row, "rows never change once written"
        self.seen = written
        for week in {row[0] for row in rows}:
            of_week = [row for row in rows if row[0] == week]
            days = {row[3]: row[4] for row in of_week if row[3] is not None}
            assert set(days) <= {day.isoformat() for day in batch_days(date.fromisoformat(week))}
            [status] = {row[1] for row in of_week}
            assert (status == "failed") == (date.fromisoformat(week) in self.failed)
            assert status == "failed" or (status == "completed") == (len(days) == 14)
            for day, kind in days.items():
                valued = [row for row in of_week if row[3] == day and row[7] is not None]
                assert len(valued) == (3 if kind == "computed" else 0)
        for nothing in (STALE, MISSED_TWICE, OPENED_TWICE):
            assert self.world.rows(nothing) == [(0,)], nothing

    @invariant()
    def computed_days_are_those_of_an_undisturbed_run(self) -> None:
        """Whatever was withheld for a time."""
        computed = {row[:1] + row[2:] for row in self.world.rows() if row[4] == "computed"}
        assert computed <= self.undisturbed


@pytest.fixture
def world(conninfo: str) -> World:
    return World(conninfo)


async def test_any_order_gives_the_rows_of_an_undisturbed_run(
    server: EmbeddedServer, template: str, world: World
) -> None:
    world.clock.instant = LAST_INSTANT
    async with world.services() as services:
        assert (await backfill(services, {FIRST: PICKS, SECOND: PICKS, THIRD: PICKS})).opened == 3
    Interleavings.server, Interleavings.template = server, template
    Interleavings.undisturbed = frozenset(row[:1] + row[2:] for row in world.rows())
    examples = settings(
        max_examples=8,
        stateful_step_count=16,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, Interleavings, settings=examples)


@pytest.mark.parametrize("seed", range(3))
async def test_ticks_at_any_moments_end_in_the_rows_of_one_run(
    server: EmbeddedServer, template: str, world: World, seed: int
) -> None:
    """No price is withheld, and every Monday is met: the final rows are those of a run that was never disturbed."""
    draw = random.Random(seed)
    with cloned(server, template) as conninfo:
        reference = World(conninfo)
        reference.clock.instant = LAST_INSTANT
        async with reference.services() as services:
            await backfill(services, {FIRST: PICKS, SECOND: PICKS, THIRD: PICKS})
        expected = reference.rows()
    mondays = [exchange(week.isoformat(), "09:15") for week in (FIRST, SECOND, THIRD)]
    moments = [FIRST_INSTANT + timedelta(minutes=draw.randrange(40 * 1440)) for _ in range(6)]
    async with world.services() as one, world.services() as other:
        for moment in [*sorted([*mondays, *moments]), LAST_INSTANT]:
            world.clock.instant = moment
            await asyncio.gather(*(run_due_work(some) for some in draw.choice([(one,), (one, other)])))
    assert world.rows() == expected
