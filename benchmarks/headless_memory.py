"""How much memory the headless scheduler holds when idle, and how soon it ends when told to."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from benchmarks.measuring import (
    WEEKS_OF_PRICES,
    program_environment,
    require_prices,
    resident_mb,
    tell_machine,
    temporary_directory,
)
from benchmarks.replay import replay
from core.services import DATABASE
from core.trading_calendar import EXCHANGE_ZONE
from db import migrate
from db.embedded import EmbeddedServer

TICKS = 5
# The last two batches are left active, so that the scheduler has read the whole price file before it idles.
REPLAYED_UNTIL = datetime(2018, 4, 20, 18, tzinfo=EXCHANGE_ZONE)
PATIENCE_S = 60


def wait_until_leading(process: "subprocess.Popen[str]") -> None:
    """Reads the log until the scheduler says that it leads; the database's missed weeks are then noted first."""
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["event"] == "leading":
            return
    raise SystemExit(f"The scheduler ended with {process.wait()}.")


def measure(data_dir: Path, prices: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--headless", "--tick-every", "1s"],
        env=program_environment(data_dir, prices),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_leading(process)
        time.sleep(TICKS + 1)  # the memory of a process that has ticked, not of one that starts
        resident = resident_mb(process.pid)
        start = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        ended = time.perf_counter() - start
    finally:
        process.kill()
    print(
        f"resident after {TICKS} ticks: {resident:.1f} MB; ended {ended:.2f} s after SIGTERM with {process.returncode}"
    )
    assert process.returncode == 0


def main() -> None:
    prices = require_prices()
    tell_machine()
    print(f"{WEEKS_OF_PRICES} batches, source csv")
    with temporary_directory() as data_dir, EmbeddedServer.start(data_dir / "postgres") as server:
        migrate.up(server.conninfo(DATABASE))
        asyncio.run(replay(server.conninfo(DATABASE), REPLAYED_UNTIL))
        measure(data_dir, prices)


if __name__ == "__main__":
    main()
