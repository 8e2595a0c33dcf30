"""Real prices, and the tables that they must give, from a folder that need not be there."""

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

PRICES = Path(__file__).parents[3] / "shared" / "prices"
CHECKPOINTS = """
select run_date::text, checkpoint_date::text, c.status, coalesce(benchmark_price::text, ''),
       coalesce(benchmark_return_pct::text, '')
from checkpoints c join batches b on b.id = c.batch_id
"""
METRICS = """
select run_date::text, checkpoint_date::text, ticker, current_price::text, absolute_return_pct::text,
       vs_benchmark_pct::text
from pick_checkpoint_metrics m
join picks p on p.id = m.pick_id
join checkpoints c on c.id = m.checkpoint_id
join batches b on b.id = c.batch_id
"""
BASELINES = """
select run_date::text, benchmark_symbol, payload ->> 'baseline_date', benchmark_initial_price::text
from batches b join events e on e.batch_id = b.id and event_type = 'batch_opened'
union all
select run_date::text, ticker, payload ->> 'baseline_date', initial_price::text
from batches b join events e on e.batch_id = b.id and event_type = 'batch_opened' join picks p on p.batch_id = b.id
"""
SUMMARY = """
select run_date::text,
       round(avg(case action when 'BUY' then vs_benchmark_pct else -vs_benchmark_pct end), 11)
from batches b
join lateral (
    select id from checkpoints c where c.batch_id = b.id and c.status = 'computed' order by checkpoint_date desc limit 1
) last on true
join pick_checkpoint_metrics m on m.checkpoint_id = last.id
join picks p on p.id = m.pick_id
group by run_date
"""


@dataclass(frozen=True, slots=True)
class PriceSet:
    """A folder of real prices and picks, and the rows that they must give, as text."""

    folder: Path

    @property
    def prices(self) -> Path:
        return self.folder / "prices.csv"

    @property
    def picks(self) -> Path:
        return self.folder / "picks.csv"

    def expected(self, name: str) -> list[dict[str, str]]:
        with (self.folder / f"expected_{name}.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def rows(self, name: str, first: str = "", last: str = "9999") -> list[tuple[str, ...]]:
        """The rows of an expected table for the weeks from `first` to `last`, sorted."""
        return sorted(tuple(row.values()) for row in self.expected(name) if first <= row["run_date"] <= last)


@pytest.fixture(params=["adjusted_2010_2018", "raw_2014"])
def price_set(request: pytest.FixtureRequest) -> PriceSet:
    """Each folder in turn."""
    return _price_set(request.param)


@pytest.fixture
def adjusted() -> PriceSet:
    """Eight years of adjusted closes."""
    return _price_set("adjusted_2010_2018")


@pytest.fixture
def raw() -> PriceSet:
    """Raw closes through a split of 7:1."""
    return _price_set("raw_2014")


def _price_set(name: str) -> PriceSet:
    if not (PRICES / name).is_dir():
        pytest.skip(f"no real prices in {PRICES / name}")
    return PriceSet(PRICES / name)


def query(conninfo: str, statement: str) -> list[tuple[Any, ...]]:
    """Every row of `statement`, sorted."""
    with psycopg.connect(conninfo) as connection:
        return sorted(connection.execute(statement.encode()).fetchall())


def assert_tables(conninfo: str, price_set: PriceSet, first: str = "", last: str = "9999") -> None:
    """Holds every stored value of the weeks from `first` to `last` against the expected tables, digit for digit."""
    assert query(conninfo, CHECKPOINTS) == price_set.rows("checkpoints", first, last)
    assert query(conninfo, METRICS) == price_set.rows("metrics", first, last)
    assert query(conninfo, BASELINES) == price_set.rows("baselines", first, last)
    weeks = {row[0] for row in price_set.rows("summary", first, last)}
    assert {row[0] for row in query(conninfo, "select run_date::text from batches where status = 'completed'")} == weeks


def run_dates(price_set: PriceSet) -> list[date]:
    """Every week of the set."""
    return sorted({date.fromisoformat(row["run_date"]) for row in price_set.expected("summary")})
