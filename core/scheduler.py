"""The scheduler of one process: it leads or stands by, and ticks while it leads and nobody has paused it.

Each tick is one catch-up. One process leads, by a lock that the transaction of a connection of
its own holds, so that providers are asked once; the others stand by and take over.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from core.alerts.channel import Channels
from core.alerts.lead import LeadAlert
from core.back_off import back_off
from core.catch_up import Report
from core.due_work import run_due_work
from core.leading import (
    CONFIRM_EVERY,
    CONFIRMS_WITHIN,
    HEARTBEAT_EVERY,
    LEADER_FACT,
    Standby,
    Ticks,
    beat,
    leave_standby,
    note_leader,
    note_standby,
    process_name,
    told_leader,
    unconfirmed_lead,
)
from core.outage import Outage
from core.pausing import PAUSE_FACT, Pause, pause_in, read_pause
from core.scheduler_state import Phase, SchedulerState
from core.services import Services
from core.source_health import HealthLog
from core.stopping import run_until
from core.tick_errors import defect, timed_out
from core.ticker import Ticker
from core.upkeep import Upkeep
from db import leadership
from db.database import Connection
from db.driver_errors import translated
from db.errors import (
    AlphaMondayError,
    DatabaseError,
    DatabaseUnavailableError,
    LeadershipLostError,
    LeadershipUnconfirmedError,
)
from db.fencing import Term, begin_term

_STAND_BY = timedelta(seconds=2)
_NOTE_STANDBY_EVERY = timedelta(seconds=10)
_LOOK = timedelta(seconds=2)
# Where lock and term never agree, behind a pooler that lends sessions, providers must not be asked again and again.
_AFTER_LOSS = timedelta(seconds=1)
_LONGEST_AFTER_LOSS = timedelta(minutes=5)
_LONGEST_REST = timedelta(minutes=5)  # several tries fit into the half hour in which a week can be opened
# A wait does not count the time in which the machine sleeps, nor the steps of its clock: no wait may be long.
_LONGEST_WAIT = timedelta(seconds=30)
# Longer than the queries of several sources that do not respond; what is written by then stays written.
_TICK_WITHIN = timedelta(minutes=15)

log = logging.getLogger(__name__)


def _tell_paused(paused: Pause) -> None:
    since = paused.since.isoformat()
    log.info("paused", extra={"event": "paused", "who": paused.who, "since": since, "reason": paused.reason})


class Scheduler:
    """Runs due work until told to stop, as the leader or waiting to become it. `who` is how the others call it."""

    def __init__(
        self,
        services: Services,
        on_change: Callable[[SchedulerState], None] = lambda _: None,
        *,
        who: str | None = None,
    ) -> None:
        self._services = services
        self._answered = services.database.answered  # what the lead's own connection is asked
        self._on_change = on_change
        self._who = who or process_name()
        self._health = HealthLog(services.clock, services.settings.secrets)
        self._outage = Outage()
        self._channels = Channels(services.settings)
        self._lead_alert = LeadAlert(self._channels, services.settings, services.clock, self._who)
        self._losses = 0
        self._draw = random.Random()  # noqa: S311 - spreads attempts, keeps no secret
        self._ticks: Ticks | None = None
        self._tick_began: float | None = None  # in seconds of the monotonic clock, while one is under way
        self._told_unopened: tuple[date, str, str] | None = None
        self._has_told_standby = False
        self._look_at = services.clock.now()  # work is looked for then, whatever the ticker says
        self._stopping = asyncio.Event()
        self._roused = asyncio.Event()
        self.state = SchedulerState(Phase.STARTING)

    def stop(self) -> None:
        """Asks the scheduler to end: at once between transactions, within a second inside one."""
        self._stopping.set()
        self._roused.set()

    def rouse(self) -> None:
        """Asks the scheduler to look now, because its database is known to answer again."""
        self._roused.set()

    async def run(self) -> None:
        """Leads or stands by until `stop`. A lost database or a failing source is told and retried, never fatal."""
        self._lead_alert.begin()
        try:
            await self._run()
        finally:
            await self._lead_alert.close()
        self._change(phase=Phase.NOT_RUNNING)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._outage:
                    await self._services.database.restart()
                await self._session()
            except LeadershipLostError as exc:
                self._tell_if_led(exc)
                self._losses += 1
                retry_in = back_off(self._losses, _AFTER_LOSS, _LONGEST_AFTER_LOSS, self._draw)
                log.warning(
                    "lead lost",
                    extra={
                        "event": "lead_lost",
                        "who": self._who,
                        "problem": exc.message,
                        "retry_in_s": round(retry_in.total_seconds(), 1),
                    },
                )
                self._change(phase=Phase.STANDING_BY, problem=None)
                await self._pause(retry_in)
            except DatabaseError as exc:
                self._tell_if_led(exc)
                retry_in = self._outage.goes_on(exc, is_own_server=self._services.database.is_own_server)
                self._change(phase=Phase.DATABASE_LOST, problem=exc)
                await self._pause(retry_in)

    def _tell_if_led(self, problem: DatabaseError) -> None:
        """Alerts the operator where it was this process that led, and nobody has told it to stop."""
        if self.state.phase in (Phase.LEADING, Phase.PAUSED) and not self._stopping.is_set():
            self._lead_alert.lost(problem.message)

    async def _session(self) -> None:
        """Takes or awaits the lead on one connection, and leads while that connection and a second one live."""
        async with self._services.database.dedicated() as lead:
            if (session := await self._stand_by(lead)) is None:
                return
            # Beside the transaction that holds the lock, in which nothing could be committed.
            async with self._services.database.dedicated() as connection:
                term = await self._answered(begin_term(connection, session))
                await self._answered(leave_standby(connection, self._who))
                await self._lead_for(term, lead, connection)

    async def _lead_for(self, term: Term, lead: Connection, connection: Connection) -> None:
        self._ticks = None  # those of an earlier lead are older than what another leader may have told since
        since = self._services.clock.now()
        await self._answered(note_leader(connection, self._who, since))
        paused = await self._answered(read_pause(connection))
        self._outage.ends()
        log.info(
            "leading",
            extra={"event": "leading", "who": self._who, "term": term.number, "is_paused": paused is not None},
        )
        self._has_told_standby = False
        if paused:
            _tell_paused(paused)
        phase = Phase.PAUSED if paused else Phase.LEADING
        self._change(phase=phase, leader=self._who, since=since, paused=paused, problem=None)
        # What the leader writes is refused once another leads; what operators start from here is theirs.
        leading = replace(self._services, database=self._services.database.fenced(term))
        upkeep = Upkeep(leading, self._channels)
        watching = asyncio.create_task(self._watch(lead, connection, since, upkeep))
        try:
            await self._lead(connection, leading, upkeep, watching)
        finally:
            watching.cancel()
            await asyncio.gather(watching, upkeep.close(), return_exceptions=True)

    async def _stand_by(self, connection: Connection) -> int | None:
        """Waits for the lead, and gives the session that holds it; None if it was told to stop."""
        here = Standby(self._who, self._services.clock.now())
        noted_at: float | None = None
        while (session := await self._answered(leadership.take_lead(connection))) is None:
            facts = await self._answered(leadership.facts(connection))
            if noted_at is None or time.monotonic() - noted_at >= _NOTE_STANDBY_EVERY.total_seconds():
                await self._answered(note_standby(connection, here))
                noted_at = time.monotonic()
            self._has_told_standby = self._has_told_standby and not self._outage
            self._outage.ends()
            if not self._has_told_standby:
                self._has_told_standby = True
                log.info("standing by", extra={"event": "standing_by", "who": self._who})
            leader, since = told_leader(facts.get(LEADER_FACT))
            if leader is not None and leader != self._who:
                self._lead_alert.over(leader)
            paused = pause_in(facts.get(PAUSE_FACT))
            self._change(phase=Phase.STANDING_BY, leader=leader, since=since, paused=paused, problem=None)
            if await self._pause(_STAND_BY):
                await self._answered(leave_standby(connection, self._who))
                return None
        return session

    async def _watch(self, lead: Connection, connection: Connection, since: datetime, upkeep: Upkeep) -> None:
        """Looks every few seconds, beside a tick that may take long, for a pause or a lost lead; tells the others."""
        beaten_at = confirmed_at = -math.inf
        try:
            while True:
                await asyncio.sleep(_LOOK.total_seconds())
                await self._answered(leadership.keep_lead(lead))
                if await self._look(connection):
                    self._roused.set()
                if self._tick_began is not None:
                    upkeep.during_tick(timedelta(seconds=time.monotonic() - self._tick_began))
                now = time.monotonic()
                if now - beaten_at >= HEARTBEAT_EVERY.total_seconds():
                    beaten_at = confirmed_at = now
                    await self._confirmed(self._beat(connection, since))
                elif now - confirmed_at >= CONFIRM_EVERY.total_seconds():
                    confirmed_at = now
                    await self._confirmed(self._beat(connection, since, leader_alone=True))
        except Exception:
            self._roused.set()  # whoever awaits this task learns of it now and not at the next tick
            raise

    async def _confirmed(self, writing: Awaitable[None]) -> None:
        """Awaits a write of the leader's, and reports a lead that cannot be confirmed while it takes long."""
        telling = asyncio.get_running_loop().call_later(CONFIRMS_WITHIN.total_seconds(), self._tell_unconfirmed)
        try:
            await self._answered(writing)
        finally:
            telling.cancel()
        if isinstance(self.state.problem, LeadershipUnconfirmedError):
            self._change(problem=None)

    def _tell_unconfirmed(self) -> None:
        found = unconfirmed_lead(CONFIRMS_WITHIN)
        log.warning("lead unconfirmed", extra={"event": "lead_unconfirmed", "who": self._who, "problem": found.message})
        self._change(problem=found)

    async def _beat(self, connection: Connection, since: datetime, *, leader_alone: bool = False) -> None:
        """Gives a sign of life. One that cannot be written, on a full disk say, costs nobody the lead."""
        try:
            with translated():
                if leader_alone:
                    await note_leader(connection, self._who, since)
                    return
                await beat(connection, self._who, since, self._ticks)
                await self._health.flush(connection)
        except DatabaseUnavailableError:
            raise
        except DatabaseError as exc:
            log.warning("no sign of life", extra={"event": "heartbeat_failed", "problem": exc.message})

    async def _look(self, connection: Connection) -> bool:
        """Whether a pause has begun or ended. Fails when the lead is lost, which goes with its connection."""
        paused = await self._answered(read_pause(connection))
        if paused == self.state.paused:
            return False
        if paused:
            _tell_paused(paused)
        else:
            log.info("resumed", extra={"event": "resumed"})
        self._change(phase=Phase.PAUSED if paused else Phase.LEADING, paused=paused)
        return True

    async def _lead(
        self, connection: Connection, leading: Services, upkeep: Upkeep, watching: asyncio.Task[None]
    ) -> None:
        every = leading.settings.tick_every
        ticker = Ticker(every)
        failures = 0

        def is_to_end() -> bool:
            return self._stopping.is_set() or self.state.paused is not None or watching.done()

        while not self._stopping.is_set():
            if watching.done():
                await watching  # it ends only by failing
            await self._look(connection)
            if self.state.paused is not None:
                ticker = Ticker(every)  # what falls due meanwhile is done at once when the pause ends
                upkeep.during_pause()
            elif ticker.is_due() or self._look_at <= self._services.clock.now():
                report = await self._tick(leading, is_to_end, watching)
                if report is not None and not self._stopping.is_set():
                    upkeep.after_tick(report)
                elif self.state.problem is not None:
                    upkeep.after_failed_tick(self.state.problem)
                failures = 0 if report is not None else failures + 1
                if failures > 1:
                    # What cannot be written must not make providers answer at every tick until it can.
                    await self._pause(min(every * 2 ** min(failures, 12), _LONGEST_REST))
            until_look = max(self._look_at - self._services.clock.now(), timedelta(0))
            waits = (every, _LONGEST_WAIT) if self.state.paused else (ticker.until_next(), until_look, _LONGEST_WAIT)
            await self._pause(min(waits))

    async def _tick(
        self, leading: Services, is_to_end: Callable[[], bool], watching: asyncio.Task[None]
    ) -> Report | None:
        """One catch-up, ended in good order when the scheduler is told to stop meanwhile; None if it failed.

        It fails after 15 minutes. Raises DatabaseUnavailableError when the database, or the lead, is lost.
        """
        # What a tick writes, or leaves undone, changes what falls due next; a failed tick is repeated soon.
        self._look_at = self._services.clock.now() + _LONGEST_WAIT
        self._tick_began = time.monotonic()
        deadline = asyncio.timeout(_TICK_WITHIN.total_seconds())
        try:
            work = run_due_work(leading, stopping=is_to_end, health=self._health, heeds_pause=True)
            async with deadline:
                done = await run_until(self._stopping, work, beside=watching)
        except DatabaseUnavailableError:
            if watching.done():
                await watching  # it knows why
            raise
        except Exception as exc:
            is_foreseen = deadline.expired() or isinstance(exc, AlphaMondayError)
            known = exc if isinstance(exc, AlphaMondayError) else defect(exc)
            problem = timed_out(_TICK_WITHIN) if deadline.expired() else known
            log.warning(
                "tick failed",
                exc_info=None if is_foreseen else exc,
                extra={"event": "tick_failed", "code": problem.code, "problem": problem.message},
            )
            self._change(problem=problem, last_tick=self._services.clock.now())
            return None
        finally:
            self._tick_began = None
        if watching.done():
            await watching  # it ends only by failing
        if done is None:
            return Report()  # told to stop
        self._losses = 0
        self._lead_alert.over(self._who)
        report, planned = done
        if planned.is_idle:
            self._look_at = planned.next_due.at
        now = self._services.clock.now()
        self._change(next_due=planned.next_due, last_tick=now, last_report=report, problem=None)
        if report.did_something:
            self._change(last_work=now)
        idle_before = self._ticks.idle if self._ticks else 0
        self._ticks = Ticks(now, idle_before + 1 if planned.is_idle else 0)
        log.log(
            logging.INFO if report.did_something else logging.DEBUG,
            "tick",
            extra={"event": "tick", **report.counts(), "missed": report.missed},
        )
        if report.missed:
            log.warning("weeks missed", extra={"event": "weeks_missed", "missed": report.missed})
        for run_date, delay in report.unopened.items():
            if (told := (run_date, delay.cause, delay.detail)) != self._told_unopened:
                self._told_unopened = told
                log.warning(
                    "week unopened",
                    extra={
                        "event": "week_unopened",
                        "run_date": run_date.isoformat(),
                        "cause": delay.cause,
                        "detail": delay.detail,
                    },
                )
        for delay in report.delays:
            log.warning("day waits", extra={"event": "day_waits", "cause": delay.cause, "detail": delay.detail})
        return report

    async def _pause(self, duration: timedelta) -> bool:
        """Waits for `duration`, or until told to stop or roused; says whether it was told to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._roused.wait(), duration.total_seconds())
        if not self._stopping.is_set():  # every wait after `stop` is to be a short one
            self._roused.clear()
        return self._stopping.is_set()

    def _change(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._on_change(self.state)
