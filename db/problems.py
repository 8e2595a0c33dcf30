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
    async with connection.cursor(row_factory=record_row(BatchWaitingDay, missing=tuple, moved=tuple)) as cursor:
        await cursor.execute(_SQL["standing"])
        return await cursor.fetchall()


async def missed(connection: AsyncConnection[Any], since: datetime) -> list[LoggedEvent]:
    """Mondays noted as missed after `since` that still have no batch, newest week first; one a week at most."""
    async with connection.cursor(row_factory=record_row(LoggedEvent, payload=json_object)) as cursor:
        await cursor.execute(_SQL["missed"], {"since": since, "run_date_path": RUN_DATE_PATH})
        return await cursor.fetchall()


async def noted(connection: AsyncConnection[Any], since: datetime, limit: int) -> list[LoggedEvent]:
    """At most `limit` events after `since` that tell of something wrong other than a missed Monday, newest first.

    Closes that never came, symbols that stopped trading, baselines that changed, and picks that were refused for a week
    that still has no batch.
    """
    async with connection.cursor(row_factory=record_row(LoggedEvent, payload=json_object)) as cursor:
        await cursor.execute(_SQL["noted"], {"since": since, "limit": limit, "run_date_path": RUN_DATE_PATH})
        return await cursor.fetchall()
