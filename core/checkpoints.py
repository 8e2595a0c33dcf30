"""Writing whole weeks: batches, picks, days, metrics, events and the notification in one transaction, or nothing."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from core import metrics
from core.accepted_moves import accepted_moves
from core.catch_up import DayDone, Report
from core.clock import Clock, require_agreement
from core.mixing import refuse_mixing
from core.moves import without_accepted
from core.pausing import read_pause
from core.pick_accounts import Outcome, answered_payload
from core.rules import Delay, SkippedDay, WaitCause
from core.trading_calendar import BATCH_DAYS
from core.valuation import ComputedDay, Opening
from core.weeks import Week
from db import batches, checkpoints, events
from db.database import Database
from db.errors import RowRefusedError
from db.events import EventType
from db.records import BatchStatus, Checkpoint, CheckpointStatus, PickCheckpointMetric

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Rows:
    """The rows of one transaction, and what they add to the report once it has committed."""

    as_of: str | None
    checkpoints: list[Checkpoint] = field(default_factory=list)
    metrics: list[PickCheckpointMetric] = field(default_factory=list)
    events: list[tuple[UUID, UUID, EventType, Mapping[str, Any]]] = field(default_factory=list)
    completed: list[UUID] = field(default_factory=list)
    waiting: list[tuple[UUID, date, Delay]] = field(default_factory=list)
    told: set[tuple[UUID, str, str, str]] = field(default_factory=set)
    accepted_meanwhile: list[UUID] = field(default_factory=list)
    opened: int = 0
    computed: int = 0
    skipped: int = 0

    def event(self, batch_id: UUID, event_type: EventType, payload: Mapping[str, Any]) -> None:
        self.events.append((uuid7(), batch_id, event_type, payload))

    def encoded_events(self) -> Iterator[tuple[UUID, UUID, EventType, str]]:
        """The events with their payloads as JSON text: made one by one, while the server takes in those before."""
        for event_id, batch_id, event_type, payload in self.events:
            yield event_id, batch_id, event_type, _encode({**payload, "as_of": self.as_of})

    def opening(self, opening: Opening) -> None:
        batch = opening.batch
        closes = {batch.benchmark_symbol: batch.benchmark_initial_price}
        closes.update((pick.ticker, pick.initial_price) for pick in opening.picks)
        self.event(
            batch.id,
            EventType.BATCH_OPENED,
            {
                "run_date": batch.run_date,
                "pick_source": opening.pick_source,
                "source": opening.source,
                "basis": opening.basis,
                "baseline_date": opening.baseline_date,
                "closes": closes,
            },
        )
        self.opened += 1

    def told_once(self, batch_id: UUID, event_type: EventType, about: str, payload: Mapping[str, Any]) -> None:
        """An event that a batch has once for each symbol and what is told `about` it."""
        key = (batch_id, event_type, payload["symbol"], _without_scale(about))
        if key not in self.told:
            self.told.add(key)
            self.event(batch_id, event_type, payload)

    def computed_day(self, day: ComputedDay) -> None:
        batch_id = day.checkpoint.batch_id
        self.checkpoints.append(day.checkpoint)
        self.metrics += day.metrics
        for rebasing in day.rebasings:
            self.told_once(
                batch_id,
                EventType.PRICE_REBASED if rebasing.split else EventType.BASELINE_REVISED,
                _json_value(rebasing.answered),
                {
                    "symbol": rebasing.symbol,
                    "stored": rebasing.stored,
                    "answered": rebasing.answered,
                    "split": rebasing.split,
                    "source": day.source,
                },
            )
        for symbol, trace in day.closes.items():
            if trace.quoted_as is not None:
                self.told_once(
                    batch_id,
                    EventType.SYMBOL_RENAMED,
                    trace.quoted_as,
                    {"symbol": symbol, "successor": trace.quoted_as, "source": day.source},
                )
        self.event(
            batch_id,
            EventType.CHECKPOINT_COMPUTED,
            {
                "checkpoint_date": day.checkpoint.checkpoint_date,
                "source": day.source,
                "basis": day.basis,
                "baseline_date": day.baseline_date,
                "closes": {
                    symbol: {
                        "baseline": trace.baseline,
                        "close": trace.close,
                        "split_factor": trace.split_factor,
                        **({"quoted_as": trace.quoted_as} if trace.quoted_as else {}),
                    }
                    for symbol, trace in day.closes.items()
                },
            },
        )
        self.computed += 1

    def skipped_day(self, batch_id: UUID, day: SkippedDay) -> None:
        self.checkpoints.append(
            Checkpoint(uuid7(), batch_id, day.checkpoint_date, CheckpointStatus.SKIPPED, None, None)
        )
        self.event(
            batch_id,
            EventType.CHECKPOINT_SKIPPED,
            {
                "checkpoint_date": day.checkpoint_date,
                "reason": day.reason,
                "symbols": day.symbols,
                "sources": day.sources,
            },
        )
        for symbol, last_session in day.stopped.items():
            self.told_once(
                batch_id,
                EventType.SYMBOL_STOPPED,
                last_session.isoformat(),
                {"symbol": symbol, "last_session": last_session, "sources": day.sources},
            )
        self.skipped += 1

    def completion(self, week: Week, batch_id: UUID, skipped: int) -> None:
        self.completed.append(batch_id)
        self.event(
            batch_id,
            EventType.BATCH_COMPLETED,
            {"run_date": week.run_date, "computed": BATCH_DAYS - skipped, "skipped": skipped},
        )


def _without_scale(text: str | None) -> str:
    """`text`, and one text for each number: 25.0 and 25.00 are the same close."""
    try:
        return format(metrics.CONTEXT.normalize(Decimal(text or "")), "f")
    except ArithmeticError:
        return text or ""  # a name or a date


def _evidence(delay: Delay) -> str | None:
    """What the next look at a waiting day is held against, as JSON text."""
    if not delay.moves and not delay.missing:
        return None
    return _encode({"moves": [move.payload() for move in delay.moves], "missing": delay.missing})


def _json_value(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")  # digits, never an exponent
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON form for {type(value).__name__}")


_encode = json.JSONEncoder(default=_json_value).encode  # made once: a replay writes thousands of payloads


class Recorder:
    """Writes weeks and keeps the report of what was written, and what became of each day.

    Any number of recorders may work at once: a batch is claimed before its days are looked at, a week that somebody
    else opened first is left to `lost`, and what is written already is not written again.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        as_of: datetime | None,
        report: Report | None = None,
        *,
        heeds_pause: bool = False,
    ) -> None:
        """`heeds_pause` says that a schedule does the work, which opens no week while the schedulers are paused."""
        self._heeds_pause = heeds_pause
        self._database = database
        self._clock = clock
        self._as_of = as_of.isoformat() if as_of else None
        self.report = report or Report()
        self.lost: list[date] = []
        self.days: list[DayDone] = []

    async def __call__(self, weeks: Sequence[Week]) -> None:
        """Writes what `weeks` hold in one transaction, in run_date order.

        A week with a value that the database refuses is delayed, and the others are written without it. Raises
        ClockError while this machine's clock and the database's do not agree.
        """
        try:
            await self._record(weeks)
        except RowRefusedError as refusal:
            if len(weeks) > 1:
                for week in weeks:
                    await self([week])
                return
            for week in weeks:
                log.warning(
                    "week refused",
                    extra={
                        "event": "week_refused",
                        "run_date": week.run_date.isoformat(),
                        "problem": refusal.message,
                    },
                )
                week.delay(Delay(refusal.code, refusal.message, is_failure=True))
            await self._record(weeks)

    async def _record(self, weeks: Sequence[Week]) -> None:
        for week in weeks:
            if week.unopened:
                self.report.unopened[week.run_date] = week.unopened
        writing = sorted((week for week in weeks if week.batch), key=lambda week: week.run_date)
        if not writing:
            return
        rows = _Rows(self._as_of)
        async with self._database.transaction() as connection:
            refused, lost = await self._open(connection, [week for week in writing if week.opening], rows)
            kept = [week for week in writing if week.run_date not in {*refused, *lost}]
            await self._collect(connection, kept, rows)
            await self._write(connection, rows)
            if existing := [week.batch.id for week in kept if week.batch and not week.opening]:
                await checkpoints.stop_waiting(connection, existing)
            if rows.events or rows.waiting:
                await events.notify(connection, [week.run_date for week in kept])
            # Last, so that a clock that is set at any statement before leaves nothing behind.
            require_agreement(self._clock, await events.clock_time(connection))
        self.report.unopened.update(refused)
        self.lost += lost
        self.report.opened += rows.opened
        self.report.computed += rows.computed
        self.report.skipped += rows.skipped
        self.report.waiting += len(rows.waiting)
        self.report.delays += [delay for _, _, delay in rows.waiting]
        self.days += [DayDone(day.batch_id, day.checkpoint_date, day.status.value) for day in rows.checkpoints]
        self.days += [DayDone(batch_id, day, "waiting", delay.detail) for batch_id, day, delay in rows.waiting]

    async def _open(
        self, connection: AsyncConnection[Any], weeks: Sequence[Week], rows: _Rows
    ) -> tuple[dict[date, Delay], list[date]]:
        """Opens what nobody else has opened; returns why weeks may not be opened, and those that somebody had."""
        if not weeks:
            return {}, []
        await events.serialise_openings(connection)
        refused = await self._refused(connection, weeks)
        openings = [week.opening for week in weeks if week.opening and week.run_date not in refused]
        if not openings:
            return refused, []
        refuse_mixing(await batches.any_source(connection), {opening.source for opening in openings})
        new = await batches.insert(
            connection,
            [opening.batch for opening in openings],
            [pick for opening in openings for pick in opening.picks],
        )
        for week in weeks:
            if week.opening and week.opening.batch.id in new:
                rows.opening(week.opening)
                if week.account is not None:
                    told = answered_payload(week.run_date, week.pick_source, Outcome.ACCEPTED, "", week.account)
                    rows.event(week.opening.batch.id, EventType.PICKS_ANSWERED, told)
        return refused, [opening.batch.run_date for opening in openings if opening.batch.id not in new]

    async def _refused(self, connection: AsyncConnection[Any], weeks: Sequence[Week]) -> dict[date, Delay]:
        """Those of `weeks` that may not be opened, and why. The lock on openings is held, so this stays true."""
        if self._heeds_pause and (paused := await read_pause(connection)) is not None:
            return {
                week.run_date: Delay(WaitCause.PAUSED, f"the schedulers are paused {paused.words}") for week in weeks
            }
        too_late = Delay(WaitCause.TOO_LATE, "the opening had ended when picks and prices were there")
        limited = [week for week in weeks if week.open_before is not None]
        return dict.fromkeys(await self._too_late(connection, limited), too_late)

    async def _too_late(self, connection: AsyncConnection[Any], weeks: Sequence[Week]) -> list[date]:
        """Those of `weeks` whose opening has ended: by the clock, or by what is written.

        A clock may have stepped back. A close of that Monday or later proves that its trading is over, and a week that
        was opened then would be opened with knowledge of it.
        """
        if not weeks:
            return []
        last_close = await checkpoints.last_computed(connection)
        # After the wait for the lock: whoever notes missed weeks has held it.
        now = require_agreement(self._clock, await events.clock_time(connection))
        return [
            week.run_date
            for week in weeks
            if (week.open_before is not None and now >= week.open_before)
            or (last_close is not None and last_close >= week.run_date)
        ]

    async def _collect(self, connection: AsyncConnection[Any], weeks: Iterable[Week], rows: _Rows) -> None:
        """Turns what the weeks know into rows, leaving out what stands already."""
        existing = [week.batch.id for week in weeks if week.batch and not week.opening]
        locked = {batch.id: batch for batch in await batches.lock(connection, existing)} if existing else {}
        written = await checkpoints.written(connection, existing) if existing else {}
        told = await events.told_once(connection, existing) if existing else set()
        rows.told = {(batch_id, kind, symbol, _without_scale(about)) for batch_id, kind, symbol, about in told}
        doubted = [
            week.batch.id for week in weeks if week.batch and any(delay.moves for delay in week.waiting.values())
        ]
        accepted = await accepted_moves(connection, doubted) if doubted else {}
        for week in weeks:
            assert week.batch is not None  # the caller keeps only weeks that have one
            batch_id = week.batch.id
            if not week.opening and (batch_id not in locked or locked[batch_id].status is not BatchStatus.ACTIVE):
                continue
            there = written.get(batch_id, {})
            for day in week.days:
                if day in there:
                    continue
                if day in week.computed:
                    rows.computed_day(week.computed[day])
                elif day in week.skipped:
                    rows.skipped_day(batch_id, week.skipped[day])
                elif day in week.waiting:
                    rows.waiting.append((batch_id, day, week.waiting[day]))
                    moves = week.waiting[day].moves
                    if moves and not without_accepted(moves, accepted.get(batch_id, ())):
                        # The operator's word came while the source was asked.
                        rows.accepted_meanwhile.append(batch_id)
            new = dict.fromkeys(week.computed, False) | dict.fromkeys(week.skipped, True)
            all_days = {**new, **there}
            if len(all_days) == BATCH_DAYS and len(there) < BATCH_DAYS:
                rows.completion(week, batch_id, sum(all_days.values()))

    async def _write(self, connection: AsyncConnection[Any], rows: _Rows) -> None:
        if rows.checkpoints:
            await checkpoints.insert(connection, rows.checkpoints, rows.metrics)
        if rows.completed:
            await batches.complete(connection, rows.completed)
        if rows.events:
            await events.insert(connection, rows.encoded_events())
        if not rows.waiting and not rows.accepted_meanwhile:
            return
        # A look noted by a clock that is wrong for a moment would count as one of another time.
        now = require_agreement(self._clock, await events.clock_time(connection))
        for batch_id, day, delay in rows.waiting:
            await checkpoints.wait(
                connection,
                batch_id,
                day,
                cause=delay.cause,
                detail=delay.detail,
                tried_at=now,
                retry_after=delay.retry_after,
                evidence=_evidence(delay),
                keeps_evidence=delay.is_failure,
            )
        for batch_id in rows.accepted_meanwhile:
            await checkpoints.try_again(connection, batch_id, now)
