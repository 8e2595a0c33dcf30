"""A scheduler in this process at work on a backlog: what it says, and which weeks it was told are committed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta

import pytest

from core.checkpoints import Recorder
from core.scheduler import Scheduler
from core.scheduler_state import Phase, SchedulerState
from core.settings import Settings
from core.weeks import Week
from db.database import Database
from db.errors import AlphaMondayError
from tests.databases import as_superuser
from tests.faults.backlogs import Backlog, of_weeks, written
from tests.faults.rows import Row, broken, difference
from tests.faults.servers import WITHIN_S, wait_until

APPLICATION = "alpha-monday"


class Run:
    """A scheduler at work on a backlog: what it said, and which weeks it was told are committed."""

    def __init__(self, conninfo: str, backlog: Backlog, expected: Sequence[Row]) -> None:
        self.conninfo = conninfo
        self.backlog = backlog
        self.expected = expected
        self.states: list[SchedulerState] = []
        self.acknowledged: list[frozenset[date]] = []

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits for something to come about."""
        try:
            await asyncio.to_thread(wait_until, holds, what)
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}; the last state: {self.states[-1]}") from None

    async def transactions(self, count: int) -> None:
        """Waits until so many more transactions were acknowledged, or nothing is left to be written."""
        had = len(self.acknowledged)
        await self.until(lambda: len(self.acknowledged) >= had + count or self.is_done(), f"{count} more are committed")

    def is_done(self) -> bool:
        """Whether every week was acknowledged."""
        return len(frozenset().union(*self.acknowledged)) == len(self.backlog.weeks)

    async def problem(self, kind: type[AlphaMondayError], words: str = "") -> None:
        """Waits until the scheduler says that it has this problem, in its present state or a later one."""
        assert not self.is_done(), "the fault came too late to disturb anything"
        told = len(self.states) - 1
        await self.until(
            lambda: any(isinstance(s.problem, kind) and words in s.problem.message for s in self.states[told:]),
            f"the scheduler tells of {kind.__name__} {words}",
        )

    async def ends_well(self) -> None:
        """Waits for the rest of the work; what was acknowledged so far is there, and at the end everything, once."""
        safe = frozenset[date]().union(*self.acknowledged)
        assert difference(of_weeks(self.expected, safe), written(self.conninfo, safe)).is_none
        await self.until(lambda: self.is_done() and self.states[-1].problem is None, "the rest is written")
        assert self.states[-1].phase is Phase.LEADING
        assert difference(self.expected, written(self.conninfo)).is_none
        assert broken(as_superuser(self.conninfo)) == []


@asynccontextmanager
async def catching_up(
    conninfo: str, backlog: Backlog, expected: Sequence[Row], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Run]:
    """A scheduler that has begun to write the backlog, and ends in good order when the block does."""
    run = Run(conninfo, backlog, expected)
    record = Recorder.__call__

    async def observed(recorder: Recorder, weeks: Sequence[Week]) -> None:
        await record(recorder, weeks)
        run.acknowledged.append(frozenset(week.run_date for week in weeks))

    await backlog.open(conninfo)
    monkeypatch.setattr(Recorder, "__call__", observed)
    settings = Settings.model_construct(tick_every=timedelta(milliseconds=50), provider_settings={})
    async with Database(conninfo, application_name=APPLICATION) as database:
        scheduler = Scheduler(backlog.services(database, settings), run.states.append)
        task = asyncio.create_task(scheduler.run())
        try:
            await run.transactions(2)
            yield run
        finally:
            scheduler.stop()
            await asyncio.wait_for(task, WITHIN_S)
