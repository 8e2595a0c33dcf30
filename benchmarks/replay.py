"""How many times as long a replay of real prices takes as copying the rows that it writes."""

import asyncio
import sys
import time
from dataclasses import dataclass
from datetime import datetime

import psycopg

from benchmarks.measuring import (
    WEEKS_OF_PRICES,
    Pairs,
    embedded_server,
    migrated,
    require_prices,
    settings_for,
    tell_machine,
    turns,
)
from core.backfill import backfill
from core.picks.file import read_picks_file
from core.services import Access, open_services

_COLUMNS = {
    "batches": "id, run_date, benchmark_symbol, benchmark_initial_price, status",
    "picks": "id, batch_id, ticker, action, reasoning, initial_price",
    "checkpoints": "id, batch_id, checkpoint_date, status, benchmark_price, benchmark_return_pct",
    "pick_checkpoint_metrics": "id, checkpoint_id, pick_id, current_price, absolute_return_pct, vs_benchmark_pct",
    "events": "id, batch_id, event_type, payload::text",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """What a replay wrote, by table, in the order of ids."""

    tables: dict[str, list[tuple[object, ...]]]

    @classmethod
    def of(cls, conninfo: str) -> "Rows":
        with psycopg.connect(conninfo) as connection:
            return cls(
                {
                    table: connection.execute(
                        f"select {columns} from {table} order by id".encode()  # noqa: S608 - names from above
                    ).fetchall()
                    for table, columns in _COLUMNS.items()
                }
            )


async def replay(conninfo: str, as_of: datetime | None = None) -> float:
    """Seconds that a replay takes from reading the files to the last commit, the database being open.

    With `as_of` the days after it are left out.
    """
    prices = require_prices()
    async with open_services(settings_for(conninfo, prices), Access.WRITE) as services:
        start = time.perf_counter()
        report = await backfill(services, await read_picks_file(prices / "picks.csv"), as_of=as_of)
        elapsed = time.perf_counter() - start
    assert report.opened == WEEKS_OF_PRICES, report
    return elapsed


def copy(conninfo: str, rows: Rows) -> float:
    """Seconds that one transaction takes to copy the rows and to complete the batches, the connection being open."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        start = time.perf_counter()
        with connection.transaction(), connection.cursor() as cursor:
            for table, columns in _COLUMNS.items():
                names = columns.removesuffix("::text")
                with cursor.copy(f"copy {table} ({names}) from stdin".encode()) as copying:
                    for row in rows.tables[table]:
                        # The guards admit days on active batches only.
                        copying.write_row((*row[:-1], "active") if table == "batches" else row)
            cursor.execute("update batches set status = 'completed'")
        return time.perf_counter() - start


def main() -> None:
    require_prices()
    tell_machine()
    pairs = Pairs()
    with embedded_server() as server:
        model = migrated(server, "model")
        first = asyncio.run(replay(model))  # imports the calendar, so it stands beside the pairs
        rows = Rows.of(model)
        for number in range(turns(sys.argv, 9)):
            copied, replayed = migrated(server, f"copied_{number}"), migrated(server, f"replayed_{number}")
            pairs.add(asyncio.run(replay(replayed)), copy(copied, rows))
        assert Rows.of(copied) == rows
    print(f"{sum(map(len, rows.tables.values()))} rows; first replay of the process: {first * 1000:.0f} ms")
    pairs.tell("replay", "COPY of the same rows")


if __name__ == "__main__":
    main()
