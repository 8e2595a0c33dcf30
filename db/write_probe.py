"""Whether a write would be confirmed now: a commit that changes no row, which readers may make too."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection

from db.statements import load
from db.waiting import CommitNotConfirmedError, place_of, shut_down

_SQL = load("write_probe")
_CONFIRMED_WITHIN_S = 3.0
_CANCELLED_WITHIN_S = 1.0
# No such function, no right to call it, or a server that keeps its log in another way: not known.
_CANNOT_BE_ASKED = frozenset({"42883", "42501", "0A000"})


@dataclass(frozen=True, slots=True)
class Writable:
    """What became of the probe. `problem` is a sentence where nothing can be written; on a replica it always is."""

    is_replica: bool
    problem: str | None


async def probe_write(connection: AsyncConnection[Any]) -> Writable:
    """Commits a message in the log that nobody reads, as durably as any write, and waits three seconds for it.

    The wait for a synchronous standby is cancelled afterwards, so that no session of the server goes on waiting.
    Raises psycopg.Error.
    """
    cursor = await connection.execute(_SQL["is_replica"])
    row = await cursor.fetchone()
    if row is not None and row[0]:
        return Writable(True, f"{place_of(connection)} is a replica: nothing can be written there.")
    asking = asyncio.ensure_future(connection.execute(_SQL["commit"]))
    try:
        await asyncio.wait({asking}, timeout=_CONFIRMED_WITHIN_S)
        is_late = not asking.done()
        if is_late:
            await _cancel(connection, asking)
        try:
            await asking
        except CommitNotConfirmedError:
            is_late = True
        except psycopg.Error as exc:
            if exc.sqlstate in _CANNOT_BE_ASKED:
                return Writable(False, None)
            if not is_late:
                raise
    finally:
        if not asking.done():
            shut_down(connection.pgconn)
            await asyncio.gather(asking, return_exceptions=True)
    if not is_late:
        return Writable(False, None)
    return Writable(
        False,
        f"Nothing can be written: {place_of(connection)} has not confirmed a write for {_CONFIRMED_WITHIN_S:g} s. "
        "Its synchronous standby may be gone, or it is cut off from its cluster.",
    )


async def _cancel(connection: AsyncConnection[Any], asking: asyncio.Future[Any]) -> None:
    with suppress(psycopg.Error):
        await connection.cancel_safe(timeout=_CANCELLED_WITHIN_S)
    await asyncio.wait({asking}, timeout=_CANCELLED_WITHIN_S)
    if not asking.done():
        shut_down(connection.pgconn)
