"""Who schedules: the leader's lock, and the facts that schedulers note for every screen to read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from db import fencing
from db.records import SchedulerFact
from db.rows import json_object, record_row
from db.statements import load
from db.text import storable

_SQL = load("leadership")
LEAD_LAPSES_AFTER_S = 30
_fact_row = record_row(SchedulerFact, value=json_object)


@dataclass(frozen=True, slots=True)
class Lead:
    """Whether somebody holds the leader's lock at `server_time`; a replica does not see its primary's locks."""

    is_held: bool
    is_replica: bool
    server_time: datetime


async def take_lead(connection: AsyncConnection[Any]) -> int | None:
    """Takes the leader's lock if nobody holds it, and gives the session that holds it now; None if somebody does.

    The connection is for `keep_lead` alone then. The server ends a session that leads and says nothing for half a
    minute, so that the lead of a process that was suspended, or of a machine that fell asleep, passes on.
    """
    return await fencing.take_lead(connection, LEAD_LAPSES_AFTER_S)


async def keep_lead(connection: AsyncConnection[Any]) -> None:
    """Gives the server a sign of life of the session that leads. Raises psycopg.Error if the session has ended."""
    await connection.execute("")


async def lead(connection: AsyncConnection[Any]) -> Lead:
    """Whether anybody leads now."""
    async with connection.cursor(row_factory=record_row(Lead)) as cursor:
        await cursor.execute(_SQL["lead"])
        [found] = await cursor.fetchall()
    return found


async def note(connection: AsyncConnection[Any], name: str, value: Mapping[str, Any]) -> None:
    """Keeps `value` under `name`, replacing the one before."""
    await connection.execute(_SQL["note"], {"name": name, "value": _encode(value)})


async def note_first(connection: AsyncConnection[Any], name: str, value: Mapping[str, Any]) -> None:
    """Keeps `value` under `name` unless something stands there."""
    await connection.execute(_SQL["note_first"], {"name": name, "value": _encode(value)})


async def merge(connection: AsyncConnection[Any], values: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds the keys of each value to those that stand under its name."""
    contents = [_encode(value) for value in values.values()]
    await connection.execute(_SQL["merge"], {"names": list(values), "contents": contents})


async def forget(connection: AsyncConnection[Any], name: str) -> None:
    """Removes what stands under `name`, if anything does."""
    await connection.execute(_SQL["forget"], {"name": name})


async def forget_silent(connection: AsyncConnection[Any], prefix: str, silence: timedelta) -> None:
    """Removes the facts whose name begins with `prefix` and that nobody has noted for longer than `silence`."""
    await connection.execute(_SQL["forget_silent"], {"prefix": prefix, "silence": silence})


async def fact(connection: AsyncConnection[Any], name: str) -> SchedulerFact | None:
    """The fact `name`."""
    async with connection.cursor(row_factory=_fact_row) as cursor:
        await cursor.execute(_SQL["fact"], {"name": name})
        return await cursor.fetchone()


async def facts(connection: AsyncConnection[Any]) -> dict[str, SchedulerFact]:
    """Every fact, by name."""
    async with connection.cursor(row_factory=_fact_row) as cursor:
        await cursor.execute(_SQL["facts"])
        return {fact.name: fact for fact in await cursor.fetchall()}


def _encode(value: Mapping[str, Any]) -> str:
    return json.dumps({key: storable(inner) if isinstance(inner, str) else inner for key, inner in value.items()})
