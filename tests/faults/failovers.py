"""Failovers in a row: the primary killed at random moments of a catch-up, its standby promoted, the worker going on."""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg

from tests.databases import as_worker, make_template
from tests.faults.backlogs import Backlog, of_weeks, undisturbed_at, unwritten, written
from tests.faults.clusters import Pair, pair
from tests.faults.rows import Difference, Row, broken, difference
from tests.faults.servers import Server, running, wait_until
from tests.faults.workers import Listener, Worker, now_ms, worker

WEEKS_A_FAILOVER = 80  # four transactions of a worker
DATABASE = "alpha_monday"
_LONGEST_DELAY_S = 0.15  # about what one of those transactions takes


@dataclass(frozen=True, slots=True)
class FailoverFigures:
    """What so many failovers of a pair with a synchronous standby did to a worker at its catch-up.

    `acknowledged_transactions` were heard to have been committed by a primary that was killed later;
    `interrupted_catch_ups` counts the failovers at which there was work left. Rows are compared with those of an
    undisturbed run, right after each promotion as far as they were acknowledged, and all of them at the end; `broken`
    says what is not whole. The outage lasts from the kill until the address leads to a server that takes writes, the
    pause until the worker leads again.
    """

    failovers: int
    weeks: int
    acknowledged_transactions: int
    interrupted_catch_ups: int
    rows_compared: int
    rows_lost: int
    rows_repeated: int
    rows_changed: int
    broken: tuple[str, ...]
    median_outage_ms: float
    longest_outage_ms: float
    median_pause_ms: float
    longest_pause_ms: float


@dataclass(frozen=True, slots=True)
class _Failover:
    acknowledged: int
    was_interrupted: bool
    at_once: Difference
    outage_ms: float
    pause_ms: float


def failovers(count: int, seed: int, directory: Path) -> FailoverFigures:
    """Kills the primary so many times; `seed` decides the moments. Servers' users have to reach `directory`.

    Raises TimeoutError if the cluster or the worker does not come back, EmbeddedServerError where there is no
    PostgreSQL to run.
    """
    moments = random.Random(seed)
    backlog = Backlog.of(count * WEEKS_A_FAILOVER, directory)
    expected = undisturbed_run(backlog, directory / "undisturbed")
    with pair(directory / "pair", synchronous=True) as cluster:
        make_template(cluster.primary, DATABASE)
        address = as_worker(cluster.conninfo(DATABASE))
        with worker(address, backlog, directory) as program:
            program.until("leading")
            done = [
                _failover(cluster, program, backlog.part(number, count), expected, moments) for number in range(count)
            ]
            assert program.stop() == 0, "the worker ends in good order"
        at_the_end = difference(expected, written(address))
        total = sum((each.at_once for each in done), at_the_end)
        return FailoverFigures(
            failovers=len(done),
            weeks=len(backlog.weeks),
            acknowledged_transactions=sum(each.acknowledged for each in done),
            interrupted_catch_ups=sum(each.was_interrupted for each in done),
            rows_compared=at_the_end.compared,
            rows_lost=total.lost,
            rows_repeated=total.repeated,
            rows_changed=total.changed,
            broken=tuple(broken(address)),
            median_outage_ms=statistics.median(each.outage_ms for each in done),
            longest_outage_ms=max(each.outage_ms for each in done),
            median_pause_ms=statistics.median(each.pause_ms for each in done),
            longest_pause_ms=max(each.pause_ms for each in done),
        )


def undisturbed_run(backlog: Backlog, directory: Path) -> list[Row]:
    """The rows of a run that nothing disturbs, on a server of its own in `directory`."""
    with running(Server(directory)) as server:
        make_template(server, DATABASE)
        return undisturbed_at(as_worker(server.conninfo(DATABASE)), backlog)


def _failover(
    cluster: Pair, program: Worker, weeks: Backlog, expected: Sequence[Row], moments: random.Random
) -> _Failover:
    """One failover in the middle of the catch-up of `weeks`, all of which are written when it ends.

    `expected` are the rows of an undisturbed run.
    """
    if cluster.lacks_standby:
        cluster.rebuild_standby()
    address = as_worker(cluster.conninfo(DATABASE))
    listener = Listener(as_worker(cluster.primary.conninfo(DATABASE)), weeks.weeks)
    asyncio.run(weeks.open(address))
    transactions = moments.randrange(3)
    listener.until(lambda heard: len(heard) > transactions, "the worker has committed so much")  # the first is no work
    time.sleep(moments.uniform(0, _LONGEST_DELAY_S))  # the moment of the kill, which nothing waits for
    led = len(program.logged("leading"))
    began = now_ms()
    cluster.kill_primary()
    acknowledged = listener.after()[1:]
    cluster.promote()
    with psycopg.connect(address):
        outage_ms = now_ms() - began
    safe = frozenset[date]().union(*acknowledged)
    at_once = difference(_promised(expected, weeks, safe), _promised(written(address), weeks, safe))
    program.until("leading", after=led)
    pause_ms = now_ms() - began
    wait_until(lambda: unwritten(address) == 0, "the worker has written the rest")
    return _Failover(len(acknowledged), len(safe) < len(weeks.weeks), at_once, outage_ms, pause_ms)


def _promised(rows: Sequence[Row], weeks: Backlog, safe: frozenset[date]) -> list[Row]:
    """What of `rows` was acknowledged: the `safe` weeks whole, and that all the others were opened."""
    opened = of_weeks(rows, set(weeks.weeks) - safe)
    return [*of_weeks(rows, safe), *(row for row in opened if row.table == "picks")]
