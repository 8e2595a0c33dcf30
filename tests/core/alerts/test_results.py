"""The figures that news are told with: signed by what each pick said to do, and read whole from the database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from core.alerts.results import batch_result
from core.alerts.telling import BatchResult, PickResult
from core.batches import Origin
from core.due_work import run_due_work
from core.mixing import SIMULATED
from core.reading import BatchDetail, Day
from db.records import Action, Batch, BatchStatus, Checkpoint, CheckpointStatus, Pick, PickCheckpointMetric
from tests.core.alerts.receiving import Service, alerting, service, tell
from tests.core.world import FIRST, World
from tests.fakes import exchange

MADE = datetime(2020, 1, 6, tzinfo=UTC)
PICKS = tuple(
    Pick(UUID(int=number), UUID(int=9), ticker, action, "", Decimal(100))
    for number, (ticker, action) in enumerate([("AAA", Action.BUY), ("BBB", Action.SELL), ("CCC", Action.SELL)])
)


def detail(*days: tuple[Decimal, ...]) -> BatchDetail:
    """A batch whose picks were so many points above the benchmark on each day; none on a day that was skipped."""
    return BatchDetail(
        batch=Batch(UUID(int=9), MADE, FIRST, "SPY", Decimal(100), BatchStatus.COMPLETED),
        origin=Origin.LIVE,
        source="tiingo",
        basis="price",
        baseline_date=date(2020, 1, 3),
        sessions=10,
        picks=PICKS,
        days=tuple(
            Day(
                Checkpoint(UUID(int=20 + at), UUID(int=9), FIRST, CheckpointStatus.COMPUTED, None, None),
                {
                    pick.id: PickCheckpointMetric(UUID(int=0), UUID(int=0), pick.id, Decimal(1), Decimal(0), above)
                    for pick, above in zip(PICKS, day, strict=False)
                },
                None, (), None, None, {},
            )
            for at, day in enumerate(days)
        ),
        waiting=(),
        events=(),
    )  # fmt: skip


def test_a_sale_that_fell_behind_the_benchmark_is_a_success() -> None:
    found = batch_result(detail((Decimal(9), Decimal(9), Decimal(9)), (Decimal(3), Decimal(-7), Decimal(1)), ()))
    sales = (PickResult("SELL", "BBB", Decimal(7)), PickResult("SELL", "CCC", Decimal(-1)))
    assert found == BatchResult(Decimal(3), (PickResult("BUY", "AAA", Decimal(3)), *sales))


def test_without_a_computed_day_there_is_no_result() -> None:
    assert batch_result(detail(())) == BatchResult(None)
    assert batch_result(replace(detail(()), source=SIMULATED)).is_simulated


@pytest.fixture
def taker() -> Iterator[Service]:
    with service() as found:
        yield found


async def test_the_digest_tells_what_ended_and_what_is_staged(conninfo: str, taker: Service, tmp_path: Path) -> None:
    world = World(conninfo)
    file = tmp_path / "picks.csv"
    async with alerting(world, taker.url, on=("digest",), pick_source="file") as services:
        services = replace(services, settings=services.settings.model_copy(update={"picks_file": file}))
        await tell(services)
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-25", "09:00")
        await run_due_work(services)
        await tell(services)
        [digest] = taker.take()
        rows = [f"2020-02-03,{ticker},BUY,Because." for ticker in ("AAA", "BBB", "CCC")]
        file.write_text("\n".join(["run_date,ticker,action,reasoning", *rows, ""]))
        world.clock.instant = exchange("2020-02-01", "09:00")
        await tell(services)
        [following] = taker.take()
    lines = digest.body.splitlines()
    assert lines[:2] == ["No batch is open.", "Completed:"]
    assert lines[2].startswith("  2020-01-06: excess ")
    assert lines[2].count("BUY") == 3
    assert "  the week of 2020-01-20 was not opened" in lines
    assert lines[lines.index("Monday 2020-01-27:") + 1] == "  nothing is staged yet"
    assert lines[-1].startswith("  1 batch completed, mean excess ")
    assert "Completed:" not in following.body
    assert "Monday 2020-02-03:\n  staged: BUY AAA, BUY BBB, BUY CCC" in following.body
