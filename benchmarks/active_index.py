"""What a partial index on active batches would save a tick, at 5,000 batches."""

import sys
import time

import psycopg

from benchmarks.measuring import Pairs, embedded_server, fill, migrated, tell_machine, turns
from benchmarks.tick import COMPLETED
from db.statements import load

INDEX = "create index batches_active_idx on batches (run_date) where status = 'active'"


def ask(connection: psycopg.Connection[tuple[object, ...]]) -> float:
    """Seconds that the list of active batches takes, planned beforehand as it is in a running scheduler."""
    start = time.perf_counter()
    rows = connection.execute(load("batches")["active"], prepare=True).fetchall()
    elapsed = time.perf_counter() - start
    assert len(rows) == 2
    return elapsed


def main() -> None:
    tell_machine()
    pairs = Pairs()
    with embedded_server() as server:
        plain, indexed = migrated(server, "plain"), migrated(server, "indexed")
        for conninfo in (plain, indexed):
            fill(conninfo, COMPLETED)
        with (
            psycopg.connect(plain, autocommit=True) as without_index,
            psycopg.connect(indexed, autocommit=True) as with_index,
        ):
            with_index.execute(INDEX)
            with_index.execute("vacuum analyze batches")
            for _ in range(20):
                ask(without_index)
                ask(with_index)
            for _ in range(turns(sys.argv, 500)):
                pairs.add(ask(without_index), ask(with_index))
    pairs.tell("active batches without the index", "with it")


if __name__ == "__main__":
    main()
