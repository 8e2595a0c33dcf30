"""What a key costs until something is painted, in a list of 5,000 batches beside Textual's own table of 5,000 rows."""

import statistics
import sys
import time
from datetime import datetime

from benchmarks.measuring import Pairs, fill, program_environment, tell_machine, temporary_directory, turns
from benchmarks.measuring_terminal import Program
from core.services import DATABASE
from core.trading_calendar import EXCHANGE_ZONE
from db import migrate
from db.embedded import EmbeddedServer

BATCHES = 5_000
DOWN, UP = b"\x1b[B", b"\x1b[A"
_VISIBLE = 45  # more lines than the terminal has: from here on every key scrolls
FRAME_MS = 1000 / 60


def measure(ours: Program, stock: Program, keys: list[bytes]) -> Pairs:
    """Each key in turn, in ours and then in the other."""
    pairs = Pairs()
    for key in keys:
        pairs.add(ours.key_to_paint(key), stock.key_to_paint(key))
    return pairs


def tell(name: str, pairs: Pairs) -> None:
    """Prints one kind of movement."""
    print(f"\n{name}")
    pairs.tell("a key in the list of weeks", "a key in a DataTable")
    slowest = statistics.quantiles(pairs.first, n=20)[-1]
    print(f"list of weeks, 95th percentile: {slowest * 1000:.1f} ms; a frame is {FRAME_MS:.1f} ms")


def main() -> None:
    tell_machine()
    count = turns(sys.argv, 60)
    with temporary_directory() as data_dir, EmbeddedServer.start(data_dir / "postgres") as server:
        conninfo = server.conninfo(DATABASE)
        migrate.up(conninfo)
        fill(conninfo, BATCHES - 2, datetime.now(EXCHANGE_ZONE).date())
        environment = program_environment(data_dir)
        ours = Program([sys.executable, "-m", "tui", "--no-scheduler"], environment)
        stock = Program([sys.executable, "-m", "benchmarks.bare_table", str(BATCHES), "12"], environment)
        try:
            ours.wait_for(b"AAPL")
            stock.wait_for(b"batch 0")
            begun = time.perf_counter()
            ours.send(b"G")
            loaded = ours.wait_for(f"{BATCHES} weeks".encode()) - begun
            print(f"{BATCHES} weeks are loaded {loaded * 1000:.0f} ms after the key that asks for the last one")
            ours.settle()
            ours.send(b"g")
            ours.settle()
            tell("the cursor moves in view", measure(ours, stock, [DOWN, UP] * (count // 2)))
            for program in (ours, stock):
                program.send(DOWN * _VISIBLE)
                program.settle()
            tell("the list scrolls", measure(ours, stock, [DOWN] * count))
        finally:
            ours.end()
            stock.end()


if __name__ == "__main__":
    main()
