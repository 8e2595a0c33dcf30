"""The tables `batches` and `picks`: a connection in, records out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from db.records import (
    Action,
    ActiveBatch,
    Batch,
    BatchOverview,
    BatchStatus,
    DayExcess,
    MissedWeek,
    Pick,
    baseline_date_in,
)
from db.rows import RUN_DATE_PATH, record_row
from db.statements import load

_SQL = load("batches")
_batch_row = record_row(Batch, status=BatchStatus)
_pick_row = record_row(Pick, action=Action)
_overview_row = record_row(
    BatchOverview,
    status=BatchStatus,
    tickers=tuple,
    actions=lambda actions: tuple(Action(action) for action in actions),
)


async def insert(connection: AsyncConnection[Any], batches: Sequence[Batch], picks: Iterable[Pick]) -> set[UUID]:
    """Inserts batches with their picks and says which are new: a week that exists already is left alone."""
    cursor = await connection.execute(
        _SQL["insert"],
        {
            "ids": [batch.id for batch in batches],
            "run_dates": [batch.run_date for batch in batches],
            "benchmark_symbols": [batch.benchmark_symbol for batch in batches],
            "prices": [batch.benchmark_initial_price for batch in batches],
            "statuses": [batch.status.value for batch in batches],
        },
    )
    new = {row[0] for row in await cursor.fetchall()}
    async with cursor.copy(_SQL["copy_picks"]) as copy:
        for pick in picks:
            if pick.batch_id in new:
                await copy.write_row(
                    (
                        pick.id,
                        pick.batch_id,
                        pick.ticker,
                        pick.action.value,
                        pick.reasoning,
                        pick.initial_price,
                    )
                )
    return new


async def lock(connection: AsyncConnection[Any], ids: Sequence[UUID]) -> list[Batch]:
    """Claims batches for writing until the transaction ends, and gives them as they stand now."""
    async with connection.cursor(row_factory=_batch_row) as cursor:
        await cursor.execute(_SQL["lock"], {"ids": list(ids)})
        return await cursor.fetchall()


async def complete(connection: AsyncConnection[Any], ids: Sequence[UUID]) -> None:
    """Marks batches completed."""
    await connection.execute(_SQL["complete"], {"ids": list(ids)})


async def fail(connection: AsyncConnection[Any], batch_id: UUID) -> None:
    """Marks a batch failed."""
    await connection.execute(_SQL["fail"], {"id": batch_id})


async def latest(connection: AsyncConnection[Any]) -> Batch | None:
    """The newest batch, if there is one."""
    async with connection.cursor(row_factory=_batch_row) as cursor:
        await cursor.execute(_SQL["latest"])
        return await cursor.fetchone()


async def has_any(connection: AsyncConnection[Any]) -> bool:
    """Whether there is any batch."""
    cursor = await connection.execute(_SQL["has_any"])
    row = await cursor.fetchone()
    assert row is not None  # a select without FROM has one row
    return bool(row[0])


async def by_run_dates(connection: AsyncConnection[Any], run_dates: Iterable[date]) -> dict[date, Batch]:
    """The batches of some weeks, by run date."""
    async with connection.cursor(row_factory=_batch_row) as cursor:
        await cursor.execute(_SQL["by_run_dates"], {"run_dates": list(run_dates)})
        return {batch.run_date: batch for batch in await cursor.fetchall()}


async def neighbours(connection: AsyncConnection[Any], run_date: date) -> tuple[date | None, date | None]:
    """The run dates of the batch before a week and of the one after it."""
    cursor = await connection.execute(_SQL["neighbours"], {"run_date": run_date})
    row = await cursor.fetchone()
    assert row is not None  # a select without FROM has one row
    return row[0], row[1]


async def picks(connection: AsyncConnection[Any], batch_ids: Iterable[UUID]) -> dict[UUID, tuple[Pick, ...]]:
    """The picks of some batches by batch, in the order in which they were picked."""
    found: defaultdict[UUID, list[Pick]] = defaultdict(list)
    async with connection.cursor(row_factory=_pick_row) as cursor:
        await cursor.execute(_SQL["picks"], {"batch_ids": list(batch_ids)})
        async for pick in cursor:
            found[pick.batch_id].append(pick)
    return {batch_id: tuple(rows) for batch_id, rows in found.items()}


async def active(connection: AsyncConnection[Any]) -> list[ActiveBatch]:
    """Every batch that still lacks days, oldest first."""
    cursor = await connection.execute(_SQL["active"])
    rows = await cursor.fetchall()
    return [
        ActiveBatch(
            batch=Batch(id_, created_at, run_date, symbol, price, BatchStatus(status)),
            written=frozenset(written),
            source=source or "",
            basis=basis or "",
            baseline_date=baseline_date_in(baseline, run_date),
        )
        for id_, created_at, run_date, symbol, price, status, written, source, basis, baseline in rows
    ]


async def weeks(connection: AsyncConnection[Any], monday: date) -> tuple[date | None, bool]:
    """The first run date there is, and whether the week of `monday` is opened."""
    cursor = await connection.execute(_SQL["weeks"], {"monday": monday})
    row = await cursor.fetchone()
    assert row is not None  # a select without FROM has one row
    return row[0], row[1]


async def unopened(connection: AsyncConnection[Any], last: date) -> list[date]:
    """Mondays from the first batch to `last` with neither a batch nor a missed event."""
    cursor = await connection.execute(_SQL["unopened"], {"last": last})
    return [row[0] for row in await cursor.fetchall()]


async def any_source(connection: AsyncConnection[Any]) -> str | None:
    """The source that opened any one of the batches."""
    cursor = await connection.execute(_SQL["any_source"])
    row = await cursor.fetchone()
    return row[0] if row else None


async def page(
    connection: AsyncConnection[Any], *, cursor: date | None, limit: int, status: BatchStatus | None
) -> list[BatchOverview]:
    """At most `limit` batches with a run date before `cursor`, newest first."""
    found = await connection.execute(
        _SQL["page"], {"cursor": cursor, "limit": limit, "status": status and status.value}
    )
    return await overviews(connection, [row[0] for row in await found.fetchall()])


async def overviews(connection: AsyncConnection[Any], ids: Iterable[UUID]) -> list[BatchOverview]:
    """Some batches as lists show them, newest first."""
    async with connection.cursor(row_factory=_overview_row) as rows:
        await rows.execute(_SQL["overviews"], {"ids": list(ids)})
        return await rows.fetchall()


async def excess_by_day(
    connection: AsyncConnection[Any], batch_ids: Iterable[UUID]
) -> dict[UUID, tuple[DayExcess, ...]]:
    """The mean action-adjusted excess of some batches on each computed day, oldest first."""
    found: defaultdict[UUID, list[DayExcess]] = defaultdict(list)
    async with connection.cursor(row_factory=record_row(DayExcess)) as cursor:
        await cursor.execute(_SQL["excess_by_day"], {"batch_ids": list(batch_ids)})
        async for day in cursor:
            found[day.batch_id].append(day)
    return {batch_id: tuple(days) for batch_id, days in found.items()}


async def missed(
    connection: AsyncConnection[Any], *, cursor: date | None = None, oldest: date | None = None
) -> list[MissedWeek]:
    """Missed Mondays without a batch between `oldest` and `cursor` (both excluded), newest first."""
    async with connection.cursor(row_factory=record_row(MissedWeek)) as rows:
        await rows.execute(_SQL["missed"], {"cursor": cursor, "oldest": oldest, "run_date_path": RUN_DATE_PATH})
        return await rows.fetchall()
