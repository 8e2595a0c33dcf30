"""Ticks, leadership, what ran and what is next.

`schedule` supplies the ticks; each tick is one catch-up. One process leads, by an advisory lock on a connection of
its own, so that providers are asked once; the others stand by and take over.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import schedule
from psycopg import AsyncConnection

from core.catch_up import NextDue, Report
from core.due_work import run_due_work
from core.services import Services
from core.stopping import run_until
from db import leadership
from db.database import translated
from db.errors import AlphaMondayError, DatabaseError, DatabaseUnavailableError

LEADER_FACT = "leader"
_STAND_BY = timedelta(seconds=2)
_RECONNECT = timedelta(seconds=2)
_LONGEST_REST = timedelta(minutes=5)  # several tries fit into the half hour in which a week can be opened
_CLOCK_STEP = timedelta(seconds=5)

log = logging.getLogger(__name__)


class Phase(StrEnum):
    """What the scheduler of this process is doing."""

    STARTING = "starting"
    LEADING = "leading"
    STANDING_BY = "standing by"
    DATABASE_LOST = "database lost, retrying"
    NOT_RUNNING = "not running"


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The scheduler of this process at a moment. `leader` and `since` tell of the process that leads, whoever it is."""

    phase: Phase
    leader: str | None = None
    since: datetime | None = None
    next_due: NextDue | None = None
    last_tick: datetime | None = None
    last_work: datetime | None = None
    last_report: Report | None = None
    problem: AlphaMondayError | None = None


class _Ticker:
    """Says when a tick is due: at once, and then at intervals, whatever the machine's clock does."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._jobs = schedule.Scheduler()
        self._due = True
        self._start_over()

    def is_due(self) -> bool:
        """Whether a tick is due now; asking takes it."""
        if abs(_wall_less_monotonic() - self._offset) > _CLOCK_STEP:
            # `schedule` compares naive local times: after a step back nothing would run until it is caught up.
            self._start_over()
            self._due = True
        self._jobs.run_pending()
        due, self._due = self._due, False
        return due

    def until_next(self) -> timedelta:
        """How long there is nothing to do, at most one interval."""
        idle = self._jobs.idle_seconds or 0
        return min(max(timedelta(seconds=idle), timedelta(0)), self._every)

    def _start_over(self) -> None:
        self._offset = _wall_less_monotonic()
        self._jobs.clear()
        self._jobs.every(int(self._every.total_seconds())).seconds.do(self._mark)

    def _mark(self) -> None:
        self._due = True


def _wall_less_monotonic() -> timedelta:
    local = datetime.now()  # noqa: DTZ005 - the clock that `schedule` reads is the naive local one
    return local - datetime(1970, 1, 1) - timedelta(seconds=time.monotonic())  # noqa: DTZ001 - naive like the other


def _defect(exc: Exception) -> AlphaMondayError:
    return AlphaMondayError(
        f"Something unforeseen happened: {type(exc).__name__}: {str(exc)[:200]}",
        "The log has the details; please report it.",
    )


def process_name() -> str:
    """How this process calls itself to the others."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Scheduler:
    """Runs due work until told to stop, as the leader or waiting to become it."""

    def __init__(self, services: Services, on_change: Callable[[SchedulerState], None] = lambda _: None) -> None:
        self._services = services
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self.state = SchedulerState(Phase.STARTING)

    def stop(self) -> None:
        """Asks the scheduler to end: at once between transactions, within a second inside one."""
        self._stopping.set()

    async def run(self) -> None:
        """Leads or stands by until `stop`. A lost database or a failing source is told and retried, never fatal."""
        while not self._stopping.is_set():
            try:
                await self._session()
            except DatabaseError as exc:
                log.warning("database lost", extra={"event": "database_lost", "problem": exc.message})
                self._change(phase=Phase.DATABASE_LOST, problem=exc)
                await self._pause(_RECONNECT)
        self._change(phase=Phase.NOT_RUNNING)

    async def _session(self) -> None:
        """Takes or awaits the lead on one connection, and leads while that connection lives."""
        async with self._services.database.dedicated() as connection:
            while not await leadership.try_lead(connection):
                fact = (await leadership.facts(connection)).get(LEADER_FACT)
                self._change(
                    phase=Phase.STANDING_BY,
                    leader=fact.value.get("who") if fact else None,
                    since=fact.updated_at if fact else None,
                    problem=None,
                )
                if await self._pause(_STAND_BY):
                    return
            await leadership.note(connection, LEADER_FACT, {"who": process_name()})
            since = self._services.clock.now()
            log.info("leading", extra={"event": "leading", "who": process_name()})
            self._change(phase=Phase.LEADING, leader=process_name(), since=since, problem=None)
            await self._lead(connection)

    async def _lead(self, connection: AsyncConnection[Any]) -> None:
        every = self._services.settings.tick_every
        ticker = _Ticker(every)
        failures = 0
        while not self._stopping.is_set():
            if ticker.is_due():
                with translated():  # the lead is lost with its connection, so that is looked at before every tick
                    await connection.execute("select 1")
                failures = 0 if await self._tick() else failures + 1
                if failures > 1:
                    # What cannot be written must not make providers answer at every tick until it can.
                    await self._pause(min(every * 2 ** min(failures, 12), _LONGEST_REST))
            await self._pause(ticker.until_next())

    async def _tick(self) -> bool:
        """One catch-up, ended in good order when the scheduler is told to stop meanwhile; whether it did not fail.

        Raises DatabaseUnavailableError when the database is lost.
        """
        try:
            done = await run_until(self._stopping, run_due_work(self._services, stopping=self._stopping.is_set))
        except DatabaseUnavailableError:
            raise
        except Exception as exc:
            problem = exc if isinstance(exc, AlphaMondayError) else _defect(exc)
            log.warning(
                "tick failed",
                exc_info=None if problem is exc else exc,
                extra={"event": "tick_failed", "code": problem.code, "problem": problem.message},
            )
            self._change(problem=problem, last_tick=self._services.clock.now())
            return False
        if done is None:
            return True
        report, planned = done
        now = self._services.clock.now()
        self._change(next_due=planned.next_due, last_tick=now, last_report=report, problem=None)
        if report.did_something:
            self._change(last_work=now)
        log.log(
            logging.INFO if report.did_something else logging.DEBUG,
            "tick",
            extra={"event": "tick", **report.counts(), "missed": report.missed},
        )
        for delay in report.delays:
            log.warning("day waits", extra={"event": "day_waits", "cause": delay.cause, "detail": delay.detail})
        return True

    async def _pause(self, duration: timedelta) -> bool:
        """Waits for `duration` or until told to stop, and says whether it was."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), duration.total_seconds())
        return self._stopping.is_set()

    def _change(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._on_change(self.state)
