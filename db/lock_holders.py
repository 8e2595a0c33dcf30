"""Who holds the locks by which processes take turns, and who blocks another session."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection

from db.rows import record_row
from db.statements import load

_SQL = load("lock_holders")
_NAME_LIMIT = 64
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

    @property
    def words(self) -> str:
        """`process 71 (user 'ann', application 'psql', from 10.0.0.7, since 2026-11-16 16:30:05 UTC)`."""
        if not self.pid:
            return "a prepared transaction"
        named = (("user", self.user_name), ("application", self.application))
        about = [f"{label} {value[:_NAME_LIMIT]!r}" for label, value in named if value]
        about += [f"from {self.address}"] if self.address else []
        about += [f"since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"] if self.since else []
        return f"process {self.pid}" + (f" ({', '.join(about)})" if about else "")


_holder_row = record_row(LockHolder)


async def lock_holders(connection: AsyncConnection[Any]) -> list[LockHolder]:
    """Every holder, by its process number on the server."""
    async with connection.cursor(row_factory=_holder_row) as cursor:
        await cursor.execute(_SQL["holders"], {"names": list(LOCKS)})
        return await cursor.fetchall()
