import csv
import io
from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import csv_rows, trading_calendar
from core.csv_rows import FileError, decode_text, parse_date, read_rows


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
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=2, max_size=2).map(
        tuple
    ),
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
