"""Figures over many batches, against the same worked out in fractions from the rows."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.performance import Performance, performance
from db.embedded import EmbeddedServer
from db.records import Action, BatchStatus, Batting, FinalExcess
from tests.core.world import World
from tests.databases import as_superuser, cloned

MONDAY = date(2020, 1, 6)
ACTIONS = tuple(Action)


@dataclass(frozen=True)
class Batch:
    """A batch as it is drawn: its actions and, by day number, the picks' return over the benchmark."""

    status: BatchStatus
    actions: tuple[Action, ...]
    days: dict[int, tuple[Decimal, ...]]

    def excess(self, day: int) -> list[Fraction]:
        return [
            Fraction(value) if action is Action.BUY else -Fraction(value)
            for action, value in zip(self.actions, self.days[day], strict=True)
        ]


returns = st.one_of(
    st.just(Decimal(0)),
    st.decimals("-100", "100", places=12),
    st.integers(-3, 3).map(lambda units: Decimal(units).scaleb(-12)),
)
three_returns = st.tuples(returns, returns, returns)
batches = st.builds(
    Batch,
    st.sampled_from(BatchStatus),
    st.tuples(*[st.sampled_from(ACTIONS)] * 3),
    st.dictionaries(st.integers(1, 14), three_returns, max_size=6),
)


def write(conninfo: str, drawn: Sequence[Batch]) -> None:
    """Leaves nothing but the rows of `drawn`, one batch a week; days that were not drawn stand as skipped."""
    with psycopg.connect(as_superuser(conninfo)) as connection:
        connection.execute("set session_replication_role = replica")  # the guards keep rows from being taken away
        connection.execute("truncate events, waiting_days, pick_checkpoint_metrics, checkpoints, picks, batches")
        connection.execute("set session_replication_role = origin")
        for number, batch in enumerate(drawn):
            batch_id, run_date = uuid4(), MONDAY + timedelta(weeks=number)
            connection.execute(
                "insert into batches (id, run_date, benchmark_initial_price, status) values (%s, %s, 1, 'active')",
                (batch_id, run_date),
            )
            picks = [uuid4() for _ in batch.actions]
            for pick, action, ticker in zip(picks, batch.actions, "ABC", strict=True):
                connection.execute(
                    "insert into picks (id, batch_id, ticker, action, reasoning, initial_price) "
                    "values (%s, %s, %s, %s, '', 1)",
                    (pick, batch_id, ticker, action.value),
                )
            for day in range(1, 15):
                checkpoint = uuid4()
                status, price = ("computed", 1) if day in batch.days else ("skipped", None)
                connection.execute(
                    "insert into checkpoints (id, batch_id, checkpoint_date, status, benchmark_price, "
                    "benchmark_return_pct) values (%s, %s, %s, %s, %s, %s)",
                    (checkpoint, batch_id, run_date + timedelta(days=day - 1), status, price, price),
                )
                for pick, value in zip(picks, batch.days.get(day, ()), strict=False):
                    connection.execute(
                        "insert into pick_checkpoint_metrics (id, checkpoint_id, pick_id, current_price, "
                        "absolute_return_pct, vs_benchmark_pct) values (%s, %s, %s, 1, 0, %s)",
                        (uuid4(), checkpoint, pick, value),
                    )
            if batch.status is not BatchStatus.ACTIVE:
                connection.execute("update batches set status = %s where id = %s", (batch.status.value, batch_id))


def mean(values: Iterable[Fraction]) -> Fraction | None:
    numbers = list(values)
    return sum(numbers, Fraction()) / len(numbers) if numbers else None


def check_near(figure: Decimal | None, expected: Fraction | None) -> None:
    """A division may round: both are None, or they differ by less than 1e-10."""
    assert (figure is None) == (expected is None)
    if figure is not None and expected is not None:
        assert abs(Fraction(figure) - expected) < Fraction(1, 10**10)


def check_final(final: FinalExcess | None, expected: Fraction | None, by_week: dict[date, Fraction]) -> None:
    check_near(final.excess_pct if final else None, expected)
    if final is not None and expected is not None:
        assert abs(by_week[final.run_date] - expected) < Fraction(1, 10**10)


def check_batting(batting: Batting, action: Action | None, ended: Sequence[Batch]) -> None:
    picks = [
        excess
        for batch in ended
        for own, excess in zip(batch.actions, batch.excess(max(batch.days)), strict=True)
        if action in (None, own)
    ]
    positive = sum(excess > 0 for excess in picks)
    behind = sum(action is None or action in batch.actions for batch in ended)
    assert (batting.action, batting.batches, batting.picks, batting.positive) == (action, behind, len(picks), positive)
    check_near(batting.average_pct, Fraction(100 * positive, len(picks)) if picks else None)


def check(found: Performance, drawn: Sequence[Batch]) -> None:
    counts = [sum(batch.status is status for batch in drawn) for status in BatchStatus]
    assert [found.active, found.completed, found.failed] == counts
    by_day: defaultdict[int, list[Fraction]] = defaultdict(list)
    for batch in drawn:
        if batch.status is not BatchStatus.FAILED:
            for day in batch.days:
                by_day[day].append(sum(batch.excess(day), Fraction()) / 3)
    assert [row.day for row in found.days] == list(range(1, 15))
    for row in found.days:
        assert (row.batches, row.positive) == (len(by_day[row.day]), sum(excess > 0 for excess in by_day[row.day]))
        check_near(row.mean_excess_pct, mean(by_day[row.day]))
    ended = {
        MONDAY + timedelta(weeks=number): batch
        for number, batch in enumerate(drawn)
        if batch.status is BatchStatus.COMPLETED and batch.days
    }
    for batting, action in ((found.all_picks, None), (found.buys, Action.BUY), (found.sells, Action.SELL)):
        check_batting(batting, action, list(ended.values()))
    finals = {run_date: sum(batch.excess(max(batch.days)), Fraction()) / 3 for run_date, batch in ended.items()}
    assert found.finals.batches == len(finals)
    check_near(found.finals.mean_pct, mean(finals.values()))
    check_final(found.finals.best, max(finals.values(), default=None), finals)
    check_final(found.finals.worst, min(finals.values(), default=None), finals)


UNIT, ZERO = Decimal("1e-12"), Decimal(0)
ONE_UNIT = Batch(BatchStatus.COMPLETED, (Action.BUY, Action.SELL, Action.SELL), {9: (UNIT, ZERO, ZERO)})


def test_every_figure_is_what_fractions_give(server: EmbeddedServer, template: str) -> None:
    with cloned(server, template) as conninfo, asyncio.Runner() as runner:
        world = World(conninfo)

        async def measured() -> Performance:
            async with world.services() as services:
                return await performance(services)

        @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(batches, max_size=5))
        @example([])
        @example([ONE_UNIT])
        def compare(drawn: list[Batch]) -> None:
            write(conninfo, drawn)
            check(runner.run(measured()), drawn)

        compare()


async def test_of_equals_the_oldest_is_named(conninfo: str) -> None:
    write(conninfo, [ONE_UNIT, ONE_UNIT])
    async with World(conninfo).services() as services:
        finals = (await performance(services)).finals
    assert finals.best is not None
    assert finals.best == finals.worst
    assert finals.best.run_date == MONDAY


@pytest.mark.parametrize("status", [BatchStatus.ACTIVE, BatchStatus.FAILED])
async def test_nothing_stands_behind_a_figure_of_completed_batches_without_one(
    conninfo: str, status: BatchStatus
) -> None:
    write(conninfo, [Batch(status, ONE_UNIT.actions, ONE_UNIT.days)])
    async with World(conninfo).services() as services:
        found = await performance(services)
    assert found.all_picks == Batting(None, 0, 0, 0, None)
    assert (found.finals.batches, found.finals.mean_pct, found.finals.best, found.finals.worst) == (0, None, None, None)
    assert found.days[8].batches == (1 if status is BatchStatus.ACTIVE else 0)
    assert found.days[8].mean_excess_pct is None or found.days[8].mean_excess_pct > 0
