from datetime import date

import pytest

from core.csv_rows import FileError
from core.picks.universe import parse_universe


def test_an_undated_universe_has_the_same_members_every_day() -> None:
    universe = parse_universe("ticker\naapl\nBRK.B\n", "u.csv")
    assert universe.undated
    assert universe.members(date(1900, 1, 1)) == universe.members(date(2100, 12, 31)) == {"AAPL", "BRK.B"}


def test_empty_dates_leave_a_universe_undated() -> None:
    assert parse_universe("ticker,from,to\nAAPL,,\n", "u.csv").undated
    assert not parse_universe("ticker,from\nAAPL,\nT,2020-01-01\n", "u.csv").undated
    assert not parse_universe("ticker,to\nT,2020-01-01\nAAPL,\n", "u.csv").undated


def test_membership_includes_both_ends_and_may_come_in_spells() -> None:
    universe = parse_universe(
        "to,ticker,from\n2020-01-31,GM,2020-01-01\n,GM,2021-01-01\n2019-12-31,GM,\n,T,2020-01-15\n", "u.csv"
    )
    assert universe.members(date(1900, 1, 1)) == {"GM"}
    assert universe.members(date(2020, 1, 14)) == {"GM"}
    assert universe.members(date(2020, 1, 15)) == {"GM", "T"}
    assert universe.members(date(2020, 1, 31)) == {"GM", "T"}
    assert universe.members(date(2020, 2, 1)) == {"T"}
    assert universe.members(date(2020, 12, 31)) == {"T"}
    assert universe.members(date(2021, 1, 1)) == {"GM", "T"}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("$,,", "not a ticker"),
        ("T,2020,", "not a date (YYYY-MM-DD): '2020'"),
        ("T,,2020-02-30", "no such date: '2020-02-30'"),
        ("T,2020-01-02,2020-01-01", "'T' ends on '2020-01-01', before it begins on '2020-01-02'"),
        ("gm,2020-01-31,", "'GM' belongs twice on the same day"),
        ("GM,,", "'GM' belongs twice on the same day"),
        ("GM,,2020-01-01", "'GM' belongs twice on the same day"),
        ("GM,2020-01-05,2020-01-06", "'GM' belongs twice on the same day"),
    ],
)
def test_a_fault_names_file_line_and_value(row: str, found: str) -> None:
    with pytest.raises(FileError) as caught:
        parse_universe(f"ticker,from,to\nGM,2020-01-01,2020-01-31\n{row}\n", "u.csv")
    assert caught.value.message.startswith("u.csv, line 3: ")
    assert found in caught.value.message


@pytest.mark.parametrize(("one", "other"), [("BRK.B", "BRK-B"), ("brk/b", "BRK.B")])
def test_one_share_in_two_spellings_belongs_once(one: str, other: str) -> None:
    assert parse_universe(f"ticker\n{one}\nT\n", "u.csv").members(date(2020, 1, 1)) == {"BRK.B", "T"}
    with pytest.raises(FileError, match=r"line 3: 'BRK\.B' belongs twice on the same day"):
        parse_universe(f"ticker\n{one}\n{other}\n", "u.csv")
