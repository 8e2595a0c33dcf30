"""The tables `checkpoints`, `pick_checkpoint_metrics` and `waiting_days`: a connection in, records out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncConnection

from db.records import Checkpoint, CheckpointStatus, PickCheckpointMetric, WaitingDay
from db.rows import record_row
from db.statements import load

SHORTEST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=2)
_SQL = load("checkpoints")
_checkpoint_row = record_row(Checkpoint, status=CheckpointStatus)


async def insert(
    connection: AsyncConnection[Any],
    checkpoints: Iterable[Checkpoint],
    metrics: Iterable[PickCheckpointMetric],
) -> None:
    """Inserts days with their metrics, for batches that this transaction has claimed or inserted."""
    async with connection.cursor() as cursor:
        async with cursor.copy(_SQL["copy_checkpoints"]) as copy:
            copy.set_types(("uuid", "uuid", "date", "text", "numeric", "numeric"))
            for day in checkpoints:
                await copy.write_row(
                    (
                        day.id,
                        day.batch_id,
                        day.checkpoint_date,
                        day.status.value,
                        day.benchmark_price,
                        day.benchmark_return_pct,
                    )
                )
        async with cursor.copy(_SQL["copy_metrics"]) as copy:
            copy.set_types(("uuid", "uuid", "uuid", "numeric", "numeric", "numeric"))
            for metric in metrics:
                await copy.write_row(
                    (
                        metric.id,
                        metric.checkpoint_id,
                        metric.pick_id,
                        metric.current_price,
                        metric.absolute_return_pct,
                        metric.vs_benchmark_pct,
                    )
                )


async def written(connection: AsyncConnection[Any], batch_ids: Sequence[UUID]) -> dict[UUID, dict[date, bool]]:
    """The days that some batches have already, and whether each was skipped."""
    found: defaultdict[UUID, dict[date, bool]] = defaultdict(dict)
    cursor = await connection.execute(_SQL["written"], {"batch_ids": list(batch_ids)})
    for batch_id, checkpoint_date, skipped in await cursor.fetchall():
        found[batch_id][checkpoint_date] = skipped
    return found


async def of_batch(connection: AsyncConnection[Any], batch_id: UUID) -> list[Checkpoint]:
    """The days of a batch, in order."""
    async with connection.cursor(row_factory=_checkpoint_row) as cursor:
        await cursor.execute(_SQL["of_batch"], {"batch_id": batch_id})
        return await cursor.fetchall()


async def metrics_of_batch(connection: AsyncConnection[Any], batch_id: UUID) -> list[PickCheckpointMetric]:
    """The metrics of a batch, in the order of days and picks."""
    async with connection.cursor(row_factory=record_row(PickCheckpointMetric)) as cursor:
        await cursor.execute(_SQL["metrics_of_batch"], {"batch_id": batch_id})
        return await cursor.fetchall()


async def written_prices(
    connection: AsyncConnection[Any], batch_ids: Sequence[UUID]
) -> dict[UUID, dict[str, dict[date, Decimal]]]:
    """The prices of computed days by batch, symbol and day, on the share basis of the batch's baseline."""
    found: dict[UUID, dict[str, dict[date, Decimal]]] = {}
    cursor = await connection.execute(_SQL["written_prices"], {"batch_ids": list(batch_ids)})
    async for batch_id, symbol, day, price in cursor:
        found.setdefault(batch_id, {}).setdefault(symbol, {})[day] = price
    return found


async def closures(
    connection: AsyncConnection[Any], days: Sequence[date], symbols: int
) -> tuple[frozenset[date], frozenset[date]]:
    """Those of `days` that are sessions by a stored close, and those on which a response had none of `symbols`."""
    cursor = await connection.execute(_SQL["closures"], {"days": list(days), "symbols": symbols})
    rows = await cursor.fetchall()
    return frozenset(row[0] for row in rows if row[1]), frozenset(row[0] for row in rows if row[2])


async def waiting(connection: AsyncConnection[Any]) -> list[WaitingDay]:
    """Due days that could not be written yet, oldest first."""
    async with connection.cursor(row_factory=record_row(WaitingDay, missing=tuple)) as cursor:
        await cursor.execute(_SQL["waiting"])
        return await cursor.fetchall()


async def evidence(connection: AsyncConnection[Any], batch_id: UUID) -> list[tuple[date, Any]]:
    """What each of a batch's days waits for an operator's word on, oldest first, as the JSON value that was noted."""
    cursor = await connection.execute(_SQL["evidence"], {"batch_id": batch_id})
    return list(await cursor.fetchall())


async def all_evidence(connection: AsyncConnection[Any]) -> list[tuple[date, Any]]:
    """As `evidence` for every active batch, each with its run date."""
    cursor = await connection.execute(_SQL["all_evidence"])
    return list(await cursor.fetchall())


async def try_again(connection: AsyncConnection[Any], batch_id: UUID, at: datetime) -> None:
    """Lets every waiting day of a batch be tried at `at`."""
    await connection.execute(_SQL["try_again"], {"batch_id": batch_id, "at": at})


async def last_computed(connection: AsyncConnection[Any]) -> date | None:
    """The latest date for which closes are stored."""
    cursor = await connection.execute(_SQL["last_computed"])
    [row] = await cursor.fetchall()
    return cast("date | None", row[0])


async def wait(
    connection: AsyncConnection[Any],
    batch_id: UUID,
    checkpoint_date: date,
    *,
    cause: str,
    detail: str,
    tried_at: datetime,
    retry_after: timedelta | None,
    evidence: str | None = None,
    keeps_evidence: bool = False,
) -> None:
    """Notes one more attempt at a due day, and when to try next: at the soonest after `retry_after`.

    `evidence`, as JSON text, is what was seen; without any, what was seen before is kept if `keeps_evidence`.
    """
    await connection.execute(
        _SQL["wait"],
        {
            "batch_id": batch_id,
            "checkpoint_date": checkpoint_date,
            "cause": cause,
            "detail": detail,
            "tried_at": tried_at,
            "retry_after": retry_after or timedelta(0),
            "evidence": evidence,
            "keeps_evidence": keeps_evidence,
            "shortest": SHORTEST_PAUSE,
            "longest": LONGEST_PAUSE,
        },
    )


async def stop_waiting(connection: AsyncConnection[Any], batch_ids: Sequence[UUID]) -> None:
    """Forgets the waiting of days that are written now, and of batches that ended."""
    await connection.execute(_SQL["stop_waiting"], {"batch_ids": list(batch_ids)})
