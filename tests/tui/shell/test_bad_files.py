"""Every malformed file, by the command that meets it: named with line and value, and nothing of it used."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.tui.shell.conftest import CommandLine, Market, counts, everything, usual_picks, write_csv

HEADER = "run_date,ticker,action,reasoning\n"
WEEK = "".join(f"2020-01-06,{ticker},{action},Because.\n" for ticker, action, _ in usual_picks())

# What a picks file holds, and what its error names.
BAD_PICKS = {
    "empty": (b"", "the file is empty"),
    "only blank lines": (b"\n\n", "the file is empty"),
    "no header": (WEEK.encode(), "line 1: unknown column '2020-01-06'"),
    "a column missing": (b"run_date,ticker,action\n", "'reasoning' is missing"),
    "an unknown column": (HEADER.replace("\n", ",price\n").encode(), "unknown column 'price'"),
    "a column twice": (b"run_date,ticker,action,reasoning,ticker\n", "'ticker' stands there twice"),
    "too few fields": ((HEADER + "2020-01-06,AAA,BUY\n").encode(), "line 2: 3 fields, the header has 4"),
    "too many fields": ((HEADER + "2020-01-06,AAA,BUY,a,b\n").encode(), "line 2: 5 fields, the header has 4"),
    "bad UTF-8": (HEADER.encode() + b"2020-01-06,AAA,BUY,caf\xe9\n", "line 2: not UTF-8: byte 0xe9"),
    "UTF-16": (HEADER.encode("utf-16"), "line 1: not UTF-8: byte 0xff"),
    "NUL": ((HEADER + "2020-01-06,AAA,BUY,a\0b\n").encode(), "line 2: a NUL character"),
    "an open quote": ((HEADER + '2020-01-06,AAA,BUY,"a\n').encode(), "line 2: not CSV"),
    "a long reasoning": ((HEADER + f"2020-01-06,AAA,BUY,{'r' * 10_000}\n").encode(), "line 2: a reasoning of 10,000"),
    "no reasoning": ((HEADER + "2020-01-06,AAA,BUY, \n").encode(), "line 2: the reasoning is empty"),
    "a long ticker": ((HEADER + f"2020-01-06,{'T' * 10_000},BUY,a\n").encode(), "line 2: not a ticker"),
    "no ticker": ((HEADER + "2020-01-06,,BUY,a\n").encode(), "line 2: not a ticker"),
    "a ticker of another alphabet": ((HEADER + "2020-01-06,ÄÖÜ,BUY,a\n").encode(), "line 2: not a ticker"),
    "an emoji for a ticker": ((HEADER + "2020-01-06,🚀,BUY,a\n").encode(), "line 2: not a ticker"),
    "a class with a backslash": ((HEADER + "2020-01-06,BRK\\B,BUY,a\n").encode(), "line 2: not a ticker"),
    "HOLD": ((HEADER + "2020-01-06,AAA,HOLD,a\n").encode(), "line 2: not BUY or SELL: 'HOLD'"),
    "no date": ((HEADER + ",AAA,BUY,a\n").encode(), "line 2: not a date"),
    "no such date": ((HEADER + "2020-02-30,AAA,BUY,a\n").encode(), "line 2: no such date: '2020-02-30'"),
    "another order of the date": ((HEADER + "06/01/2020,AAA,BUY,a\n").encode(), "line 2: not a date"),
    "a year before the calendar": ((HEADER + "1899-12-25,AAA,BUY,a\n").encode(), "line 2: not a date from 1900"),
    "not a Monday": ((HEADER + "2020-01-07,AAA,BUY,a\n").encode(), "line 2: not a Monday: '2020-01-07'"),
    "two picks": ((HEADER + "".join(WEEK.splitlines(keepends=True)[:2])).encode(), "line 3: 2 instead of 3 picks"),
    "four picks": ((HEADER + WEEK + "2020-01-06,DDD,BUY,a\n").encode(), "line 5: a fourth pick"),
    "a ticker twice": ((HEADER + WEEK.replace("BBB", "aaa")).encode(), "line 3: 'AAA' is picked twice"),
    "a good week before a bad one": ((HEADER + WEEK + "2020-01-13,AAA,BUY,a\n").encode(), "line 5: 1 instead of 3"),
}

PRICES = "date,symbol,close\n"
# What a price file holds, and what its error names.
BAD_PRICES = {
    "empty": (b"", "the file is empty"),
    "no header": (b"2020-01-03,SPY,1\n", "line 1: unknown column '2020-01-03'"),
    "an unknown column": (b"date,symbol,close,volume\n", "unknown column 'volume'"),
    "too few fields": ((PRICES + "2020-01-03,SPY\n").encode(), "line 2: 2 fields, the header has 3"),
    "bad UTF-8": (PRICES.encode() + b"2020-01-03,\xff,1\n", "line 2: not UTF-8: byte 0xff"),
    "NUL": ((PRICES + "2020-01-03,SPY,1\0\n").encode(), "line 2: a NUL character"),
    "a long field": ((PRICES + f"2020-01-03,SPY,{'1' * 10_000}\n").encode(), "line 2: not a plain decimal"),
    "negative": ((PRICES + "2020-01-03,SPY,-1\n").encode(), "line 2: not a plain decimal number: '-1'"),
    "zero": ((PRICES + "2020-01-03,SPY,0.00\n").encode(), "line 2: not a positive price: '0.00'"),
    "NaN": ((PRICES + "2020-01-03,SPY,NaN\n").encode(), "line 2: not a plain decimal number: 'NaN'"),
    "an exponent": ((PRICES + "2020-01-03,SPY,1e400\n").encode(), "line 2: not a plain decimal number: '1e400'"),
    "infinity": ((PRICES + "2020-01-03,SPY,Infinity\n").encode(), "line 2: not a plain decimal number"),
    "no price": ((PRICES + "2020-01-03,SPY,\n").encode(), "line 2: not a plain decimal number: ''"),
    "a comma": ((PRICES + '2020-01-03,SPY,"1,5"\n').encode(), "line 2: not a plain decimal number: '1,5'"),
    "too many digits": ((PRICES + "2020-01-03,SPY,1234567890123\n").encode(), "line 2: more than 12 integer"),
    "a second close": ((PRICES + "2020-01-03,SPY,1\n2020-01-03,spy,1\n").encode(), "line 3: a second close of 'SPY'"),
    "no such date": ((PRICES + "2020-02-30,SPY,1\n").encode(), "line 2: no such date: '2020-02-30'"),
    "a bad split": (b"date,symbol,close,split_factor\n2020-01-03,SPY,1,0\n", "line 2: split factor"),
}


def check(alpha_monday: CommandLine, typed: tuple[str, ...], code: str, name: str, said: str) -> None:
    """The command fails with an error that names file, line and value, in words and in JSON."""
    plain, told = alpha_monday(*typed), alpha_monday(*typed, "--json")
    assert (plain.code, plain.out) == (1, "")
    assert (told.code, told.err) == (1, "")
    assert told.error["code"] == code
    for text in (plain.err, told.error["message"]):
        assert name in text
        assert said in text
        assert len(text) < 700


@pytest.mark.parametrize("content", BAD_PICKS)
def test_a_bad_picks_file_is_refused_whole(
    market: Market, conninfo: str, alpha_monday: CommandLine, content: str
) -> None:
    data, said = BAD_PICKS[content]
    market.picks.write_bytes(data)
    before = everything(conninfo)
    check(alpha_monday, ("backfill", "--picks", str(market.picks)), "file", "picks.csv", said)
    check(alpha_monday, ("open", "2020-01-06", "--late", "--picks", str(market.picks)), "file", "picks.csv", said)
    check(alpha_monday, ("open", "2020-01-06", "--late"), "picks_malformed", "picks.csv", said)
    assert everything(conninfo) == before


def test_files_whose_names_are_not_utf_8_delay_only_their_own_work(
    market: Market, conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a name reaches waiting days and events through the message of what is wrong with the file."""
    once = ("--headless", "--once", "--json", "--as-of")
    assert alpha_monday(*once, "2020-01-06T09:05").json == counts(opened=1)
    names = {}
    for what, file, setting in (("prices", market.prices, "PRICE_FILE"), ("picks", market.picks, "PICKS_FILE")):
        names[what] = Path(os.fsdecode(os.fsencode(file.parent) + f"/{what}-caf".encode() + b"\xe9.csv"))
        names[what].write_bytes(file.read_bytes() + b"wrong\n")
        monkeypatch.setenv(f"ALPHA_MONDAY_{setting}", str(names[what]))
    days = alpha_monday(*once, "2020-01-06T17:00")
    assert (days.code, days.json) == (3, counts(waiting=1))
    week = alpha_monday(*once, "2020-01-13T09:05")
    assert (week.code, week.json) == (3, counts(skipped=2, waiting=5))
    assert [line["detail"].partition("picks-")[2][:22] for line in week.log][:1] == ["caf\\udce9.csv, line 11"]
    with psycopg.connect(conninfo) as connection:
        details = connection.execute("select distinct detail from waiting_days").fetchall()
    assert [detail.partition("/prices-")[2][:24] for (detail,) in details] == ["caf\\udce9.csv, line 110:"]
    for what, file in (("prices", market.prices), ("picks", market.picks)):
        names[what].write_bytes(file.read_bytes())
    assert alpha_monday(*once, "2020-01-13T09:10").json == counts(opened=1, computed=5)


@pytest.mark.parametrize("content", ["empty", "bad UTF-8", "not a Monday"])
def test_picks_may_come_from_standard_input(market: Market, alpha_monday: CommandLine, content: str) -> None:
    data, said = BAD_PICKS[content]
    outcome = alpha_monday("backfill", "--picks", "-", "--json", stdin=data)
    assert outcome.code == 1
    assert "standard input" in outcome.error["message"]
    assert said in outcome.error["message"]
    good = alpha_monday("backfill", "--picks", "-", "--json", stdin=(HEADER + WEEK).encode())
    assert good.json == counts(opened=1, computed=10, skipped=4)


@pytest.mark.parametrize("content", BAD_PRICES)
def test_a_bad_price_file_delays_and_writes_nothing(
    market: Market, conninfo: str, alpha_monday: CommandLine, content: str
) -> None:
    """Nonsense from a source is no reason to skip: the weeks are reported, and stay to be done."""
    data, said = BAD_PRICES[content]
    market.prices.write_bytes(data)
    before = everything(conninfo)
    outcome = alpha_monday("backfill", "--picks", str(market.picks), "--json")
    assert (outcome.code, outcome.json) == (3, counts())
    for week in ("2020-01-06", "2020-01-13", "2020-01-20"):
        assert f"{week} not opened: " in outcome.err
    assert "prices.csv" in outcome.err
    assert said in outcome.err
    assert everything(conninfo) == before
    check(alpha_monday, ("open", "2020-01-06", "--late"), "not_possible", "prices.csv", said)
    assert everything(conninfo) == before


@pytest.mark.parametrize("setting", ["picks", "prices"])
def test_files_that_are_none(
    market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    directory = market.directory / "a directory"
    directory.mkdir()
    for name, said in ((str(directory), "a directory"), (str(directory / "missing.csv"), "No such file")):
        if setting == "picks":
            check(alpha_monday, ("backfill", "--picks", name), "file", "a directory", said)
        else:
            monkeypatch.setenv("ALPHA_MONDAY_PRICE_FILE", name)
            outcome = alpha_monday("backfill", "--picks", str(market.picks))
            assert outcome.code == 3
            assert name in outcome.err
            assert "Traceback" not in outcome.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(market: Market, alpha_monday: CommandLine) -> None:
    market.picks.chmod(0)
    check(alpha_monday, ("backfill", "--picks", str(market.picks)), "file", "picks.csv", "Permission denied")


def test_a_file_that_cannot_be_read(market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an unreadable file is met, also where the tests run as root."""
    opened = os.open

    def refuse(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == market.picks:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    check(alpha_monday, ("backfill", "--picks", str(market.picks)), "file", "picks.csv", "Permission denied")


def test_a_byte_order_mark_crlf_and_another_order_of_columns_are_welcome(
    market: Market, alpha_monday: CommandLine
) -> None:
    rows = ["reasoning,action,ticker,run_date", *(f"Why.,buy,{ticker} ,2020-01-06" for ticker in ("aaa", "bbb", "ccc"))]
    market.picks.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*rows, "", ""]).encode())
    outcome = alpha_monday("backfill", "--picks", str(market.picks), "--json")
    assert outcome.json == counts(opened=1, computed=10, skipped=4)


@pytest.mark.parametrize("week", [date(1900, 1, 1), date(2100, 12, 27)])
def test_a_week_at_the_edge_of_the_calendar(market: Market, alpha_monday: CommandLine, week: date) -> None:
    """Its baseline or its last day lies outside."""
    market.write_picks([week])
    check(alpha_monday, ("backfill", "--picks", str(market.picks)), "not_possible", week.isoformat(), "does not cover")
    check(alpha_monday, ("open", week.isoformat()), "not_possible", week.isoformat(), "does not cover")


def test_the_benchmark_is_no_pick(market: Market, conninfo: str, alpha_monday: CommandLine) -> None:
    market.write_picks({date(2020, 1, 6): usual_picks(), date(2020, 1, 13): [*usual_picks()[:2], ("spy", "BUY", "x")]})
    before = everything(conninfo)
    check(alpha_monday, ("backfill", "--picks", str(market.picks)), "picks_malformed", "SPY", "is the benchmark")
    check(alpha_monday, ("open", "2020-01-13", "--late"), "picks_malformed", "SPY", "is the benchmark")
    assert everything(conninfo) == before
    assert alpha_monday("backfill", "--picks", str(market.picks), "--benchmark", "AAA").code == 1


def test_a_universe_file(market: Market, conninfo: str, alpha_monday: CommandLine) -> None:
    universe = market.directory / "universe.csv"
    before = everything(conninfo)
    typed = ("open", "2020-01-06", "--late", "--source", "momentum", "--universe", str(universe))
    check(alpha_monday, typed, "picks_unavailable", "universe.csv", "No such file")
    for content, said in ((b"", "the file is empty"), (b"symbol\n", "unknown column"), (b"ticker\n?\n", "line 2")):
        universe.write_bytes(content)
        check(alpha_monday, typed, "picks_malformed", "universe.csv", said)
    write_csv(universe, ("ticker",), [("AAA",), ("BBB",), ("CCC",)])
    outcome = alpha_monday(*typed, "--json")
    assert (outcome.code, outcome.error["code"]) == (1, "picks_malformed")
    assert everything(conninfo) == before
