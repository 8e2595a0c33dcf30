"""What screens and commands read: batches, one batch whole, events. Reads never write and never migrate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from core import metrics
from core.batch_log import ServedSpell, StoppedSymbol, served_spells, stopped_symbols
from core.batches import Origin, find, origin_of
from core.facts import text_in
from core.rules import WaitCause
from core.services import Services
from core.trading_calendar import batch_days
from db import batches, checkpoints, events
from db.events import EventType
from db.records import (
    Batch,
    BatchOverview,
    BatchStatus,
    Checkpoint,
    DayExcess,
    Event,
    LoggedEvent,
    MissedWeek,
    Pick,
    PickCheckpointMetric,
    WaitingDay,
    baseline_date_in,
)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch in a list: its overview, how it came to be, and its excess by computed day, in percentage points."""

    overview: BatchOverview
    origin: Origin
    sessions: int
    excess_by_day: tuple[DayExcess, ...]

    @property
    def excess_pct(self) -> Decimal | None:
        """The batch's excess on its newest computed day."""
        return self.excess_by_day[-1].excess_pct if self.excess_by_day else None


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of batches, newest first; `next_cursor` asks for the one after, None at the end."""

    batches: tuple[BatchRow, ...]
    missed: tuple[MissedWeek, ...]
    next_cursor: date | None


@dataclass(frozen=True, slots=True)
class PriceTrace:
    """Where a stored price came from: raw closes at both ends and the split factor between, as the source sent them.

    `quoted_as` is the name under which the later close was quoted, where the symbol was renamed.
    """

    baseline: str
    close: str
    split_factor: str
    quoted_as: str | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A checkpoint with its metrics by pick id; skipped with a reason and symbols, or computed with a source."""

    checkpoint: Checkpoint
    metrics: Mapping[UUID, PickCheckpointMetric]
    reason: str | None
    symbols: tuple[str, ...]
    source: str | None
    basis: str | None
    traces: Mapping[str, PriceTrace]


@dataclass(frozen=True, slots=True)
class BatchDetail:
    """One batch whole: picks in their order, days in theirs, what waits, and its log, oldest first."""

    batch: Batch
    origin: Origin
    source: str | None
    basis: str | None
    baseline_date: date
    sessions: int
    picks: tuple[Pick, ...]
    days: tuple[Day, ...]
    waiting: tuple[WaitingDay, ...]
    events: tuple[Event, ...]

    @property
    def latest_computed(self) -> Day | None:
        """The newest day that has prices."""
        return next((day for day in reversed(self.days) if day.metrics), None)

    @property
    def served(self) -> tuple[ServedSpell, ...]:
        """Every source that served prices, in the order of its days."""
        return served_spells(
            self.source, ((day.checkpoint.checkpoint_date, day.source) for day in self.days if day.metrics)
        )

    @property
    def stopped(self) -> tuple[StoppedSymbol, ...]:
        """The symbols that trade no more."""
        latest = self.latest_computed
        return stopped_symbols(self.events, latest.checkpoint.checkpoint_date if latest else None)

    @property
    def awaits_word(self) -> bool:
        """Whether a day waits until an operator has looked at a move that is hard to believe."""
        return any(day.cause == WaitCause.DOUBTFUL_MOVE for day in self.waiting)

    def excess_pct(self, day: Day) -> Decimal | None:
        """The mean over the picks of the action-adjusted excess on `day`, None where it was skipped."""
        if not day.metrics:
            return None
        return metrics.mean(
            metrics.excess_pct(pick.action, day.metrics[pick.id].vs_benchmark_pct)
            for pick in self.picks
            if pick.id in day.metrics
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of events, newest first; `next_cursor` asks for the one after, None at the end."""

    events: tuple[LoggedEvent, ...]
    next_cursor: UUID | None

    def refreshed(self, above: "EventPage") -> "EventPage":
        """This page as it stands now, given what `events_after` its own `next_cursor` has read.

        Where more was written than `above` could hold, it is `above` alone, and its `next_cursor` leads on.
        """
        if above.next_cursor is not None or self.next_cursor is None:
            return above
        return EventPage((*above.events, self.events[-1]), self.next_cursor)


async def batch_page(
    services: Services, *, cursor: date | None = None, limit: int = 50, status: BatchStatus | None = None
) -> BatchPage:
    """At most `limit` batches before `cursor`, and the missed weeks among them (none when `status` filters)."""
    async with services.database.snapshot() as connection:
        found = await batches.page(connection, cursor=cursor, limit=limit + 1, status=status)
        shown = found[:limit]
        next_cursor = shown[-1].run_date if len(found) > limit else None
        rows = await batch_rows_of(services, connection, shown)
        missed = await batches.missed(connection, cursor=cursor, oldest=next_cursor) if status is None else []
    return BatchPage(rows, tuple(missed), next_cursor)


async def batch_rows_of(
    services: Services, connection: AsyncConnection[Any], overviews: Sequence[BatchOverview]
) -> tuple[BatchRow, ...]:
    """The rows of a list for some batches, in the order given."""
    excess = await batches.excess_by_day(connection, [overview.id for overview in overviews])
    return tuple(
        BatchRow(
            overview,
            origin_of(overview, services.rules, services.calendar),
            _sessions(services, overview.run_date),
            excess.get(overview.id, ()),
        )
        for overview in overviews
    )


def _sessions(services: Services, run_date: date) -> int:
    days = batch_days(run_date)
    return sum(1 for _ in services.calendar.sessions(days[0], days[-1]))


async def batch_detail(services: Services, run_date: date | None = None) -> BatchDetail | None:
    """The batch of `run_date` whole, or the newest one; None only if there is no batch at all.

    Raises NotFoundError for a week without a batch.
    """
    if run_date is None:
        async with services.database.connection() as connection:
            batch = await batches.latest(connection)
    else:
        batch = await find(services, run_date)
    if batch is None:
        return None
    async with services.database.snapshot() as connection:
        [batch] = (await batches.by_run_dates(connection, [batch.run_date])).values()
        picks = (await batches.picks(connection, [batch.id])).get(batch.id, ())
        days = await checkpoints.of_batch(connection, batch.id)
        rows = await checkpoints.metrics_of_batch(connection, batch.id)
        log = await events.of_batch(connection, batch.id)
        waiting = await checkpoints.waiting(connection)
    by_day: dict[UUID, dict[UUID, PickCheckpointMetric]] = {}
    for row in rows:
        by_day.setdefault(row.checkpoint_id, {})[row.pick_id] = row
    told = {event.payload.get("checkpoint_date"): event.payload for event in log}
    opened = next((event.payload for event in log if event.event_type == EventType.BATCH_OPENED), {})
    return BatchDetail(
        batch=batch,
        origin=origin_of(batch, services.rules, services.calendar),
        source=opened.get("source"),
        basis=opened.get("basis"),
        baseline_date=baseline_date_in(opened.get("baseline_date"), batch.run_date)
        or services.calendar.previous_session(batch.run_date),
        sessions=_sessions(services, batch.run_date),
        picks=picks,
        days=tuple(_day(day, by_day.get(day.id, {}), told.get(day.checkpoint_date.isoformat(), {})) for day in days),
        waiting=tuple(day for day in waiting if day.batch_id == batch.id),
        events=tuple(log),
    )


async def batch_with_neighbours(
    services: Services, run_date: date
) -> tuple[BatchDetail, date | None, date | None] | None:
    """`batch_detail`, and the run dates of the batches before and after it."""
    detail = await batch_detail(services, run_date)
    if detail is None:
        return None
    async with services.database.connection() as connection:
        return detail, *await batches.neighbours(connection, run_date)


def _day(checkpoint: Checkpoint, rows: Mapping[UUID, PickCheckpointMetric], payload: Mapping[str, Any]) -> Day:
    return Day(
        checkpoint=checkpoint,
        metrics=rows,
        reason=payload.get("reason"),
        symbols=tuple(map(str, symbols)) if isinstance(symbols := payload.get("symbols"), list) else (),
        source=payload.get("source"),
        basis=payload.get("basis"),
        traces=_traces(payload.get("closes")),
    )


def _traces(closes: object) -> Mapping[str, PriceTrace]:
    """What an event's payload says of each symbol; nothing where it is of another form."""
    if not isinstance(closes, Mapping):
        return {}
    return {
        symbol: PriceTrace(
            str(ends.get("baseline", "")),
            str(ends.get("close", "")),
            str(ends.get("split_factor", "")),
            text_in(ends, "quoted_as") or None,
        )
        for symbol, ends in closes.items()
        if isinstance(ends, Mapping)
    }


async def event_page(
    services: Services,
    *,
    cursor: UUID | None = None,
    limit: int = 50,
    event_type: EventType | None = None,
    run_date: date | None = None,
    text: str = "",
) -> EventPage:
    """At most `limit` events before `cursor`. Raises NotFoundError when `run_date` has no batch.

    Each word of `text` (split on blanks) occurs in the event's type, the week of its batch or its payload as JSON
    text, in either case and otherwise literally.
    """
    batch_id = (await find(services, run_date)).id if run_date else None
    async with services.database.connection() as connection:
        found = await events.page(
            connection, cursor=cursor, limit=limit + 1, event_type=event_type, batch_id=batch_id, text=text
        )
    return _event_page(found, limit)


async def events_after(
    services: Services,
    newest: UUID | None,
    *,
    limit: int = 200,
    event_type: EventType | None = None,
    run_date: date | None = None,
    text: str = "",
) -> EventPage:
    """The newest `limit` events with an id greater than `newest` (None: of all), filtered as in `event_page`.

    The answer holds every such event that has committed. It does not hold that later ones get greater ids: an id is
    made before its transaction commits, and on hosts whose clocks differ, so an event may yet appear below the newest
    one seen, and whoever reads on from there overlooks it for good. A screen that follows the log therefore passes the
    `next_cursor` of what it shows (its *oldest* event, or None where it shows all) and replaces what it shows
    (`EventPage.refreshed`): then nothing down to that event is ever lacking, and what appears below it is found by
    paging on. `next_cursor` is set where more than `limit` stand above `newest`. Raises NotFoundError when `run_date`
    has no batch.
    """
    batch_id = (await find(services, run_date)).id if run_date else None
    async with services.database.connection() as connection:
        found = await events.page(
            connection, after=newest, limit=limit + 1, event_type=event_type, batch_id=batch_id, text=text
        )
    return _event_page(found, limit)


def _event_page(found: list[LoggedEvent], limit: int) -> EventPage:
    return EventPage(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)
