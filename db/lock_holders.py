"""Who holds the locks by which processes take turns, and who blocks another session."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from db.rows import record_row
from db.statements import load

_SQL = load("lock_holders")
LEAD, OPENINGS, BACKFILLS = LOCKS = ("scheduler_lead", "week_openings", "week_backfills")


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that holds some of `LOCKS`, or that `blocks` a number of other sessions with any lock.

    `pid` is 0 for a prepared transaction, which belongs to no session. None is what this user may not see; the address
    is None for a socket too. `since` is when its transaction began.
    """

    pid: int
    locks: list[str]
    blocks: int
    user_name: str | None
    application: str | None
    address: str | None
    since: datetime | None


_holder_row = record_row(LockHolder)


async def lock_holders(connection: AsyncConnection[Any]) -> list[LockHolder]:
    """Every holder, by its process number on the server."""
    async with connection.cursor(row_factory=_holder_row) as cursor:
        await cursor.execute(_SQL["holders"], {"names": list(LOCKS)})
        return await cursor.fetchall()
