"""What a TUI that nobody touches paints and computes, with the scheduler inside and a full list on the screen."""

import sys
from datetime import datetime
from os import sysconf
from pathlib import Path

from benchmarks.measuring import fill, program_environment, require_prices, tell_machine, temporary_directory, turns
from benchmarks.measuring_terminal import Program
from core.services import DATABASE
from core.trading_calendar import EXCHANGE_ZONE
from db import migrate
from db.embedded import EmbeddedServer

_STARTED_WITHIN_S = 8.0


def processor_seconds(process_id: int) -> float:
    """Seconds of processor time that a process has used so far."""
    after_name = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user_and_system = after_name[11:13]  # fields 14 and 15 of proc(5)
    return sum(map(int, user_and_system)) / sysconf("SC_CLK_TCK")


def idle(program: Program, seconds: float) -> tuple[int, float]:
    """Bytes painted within `seconds`, and the share of one core in percent."""
    before = processor_seconds(program.process_id)
    painted = program.listen(seconds)
    return painted, (processor_seconds(program.process_id) - before) / seconds * 100


def main() -> None:
    prices = require_prices()
    tell_machine()
    with temporary_directory() as data_dir, EmbeddedServer.start(data_dir / "postgres") as server:
        conninfo = server.conninfo(DATABASE)
        migrate.up(conninfo)
        fill(conninfo, 50, datetime.now(EXCHANGE_ZONE).date())
        program = Program([sys.executable, "-m", "tui"], program_environment(data_dir, prices))
        try:
            program.wait_for(b"AAPL")
            program.listen(_STARTED_WITHIN_S)
            for _ in range(turns(sys.argv, 3)):
                painted, share = idle(program, 10)
                print(f"in 10 s: {painted:,} bytes painted, {share:.1f} % of a core")
        finally:
            program.end()


if __name__ == "__main__":
    main()
