"""What stands or happened that an operator has to know of: a connection in, records out."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from db.records import BatchWaitingDay, LoggedEvent
from db.rows import RUN_DATE_PATH, json_object, record_row
from db.statements import load

_SQL = load("problems")


async def standing(connection: AsyncConnection[Any]) -> list[BatchWaitingDay]:
    """Every due day that waits now, the latest to begin first."""
    async with connection.cursor(row_factory=record_row(BatchWaitingDay, symbols=tuple)) as cursor:
        await cursor.execute(_SQL["standing"])
        return await cursor.fetchall()


async def missed(connection: AsyncConnection[Any], since: datetime) -> list[LoggedEvent]:
    """Mondays noted as missed after `since` that still have no batch, newest week first; one a week at most."""
    async with connection.cursor(row_factory=record_row(LoggedEvent, payload=json_object)) as cursor:
        await cursor.execute(_SQL["missed"], {"since": since, "run_date_path": RUN_DATE_PATH})
        return await cursor.fetchall()


async def price_problems(connection: AsyncConnection[Any], since: datetime, limit: int) -> list[LoggedEvent]:
    """At most `limit` events after `since` of closes that never came and baselines that changed, newest first."""
    async with connection.cursor(row_factory=record_row(LoggedEvent, payload=json_object)) as cursor:
        await cursor.execute(_SQL["price_problems"], {"since": since, "limit": limit})
        return await cursor.fetchall()
