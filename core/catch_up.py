"""Catch-up, the one mechanism: what should exist by now, less what exists, is what to do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from core.opening_tries import OpeningTry
from core.rules import Delay, Rules
from core.trading_calendar import TradingCalendar, batch_days, monday_of
from db.records import ActiveBatch, WaitingDay


class DueKind(StrEnum):
    """What falls due next."""

    OPEN = "open"
    CHECKPOINT = "checkpoint"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class NextDue:
    """The next instant at which there is something to do."""

    kind: DueKind
    at: datetime


@dataclass(frozen=True, slots=True)
class DueBatch:
    """A batch and those of its days that are due."""

    active: ActiveBatch
    days: tuple[date, ...]
    tried: frozenset[date] = frozenset()
    """Those of its days that were tried before and had to wait."""
    missing: Mapping[date, frozenset[str]] = field(default_factory=dict)
    """Which symbols had no close on those of `tried` when answers were looked at last; an outage was no look."""


@dataclass(frozen=True, slots=True)
class Existing:
    """What the database holds, as far as a plan depends on it.

    `unopened` are Mondays after the first batch's that have neither a batch nor a missed event; `opening_try` is the
    last try at opening a week that failed, whichever week it was.
    """

    active: Sequence[ActiveBatch]
    waiting: Sequence[WaitingDay]
    first_run_date: date | None
    this_week_opened: bool
    unopened: Sequence[date]
    opening_try: OpeningTry | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do at `now`: a week to open, Mondays to note as missed, batches with due days.

    `resting` counts due days whose next try is still to come, `resting_opening` is the try after which the week that
    could be opened now rests; `upcoming` is when there is more to do of each kind, the soonest first.
    """

    now: datetime
    opening: date | None
    missed: tuple[date, ...]
    due: tuple[DueBatch, ...]
    resting: int
    upcoming: tuple[NextDue, ...]
    resting_opening: OpeningTry | None = None

    @property
    def next_due(self) -> NextDue:
        """When there is more to do."""
        return self.upcoming[0]

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do at `now`."""
        return self.opening is None and not self.missed and not self.due


def plan(
    existing: Existing, calendar: TradingCalendar, rules: Rules, now: datetime, *, rest_until: datetime | None
) -> Plan:
    """What should exist by `now` and does not. `rest_until` honours back-off as of that instant; None ignores it."""
    monday = monday_of(calendar.exchange_date(now))
    opens_at, opens_until = rules.opens_at(calendar, monday), rules.opens_until(calendar, monday)
    following = monday + timedelta(days=7)
    opening = monday if opens_at <= now < opens_until and not existing.this_week_opened else None
    upcoming = monday if now < opens_at and not existing.this_week_opened else following
    candidates = [NextDue(DueKind.OPEN, rules.opens_at(calendar, upcoming))]
    tried_before, resting_opening = existing.opening_try, None
    if opening is not None and tried_before is not None and rest_until is not None:
        again_at = tried_before.rests_until(opening, rest_until)
        if again_at is not None:
            opening, resting_opening = None, tried_before
            if again_at < opens_until:
                candidates.append(NextDue(DueKind.OPEN, again_at))

    resting_until = {
        (waiting.batch_id, waiting.checkpoint_date): waiting.next_try_at
        for waiting in existing.waiting
        # A try that is still to come was made by a clock that ran ahead; nobody rests for it.
        if rest_until is not None and waiting.last_tried_at <= rest_until < waiting.next_try_at
    }
    waited = {(waiting.batch_id, waiting.checkpoint_date): waiting for waiting in existing.waiting}
    due: list[DueBatch] = []
    resting = 0
    for active in existing.active:
        unwritten = [day for day in batch_days(active.batch.run_date) if day not in active.written]
        days = tuple(day for day in unwritten if rules.due_at(calendar, day) <= now)
        rests = {day: resting_until[key] for day in days if (key := (active.batch.id, day)) in resting_until}
        if rests and not any(calendar.is_session(day) for day in days if day not in rests):
            # No question is to be asked for the other days, so the resting ones are left to rest.
            resting += len(rests)
            candidates.append(NextDue(DueKind.RETRY, min(rests.values())))
            to_write = tuple(day for day in days if day not in rests)
        else:
            to_write = days
        if to_write:
            before = {day: waited[key] for day in to_write if (key := (active.batch.id, day)) in waited}
            missing = {day: frozenset(waiting.missing) for day, waiting in before.items()}
            due.append(DueBatch(active, to_write, frozenset(before), missing))
        if len(days) < len(unwritten):
            candidates.append(NextDue(DueKind.CHECKPOINT, rules.due_at(calendar, unwritten[len(days)])))
    return Plan(
        now=now,
        opening=opening,
        missed=tuple(
            run_date
            for run_date in existing.unopened
            if run_date != existing.first_run_date and rules.opens_until(calendar, run_date) <= now
        ),
        due=tuple(due),
        resting=resting,
        upcoming=_soonest(candidates),
        resting_opening=resting_opening,
    )


def opening_passed(
    first_run_date: date | None, monday: date, calendar: TradingCalendar, rules: Rules, now: datetime
) -> bool:
    """Whether the opening of `monday` is over, in a history that began before; without a batch it was missed then."""
    return first_run_date is not None and first_run_date < monday and rules.opens_until(calendar, monday) <= now


def _soonest(candidates: Sequence[NextDue]) -> tuple[NextDue, ...]:
    """The soonest of each kind, in the order of time."""
    found: dict[DueKind, NextDue] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.at):
        found.setdefault(candidate.kind, candidate)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class DayDone:
    """What became of one due day: computed, skipped or waiting, and why it waits."""

    batch_id: UUID
    checkpoint_date: date
    outcome: str
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What a run did, in counts of weeks and days; `unopened` tells why a week could not be opened yet."""

    opened: int = 0
    already_there: int = 0
    computed: int = 0
    skipped: int = 0
    waiting: int = 0
    missed: int = 0
    unopened: dict[date, Delay] = field(default_factory=dict)
    delays: list[Delay] = field(default_factory=list)

    @property
    def is_unfinished(self) -> bool:
        """Whether due work is left that could not be done yet."""
        return bool(self.waiting or self.unopened)

    @property
    def did_something(self) -> bool:
        """Whether anything was written to the domain's tables."""
        return bool(self.opened or self.computed or self.skipped or self.missed)

    def counts(self) -> dict[str, int]:
        """What writers report."""
        return {
            "opened": self.opened,
            "already_there": self.already_there,
            "computed": self.computed,
            "skipped": self.skipped,
            "waiting": self.waiting,
        }
