"""The rows, as frozen dataclasses: the tables are the source of truth, so their shapes live here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

_LONGEST_BEFORE_A_WEEK = timedelta(days=14)


class BatchStatus(StrEnum):
    """A batch is born active and ends once."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"


class Action(StrEnum):
    """What a pick says to do."""

    BUY = "BUY"
    SELL = "SELL"


def actions_and_others(words: Iterable[str]) -> tuple[list[Action], list[str]]:
    """The actions among the words of a filter, which are BUY and SELL in any case, and the other words."""
    actions: list[Action] = []
    others: list[str] = []
    for word in words:
        if word.upper() in set(Action):
            actions.append(Action(word.upper()))
        else:
            others.append(word)
    return actions, others


class CheckpointStatus(StrEnum):
    """A day was computed from closes, or skipped with a cause."""

    COMPUTED = "computed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of `batches`. Prices are in the exchange's currency."""

    id: UUID
    created_at: datetime
    run_date: date
    benchmark_symbol: str
    benchmark_initial_price: Decimal
    status: BatchStatus


@dataclass(frozen=True, slots=True)
class Pick:
    """A row of `picks`."""

    id: UUID
    batch_id: UUID
    ticker: str
    action: Action
    reasoning: str
    initial_price: Decimal


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A row of `checkpoints`. Both benchmark columns are set if and only if the day was computed."""

    id: UUID
    batch_id: UUID
    checkpoint_date: date
    status: CheckpointStatus
    benchmark_price: Decimal | None
    benchmark_return_pct: Decimal | None


@dataclass(frozen=True, slots=True)
class PickCheckpointMetric:
    """A row of `pick_checkpoint_metrics`. Returns are in percent and unsigned by action."""

    id: UUID
    checkpoint_id: UUID
    pick_id: UUID
    current_price: Decimal
    absolute_return_pct: Decimal
    vs_benchmark_pct: Decimal


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `events`."""

    id: UUID
    created_at: datetime
    batch_id: UUID | None
    event_type: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ActiveBatch:
    """A batch that still lacks days: the days it has, and the source, basis and baseline that opened it.

    Without a `baseline_date`, it is the calendar's last session before the week.
    """

    batch: Batch
    written: frozenset[date]
    source: str
    basis: str
    baseline_date: date | None = None


def baseline_date_in(text: object, run_date: date) -> date | None:
    """The baseline date that an event tells of a week; None for anything but a date shortly before it."""
    try:
        found = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and timedelta(0) < run_date - found <= _LONGEST_BEFORE_A_WEEK else None


@dataclass(frozen=True, slots=True)
class BatchOverview(Batch):
    """A batch as lists show it: its row and its state.

    `written` and `computed` count days; `last_computed` and `benchmark_return_pct` belong to the newest computed
    day; `waiting` counts due days without a close; tickers and actions stand in the order of the picks.
    """

    source: str | None
    basis: str | None
    written: int
    computed: int
    last_computed: date | None
    benchmark_return_pct: Decimal | None
    waiting: int
    tickers: tuple[str, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class OriginEnd:
    """A batch has the first origin that had not ended when it was created.

    An origin ends at `clock_time`, in the exchange's zone, so many `days` after the run date; None: it never ends.
    """

    origin: str
    days: int | None
    clock_time: time


@dataclass(frozen=True, slots=True)
class DayExcess:
    """A batch's mean action-adjusted excess over the benchmark on one computed day, in percent."""

    batch_id: UUID
    checkpoint_date: date
    excess_pct: Decimal


@dataclass(frozen=True, slots=True)
class MissedWeek:
    """A Monday that passed unopened and has no batch."""

    run_date: date
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class WeekKey:
    """A row of the week list before its batch is fetched: a batch, or Mondays missed in a row for the same cause.

    `run_date` is the newest Monday of a run and `oldest` its first, None for a batch; `value` is what the list is
    sorted by, None where the week has none.
    """

    run_date: date
    batch_id: UUID | None
    oldest: date | None
    cause: str | None
    detail: str | None
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class WaitingDay:
    """A row of `waiting_days`: a due day that could not be written yet, and when it is tried next.

    `missing` are the symbols that had no close when an answer was looked at last.
    """

    batch_id: UUID
    checkpoint_date: date
    cause: str
    detail: str
    attempts: int
    first_tried_at: datetime
    last_tried_at: datetime
    next_try_at: datetime
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchedulerFact:
    """A row of `scheduler_state`."""

    name: str
    value: Mapping[str, Any]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LoggedEvent(Event):
    """An event as logs show it: its row, and the week it is about (its batch's, or the Monday that was missed)."""

    run_date: date | None


@dataclass(frozen=True, slots=True)
class DayPerformance:
    """One day number (1 to 14) over many batches: how many were computed, how many were above the benchmark.

    `mean_excess_pct` is the mean over the batches of each one's mean excess, in percentage points; None without any.
    """

    day: int
    batches: int
    positive: int
    mean_excess_pct: Decimal | None


@dataclass(frozen=True, slots=True)
class Batting:
    """Picks of completed batches, all or those of one action, and how many ended with an excess above zero.

    `average_pct` is their share in percent, None without a pick.
    """

    action: Action | None
    batches: int
    picks: int
    positive: int
    average_pct: Decimal | None


@dataclass(frozen=True, slots=True)
class FinalExcess:
    """A completed batch's excess on its last computed day, in percentage points."""

    run_date: date
    excess_pct: Decimal


@dataclass(frozen=True, slots=True)
class FinalExcesses:
    """How completed batches that have a computed day ended: mean in percentage points, best and worst; None without."""

    batches: int
    mean_pct: Decimal | None
    best: FinalExcess | None
    worst: FinalExcess | None


@dataclass(frozen=True, slots=True)
class BatchWaitingDay(WaitingDay):
    """A waiting day with its batch's week. `moved` are the symbols whose moves an operator has to judge."""

    run_date: date
    moved: tuple[str, ...]
