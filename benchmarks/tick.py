"""How long a catch-up tick with nothing due takes in a database of 5,000 batches; it asks no provider anything."""

import asyncio
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from benchmarks.measuring import (
    QUIET_MOMENT,
    Pairs,
    embedded_server,
    fill,
    migrated,
    settings_for,
    tell_machine,
    turns,
)
from core.due_work import run_due_work
from core.picks.source import PickDraft
from core.prices.source import Answer, Basis
from core.services import Access, Services, open_services

COMPLETED = 5000


@dataclass(slots=True)
class CountedSource:
    """A price source and a pick source that count the questions they are asked."""

    name: str = "csv"
    basis: Basis = Basis.UNSPECIFIED
    settle_delay: timedelta = timedelta(0)
    questions: int = 0

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        self.questions += 1
        return Answer(self.name, self.basis, {}, frozenset(symbols))

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        self.questions += 1
        return ()


@dataclass(frozen=True, slots=True)
class StoppedClock:
    """A clock that stands where nothing is due."""

    def now(self) -> datetime:
        return QUIET_MOMENT

    def ahead_of(self, _: datetime) -> timedelta:
        return timedelta(0)


async def round_trip(services: Services) -> float:
    """Seconds that `select 1` takes through the pool, with the pool's own look at the connection."""
    start = time.perf_counter()
    async with services.database.connection() as connection:
        await connection.execute("select 1")
    return time.perf_counter() - start


async def tick(services: Services) -> float:
    """Seconds that one tick takes."""
    start = time.perf_counter()
    report, planned = await run_due_work(services)
    elapsed = time.perf_counter() - start
    assert not report.did_something, report
    assert not planned.due, planned
    return elapsed


async def measure(conninfo: str, number: int) -> None:
    source = CountedSource()
    pairs = Pairs()
    async with open_services(settings_for(conninfo), Access.WRITE, clock=StoppedClock()) as opened:
        services = replace(opened, sources=(source,), pick_source=source)
        for _ in range(20):  # the calendar is imported, the statements are prepared
            await tick(services)
            await round_trip(services)
        for _ in range(number):
            pairs.add(await tick(services), await round_trip(services))
    pairs.tell("tick with nothing due", "select 1")
    print(f"95 of 100 ticks took at most {statistics.quantiles(pairs.first, n=20)[-1] * 1000:.2f} ms")
    print(f"questions asked: {source.questions}")
    assert source.questions == 0


def main() -> None:
    tell_machine()
    with embedded_server() as server:
        conninfo = migrated(server, "ticks")
        fill(conninfo, COMPLETED)
        asyncio.run(measure(conninfo, turns(sys.argv, 300)))


if __name__ == "__main__":
    main()
