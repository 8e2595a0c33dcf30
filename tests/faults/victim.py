"""A process that is killed: it forks replays out of one that has imported everything, and ends each at a given moment.

Run as a module it reads one task a line (JSON) and answers each with what became of it. It has neither threads nor an
event loop of its own, so a fork of it begins as a fresh process does, without the second that imports take.
"""

import asyncio
import gc
import json
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

from psycopg import AsyncConnection

import core.file_at_rest
from core.backfill import backfill
from core.due_work import run_due_work
from core.picks.file import FilePicks, read_picks_file
from core.prices.csv_file import CsvPrices
from core.prices.source import Answer
from core.services import Services, rules_of
from core.settings import Settings
from core.trading_calendar import BATCH_DAYS
from db.database import Database
from tests.fakes import FixedClock, HourBetweenLooks, exchange
from tests.faults.market import CALENDAR

_TOLD = struct.Struct("BxxxI")


class Stage(IntEnum):
    """What a replay was doing."""

    STARTING = 0
    COMPUTING = 1
    FETCHING = 2
    WRITING = 3
    COMMITTING = 4


@dataclass(frozen=True, slots=True)
class Task:
    """One replay to start, as a backfill or tick by tick, and after how many seconds to kill it (None: never)."""

    conninfo: str
    prices: str
    picks: str
    ticking: bool
    kill_after: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a replay: the seconds it lived, what it was doing, how many checkpoints it saw committed."""

    killed: bool
    took: float
    stage: int
    acknowledged: int


class Shared:
    """Memory that a replay tells its stage in, and that outlives it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _TOLD.size)

    def tell(self, stage: Stage, acknowledged: int) -> None:
        self._memory[:] = _TOLD.pack(stage, acknowledged)

    def told(self) -> tuple[int, int]:
        stage, acknowledged = _TOLD.unpack(self._memory[:])
        return stage, acknowledged


class Told(Database):
    """A database that tells when a transaction is under way, when it commits, and what is known to be committed."""

    def __init__(self, conninfo: str, shared: Shared) -> None:
        super().__init__(conninfo)
        self._shared = shared
        self._acknowledged = 0

    def tell(self, stage: Stage) -> None:
        self._shared.tell(stage, self._acknowledged)

    @asynccontextmanager
    async def transaction(self, *args: Any, **options: Any) -> AsyncIterator[AsyncConnection[Any]]:
        async with super().transaction(*args, **options) as connection:
            self.tell(Stage.WRITING)
            yield connection
            cursor = await connection.execute("select count(*) from checkpoints")
            [written] = await cursor.fetchone() or (0,)
            self.tell(Stage.COMMITTING)
        self._acknowledged = written
        self.tell(Stage.COMPUTING)


class ToldPrices(CsvPrices):
    """Prices from a file that tell when they are asked for."""

    def __init__(self, path: Path, database: Told) -> None:
        super().__init__(path)
        self._told = database

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        self._told.tell(Stage.FETCHING)
        answer = await super().closes(symbols, first, last)
        self._told.tell(Stage.COMPUTING)
        return answer


async def replay(task: Task, shared: Shared) -> None:
    """Opens and fills every week of the files, as one backfill, or with the clock going from tick to tick."""
    weeks = await read_picks_file(Path(task.picks))
    clock = FixedClock(exchange("2019-01-02"))
    async with Told(task.conninfo, shared) as database:
        sources = (ToldPrices(Path(task.prices), database),)
        services = Services(
            settings=Settings.model_construct(provider_settings={}),
            clock=clock,
            calendar=CALENDAR,
            rules=rules_of(Settings.model_construct()),
            database=database,
            sources=sources,
            pick_source=FilePicks(Path(task.picks), "SPY"),
        )
        database.tell(Stage.COMPUTING)
        if not task.ticking:
            await backfill(services, weeks)
            return
        day, last = min(weeks), max(weeks) + timedelta(days=BATCH_DAYS)
        while day < last:
            if day in weeks:
                clock.instant = exchange(day.isoformat(), "09:15")
                await run_due_work(services)
            clock.instant = exchange(day.isoformat(), "18:00")
            await run_due_work(services)
            day += timedelta(days=1)


def run(task: Task, shared: Shared) -> Outcome:
    """Forks a replay and waits for its end. Raises RuntimeError if it ends by itself other than well."""
    shared.tell(Stage.STARTING, 0)
    began = time.monotonic()
    if (child := os.fork()) == 0:
        code = 1
        try:
            asyncio.run(replay(task, shared))
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the copy of the parent must end here
            traceback.print_exc()
        finally:
            os._exit(code)
    killed = False
    descriptor = os.pidfd_open(child)
    try:
        # A child that has not been waited for keeps its number, so the signal can reach no other.
        if not select.select([descriptor], [], [], task.kill_after)[0]:
            os.kill(child, signal.SIGKILL)
            killed = True
        _, status = os.waitpid(child, 0)
    finally:
        os.close(descriptor)
    if os.WIFEXITED(status):  # it may have ended in the moment of the signal
        killed = False
        if os.WEXITSTATUS(status) != 0:
            raise RuntimeError("a replay failed by itself; what it said stands above")
    stage, acknowledged = shared.told()
    return Outcome(killed, time.monotonic() - began, stage, acknowledged)


class Victims:
    """The process that forks replays, as its owner sees it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        return self

    def run(self, task: Task) -> Outcome:
        """What became of one replay. Raises RuntimeError if it failed by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(task)) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("a replay failed by itself; what it said stands above")
        return Outcome(**json.loads(line))

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def main() -> None:
    """Serves until its input ends."""
    list(CALENDAR.sessions(date(2010, 1, 1), date(2018, 12, 31)))  # the calendar of each year is computed once
    core.file_at_rest.CLOCK = HourBetweenLooks()
    gc.freeze()
    shared = Shared()
    for line in sys.stdin:
        print(json.dumps(asdict(run(Task(**json.loads(line)), shared))), flush=True)


if __name__ == "__main__":
    main()
