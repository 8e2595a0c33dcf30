"""Measures over many batches, computed where the rows are: a connection in, records out."""

from typing import Any

from psycopg import AsyncConnection

from db.records import Action, BatchStatus, Batting, DayPerformance, FinalExcess, FinalExcesses
from db.rows import record_row
from db.statements import load

_SQL = load("performance")
_batting_row = record_row(Batting, action=lambda action: action and Action(action))


async def statuses(connection: AsyncConnection[Any]) -> dict[BatchStatus, int]:
    """How many batches there are of each status; one that no batch has is absent."""
    cursor = await connection.execute(_SQL["statuses"])
    return {BatchStatus(status): batches for status, batches in await cursor.fetchall()}


async def by_day(connection: AsyncConnection[Any], days: int) -> list[DayPerformance]:
    """Every day number from 1 to `days`, in order, over the batches that did not fail."""
    async with connection.cursor(row_factory=record_row(DayPerformance)) as cursor:
        await cursor.execute(_SQL["by_day"], {"days": days})
        return await cursor.fetchall()


async def batting(connection: AsyncConnection[Any]) -> dict[Action | None, Batting]:
    """The batting of completed batches by action; None is for all picks."""
    async with connection.cursor(row_factory=_batting_row) as cursor:
        await cursor.execute(_SQL["batting"])
        return {row.action: row for row in await cursor.fetchall()}


async def finals(connection: AsyncConnection[Any]) -> FinalExcesses:
    """How completed batches ended; of equals the oldest is the best, and the worst."""
    cursor = await connection.execute(_SQL["finals"])
    row = await cursor.fetchone()
    assert row is not None  # an aggregate without groups has one row
    batches, mean_pct, best_run_date, best_pct, worst_run_date, worst_pct = row
    if batches == 0:
        return FinalExcesses(0, None, None, None)
    return FinalExcesses(
        batches, mean_pct, FinalExcess(best_run_date, best_pct), FinalExcess(worst_run_date, worst_pct)
    )
