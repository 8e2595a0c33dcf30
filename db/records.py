"""The rows, as frozen dataclasses: the tables are the source of truth, so their shapes live here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID


class BatchStatus(StrEnum):
    """A batch is born active and ends once."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"


class Action(StrEnum):
    """What a pick says to do."""

    BUY = "BUY"
    SELL = "SELL"


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
    """A batch that still lacks days: the days it has, and the source and basis that opened it."""

    batch: Batch
    written: frozenset[date]
    source: str
    basis: str


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
class WaitingDay:
    """A row of `waiting_days`: a due day that could not be written yet, and when it is tried next."""

    batch_id: UUID
    checkpoint_date: date
    cause: str
    detail: str
    attempts: int
    first_tried_at: datetime
    last_tried_at: datetime
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class SchedulerFact:
    """A row of `scheduler_state`."""

    name: str
    value: Mapping[str, Any]
    updated_at: datetime
