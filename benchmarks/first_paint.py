"""How long the TUI takes to paint anything, and to show batches, beside a bare table; and the memory it then holds."""

import re
import statistics
import sys
from datetime import datetime

from benchmarks.measuring import (
    Pairs,
    fill,
    program_environment,
    require_prices,
    tell_machine,
    temporary_directory,
    turns,
)
from benchmarks.measuring_terminal import Painted, paint
from core.services import DATABASE
from core.trading_calendar import EXCHANGE_ZONE
from db import migrate
from db.embedded import EmbeddedServer

BATCH_ROW = re.compile(rb"AAPL")  # every batch holds it, and only batches
BARE_ROW = re.compile(rb"batch 0")
ROWS = 432
MODES = {"--no-scheduler": ("--no-scheduler",), "with scheduler": ()}


def tell(name: str, ours: list[Painted], bare: list[Painted]) -> None:
    """Prints both paints of one mode beside the bare table's."""
    anything, rows = Pairs(), Pairs()
    for one, other in zip(ours, bare, strict=True):
        anything.add(one.anything, other.anything)
        rows.add(one.wanted, other.wanted)
    print(f"\n{name}")
    anything.tell("first paint of anything", f"bare table of {ROWS} rows")
    rows.tell("first paint with batches", f"bare table of {ROWS} rows")
    resident = statistics.median(one.resident for one in ours)
    beside = statistics.median(other.resident for other in bare)
    print(f"resident: {resident:.1f} MB, bare {beside:.1f} MB, ratio {resident / beside:.2f}")


def main() -> None:
    prices = require_prices()
    tell_machine()
    with temporary_directory() as data_dir, EmbeddedServer.start(data_dir / "postgres") as server:
        conninfo = server.conninfo(DATABASE)
        migrate.up(conninfo)
        fill(conninfo, ROWS - 2, datetime.now(EXCHANGE_ZONE).date())
        environment = program_environment(data_dir, prices)
        bare: list[Painted] = []
        ours: dict[str, list[Painted]] = {mode: [] for mode in MODES}
        for _ in range(turns(sys.argv, 9)):
            bare.append(paint([sys.executable, "-m", "benchmarks.bare_table"], environment, BARE_ROW))
            for mode, options in MODES.items():
                ours[mode].append(paint([sys.executable, "-m", "tui", *options], environment, BATCH_ROW))
    for mode in MODES:
        tell(mode, ours[mode], bare)


if __name__ == "__main__":
    main()
