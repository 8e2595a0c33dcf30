"""A year as a cron job would live it: twice a day, every day, each time the whole command."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.replay.conftest import PriceSet, assert_tables, query, run_dates
from tui.cli import main


def instants(first: date, last: date, last_opening: date) -> Iterator[str]:
    """09:05 and 17:00 of every day; after the last opening only the evenings, since no week follows."""
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day <= last_opening:
            yield f"{day}T09:05"
        yield f"{day}T17:00"


def step_through(price_set: PriceSet, weeks: list[date], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs `--headless --once --as-of` over all days of `weeks`."""
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "csv")
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_FILE", str(price_set.prices))
    monkeypatch.setenv("ALPHA_MONDAY_PICK_SOURCE", "file")
    monkeypatch.setenv("ALPHA_MONDAY_PICKS_FILE", str(price_set.picks))
    for instant in instants(weeks[0], weeks[-1] + timedelta(days=13), weeks[-1]):
        assert main(["--headless", "--once", "--as-of", instant, "--json"]) == 0, instant


def test_a_year_of_adjusted_prices(
    adjusted: PriceSet, conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2012 has a hurricane on a Monday, half days, and a symbol that begins in May."""
    monkeypatch.setenv("DATABASE_URL", conninfo)
    weeks = [run_date for run_date in run_dates(adjusted) if run_date.year == 2012]
    step_through(excerpt(adjusted, weeks, tmp_path), weeks, monkeypatch)
    assert_tables(conninfo, adjusted, weeks[0].isoformat(), weeks[-1].isoformat())
    missed = query(conninfo, "select payload ->> 'run_date' from events where event_type = 'batch_missed'")
    assert missed == [((weeks[-1] + timedelta(days=7)).isoformat(),)]  # the only Monday that nobody opened


def test_raw_prices_through_a_split(raw: PriceSet, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", conninfo)
    step_through(raw, run_dates(raw), monkeypatch)
    assert_tables(conninfo, raw)


def excerpt(price_set: PriceSet, weeks: list[date], folder: Path) -> PriceSet:
    """The set with prices from just before the first week to a year after the last: the future is still in the file."""
    first, last = weeks[0] - timedelta(days=10), weeks[-1] + timedelta(days=365)
    with price_set.prices.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    with (folder / "prices.csv").open("w", encoding="utf-8", newline="") as stream:
        kept = [row for row in rows[1:] if first.isoformat() <= row[0] <= last.isoformat()]
        csv.writer(stream).writerows([rows[0], *kept])
    (folder / "picks.csv").write_bytes(price_set.picks.read_bytes())
    return PriceSet(folder)
