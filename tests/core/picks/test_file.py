import csv
import io
import os
import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.csv_rows import FileError, FileUnreadableError, decode_text
from core.picks.file import FilePicks, parse_picks, read_picks_file
from core.picks.source import (
    PickDraft,
    PicksMalformedError,
    PicksNotYetError,
    PickSource,
    PicksUnavailableError,
)
from db.records import Action

REAL_PRICES = Path(__file__).resolve().parents[4] / "shared" / "prices"
MONDAY = date(2024, 1, 8)
COLUMNS = ["run_date", "ticker", "action", "reasoning"]
HEADER = ",".join(COLUMNS) + "\n"
WEEK = "2024-01-08,ZEN,BUY,because\n2024-01-08,aapl,sell,dear\n2024-01-08,BRK.B,BUY,cheap\n"
PICKS = (
    PickDraft("ZEN", Action.BUY, "because"),
    PickDraft("AAPL", Action.SELL, "dear"),
    PickDraft("BRK.B", Action.BUY, "cheap"),
)
LONG_AGO = 1_000_000_000


def picks_file(directory: Path, text: str) -> Path:
    path = directory / "picks.csv"
    path.write_text(text)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


async def test_picks_keep_the_order_of_the_file_and_weeks_that_of_time(tmp_path: Path) -> None:
    later = WEEK.replace("2024-01-08", "2024-01-15").splitlines()
    earlier = WEEK.splitlines()
    mixed = [line for pair in zip(later, earlier, strict=True) for line in pair]
    weeks = await read_picks_file(picks_file(tmp_path, HEADER + "\n".join(mixed)))
    assert list(weeks.items()) == [(MONDAY, PICKS), (date(2024, 1, 15), PICKS)]


def test_a_header_without_rows_holds_no_week() -> None:
    assert parse_picks(HEADER, "-") == {}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("2024-01-09,T,BUY,x", "line 5: not a Monday: '2024-01-09'"),
        ("2024-01-08,T,BUY,x", "line 5: a fourth pick in the week of 2024-01-08: 'T'"),
        ("2024-01-08,zen,BUY,x", "line 5: 'ZEN' is picked twice in the week of 2024-01-08"),
        ("2024-01-15,T,BUY,x", "line 5: 1 instead of 3 picks in the week of 2024-01-15: T"),
        ("2024-01-15,T,BUY,x\n2024-01-15,GM,BUY,x", "line 6: 2 instead of 3 picks in the week of 2024-01-15: T, GM"),
        ("2024-01-15,$T,BUY,x", "'$T'"),
        ("2024-01-15,T,HOLD,x", "line 5: not BUY or SELL: 'HOLD'"),
        ("2024-01-15,T,BUY, ", "line 5: the reasoning is empty"),
        ("2024-01-15,T,BUY," + "x" * 4_001, "line 5: a reasoning of 4,001 characters"),
        ("15.01.2024,T,BUY,x", "line 5: not a date (YYYY-MM-DD): '15.01.2024'"),
        ("1850-01-07,T,BUY,x", "line 5: not a date from 1900 to 2100: '1850-01-07'"),
        ('2024-01-15,T,BUY,"a\nb\nc"\n2024-01-15,$,BUY,x', "line 8: not a ticker"),
    ],
)
async def test_a_fault_in_any_week_names_file_line_and_value(tmp_path: Path, row: str, found: str) -> None:
    path = picks_file(tmp_path, f"{HEADER}{WEEK}{row}\n")
    with pytest.raises(FileError) as caught:
        await read_picks_file(path)
    assert caught.value.message.startswith(f"{path}, line ")
    assert found in caught.value.message
    with pytest.raises(PicksMalformedError) as malformed:
        await FilePicks(path, "SPY").picks(MONDAY)
    assert malformed.value.message == caught.value.message


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60).filter(str.strip),
        min_size=3,
        max_size=3,
    ),
    st.permutations(COLUMNS),
    st.booleans(),
)
def test_hostile_reasoning_survives_the_way_through_a_file(
    reasoning: list[str], columns: list[str], quote_all: bool
) -> None:
    drafts = tuple(
        PickDraft(ticker, action, text)
        for ticker, action, text in zip(
            ("T", "GM", "BRK.B"), (Action.BUY, Action.SELL, Action.BUY), reasoning, strict=True
        )
    )
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    writer.writeheader()
    for draft in drafts:
        values = (MONDAY.isoformat(), draft.ticker, draft.action.value, draft.reasoning)
        writer.writerow(dict(zip(COLUMNS, values, strict=True)))
    assert parse_picks(decode_text(file.getvalue().encode(), "-"), "-") == {MONDAY: drafts}


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=20, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_weeks_does_not_matter(weeks: list[int], shuffler: random.Random) -> None:
    mondays = [date(1990, 1, 1) + timedelta(weeks=week) for week in weeks]
    rows = [WEEK.replace("2024-01-08", monday.isoformat()) for monday in mondays]
    expected = parse_picks(HEADER + "".join(rows), "-")
    shuffler.shuffle(rows)
    assert list(parse_picks(HEADER + "".join(rows), "-").items()) == list(expected.items())
    assert list(expected) == sorted(mondays)


async def test_the_source_gives_the_week_it_is_asked_for(tmp_path: Path) -> None:
    source: PickSource = FilePicks(picks_file(tmp_path, HEADER + WEEK), "SPY")
    assert source.name == "file"
    assert await source.picks(MONDAY) == PICKS


async def test_a_week_without_rows_is_not_there_yet_and_is_found_once_added(tmp_path: Path) -> None:
    path = picks_file(tmp_path, HEADER + WEEK)
    source = FilePicks(path, "SPY")
    with pytest.raises(PicksNotYetError, match="no picks for the week of 2024-01-15"):
        await source.picks(date(2024, 1, 15))
    path.write_text(HEADER + WEEK + WEEK.replace("2024-01-08", "2024-01-15"))
    assert await source.picks(date(2024, 1, 15)) == PICKS


async def test_the_benchmark_cannot_be_picked(tmp_path: Path) -> None:
    path = picks_file(tmp_path, HEADER + WEEK)
    with pytest.raises(PicksMalformedError) as caught:
        await FilePicks(path, "ZEN").picks(MONDAY)
    assert caught.value.message == f"{path}, week of 2024-01-08: ZEN is the benchmark and cannot be picked"


async def test_a_file_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(PicksUnavailableError, match="cannot read"):
            await FilePicks(path, "SPY").picks(MONDAY)
        with pytest.raises(FileUnreadableError, match="cannot read"):
            await read_picks_file(path)


@pytest.mark.skipif(not REAL_PRICES.is_dir(), reason="the picks over real closes are not beside this checkout")
@pytest.mark.parametrize(("name", "count"), [("adjusted_2010_2018", 432), ("raw_2014", 31)])
async def test_every_pick_over_real_closes_arrives(name: str, count: int) -> None:
    path = REAL_PRICES / name / "picks.csv"
    with path.open(newline="", encoding="utf-8") as file:
        sent = [tuple(row[column] for column in COLUMNS) for row in csv.DictReader(file)]
    weeks = await read_picks_file(path)
    assert len(weeks) == count
    received = [
        (run_date.isoformat(), draft.ticker, draft.action.value, draft.reasoning)
        for run_date, drafts in weeks.items()
        for draft in drafts
    ]
    assert received == sent
