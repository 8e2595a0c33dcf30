"""How long after another process's commit its write is on the screen, beside how long the notification alone takes."""

import statistics
import sys
import time
from datetime import datetime

import psycopg

from benchmarks.measuring import Pairs, fill, program_environment, tell_machine, temporary_directory, turns
from benchmarks.measuring_terminal import Program
from core.services import DATABASE
from core.trading_calendar import EXCHANGE_ZONE
from db import migrate
from db.database import CHANNEL
from db.embedded import EmbeddedServer

BATCHES = 5_000
LIMIT_MS = 200
# The newest batch waits, or does no longer: its row and the preview change. Written as the product writes.
_WAIT = """
insert into waiting_days
select id, run_date, 'close_missing', 'no close for AAPL', 1, now(), now(), now() + interval '1 day'
from batches order by run_date desc limit 1
"""
_STOP = "delete from waiting_days"
_NOTIFY = """
select pg_notify(%s, (select jsonb_build_array(to_char(max(run_date), 'YYYY-MM-DD'))::text from batches))
"""


def notified(writer: psycopg.Connection, listener: psycopg.Connection, statement: str) -> float:
    """Commits `statement` with its notification and gives the seconds until a bare listener has it."""
    with writer.transaction():
        writer.execute(statement.encode())
        writer.execute(_NOTIFY.encode(), (CHANNEL,))
    committed = time.perf_counter()
    next(listener.notifies(timeout=5, stop_after=1))
    return time.perf_counter() - committed


def main() -> None:
    tell_machine()
    pairs = Pairs()
    with temporary_directory() as data_dir, EmbeddedServer.start(data_dir / "postgres") as server:
        conninfo = server.conninfo(DATABASE)
        migrate.up(conninfo)
        fill(conninfo, BATCHES - 2, datetime.now(EXCHANGE_ZONE).date())
        program = Program([sys.executable, "-m", "tui", "--no-scheduler"], program_environment(data_dir))
        with (
            psycopg.connect(conninfo, autocommit=True) as writer,
            psycopg.connect(conninfo, autocommit=True) as listener,
        ):
            listener.execute(f"listen {CHANNEL}".encode())
            try:
                program.wait_for(b"AAPL")
                for turn in range(turns(sys.argv, 40)):
                    program.settle()
                    begun = time.perf_counter()
                    alone = notified(writer, listener, _STOP if turn % 2 else _WAIT)
                    pairs.add(program.until_painted() - begun, alone)
            finally:
                program.end()
    pairs.tell("from the write to the paint", "from the commit to a bare listener")
    print(f"slowest of all: {max(pairs.first) * 1000:.0f} ms of at most {LIMIT_MS}")
    print(f"95th percentile: {statistics.quantiles(pairs.first, n=20)[-1] * 1000:.0f} ms")


if __name__ == "__main__":
    main()
