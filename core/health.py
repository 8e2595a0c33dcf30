"""Whether the schedulers keep up: how long ago one looked for work, what is due, and what is overdue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.catch_up import Existing, Plan, opening_passed
from core.due_work import load
from core.leading import HEARTBEAT_EVERY, TICKS_FACT, LeaderView, leader_in, ticks_in
from core.pausing import PAUSE_FACT, Pause, pause_in
from core.rules import Rules
from core.services import Services
from core.source_health import SourceHealth, health_in
from core.trading_calendar import EXCHANGE_ZONE, TradingCalendar, batch_days, monday_of
from core.weekly_backup import last_backup
from db import leadership
from db.lock_holders import LEAD, lock_holders
from db.records import SchedulerFact
from db.write_probe import probe_write

LEAST_MAX_AGE = 2 * HEARTBEAT_EVERY  # a look for work is noted with the leader's sign of life, once a minute
_TIMEOUT_STANDS_FOR = timedelta(hours=3)  # longer than the longest rest before the source is queried again
_USUAL_MAX_AGE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Days of active batches that are due and unwritten, those of them that are overdue, and when the oldest fell due.

    A day that fell due before its batch was opened is overdue only after the opening. `opening_missed` says that this
    week's opening has ended and left no batch, where there are batches before.
    """

    due: int
    overdue: int
    oldest_due_at: datetime | None
    opening_missed: bool
    oldest_overdue_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What a probe is told. `problems` make it unhealthy; `notes` are worth knowing and do not. Sentences, both.

    `last_tick_age` is never negative; None where no scheduler has looked for work yet.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    last_tick_at: datetime | None = None
    last_tick_age: timedelta | None = None
    leader: str | None = None
    leader_alive: bool = False
    paused: Pause | None = None
    backlog: Backlog | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def usual_max_age(tick_every: timedelta) -> timedelta:
    """How old the last look for work may be, where schedulers that look so often stay."""
    return max(_USUAL_MAX_AGE, 3 * tick_every)


def backlog(
    existing: Existing, calendar: TradingCalendar, rules: Rules, now: datetime, overdue_after: timedelta
) -> Backlog:
    """What is due at `now` and unwritten.

    A day is overdue once `overdue_after` has passed since it fell due, or since its batch was opened if that was later.
    """
    due = [
        (fell_due, active.batch.created_at)
        for active in existing.active
        for day in batch_days(active.batch.run_date)
        if day not in active.written and (fell_due := rules.due_at(calendar, day)) <= now
    ]
    # A batch that is dated in the future was written by a clock that ran ahead, which excuses no delay.
    overdue = [
        fell_due
        for fell_due, opened_at in due
        if now - (max(fell_due, opened_at) if opened_at <= now else fell_due) > overdue_after
    ]
    monday = monday_of(calendar.exchange_date(now))
    return Backlog(
        due=len(due),
        overdue=len(overdue),
        oldest_due_at=min((fell_due for fell_due, _ in due), default=None),
        opening_missed=not existing.this_week_opened
        and opening_passed(existing.first_run_date, monday, calendar, rules, now),
        oldest_overdue_at=min(overdue, default=None),
    )


async def read_backlog(services: Services) -> Backlog:
    """What is due now and unwritten. Raises a DatabaseError."""
    now = services.clock.now()
    async with services.database.snapshot() as connection:
        existing = await load(connection, services, now)
    return backlog(existing, services.calendar, services.rules, now, services.settings.overdue_after)


async def read_health(services: Services, max_age: timedelta) -> Health:
    """The schedulers' health, read in one snapshot. A tick older than `max_age` is a problem, unless they are paused.

    A server that confirms no write is a problem; a replica is one unless its primary's leader is seen to be alive.
    Raises a DatabaseError.
    """
    now = services.clock.now()
    async with services.database.snapshot() as connection:
        existing = await load(connection, services, now)
        facts = await leadership.facts(connection)
        lead = await leadership.lead(connection)
        holders = await lock_holders(connection)
    async with services.database.connection() as connection:
        writable = await probe_write(connection)
    behind = backlog(existing, services.calendar, services.rules, now, services.settings.overdue_after)
    ticks, paused, leader = ticks_in(facts.get(TICKS_FACT)), pause_in(facts.get(PAUSE_FACT)), leader_in(facts, lead)
    last_tick_at = ticks.last_at if ticks else None
    is_led_elsewhere = writable.is_replica and leader is not None and leader.is_alive
    notes = [old.words for old in services.database.old_primaries]
    if writable.problem is not None and is_led_elsewhere:
        notes.append(writable.problem)
    unwritable = [writable.problem] if writable.problem is not None and not is_led_elsewhere else []
    unled = _unconfirmed(leader) + ([] if paused else _tick_problems(last_tick_at, now, max_age))
    problems = unwritable + unled
    notes += [f"{_capital(holder.words)} holds the lead." for holder in holders if unled and LEAD in holder.locks]
    problems += _timeouts(health_in(facts, services.sources, services.pick_source, now), now)
    if behind.oldest_overdue_at is not None:
        count = "1 day is overdue: it" if behind.overdue == 1 else f"{behind.overdue:,} days are overdue: the oldest"
        problems.append(f"{count} fell due {told(behind.oldest_overdue_at)} and is not written.")
    return Health(
        problems=tuple(problems),
        notes=(*notes, *_notes(paused, behind, facts)),
        last_tick_at=last_tick_at,
        last_tick_age=max(now - last_tick_at, timedelta(0)) if last_tick_at else None,
        leader=leader.who if leader else None,
        leader_alive=bool(leader and leader.is_alive),
        paused=paused,
        backlog=behind,
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _tick_problems(last_tick_at: datetime | None, now: datetime, max_age: timedelta) -> list[str]:
    if last_tick_at is None:
        return ["No scheduler has looked for work yet."]
    if now - last_tick_at > max_age:
        return [f"No scheduler has looked for work since {told(last_tick_at)}."]
    if last_tick_at - now > max_age:
        # Taken for a fresh one, it would hide a dead scheduler for as long as the clocks are apart.
        return [f"The last look for work is dated {told(last_tick_at)}, which is in the future: a clock is wrong."]
    return []


def _unconfirmed(leader: LeaderView | None) -> list[str]:
    """A sentence where a process holds the leader's lock, and another may lead on another server of the cluster."""
    if leader is None or not leader.is_unconfirmed:
        return []
    age = f"{leader.heartbeat_age.total_seconds():,.0f} s"
    return [f"Leadership cannot be confirmed: {leader.who} leads, and its last confirmed write is {age} old."]


def _timeouts(sources: Iterable[SourceHealth], now: datetime) -> list[str]:
    """A sentence for each source that did not respond to its last query, which is repeated within three hours."""
    return [
        f"The {source.kind} source {source.name} did not respond; the query ended {told(source.failed_at)}."
        for source in sources
        if source.has_timed_out
        and source.failed_at is not None
        and timedelta(0) <= now - source.failed_at <= _TIMEOUT_STANDS_FOR
    ]


def _notes(paused: Pause | None, behind: Backlog, facts: Mapping[str, SchedulerFact]) -> list[str]:
    notes = []
    if paused is not None:
        notes.append(f"The schedulers are paused {paused.words}.")
    if behind.opening_missed:
        notes.append("This week's opening has passed and left no batch.")
    backup = last_backup(facts)
    if backup is not None and backup.problem:
        notes.append(f"The last backup failed: {backup.problem}")
    return notes


def told(instant: datetime) -> str:
    """`2026-11-16 16:30 exchange time`."""
    return f"{instant.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M} exchange time"


async def note_tick(services: Services, planned: Plan) -> None:
    """Notes that work was looked for now, by a process that does not lead. Raises a DatabaseError."""
    async with services.database.transaction() as connection:
        before = ticks_in(await leadership.fact(connection, TICKS_FACT))
        idle = (before.idle if before else 0) + 1 if planned.is_idle else 0
        value = {"last_at": services.clock.now().isoformat(), "idle": idle}
        await leadership.note(connection, TICKS_FACT, value)
