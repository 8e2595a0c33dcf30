"""Who schedules: the leader's lock, and the facts that schedulers note for every screen to read."""

import json
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from db.records import SchedulerFact
from db.rows import record_row
from db.statements import load

_SQL = load("leadership")
_LEADER_KEY = 0x616C7068_6D6F6E02  # an advisory lock of this product's own: "alph", "mon", 2


async def try_lead(connection: AsyncConnection[Any]) -> bool:
    """Takes the leader's lock for this session if nobody holds it."""
    cursor = await connection.execute(_SQL["try_lead"], {"key": _LEADER_KEY})
    row = await cursor.fetchone()
    return bool(row and row[0])


async def note(connection: AsyncConnection[Any], name: str, value: Mapping[str, Any]) -> None:
    """Keeps `value` under `name`, replacing the one before."""
    await connection.execute(_SQL["note"], {"name": name, "value": json.dumps(value)})


async def facts(connection: AsyncConnection[Any]) -> dict[str, SchedulerFact]:
    """Every fact, by name."""
    async with connection.cursor(row_factory=record_row(SchedulerFact)) as cursor:
        await cursor.execute(_SQL["facts"])
        return {fact.name: fact for fact in await cursor.fetchall()}
