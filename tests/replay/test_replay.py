"""Real prices in, exact tables out: replayed whole, twice, by four at once, and killed on the way."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests.replay.conftest import SUMMARY, PriceSet, assert_tables, query

PROGRAM = (sys.executable, "-m", "tui")
EVERYTHING = (
    "select 'e', event_type, payload::text from events union all select 'b', run_date::text, status from batches"
)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(conninfo: str, tmp_path: Path) -> Start:
    """Starts the program on this test's database."""

    def starter(price_set: PriceSet, *arguments: str) -> "subprocess.Popen[str]":
        environment = {
            **os.environ,
            "DATABASE_URL": conninfo,
            "HOME": str(tmp_path),
            "ALPHA_MONDAY_PRICE_SOURCE": "csv",
            "ALPHA_MONDAY_PRICE_FILE": str(price_set.prices),
        }
        return subprocess.Popen(
            [*PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return starter


def finished(process: "subprocess.Popen[str]") -> dict[str, int]:
    """What a writer reported, once it has ended well."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    counts = json.loads(stdout)
    assert isinstance(counts, dict)
    return counts


def replay(start: Start, price_set: PriceSet) -> "subprocess.Popen[str]":
    return start(price_set, "backfill", "--picks", str(price_set.picks), "--json")


def test_every_stored_value_equals_the_expected_tables(start: Start, conninfo: str, price_set: PriceSet) -> None:
    counts = finished(replay(start, price_set))
    weeks, checkpoints = price_set.rows("summary"), price_set.rows("checkpoints")
    computed = sum(row[2] == "computed" for row in checkpoints)
    assert counts == {
        "opened": len(weeks),
        "already_there": 0,
        "computed": computed,
        "skipped": len(checkpoints) - computed,
        "waiting": 0,
    }
    assert_tables(conninfo, price_set)
    excess = {row["run_date"]: Decimal(row["mean_action_adjusted_excess_pct"]) for row in price_set.expected("summary")}
    for run_date, mean in query(conninfo, SUMMARY):
        assert abs(mean - excess[run_date]) < Decimal("1e-10")

    before = query(conninfo, EVERYTHING)
    again = finished(replay(start, price_set))
    assert again == {"opened": 0, "already_there": len(weeks), "computed": 0, "skipped": 0, "waiting": 0}
    assert query(conninfo, EVERYTHING) == before


def test_the_numbers_of_the_eight_years(start: Start, adjusted: PriceSet) -> None:
    counts = finished(replay(start, adjusted))
    assert counts == {"opened": 432, "already_there": 0, "computed": 4168, "skipped": 6048 - 4168, "waiting": 0}


def test_four_replays_at_once_give_the_tables_of_one(start: Start, conninfo: str, adjusted: PriceSet) -> None:
    reports = [finished(process) for process in [replay(start, adjusted) for _ in range(4)]]
    assert sum(report["opened"] for report in reports) == 432
    assert sum(report["computed"] for report in reports) == 4168
    assert_tables(conninfo, adjusted)
    events = query(conninfo, "select event_type, count(*) from events group by event_type")
    assert dict(events) == {
        "batch_opened": 432,
        "batch_completed": 432,
        "checkpoint_computed": 4168,
        "checkpoint_skipped": 1880,
    }


def test_a_replay_killed_at_random_moments_gives_the_same_tables(
    start: Start, conninfo: str, adjusted: PriceSet
) -> None:
    seed = random.randrange(2**32)
    kills_at = sorted(random.Random(seed).sample(range(1, 432), 20))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for weeks in kills_at:
            process = replay(start, adjusted)
            while process.poll() is None and _weeks(connection) < weeks:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.005)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL, f"it ended by itself (seed {seed})"
    finished(replay(start, adjusted))
    assert_tables(conninfo, adjusted)


def _weeks(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute("select count(*) from batches").fetchone()
    assert row is not None
    return row[0]
