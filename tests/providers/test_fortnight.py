"""The program by itself for a fortnight, with a provider that fails in every way: the rows are those of a quiet one."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import tui
from db.embedded import EmbeddedServer
from tests.databases import as_superuser, cloned
from tests.fakes import exchange
from tests.faults.rows import Row, broken, content, difference
from tests.faults.servers import wait_until
from tests.providers import stepped
from tests.providers.fortnight import KEY, living
from tests.providers.market import Series, quotes_of, split_on
from tests.providers.playing import Played, tiingo
from tests.providers.weather import Weather, weather

FIRST, SECOND = date(2024, 11, 18), date(2024, 11, 25)  # with Thanksgiving and its half day
LAST_FAULT, OVER = date(2024, 12, 1), date(2024, 12, 3)
SYMBOLS = ("SPY", "AAA", "BBB", "CCC", "DDD")
PICKS = [(FIRST, "AAA", "BUY"), (FIRST, "BBB", "SELL"), (FIRST, "CCC", "BUY")]
PICKS += [(SECOND, "CCC", "SELL"), (SECOND, "BBB", "BUY"), (SECOND, "DDD", "SELL")]
WITHIN_S = 120


def market() -> dict[str, Series]:
    quotes = quotes_of(SYMBOLS, date(2024, 11, 1), date(2024, 12, 20))
    quotes["CCC"] = split_on(quotes["CCC"], date(2024, 11, 26), Decimal(4))
    return quotes


@dataclass(frozen=True, slots=True)
class FileClock:
    """The instant that the program's clock shows."""

    file: Path

    def now(self) -> datetime:
        return stepped.read_clock(self.file)

    def ahead_of(self, _: datetime) -> timedelta:
        return timedelta(0)


@pytest.fixture
async def quiet(server: EmbeddedServer, template: str, tmp_path: Path) -> list[Row]:
    """The rows of a fortnight in which nothing goes wrong."""
    with cloned(server, template, "quiet") as conninfo:
        async with living(conninfo, tmp_path, ["tiingo"], market(), picks=PICKS, run_date=FIRST) as fortnight:
            await fortnight.until(OVER)
        return content(conninfo)


@contextmanager
def running(conninfo: str, directory: Path, clock: Path, url: str, seed: int) -> Iterator["subprocess.Popen[bytes]"]:
    """`alpha-monday --headless` with a clock that it steps to the fortnight's end, and its log in a file.

    What still runs when the block ends is killed.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(tui.__file__).parents[1]),
        "HOME": str(directory),
        "DATABASE_URL": conninfo,
        "ALPHA_MONDAY_DATA_DIR": str(directory / "data"),
        "ALPHA_MONDAY_PRICE_SOURCE": "tiingo",
        "ALPHA_MONDAY_TIINGO_KEY": KEY,
        "ALPHA_MONDAY_TIINGO_URL": url,
        "ALPHA_MONDAY_TIINGO_LIMIT": "none",
        "ALPHA_MONDAY_PICK_SOURCE": "file",
        "ALPHA_MONDAY_PICKS_FILE": str(directory / "picks.csv"),
        "CLOCK": str(clock),
        "OVER": exchange(OVER.isoformat(), "23:00").isoformat(),
        "SEED": str(seed),
    }
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.providers.stepped", "--headless"],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=environment,
            cwd=directory,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lived_through(conninfo: str, directory: Path, bad: Weather, seed: int) -> str:
    """Runs the program through the fortnight, killed twice on its way; gives what it logged."""
    clock = directory / "clock"
    stepped.set_clock(clock, exchange(FIRST.isoformat(), "07:00"))
    played = Played(market(), FileClock(clock), tiingo, list(bad.distortions), list(bad.faults))
    drawn = random.Random(seed)
    kills = sorted(exchange(FIRST.isoformat(), "12:00") + timedelta(hours=drawn.randint(0, 300)) for _ in range(2))
    with played.serving() as server:
        for kill_at in kills:
            with running(conninfo, directory, clock, server.url, seed) as process:
                until(process, clock, kill_at)
        with running(conninfo, directory, clock, server.url, seed) as process:
            assert process.wait(WITHIN_S) == 0, (directory / "log").read_text(encoding="utf-8")
    return (directory / "log").read_text(encoding="utf-8")


def until(process: "subprocess.Popen[bytes]", clock: Path, instant: datetime) -> None:
    """Waits until the program has come to an instant, or has ended."""
    wait_until(lambda: process.poll() is not None or stepped.read_clock(clock) >= instant, f"it is {instant}", WITHIN_S)


@pytest.mark.parametrize("_number", range(2))
async def test_the_rows_of_a_bad_fortnight_are_those_of_a_quiet_one(
    quiet: list[Row], conninfo: str, tmp_path: Path, _number: int
) -> None:
    seed = random.randrange(2**32)
    bad = weather(seed, SYMBOLS, FIRST, LAST_FAULT)
    logged = lived_through(conninfo, tmp_path, bad, seed)
    found = content(conninfo)
    assert difference(quiet, found).is_none, f"{bad.words}\n{sorted(set(quiet) ^ set(found))}"
    assert broken(as_superuser(conninfo)) == [], bad.words
    assert KEY not in logged
    assert "day_waits" in logged, f"nothing went wrong: {bad.words}"
