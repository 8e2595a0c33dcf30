"""What `doctor` finds out about the schedulers: a pause, who leads, and whether the work is kept up with."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from core.clock import is_from_future
from core.finding import Finding
from core.health import Backlog, told, usual_max_age
from core.leading import HEARTBEAT_EVERY, LEADER_FACT, TICKS_FACT, leader_in, ticks_in
from core.pausing import PAUSE_FACT, pause_in
from db.leadership import Lead
from db.lock_holders import LEAD, LOCKS, OPENINGS, LockHolder
from db.records import SchedulerFact

_HANGS_FROM = 3 * HEARTBEAT_EVERY
# Nobody leads between the runs of a timer, and none of the settings tells how often it fires.
_LONGEST_BETWEEN_TIMERS = timedelta(hours=25)
# A lock on openings is given up on after ten seconds.
_OPENINGS_HELD_TOO_LONG = timedelta(seconds=10)
_LOCK_NAMES = dict(zip(LOCKS, ("the lead", "the lock on openings", "the announcement of a backfill"), strict=True))
_START = "Run alpha-monday --headless as a service, or --headless --once from a timer."


def pause_finding(facts: Mapping[str, SchedulerFact]) -> Finding:
    """Whether the schedulers are paused."""
    if (found := pause_in(facts.get(PAUSE_FACT))) is not None:
        return Finding("pause", False, f"the schedulers are paused {found.words}", "alpha-monday resume ends it.")
    return Finding("pause", True, "the schedulers are not paused")


def leader_finding(facts: Mapping[str, SchedulerFact], lead: Lead) -> Finding:
    """Who schedules, and when work was looked for last. That nobody leads is no problem: a timer may do the work."""
    leader, ticks = leader_in(facts, lead), ticks_in(facts.get(TICKS_FACT))
    looked = f"; the last look for work was {told(ticks.last_at)}" if ticks else ""
    if leader is None and ticks is None:
        return Finding("scheduler", True, "none has ever run", _START)
    if leader is None:
        return Finding("scheduler", True, f"none leads{looked}")
    if not leader.is_alive:
        return Finding("scheduler", True, f"none leads; {leader.who} led last{looked}")
    age = f"its last sign of life is {leader.heartbeat_age.total_seconds():,.0f} s old"
    if leader.heartbeat_age >= _HANGS_FROM:
        stuck = "Look whether its machine or its disk is stuck; end it, and another takes over."
        return Finding("scheduler", False, f"{leader.who} leads and hangs: {age}{looked}", stuck)
    return Finding("scheduler", True, f"{leader.who} leads since {told(leader.since)}; {age}{looked}")


def locks_finding(holders: Sequence[LockHolder], facts: Mapping[str, SchedulerFact], lead: Lead) -> Finding:
    """Who holds the locks by which processes take turns, and who blocks another session."""
    leader = leader_in(facts, lead)
    is_leading = leader is not None and leader.heartbeat_age < _HANGS_FROM

    def is_in_the_way(holder: LockHolder) -> bool:
        is_slow = holder.since is not None and lead.server_time - holder.since > _OPENINGS_HELD_TOO_LONG
        is_idle_lead = LEAD in holder.locks and not is_leading
        return holder.blocks > 0 or (OPENINGS in holder.locks and is_slow) or is_idle_lead

    culprits = [holder for holder in holders if is_in_the_way(holder)]
    if not holders:
        return Finding("locks", True, "none is held")
    message = "; ".join(_holding(holder) for holder in culprits or holders)
    if not culprits:
        return Finding("locks", True, message)
    pid = culprits[0].pid
    ending = f"select pg_terminate_backend({pid});" if pid else "find it in pg_prepared_xacts, then rollback prepared."
    remedy = "Wait if it is a restore, a move or a backfill of yours. "
    remedy += f"Otherwise end it, as its user or as a superuser: {ending}"
    if pid and any(each.since is None for each in culprits):
        remedy += " This user may not see since when and from where; a superuser and a member of pg_monitor may."
    return Finding("locks", False, message, remedy)


def _holding(holder: LockHolder) -> str:
    does = [f"holds {' and '.join(_LOCK_NAMES[name] for name in holder.locks)}"] if holder.locks else []
    if holder.blocks:
        does.append(f"blocks {holder.blocks} other session{'s' if holder.blocks > 1 else ''}")
    return f"{holder.words} {' and '.join(does)}"


def looks_finding(
    facts: Mapping[str, SchedulerFact], lead: Lead, now: datetime, tick_every: timedelta, *, has_active: bool
) -> Finding:
    """Whether work is looked for often enough, while a batch is active and nobody has paused the schedulers.

    Where schedulers stay, that is what `health` allows; where a timer looked last, a day and an hour.
    """
    leader, ticks = leader_in(facts, lead), ticks_in(facts.get(TICKS_FACT))
    if not has_active or pause_in(facts.get(PAUSE_FACT)) is not None:
        return Finding("looks for work", True, "none is needed: no batch is active, or the schedulers are paused")
    if ticks is None:
        return Finding("looks for work", False, "there never was one, although a batch is active", _START)
    is_by_timer = leader is None or facts[TICKS_FACT].updated_at - facts[LEADER_FACT].updated_at > HEARTBEAT_EVERY
    allowed = usual_max_age(tick_every)
    since = ticks.last_at
    if leader is not None and leader.is_alive and not is_from_future(leader.since, now):
        since = max(since, leader.since)  # one that leads only just has not told of a look yet
    elif is_by_timer:
        allowed = max(allowed, _LONGEST_BETWEEN_TIMERS)
    if is_from_future(ticks.last_at, now):
        message = f"the last one is dated {told(ticks.last_at)}, which is in the future"
        remedy = "A clock was wrong. Correct it; the next look for work replaces the date."
        return Finding("looks for work", False, message, remedy)
    if now - since > allowed:
        message = f"the last one was {told(ticks.last_at)}, although a batch is active"
        if leader is not None and leader.is_alive:
            return Finding("looks for work", False, message, f"Look into the log of {leader.who}: its looks fail.")
        return Finding("looks for work", False, message, _START)
    return Finding("looks for work", True, f"the last one was {told(ticks.last_at)}")


def days_finding(behind: Backlog) -> Finding:
    """Whether days of active batches are overdue."""
    if behind.oldest_overdue_at is None:
        return Finding("days", True, f"none is overdue; due and still to be written: {behind.due:,}")
    count = "1 day is overdue; it" if behind.overdue == 1 else f"{behind.overdue:,} days are overdue; the oldest"
    return Finding(
        "days",
        False,
        f"{count} fell due {told(behind.oldest_overdue_at)}",
        "The Scheduler screen says what each waits for: a scheduler that runs, or a price source that answers.",
    )


def opening_finding(behind: Backlog) -> Finding:
    """Whether this week was opened, as far as it should be."""
    if behind.opening_missed:
        late = "alpha-monday open --late opens it still, if its picks were made in time."
        return Finding("opening", False, "this week's opening has passed and left no batch", late)
    return Finding("opening", True, "this week's was not missed")
