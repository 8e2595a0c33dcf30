"""What every benchmark shares: a server of its own, databases with something in them, and medians of ratios."""

import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg
from pydantic import SecretStr

from core.settings import Settings
from core.trading_calendar import EXCHANGE_ZONE
from db import migrate
from db.embedded import EmbeddedServer

CHECKOUT = Path(__file__).parents[1]
PRICES = CHECKOUT.parent / "shared" / "prices" / "adjusted_2010_2018"
WEEKS_OF_PRICES = 432
# A Wednesday at noon: the older of two active batches has ten of its days, the younger two, and nothing is due.
QUIET_MOMENT = datetime(2026, 11, 18, 12, tzinfo=EXCHANGE_ZONE)
QUIET_DAY = QUIET_MOMENT.date()

_BATCHES = """
insert into batches (id, run_date, benchmark_initial_price, status)
select uuidv7(), %(newest)s::date - 7 * n, 100 + n %% 50, 'active' from generate_series(%(weeks)s - 1, 0, -1) n
"""
_PICKS = """
insert into picks (id, batch_id, ticker, action, reasoning, initial_price)
select uuidv7(), batches.id, ticker, action, 'Strongest of the universe over twelve months.', 50
from batches, (values ('AAPL', 'BUY'), ('MSFT', 'BUY'), ('XOM', 'SELL')) pick (ticker, action)
"""
_OPENINGS = """
insert into events (id, batch_id, event_type, payload)
select uuidv7(), id, 'batch_opened', jsonb_build_object('run_date', run_date, 'source', 'csv', 'basis', 'unspecified')
from batches
"""
_CHECKPOINTS = """
insert into checkpoints (id, batch_id, checkpoint_date, status, benchmark_price, benchmark_return_pct)
select uuidv7(), id, run_date + n, day.status, price, return_pct
from batches, generate_series(0, 13) n, lateral (
    select 'computed', 101.5, 1.5 where n %% 7 < 5 union all select 'skipped', null, null where n %% 7 >= 5
) day (status, price, return_pct)
where run_date + n < %(today)s::date
"""
_METRICS = """
insert into pick_checkpoint_metrics
    (id, checkpoint_id, pick_id, current_price, absolute_return_pct, vs_benchmark_pct)
select uuidv7(), checkpoints.id, picks.id, 51, 2, 0.5
from checkpoints join picks using (batch_id)
where status = 'computed'
"""
_DAYS = """
insert into events (id, batch_id, event_type, payload)
select uuidv7(), batch_id, 'checkpoint_' || status, jsonb_build_object('checkpoint_date', checkpoint_date)
from checkpoints
"""
_COMPLETIONS = """
insert into events (id, batch_id, event_type, payload)
select uuidv7(), id, 'batch_completed', jsonb_build_object('run_date', run_date)
from batches
where run_date + 14 <= %(today)s::date
"""
_COMPLETE = "update batches set status = 'completed' where run_date + 14 <= %(today)s::date"


class Pairs:
    """Seconds that two things took, in turn, so that whatever else the machine does falls on both."""

    def __init__(self) -> None:
        self.first: list[float] = []
        self.second: list[float] = []

    def add(self, first: float, second: float) -> None:
        """One more turn."""
        self.first.append(first)
        self.second.append(second)

    @property
    def ratios(self) -> list[float]:
        """How many times as long the first took as the second, turn by turn."""
        return [first / second for first, second in zip(self.first, self.second, strict=True)]

    def tell(self, first: str, second: str) -> None:
        """Prints both medians in milliseconds, and the median of the ratios with the least and the greatest."""
        ratios = self.ratios
        print(f"{first}: {statistics.median(self.first) * 1000:.2f} ms")
        print(f"{second}: {statistics.median(self.second) * 1000:.2f} ms")
        print(
            f"ratio: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}, "
            f"of {len(ratios)} pairs"
        )


def tell_machine() -> None:
    """Prints what the figures were measured on."""
    load = os.getloadavg()[0]
    system = f"{platform.system()} {platform.machine()}"
    print(f"{os.cpu_count()} cores, load {load:.1f}, {system}, Python {platform.python_version()}")


def require_prices() -> Path:
    """The folder of real prices and picks; without it the benchmark ends with a sentence."""
    if not PRICES.is_dir():
        print(f"Skipped: there are no real prices in {PRICES}.")
        sys.exit()
    return PRICES


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """A directory that the embedded server's own user can reach, also where root starts it."""
    with tempfile.TemporaryDirectory(prefix="am-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@contextmanager
def embedded_server() -> Iterator[EmbeddedServer]:
    """An embedded server with the settings that the product gives it."""
    with temporary_directory() as directory, EmbeddedServer.start(directory / "postgres") as server:
        yield server


def migrated(server: EmbeddedServer, name: str) -> str:
    """The address of a new database that has every table and no row."""
    conninfo = server.conninfo(name)
    migrate.up(conninfo)
    return conninfo


def settings_for(conninfo: str, prices: Path | None = None) -> Settings:
    """Settings that name this database and, with a folder of prices, its files as sources."""
    if prices is None:
        return Settings.model_construct(database_url=SecretStr(conninfo))
    return Settings.model_construct(
        database_url=SecretStr(conninfo),
        price_source=("csv",),
        price_file=prices / "prices.csv",
        pick_source="file",
        picks_file=prices / "picks.csv",
    )


def fill(conninfo: str, completed: int, today: date = QUIET_DAY) -> None:
    """Inserts `completed` finished batches and the two before `today` that are active, every due day written."""
    newest = today - timedelta(days=today.weekday())
    values = {"newest": newest, "weeks": completed + 2, "today": today}
    statements = (_BATCHES, _PICKS, _OPENINGS, _CHECKPOINTS, _METRICS, _DAYS, _COMPLETIONS, _COMPLETE)
    with psycopg.connect(conninfo) as connection:
        for statement in statements:
            connection.execute(statement.encode(), values)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def resident_mb(process_id: int) -> float:
    """Resident memory (VmRSS) of a process in units of 1,000,000 bytes."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    [kibibytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(kibibytes) * 1024 / 1_000_000


def program_environment(data_dir: Path, prices: Path | None = None) -> dict[str, str]:
    """The environment of a program that is to see only its own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALPHA_MONDAY_")}
    kept.pop("DATABASE_URL", None)
    ours = {"HOME": str(data_dir), "XDG_CONFIG_HOME": str(data_dir / "config"), "PYTHONPATH": str(CHECKOUT)}
    ours["ALPHA_MONDAY_DATA_DIR"] = str(data_dir)
    if prices is not None:
        ours |= {
            "ALPHA_MONDAY_PRICE_SOURCE": "csv",
            "ALPHA_MONDAY_PRICE_FILE": str(prices / "prices.csv"),
            "ALPHA_MONDAY_PICK_SOURCE": "file",
            "ALPHA_MONDAY_PICKS_FILE": str(prices / "picks.csv"),
        }
    return kept | ours


def turns(argv: Sequence[str], usual: int) -> int:
    """How many pairs to measure: the first argument of a benchmark's command line, or the usual number."""
    return int(argv[1]) if len(argv) > 1 else usual
