"""Which moves operators took at their word."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from core.moves import Move, move_in
from db import events


async def accepted_moves(connection: AsyncConnection[Any], batch_ids: Sequence[UUID]) -> dict[UUID, tuple[Move, ...]]:
    """The moves that operators accepted, by batch."""
    found: defaultdict[UUID, list[Move]] = defaultdict(list)
    for batch_id, payload in await events.accepted_moves(connection, batch_ids):
        if (move := move_in(payload)) is not None:
            found[batch_id].append(move)
    return {batch_id: tuple(moves) for batch_id, moves in found.items()}
