"""An operator's word on closes that moved beyond all likelihood: what waits for it, and taking it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from core.accepted_moves import accepted_moves
from core.batches import REASON_LIMIT, NotPossibleError, find, is_unicode
from core.moves import Move, move_in, without_accepted
from core.services import Services
from db import batches, checkpoints, events
from db.events import EventType
from db.records import BatchStatus


@dataclass(frozen=True, slots=True)
class DoubtfulDay:
    """A due day that waits for a word, and on which moves, as each source of the chain told them."""

    checkpoint_date: date
    moves: tuple[Move, ...]


async def doubtful_days(services: Services, run_date: date) -> tuple[DoubtfulDay, ...]:
    """The days of a batch that wait for an operator's word, oldest first. Raises NotFoundError."""
    batch = await find(services, run_date)
    async with services.database.snapshot() as connection:
        return await _doubtful_days(connection, batch.id)


async def all_doubtful(connection: AsyncConnection[Any]) -> list[tuple[date, Move]]:
    """Every move that waits for a word, with its batch's run date; several times where several days wait on it."""
    return [
        (run_date, move) for run_date, told in await checkpoints.all_evidence(connection) for move in _moves_in(told)
    ]


async def doubtful_moves(services: Services, run_date: date) -> tuple[Move, ...]:
    """The moves that a batch's days wait on and that nobody has taken at their word, each once, oldest day first.

    Raises NotFoundError.
    """
    batch = await find(services, run_date)
    async with services.database.snapshot() as connection:
        return await _unaccepted(connection, batch.id)


async def accept(
    services: Services, run_date: date, who: str, *, moves: Iterable[Move] | None = None, reason: str = ""
) -> tuple[Move, ...]:
    """Takes the moves that a batch's days wait on at their word, all of them or those like `moves`, and gives them.

    Each is an event, and the days are tried again at once. A move of another size is another move and waits anew.
    Raises NotFoundError, or NotPossibleError if the batch has ended, nothing waits, or the reason is too long.
    """
    reason = reason.strip()
    if len(reason) > REASON_LIMIT or "\0" in reason or not is_unicode(reason):
        raise NotPossibleError(f"A reason is at most {REASON_LIMIT} characters in UTF-8.", "Shorten it.")
    batch, wanted = await find(services, run_date), None if moves is None else tuple(moves)
    async with services.database.transaction() as connection:
        [locked] = await batches.lock(connection, [batch.id])
        if locked.status is not BatchStatus.ACTIVE:
            raise NotPossibleError(
                f"The batch of {run_date} is {locked.status} already.", "Completed and failed are both final."
            )
        waiting = await _unaccepted(connection, batch.id)
        taken = tuple(move for move in waiting if wanted is None or any(move.is_like(other) for other in wanted))
        if not taken:
            raise NotPossibleError(
                f"No {'' if wanted is None else 'such '}move waits for a word in the batch of {run_date}.",
                f"alpha-monday show {run_date} tells what its days wait for.",
            )
        await events.insert(
            connection,
            [
                (
                    uuid7(),
                    batch.id,
                    EventType.MOVE_ACCEPTED,
                    json.dumps({**move.payload(), "successor": move.successor or None, "who": who, "reason": reason}),
                )
                for move in taken
            ],
        )
        await checkpoints.try_again(connection, batch.id, services.clock.now())
        await events.notify(connection, [run_date])
    return taken


async def _doubtful_days(connection: AsyncConnection[Any], batch_id: UUID) -> tuple[DoubtfulDay, ...]:
    found = []
    for checkpoint_date, evidence in await checkpoints.evidence(connection, batch_id):
        if moves := _moves_in(evidence):
            found.append(DoubtfulDay(checkpoint_date, moves))
    return tuple(found)


def _moves_in(evidence: Any) -> tuple[Move, ...]:
    told = evidence.get("moves") if isinstance(evidence, dict) else None
    payloads = told if isinstance(told, list) else []
    return tuple(move for payload in payloads if isinstance(payload, dict) and (move := move_in(payload)) is not None)


async def _unaccepted(connection: AsyncConnection[Any], batch_id: UUID) -> tuple[Move, ...]:
    accepted = (await accepted_moves(connection, [batch_id])).get(batch_id, ())
    found: list[Move] = []
    for move in (move for day in await _doubtful_days(connection, batch_id) for move in day.moves):
        found += without_accepted([move], (*accepted, *found))
    return tuple(found)
