import csv
import os
import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.csv_rows import FileError
from core.prices.csv_file import CsvPrices, parse_prices
from core.prices.source import Basis, Close, MalformedError, PriceSource, UnavailableError

REAL_PRICES = Path(__file__).resolve().parents[4] / "shared" / "prices"
HEADER = "date,symbol,close,split_factor\n"
LONG_AGO = 1_000_000_000


def price_file(directory: Path, text: str) -> Path:
    path = directory / "prices.csv"
    path.write_text(text)
    return path


async def test_closes_of_a_span_with_both_ends_and_the_unknown_symbols(tmp_path: Path) -> None:
    source: PriceSource = CsvPrices(
        price_file(
            tmp_path,
            "symbol,close,date\nSPY,400.10,2024-01-05\nSPY,1,2024-01-02\nSPY,2,2024-01-08\nSPY,3,2024-01-09\n"
            "brk.b,360,2024-01-05\nOLD,5,2020-01-02\n",
        )
    )
    answer = await source.closes(iter(["SPY", "BRK.B", "OLD", "ZZZ", "SPY"]), date(2024, 1, 3), date(2024, 1, 8))
    assert answer.closes == {
        "BRK.B": {date(2024, 1, 5): Close(Decimal(360))},
        "OLD": {},
        "SPY": {date(2024, 1, 5): Close(Decimal("400.10")), date(2024, 1, 8): Close(Decimal(2))},
    }
    assert str(answer.closes["SPY"][date(2024, 1, 5)].price) == "400.10"
    assert list(answer.closes["SPY"]) == [date(2024, 1, 5), date(2024, 1, 8)]
    assert answer.unknown == {"ZZZ"}
    assert (answer.source, answer.basis) == ("csv", Basis.UNSPECIFIED)
    assert (source.name, source.basis, source.settle_delay) == ("csv", Basis.UNSPECIFIED, timedelta(0))


def test_split_factors_arrive_and_an_empty_one_is_none() -> None:
    held = parse_prices(HEADER + "2014-06-06,AAPL,645.57,\n2014-06-09,AAPL,93.7,7\n2014-06-10,AAPL,1,0.05\n", "f.csv")
    factors = [close.split_factor for close in held["AAPL"].closes.values()]
    assert factors == [Decimal(1), Decimal(7), Decimal("0.05")]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("2024-13-01,SPY,1,1", "no such date: '2024-13-01'"),
        ("01/02/2024,SPY,1,1", "not a date (YYYY-MM-DD): '01/02/2024'"),
        ("2024-01-02,,1,1", "not a ticker"),
        ("2024-01-02,S PY,1,1", "'S PY'"),
        ("2024-01-02,SPY,-1,1", "'-1'"),
        ("2024-01-02,SPY,0,1", "not a positive price: '0'"),
        ("2024-01-02,SPY,0.000,1", "not a positive price: '0.000'"),
        ("2024-01-02,SPY,NaN,1", "'NaN'"),
        ("2024-01-02,SPY,1e400,1", "'1e400'"),
        ("2024-01-02,SPY,,1", "not a plain decimal number: ''"),
        ("2024-01-02,SPY,1.1234567890123,1", "'1.1234567890123'"),
        ("2024-01-02,SPY,1234567890123,1", "'1234567890123'"),
        ("2024-01-02,SPY,1,0", "split factor: not a positive price: '0'"),
        ("2024-01-02,SPY,1,-7", "split factor: not a plain decimal number: '-7'"),
        ("2024-01-02,SPY,1,7:1", "split factor: not a plain decimal number: '7:1'"),
        ("2024-01-01,spy,2,1", "a second close of 'SPY' on 2024-01-01: '2'"),
        ("2024-01-02,SPY,1", "3 fields, the header has 4"),
    ],
)
async def test_a_fault_is_malformed_and_names_file_line_and_value(tmp_path: Path, row: str, found: str) -> None:
    path = price_file(tmp_path, f"{HEADER}2024-01-01,SPY,1,1\n{row}\n2024-01-03,SPY,1,1\n")
    with pytest.raises(MalformedError) as caught:
        await CsvPrices(path).closes(["SPY"], date(2024, 1, 1), date(2024, 1, 1))
    assert caught.value.message.startswith(f"{path}, line 3: ")
    assert found in caught.value.message
    assert caught.value.remedy
    assert isinstance(caught.value.__cause__, FileError)


def test_zeros_beyond_the_twelfth_decimal_are_left_out() -> None:
    held = parse_prices(f"{HEADER}2024-01-02,SPY,1.5{'0' * 40},7.0000000000000\n", "f.csv")
    close = held["SPY"].closes[date(2024, 1, 2)]
    assert (str(close.price), str(close.split_factor)) == ("1.500000000000", "7.000000000000")


@pytest.mark.parametrize(
    ("row", "found", "remedy"),
    [
        ("2024-01-02,SPY,1.1234567890123,1", "more than 12 decimals: '1.1234567890123'", "Round it to 12 decimals in"),
        (
            "2024-01-02,SPY,1,0.1234567890123",
            "split factor: more than 12 decimals",
            "Round it to 12 decimals in line 2",
        ),
        ('2024-01-02,SPY,"471,25",1', "not a plain decimal number: '471,25': a decimal comma", "Write a decimal point"),
        ('2024-01-02,SPY,"1,471.25",1', "a mark between thousands", "nothing between thousands in line 2"),
        ('2024-01-02,SPY,1,"0,5"', "split factor: not a plain decimal number: '0,5': a decimal comma", "decimal point"),
        ("2024-01-02,SPY,471,25,1", "a decimal comma stands in 471,25, a decimal point is expected", "Correct line 2"),
    ],
)
def test_a_number_of_another_form_is_named_with_the_remedy(row: str, found: str, remedy: str) -> None:
    with pytest.raises(FileError) as caught:
        parse_prices(f"{HEADER}{row}\n", "f.csv")
    assert found in caught.value.message
    assert remedy in caught.value.remedy


async def test_a_file_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UnavailableError, match=r"cannot read '.*'"):
            await CsvPrices(path).closes(["SPY"], date(2024, 1, 1), date(2024, 1, 2))


async def test_a_replaced_file_is_seen_and_an_unchanged_one_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = date(2024, 1, 2)
    path = price_file(tmp_path, "date,symbol,close\n2024-01-02,SPY,1\n")
    os.utime(path, (LONG_AGO, LONG_AGO))
    source = CsvPrices(path)
    first = await source.closes(["SPY"], day, day)
    with monkeypatch.context() as patch:
        patch.setattr("core.file_at_rest._read_bytes", lambda path, **_: pytest.fail("an unchanged file was read"))
        assert await source.closes(["SPY"], day, day) == first
    (tmp_path / "new").mkdir()
    replacement = price_file(tmp_path / "new", "date,symbol,close\n2024-01-02,SPY,2\n")
    os.utime(replacement, (LONG_AGO, LONG_AGO))
    replacement.replace(path)
    answer = await source.closes(["SPY"], day, day)
    assert answer.closes["SPY"][day].price == 2


prices = st.decimals(Decimal("0.000001"), Decimal(10) ** 11, places=6).map(lambda price: f"{price:f}")


@given(
    st.dictionaries(st.tuples(st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.sampled_from("ABC")), prices),
    st.permutations(["date", "symbol", "close"]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_and_columns_does_not_matter(
    closes: dict[tuple[date, str], str], columns: list[str], shuffler: random.Random
) -> None:
    rows = [{"date": day.isoformat(), "symbol": symbol, "close": text} for (day, symbol), text in closes.items()]
    shuffler.shuffle(rows)
    text = "\n".join([",".join(columns), *(",".join(row[column] for column in columns) for row in rows)])
    held = parse_prices(text, "f.csv")
    received = {(day, symbol): str(close.price) for symbol in held for day, close in held[symbol].closes.items()}
    assert received == {key: str(Decimal(price)) for key, price in closes.items()}
    assert all(series.dates == sorted(series.closes) for series in held.values())


@pytest.mark.skipif(not REAL_PRICES.is_dir(), reason="the real closes are not beside this checkout")
@pytest.mark.parametrize(("name", "count"), [("adjusted_2010_2018", 32_699), ("raw_2014", 640)])
async def test_every_real_close_arrives_digit_for_digit(name: str, count: int) -> None:
    path = REAL_PRICES / name / "prices.csv"
    with path.open(newline="", encoding="utf-8") as file:
        sent = {
            (row["symbol"], row["date"]): (row["close"], Decimal(row["split_factor"])) for row in csv.DictReader(file)
        }
    assert len(sent) == count
    answer = await CsvPrices(path).closes({symbol for symbol, _ in sent}, date(1900, 1, 1), date(2100, 12, 31))
    received = {
        (symbol, day.isoformat()): (f"{close.price:f}", close.split_factor)
        for symbol, series in answer.closes.items()
        for day, close in series.items()
    }
    assert received == sent
    assert not answer.unknown
