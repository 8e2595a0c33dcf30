"""How long after a key or a signal the terminal is given back, idle and while a source hangs."""

import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime

from benchmarks.measuring import fill, program_environment, require_prices, tell_machine, temporary_directory, turns
from benchmarks.measuring_terminal import LEAVES_SCREEN, Program
from core.services import DATABASE
from core.trading_calendar import EXCHANGE_ZONE
from db import migrate
from db.embedded import EmbeddedServer

LIMIT_MS = 500
_HANGING = """
import asyncio, sys, time
from core.prices.csv_file import CsvPrices
from tui.cli import main
async def hang(*_):
    await asyncio.to_thread(time.sleep, 600)
CsvPrices.closes = hang
sys.exit(main([]))
"""
PROGRAMS = {"idle": ["-m", "tui", "--no-scheduler"], "a source hangs in a thread": ["-c", _HANGING]}


def _by_key(program: Program) -> None:
    program.send(b"\x11")


def _by_signal(program: Program) -> None:
    os.kill(program.process_id, signal.SIGTERM)


WAYS: dict[str, Callable[[Program], None]] = {"^q": _by_key, "SIGTERM": _by_signal}


def given_back(command: list[str], environment: dict[str, str], leave: Callable[[Program], None]) -> float:
    """Seconds until the program has left the alternate screen."""
    program = Program([sys.executable, *command], environment)
    try:
        program.wait_for(b"AAPL")
        program.settle()
        begun = time.perf_counter()
        leave(program)
        return program.wait_for(LEAVES_SCREEN) - begun
    finally:
        program.end()


def main() -> None:
    prices = require_prices()
    tell_machine()
    with temporary_directory() as data_dir, EmbeddedServer.start(data_dir / "postgres") as server:
        conninfo = server.conninfo(DATABASE)
        migrate.up(conninfo)
        fill(conninfo, 50, datetime.now(EXCHANGE_ZONE).date())
        environment = program_environment(data_dir, prices)
        for name, command in PROGRAMS.items():
            for way, leave in WAYS.items():
                found = [given_back(command, environment, leave) * 1000 for _ in range(turns(sys.argv, 7))]
                print(f"{name}, {way}: {statistics.median(found):.0f} ms ({min(found):.0f} to {max(found):.0f})")
    print(f"at most {LIMIT_MS} ms is promised")


if __name__ == "__main__":
    main()
