"""The command line as an operator meets it: what was typed, what came back, and a small market to try it on."""

import csv
import io
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import tui
from core.trading_calendar import TradingCalendar
from tui.cli import main

Row = tuple[str, ...]

HOUSE = Path(tui.__file__).parents[1]
PROGRAM = (sys.executable, "-m", "tui")

SYMBOLS = ("SPY", "AAA", "BBB", "CCC")
FIRST_SESSION, LAST_SESSION = date(2020, 1, 2), date(2020, 2, 10)
WEEKS = (date(2020, 1, 6), date(2020, 1, 13), date(2020, 1, 20))
TABLES = ("batches", "picks", "checkpoints", "pick_checkpoint_metrics", "events", "waiting_days", "scheduler_state")
ESCAPES = frozenset("\x1b\x07\x08\x7f\x9b\u202e\u2066")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout; anything beside it fails the test."""
        return json.loads(self.out)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The JSON lines on stderr; anything else there fails the test."""
        return [json.loads(line) for line in self.err.splitlines()]

    @property
    def error(self) -> dict[str, str]:
        """The error that is all of stdout."""
        assert self.json.keys() == {"error"}
        assert self.json["error"].keys() == {"code", "message", "remedy"}
        found: dict[str, str] = self.json["error"]
        return found


class CommandLine:
    """Runs commands in this process, each with the environment as it stands."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        self._capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        finally:
            root.handlers[:] = handlers  # the command's own writes to a stream that is closed after the test
            root.setLevel(level)
        out, err = self._capsys.readouterr()
        for text in (out, err):
            assert not ESCAPES & set(text), "text from outside reached the terminal"
        return Outcome(code, out, err)


@pytest.fixture
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and a home that hold no settings; gives the working directory."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(HOUSE), prepend=os.pathsep)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def alpha_monday(anywhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The program, far from any settings."""
    return CommandLine(capsys, monkeypatch)


@dataclass(frozen=True, slots=True)
class Market:
    """Price and pick files of three weeks, and how to change them."""

    directory: Path

    @property
    def prices(self) -> Path:
        return self.directory / "prices.csv"

    @property
    def picks(self) -> Path:
        return self.directory / "picks.csv"

    def write_prices(self, *, without: Iterable[tuple[str, date]] = (), until: date = LAST_SESSION) -> None:
        """Every close of every symbol, but for some."""
        gone = set(without)
        rows = [
            (day.isoformat(), symbol, str(price_of(symbol, day)))
            for day in TradingCalendar().sessions(FIRST_SESSION, until)
            for symbol in SYMBOLS
            if (symbol, day) not in gone
        ]
        write_csv(self.prices, ("date", "symbol", "close"), rows)

    def write_picks(self, weeks: Mapping[date, Sequence[Row]] | Iterable[date] = WEEKS) -> None:
        """The picks of some weeks: AAA, BBB and CCC unless told."""
        given = weeks if isinstance(weeks, Mapping) else dict.fromkeys(weeks, usual_picks())
        write_csv(
            self.picks,
            ("run_date", "ticker", "action", "reasoning"),
            [(week.isoformat(), *pick) for week, picks in given.items() for pick in picks],
        )


def price_of(symbol: str, day: date) -> Decimal:
    """A price with three decimals that depends on symbol and day."""
    step = (day.toordinal() * (7 + SYMBOLS.index(symbol))) % 23
    return Decimal(100 + 50 * SYMBOLS.index(symbol)) + Decimal(step * 317).scaleb(-3)


def usual_picks(reasoning: str = "Because of the numbers.") -> list[Row]:
    return [("AAA", "BUY", reasoning), ("BBB", "SELL", reasoning), ("CCC", "BUY", reasoning)]


def write_csv(file: Path, header: Row, rows: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


@pytest.fixture
def market(anywhere: Path, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> Market:
    """The market's files, and settings that lead to them and to an empty, migrated database."""
    market = Market(anywhere)
    market.write_prices()
    market.write_picks()
    monkeypatch.setenv("DATABASE_URL", conninfo)
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "csv")
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_FILE", str(market.prices))
    monkeypatch.setenv("ALPHA_MONDAY_PICK_SOURCE", "file")
    monkeypatch.setenv("ALPHA_MONDAY_PICKS_FILE", str(market.picks))
    return market


@pytest.fixture
def replayed(market: Market, alpha_monday: CommandLine) -> Market:
    """The market with its three weeks written."""
    assert alpha_monday("backfill", "--picks", str(market.picks)).code == 0
    return market


def counts(opened: int = 0, already_there: int = 0, computed: int = 0, skipped: int = 0, waiting: int = 0) -> Any:
    """What a writer reports."""
    return {
        "opened": opened,
        "already_there": already_there,
        "computed": computed,
        "skipped": skipped,
        "waiting": waiting,
    }


def everything(conninfo: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with psycopg.connect(conninfo) as connection:
        return {
            table: connection.execute(
                sql.SQL("select t::text from {} t order by 1").format(sql.Identifier(table))
            ).fetchall()
            for table in TABLES
        }


def instant(day: date, days_later: int = 0, clock_time: str = "17:00") -> str:
    """An `--as-of` in exchange time."""
    moment = datetime.fromisoformat(f"{day + timedelta(days=days_later)}T{clock_time}")
    return moment.isoformat(timespec="minutes")
