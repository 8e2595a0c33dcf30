import csv
import io
from collections.abc import Callable, Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import csv_rows, trading_calendar
from core.csv_rows import FileError, decode_text, parse_date, read_rows
from core.picks.file import parse_picks
from core.picks.universe import parse_universe
from core.prices.csv_file import parse_prices
from core.symbol_changes import parse_changes


def rows(text: str) -> list[tuple[int, tuple[str, ...]]]:
    return list(read_rows(text, "f.csv", ("a", "b"), ("c",)))


def written(rows: Sequence[Sequence[str]], quote_all: bool) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL).writerows(rows)
    return file.getvalue()


def test_columns_come_in_the_order_asked_for() -> None:
    assert rows("c,b,a\n3,2,1\n") == [(2, ("1", "2", "3"))]


def test_an_absent_optional_column_is_empty() -> None:
    assert rows("b,a\n2,1\n") == [(2, ("1", "2", ""))]


def test_blank_lines_are_passed_over_and_counted() -> None:
    assert rows("\na,b\n\n1,2\r\n\r\n3,4") == [(4, ("1", "2", "")), (6, ("3", "4", ""))]


def test_rows_of_separators_alone_are_passed_over_and_counted() -> None:
    assert rows(',\na,b\n,\n1,2\n,,,,\r\n"",\n3,4\n,,\n') == [(4, ("1", "2", "")), (7, ("3", "4", ""))]


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("a;b\n1;2\n", "unknown column 'a;b': the fields are separated by semicolons", "Save the file with commas"),
        ("sep=;\na;b\n1;2\n", "unknown column 'sep=;': the fields are separated by semicolons", "with commas"),
        ("a\tb\n1\t2\n", "the fields are separated by tabs", "Save the file with commas"),
        ("a,b\n1;2\n", "line 2: 1 fields, the header has 2: '1;2'; the fields are separated by semicolons", "line 2"),
        ("A,B\n1,2\n", "unknown column 'A': it has capital letters, 'a' is expected", "Write a. The columns are a,b"),
        ("a, b\n1,2\n", "unknown column ' b': it has blanks around it, 'b' is expected", "Write b."),
        ("a,b\nx,1,5\n", "line 2: 3 fields, the header has 2: 'x,1,5'; a decimal comma stands in 1,5", "line 2"),
        ("a,b\n1,5,2,5\n", "a decimal comma stands in 1,5, 2,5, a decimal point is expected", "line 2"),
    ],
)
def test_the_ways_of_other_spreadsheets_are_named(text: str, found: str, expected: str) -> None:
    with pytest.raises(FileError) as caught:
        rows(text)
    assert found in caught.value.message
    assert expected in caught.value.remedy


def test_surplus_fields_that_are_no_decimal_commas_are_not_called_so() -> None:
    for text in ("a,b\n1,x,2\n", "a,b\n1,2,3,4,5\n"):
        with pytest.raises(FileError) as caught:
            rows(text)
        assert "decimal" not in caught.value.message


def test_a_row_is_named_by_the_line_on_which_it_starts() -> None:
    assert rows('a,b\n"x\ny\r\nz\r",2\n3,4\n') == [(2, ("x\ny\r\nz\r", "2", "")), (6, ("3", "4", ""))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "f.csv: the file is empty"),
        ("\n\n", "f.csv: the file is empty"),
        ("a\n1\n", "f.csv, line 1: column 'b' is missing"),
        ("\na,b,z\n1,2,3\n", "f.csv, line 2: unknown column 'z'"),
        ("a,b,\n1,2,3\n", "f.csv, line 1: unknown column ''"),
        ("a, b\n1,2\n", "f.csv, line 1: unknown column ' b'"),
        ("a,b,a\n1,2,3\n", "f.csv, line 1: column 'a' stands there twice"),
        ("a,b\n1,2\n3\n", "f.csv, line 3: 1 fields, the header has 2: '3'"),
        ("a,b\n1,2,3\n", "f.csv, line 2: 3 fields, the header has 2: '1,2,3'"),
        ("a,b\n   \n", "f.csv, line 2: 1 fields, the header has 2: '   '"),
        ("a,b\n1,2\n3,x\0y\n", "f.csv, line 3: a NUL character: 'a,b\\n1,2\\n3,x\\x00y\\n'"),
        ('a,b\n1,2\n3,"x\n\n', "f.csv, line 3: not CSV: unexpected end of data"),
        ('a,b\n1,"x"y\n', "f.csv, line 2: not CSV: ',' expected after '\"'"),
        (f"a,b\n1,{'x' * 200_000}\n", "f.csv, line 2: not CSV: field larger than field limit (131072)"),
    ],
)
def test_a_fault_names_file_line_and_value(text: str, found: str) -> None:
    with pytest.raises(FileError) as caught:
        rows(text)
    assert found in caught.value.message
    assert caught.value.code == "file"
    assert caught.value.remedy


def test_hostile_text_is_cut_in_messages() -> None:
    with pytest.raises(FileError) as caught:
        rows("a,b\n" + "x" * 100_000 + "\n")
    assert len(caught.value.message) < 200


@given(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=2, max_size=2)
    .filter(any)
    .map(tuple),
    st.booleans(),
)
def test_hostile_text_survives_and_the_next_line_is_still_known(fields: tuple[str, str], quote_all: bool) -> None:
    text = written([("a", "b"), fields, ("1", "2"), ("wrong",)], quote_all)
    received = decode_text(text.encode("utf-8-sig"), "f.csv")
    reading = read_rows(received, "f.csv", ("a", "b"))
    assert next(reading) == (2, fields)
    lines_before = len(io.StringIO(written([("a", "b"), fields], quote_all), newline=None).readlines())
    assert next(reading) == (lines_before + 1, ("1", "2"))
    with pytest.raises(FileError, match=f"line {lines_before + 2}:"):
        next(reading)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = rows(text)
    except FileError:
        return
    assert all(len(fields) == 3 for _, fields in read)


@given(st.binary())
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        text = decode_text(data, "f.csv")
    except FileError:
        return
    assert text.encode() == data.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bytes_that_are_not_utf_8_are_named_by_their_line(mark: bytes) -> None:
    with pytest.raises(FileError, match=r"f\.csv, line 4: not UTF-8: byte 0xe9"):
        decode_text(mark + "a,b\r\nä\r\r\ncaf".encode() + b"\xe9,2\n", "f.csv")


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_a_date_in_iso_form_is_that_date(day: date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    ["", "20200101", "2020-W01-1", "2020-1-1", "2020-02-30", "1899-12-31", "2101-01-01", " 2020-01-01", "2020-01-01\n"],
)
def test_any_other_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="date"):
        parse_date(text)


def test_dates_in_files_reach_as_far_as_the_calendar() -> None:
    assert csv_rows.FIRST_YEAR == trading_calendar.FIRST_YEAR
    assert csv_rows.LAST_YEAR == trading_calendar.LAST_YEAR


@pytest.mark.parametrize(
    ("parse", "header", "rows"),
    [
        (parse_prices, "date,symbol,close", ["2020-01-06,SPY,1"]),
        (parse_picks, "run_date,ticker,action,reasoning", [f"2020-01-06,{ticker},BUY,Why." for ticker in "ABC"]),
        (parse_universe, "ticker,from,to", ["AAA,,", "BBB,2020-01-01,2020-02-01"]),
        (parse_changes, "ticker,successor,date", ["FB,META,2022-06-09"]),
    ],
)
class TestEveryReader:
    def test_passes_over_rows_of_separators(
        self, parse: Callable[[str, str], object], header: str, rows: list[str]
    ) -> None:
        separators = "," * header.count(",")
        plain, filled = "\n".join([header, *rows]), f"\n{separators}\n".join(["", header, *rows, "", ",,,,,,,"])
        assert repr(vars_of(parse(filled, "f.csv"))) == repr(vars_of(parse(plain, "f.csv")))

    def test_names_semicolons_and_capitals(
        self, parse: Callable[[str, str], object], header: str, rows: list[str]
    ) -> None:
        with pytest.raises(FileError, match="the fields are separated by semicolons, not by commas"):
            parse("\n".join([header, *rows]).replace(",", ";"), "f.csv")
        with pytest.raises(FileError, match="it has capital letters"):
            parse("\n".join([header.title(), *rows]), "f.csv")


def vars_of(parsed: object) -> object:
    return vars(parsed) if hasattr(parsed, "__dict__") else parsed
