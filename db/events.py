"""The append-only log `events`, its closed list of types, and the notification that goes with every write."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from db.database import CHANNEL, SCHEDULE_CHANGED
from db.records import Event, LoggedEvent, actions_and_others
from db.rows import RUN_DATE_PATH, json_object, record_row
from db.statements import load

_SQL = load("events")
_NOTIFICATION_BYTES = 7000
_MOST_RESUMPTIONS = 1000
_LEAST_ID, _GREATEST_ID = UUID(int=0), UUID(int=2**128 - 1)


class EventType(StrEnum):
    """Everything that the log can say; `docs/events.md` tells what each payload holds."""

    BATCH_OPENED = "batch_opened"
    BATCH_MISSED = "batch_missed"
    BATCH_COMPLETED = "batch_completed"
    BATCH_FAILED = "batch_failed"
    CHECKPOINT_COMPUTED = "checkpoint_computed"
    CHECKPOINT_SKIPPED = "checkpoint_skipped"
    PRICE_REBASED = "price_rebased"
    BASELINE_REVISED = "baseline_revised"
    MOVE_ACCEPTED = "move_accepted"
    SYMBOL_STOPPED = "symbol_stopped"
    SYMBOL_RENAMED = "symbol_renamed"
    PICKS_ANSWERED = "picks_answered"
    SCHEDULE_PAUSED = "schedule_paused"
    SCHEDULE_RESUMED = "schedule_resumed"


PAYLOAD_KEYS: Mapping[EventType, tuple[str, ...]] = {
    EventType.BATCH_OPENED: (
        "run_date",
        "pick_source",
        "source",
        "basis",
        "baseline_date",
        "closes",
        "as_of",
    ),
    EventType.BATCH_MISSED: ("run_date", "cause", "detail", "as_of"),
    EventType.BATCH_COMPLETED: ("run_date", "computed", "skipped", "as_of"),
    EventType.BATCH_FAILED: ("run_date", "reason"),
    EventType.CHECKPOINT_COMPUTED: (
        "checkpoint_date",
        "source",
        "basis",
        "baseline_date",
        "closes",
        "as_of",
    ),
    EventType.CHECKPOINT_SKIPPED: ("checkpoint_date", "reason", "symbols", "sources", "as_of"),
    EventType.PRICE_REBASED: ("symbol", "stored", "answered", "split", "source", "as_of"),
    EventType.BASELINE_REVISED: ("symbol", "stored", "answered", "split", "source", "as_of"),
    EventType.MOVE_ACCEPTED: (
        "symbol",
        "source",
        "previous_session",
        "session",
        "previous",
        "close",
        "split_factor",
        "who",
        "reason",
        "successor",
    ),
    EventType.SYMBOL_STOPPED: ("symbol", "last_session", "sources", "as_of"),
    EventType.SYMBOL_RENAMED: ("symbol", "successor", "source", "as_of"),
    EventType.PICKS_ANSWERED: (
        "run_date",
        "pick_source",
        "outcome",
        "detail",
        "model",
        "prompt_sha256",
        "attempts",
        "answers",
        "as_of",
    ),
    EventType.SCHEDULE_PAUSED: ("who", "reason"),
    EventType.SCHEDULE_RESUMED: ("who", "paused_by", "paused_since", "reason", "resumed_at"),
}


async def insert(connection: AsyncConnection[Any], events: Iterable[tuple[UUID, UUID | None, EventType, str]]) -> None:
    """Appends events given as (id, batch id, type, payload as JSON text)."""
    async with connection.cursor() as cursor, cursor.copy(_SQL["copy"]) as copy:
        for event in events:
            await copy.write_row(event)


async def notify(connection: AsyncConnection[Any], run_dates: Iterable[date]) -> None:
    """Tells every listening screen, when the transaction commits, which weeks have changed.

    An empty list stands for more weeks than a notification (8,000 bytes) can name.
    """
    names = json.dumps(sorted({run_date.isoformat() for run_date in run_dates}))
    if len(names) > _NOTIFICATION_BYTES:
        names = "[]"
    await connection.execute(_SQL["notify"], {"channel": CHANNEL, "payload": names})


async def notify_schedule(connection: AsyncConnection[Any]) -> None:
    """Tells every listening screen, when the transaction commits, that the schedulers' state has changed."""
    await connection.execute(_SQL["notify"], {"channel": CHANNEL, "payload": SCHEDULE_CHANGED})


async def serialise_openings(connection: AsyncConnection[Any]) -> None:
    """Lets one transaction at a time open weeks or note missed ones."""
    await connection.execute(_SQL["serialise_openings"])


async def announce_backfill(connection: AsyncConnection[Any]) -> None:
    """Shows every process that a backfill runs, until the transaction ends that this begins on the connection."""
    for statement in ("begin_backfill", "stay_idle", "announce_backfill"):
        await connection.execute(_SQL[statement])


async def is_backfilling(connection: AsyncConnection[Any]) -> bool:
    """Whether a backfill runs; one that begins now waits for the end of this transaction."""
    cursor = await connection.execute(_SQL["is_backfill_announced"])
    if await cursor.fetchone() == (True,):
        return True  # seen beforehand, because each lock that is refused is an error in the server's log
    try:
        async with connection.transaction():
            await connection.execute(_SQL["hold_off_backfills"])
    except psycopg.errors.LockNotAvailable:
        return True
    return False


async def clock_time(connection: AsyncConnection[Any]) -> datetime:
    """The server's time now, however long the transaction has lasted."""
    cursor = await connection.execute(_SQL["clock_time"])
    [row] = await cursor.fetchall()
    return cast("datetime", row[0])


async def server_time(connection: AsyncConnection[Any]) -> datetime:
    """The server's time at the beginning of the transaction."""
    cursor = await connection.execute(_SQL["server_time"])
    [row] = await cursor.fetchall()
    return cast("datetime", row[0])


async def page(
    connection: AsyncConnection[Any],
    *,
    cursor: UUID | None = None,
    after: UUID | None = None,
    limit: int,
    event_type: EventType | None = None,
    batch_id: UUID | None = None,
    text: str = "",
) -> list[LoggedEvent]:
    """At most `limit` events with an id before `cursor` and greater than `after`, newest first.

    Each word of `text` occurs in the event's type or its payload as JSON text, literally but for the case of its
    letters, which is judged by the database's locale, and the mark before a share class (BRK.B, BRK-B, BRK/B). BUY and
    SELL are the action of a pick in the event's batch; a word that begins a ticker of that batch is then one with that
    action.
    """
    words = text.split()
    if not all(map(_can_be_stored, words)):
        return []
    actions, words = actions_and_others(words)
    async with connection.cursor(row_factory=record_row(LoggedEvent, payload=json_object)) as rows:
        await rows.execute(
            _SQL["page"],
            {
                "before": cursor or _GREATEST_ID,  # both always bound, so that every plan walks only their part
                "after": after or _LEAST_ID,
                "limit": limit,
                "event_type": event_type and event_type.value,
                "batch_id": batch_id,
                "words": words,
                "actions": actions,
                "run_date_path": RUN_DATE_PATH,
            },
        )
        return await rows.fetchall()


def _can_be_stored(word: str) -> bool:
    """Whether PostgreSQL can hold `word` as text; what it cannot hold occurs in no event."""
    try:
        return b"\0" not in word.encode()
    except UnicodeEncodeError:
        return False


async def of_batch(connection: AsyncConnection[Any], batch_id: UUID) -> list[Event]:
    """Everything that happened to a batch, oldest first."""
    async with connection.cursor(row_factory=record_row(Event, payload=json_object)) as cursor:
        await cursor.execute(_SQL["of_batch"], {"batch_id": batch_id})
        return await cursor.fetchall()


async def told_once(connection: AsyncConnection[Any], batch_ids: Sequence[UUID]) -> set[tuple[UUID, str, str, str]]:
    """What some batches were told already of what is told once: batch, type, symbol, and what it was about.

    That is the answered close of a changed baseline, a successor, or the last session of a symbol that stopped.
    """
    cursor = await connection.execute(_SQL["told_once"], {"batch_ids": list(batch_ids)})
    return {(batch_id, event_type, symbol, about) for batch_id, event_type, symbol, about in await cursor.fetchall()}


async def accepted_moves(
    connection: AsyncConnection[Any], batch_ids: Sequence[UUID]
) -> list[tuple[UUID, Mapping[str, Any]]]:
    """The payloads that tell of moves which operators accepted, each with its batch."""
    cursor = await connection.execute(_SQL["accepted_moves"], {"batch_ids": list(batch_ids)})
    return [(batch_id, payload) for batch_id, payload in await cursor.fetchall() if isinstance(payload, dict)]


async def resumptions(connection: AsyncConnection[Any]) -> list[Mapping[str, Any]]:
    """The payloads that tell of pauses which have ended, the last ended first, at most 1,000."""
    cursor = await connection.execute(_SQL["resumptions"], {"limit": _MOST_RESUMPTIONS})
    return [payload for (payload,) in await cursor.fetchall() if isinstance(payload, dict)]


async def transactions(connection: AsyncConnection[Any], since: datetime) -> dict[datetime, int]:
    """The transactions that wrote events with ids made from `since` on: how many each wrote, by when it began.

    An id is made by the clock of the process that writes; when a transaction began is told by the server's. Two that
    began in the same microsecond count as one.
    """
    cursor = await connection.execute(_SQL["transactions"], {"after": _first_id(since)})
    return dict(await cursor.fetchall())


async def of_transactions(
    connection: AsyncConnection[Any], since: datetime, began: Sequence[datetime], *, limit: int
) -> AsyncIterator[LoggedEvent]:
    """What those of `transactions` wrote that began at one of `began`, by id, read `limit` at a time.

    What can be long in a payload, and is told to nobody, is left out: closes and raw answers.
    """
    after, is_more = _first_id(since), bool(began)
    while is_more:
        async with connection.cursor(row_factory=record_row(LoggedEvent, payload=json_object)) as rows:
            await rows.execute(
                _SQL["of_transactions"],
                {"after": after, "began": list(began), "limit": limit, "run_date_path": RUN_DATE_PATH},
            )
            found = await rows.fetchall()
        for event in found:
            after = event.id
            yield event
        is_more = len(found) == limit


def _first_id(instant: datetime) -> UUID:
    """What is less than every UUIDv7 made at `instant` or later, by the clock that makes it."""
    milliseconds = max(int(instant.timestamp() * 1000), 0)
    return UUID(int=milliseconds << 80)
