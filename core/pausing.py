"""The operators' pause: one fact that holds for the schedulers of every process, until somebody ends it."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from core.facts import instant_in, text_in
from core.services import Services
from db import events, leadership
from db.records import SchedulerFact

PAUSE_FACT = "pause"
_WHO_LIMIT = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """Who told the schedulers to do nothing, and since when."""

    who: str
    since: datetime


def pause_in(fact: SchedulerFact | None) -> Pause | None:
    """The pause that `fact` tells of. One that is noted in an unknown form holds all the same."""
    if fact is None:
        return None
    return Pause(text_in(fact.value, "who") or "unknown", instant_in(fact.value, "since") or fact.updated_at)


async def read_pause(connection: AsyncConnection[Any]) -> Pause | None:
    """The pause in force."""
    return pause_in(await leadership.fact(connection, PAUSE_FACT))


async def pause(services: Services, who: str) -> Pause:
    """Tells every scheduler to do nothing by itself, and gives the pause in force: an earlier one stands.

    Operators' own commands go on working. Raises DatabaseReadOnlyError in a read-only session.
    """
    value = {"who": who[:_WHO_LIMIT], "since": services.clock.now().isoformat()}
    async with services.database.transaction() as connection:
        await leadership.note_first(connection, PAUSE_FACT, value)
        found = await read_pause(connection)
        await events.notify(connection, [])
    assert found is not None  # noted by this transaction, or seen by it
    log.info("paused", extra={"event": "paused", "who": found.who})
    return found


async def resume(services: Services, who: str) -> None:
    """Ends the pause, if there is one. Raises DatabaseReadOnlyError in a read-only session."""
    async with services.database.transaction() as connection:
        await leadership.forget(connection, PAUSE_FACT)
        await events.notify(connection, [])
    log.info("resumed", extra={"event": "resumed", "who": who[:_WHO_LIMIT]})
