"""Renamed tickers: the operator's file, and what became of a company that a symbol named on a day."""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.csv_rows import FileError, FileUnreadableError
from core.symbol_changes import NO_CHANGES, SymbolChange, SymbolChanges, SymbolChangesFile, names_of, parse_changes

HEADER = "ticker,successor,date\n"
META_DAY = date(2022, 6, 9)
FB = SymbolChange("FB", "META", META_DAY)
LATER = date(2030, 1, 1)


def test_a_file_of_changes() -> None:
    found = parse_changes(f"{HEADER}fb,meta,2022-06-09\nBRK.A,BRK.B,2020-01-02\n", "changes.csv")
    assert found.of("FB", date(2022, 6, 6), LATER) == (FB,)
    assert found.of("BRK.A", date(2019, 1, 1), LATER) == (SymbolChange("BRK.A", "BRK.B", date(2020, 1, 2)),)
    assert not found.of("META", date(2022, 1, 1), LATER)
    assert found
    assert not parse_changes(HEADER, "changes.csv")


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ("FB,META,2022-06-09\nfb,METB,2022-06-09", 3, "a second change of 'FB' on 2022-06-09"),
        ("FB,FB,2022-06-09", 2, "its own successor"),
        ("FB,fb,2022-06-09", 2, "its own successor"),
        ("BRK-B,BRK.B,2022-06-09", 2, "its own successor"),
        ("BRK-B,X,2022-06-09\nBRK/B,Y,2022-06-09", 3, "a second change of 'BRK.B' on 2022-06-09"),
        ("FB,META,9.6.2022", 2, "9.6.2022"),
        ("FB,META,2022-02-30", 2, "2022-02-30"),
        ("F B,META,2022-06-09", 2, "F B"),
        ("FB,,2022-06-09", 2, ""),
        ("FB,META", 2, "2 fields"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_used(rows: str, line: int, words: str) -> None:
    with pytest.raises(FileError, match=f"changes.csv, line {line}: ") as caught:
        parse_changes(f"{HEADER}{rows}\n", "changes.csv")
    assert words in caught.value.message


def test_a_change_counts_from_the_day_after_the_baseline_to_the_present() -> None:
    changes = SymbolChanges([FB])
    day = timedelta(days=1)
    assert changes.of("FB", META_DAY - day, META_DAY) == (FB,)
    assert changes.of("FB", META_DAY - day, META_DAY - day) == ()
    assert changes.of("FB", META_DAY, LATER) == (), "whoever was called so on that day is another"


def test_a_company_that_was_renamed_again() -> None:
    again = SymbolChange("META", "MTA", date(2025, 3, 3))
    changes = SymbolChanges([again, FB])
    assert changes.of("FB", date(2022, 1, 3), LATER) == (FB, again)
    assert changes.of("FB", date(2022, 1, 3), date(2025, 3, 2)) == (FB,)
    assert names_of("FB", {"FB": (FB, again)}) == ("FB", "META", "MTA")
    assert names_of("SPY", {"FB": (FB, again)}) == ("SPY",)


def test_a_ticker_that_two_companies_had() -> None:
    second = SymbolChange("FB", "FBX", date(2027, 5, 3))
    changes = SymbolChanges([second, FB])
    assert changes.of("FB", date(2022, 1, 3), LATER) == (FB,)
    assert changes.of("FB", date(2026, 1, 5), LATER) == (second,)
    assert changes.names("FB") == {"FB", "META", "FBX"}


def test_a_name_that_comes_back_is_no_endless_walk() -> None:
    there, back = SymbolChange("AAA", "BBB", date(2020, 1, 2)), SymbolChange("BBB", "AAA", date(2020, 1, 3))
    changes = SymbolChanges([there, back])
    assert changes.of("AAA", date(2020, 1, 1), LATER) == (there, back)
    assert changes.of("BBB", date(2020, 1, 1), LATER) == (back,)
    assert changes.names("AAA") == {"AAA", "BBB"}
    same_day = SymbolChanges([there, SymbolChange("BBB", "AAA", there.date)])
    assert same_day.of("AAA", date(2020, 1, 1), LATER) == (there,)


names = st.sampled_from(["AAA", "BBB", "CCC", "DDD"])
dates = st.dates(date(2020, 1, 1), date(2020, 1, 12))


@given(st.lists(st.builds(SymbolChange, names, names, dates), max_size=12), names, dates, dates)
def test_what_became_of_a_company_is_a_chain_in_time(
    changes: list[SymbolChange], symbol: str, since: date, until: date
) -> None:
    known = SymbolChanges(changes)
    found = known.of(symbol, since, until)
    assert [each.ticker for each in found] == [symbol, *(each.successor for each in found)][: len(found)]
    moments = [since, *(each.date for each in found)]
    assert moments == sorted(set(moments))
    assert all(each.date <= until for each in found)
    assert set(names_of(symbol, {symbol: found})) <= known.names(symbol)


async def test_a_file_that_is_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "changes.csv"
    file.write_text(HEADER, encoding="utf-8")
    changes = SymbolChangesFile(file)
    assert not await changes.changes()
    file.write_text(f"{HEADER}FB,META,2022-06-09\n", encoding="utf-8")
    os.utime(file, (1, 1))
    assert (await changes.changes()).of("FB", date(2022, 1, 3), LATER) == (FB,)
    file.unlink()
    with pytest.raises(FileUnreadableError):
        await changes.changes()
    assert await SymbolChangesFile(None).changes() is NO_CHANGES
