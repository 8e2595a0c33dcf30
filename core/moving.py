"""Taking the embedded database to a server, so that one database is used from then on and not two."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection

from core.pausing import LONGEST_REASON, PAUSE_FACT, pause_in
from core.services import Access, open_address
from core.settings import Settings
from db import batches, leadership, migrate
from db.driver_errors import translated
from db.dumps import connected
from db.errors import AlphaMondayError
from db.fencing import take_lead
from db.hosts import chosen_address
from db.libpq_environment import with_service
from db.moving import MoveError, address_without_secrets, carry_over, refuse_rows

_MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: how many tables and rows, to which address (without its secrets), and out of which directory.

    `is_paused` says that the operators' pause was in force and went along.
    """

    tables: int
    rows: int
    address: str
    directory: Path
    is_paused: bool


async def move(settings: Settings, url: str) -> Moved:
    """Takes every row of the embedded database to the one at `url`, made where it is missing.

    All of it arrives, compared table by table, or nothing does. Afterwards the schedulers of the embedded database are
    paused for good, so that a forgotten one does nothing on it; of what schedulers note only an operators' pause
    travels. Raises MoveError if DATABASE_URL is set, a scheduler leads on the embedded database, there is nothing in
    it or something in the other, or the copy differs; DatabaseError if either cannot be used.
    """
    if settings.database_url is not None:
        raise MoveError(
            "DATABASE_URL is set, and what it names is used instead of the embedded database.",
            "Unset it to move the embedded one; to move between servers, use db backup and db restore.",
        )
    address = address_without_secrets(url)
    # Read before the embedded server, which takes nothing from the service, is opened.
    url = await chosen_address(with_service(url))
    async with open_address(settings, Access.READ) as source:
        await asyncio.to_thread(migrate.up, source)
        async with connected(source) as lead, connected(source) as keeper:
            for connection in (lead, keeper):
                await connection.set_autocommit(True)
            # Held until the end, however long that takes, so that none begins to lead meanwhile.
            if await take_lead(lead, lapses_after_s=0) is None:
                raise MoveError(
                    "A scheduler leads on the embedded database.",
                    "End every alpha-monday that uses it (the TUI, --headless), and try again.",
                )
            if not await batches.has_any(keeper):
                raise MoveError("The embedded database holds no batches to move.", "Set DATABASE_URL and begin there.")
            await asyncio.to_thread(migrate.up, url)
            return await _move(keeper, source, url, Moved(0, 0, address, settings.data_dir / "postgres", False))


async def _move(keeper: AsyncConnection[Any], source: str, url: str, moved: Moved) -> Moved:
    async with connected(url) as target, connected(source) as giving:
        await refuse_rows(target)
        await target.rollback()
        before = await leadership.fact(keeper, PAUSE_FACT)
        pause = pause_in(before)
        if pause is not None and before is not None and _MOVED in before.value:
            raise MoveError(
                f"This database was {pause.reason or 'moved'} before.",
                "Use that one. If it does not hold everything, run alpha-monday resume here, and move again.",
            )
        # Noted first and taken back on failure: killed at any moment, no two databases go on by themselves.
        await _note_moved(keeper, moved.address)
        try:
            if before is not None:
                await leadership.note_first(target, PAUSE_FACT, before.value)
            with translated():
                held = await carry_over(giving, target)
        except BaseException as exc:
            try:
                await _put_back(keeper, before.value if before else None)
            except psycopg.Error as left:  # the keeper is gone, perhaps for the same cause: the first failure is told
                exc.add_note(f"The pause of the embedded database was not taken back: {left}")
                if isinstance(exc, AlphaMondayError):
                    exc.remedy += " Then run alpha-monday resume: the embedded database's schedulers are still paused."
            raise
        try:
            await target.commit()
        except psycopg.OperationalError as exc:
            raise MoveError(
                "The connection broke at the last step, so that it is not known whether everything has arrived.",
                f"Look for the batches at {moved.address}. If they are there, the move is done; if not, "
                "run alpha-monday resume and move again.",
            ) from exc
    rows = sum(table.rows for table in held.values())
    return Moved(len(held), rows, moved.address, moved.directory, pause is not None)


async def _note_moved(keeper: AsyncConnection[Any], address: str) -> None:
    reason = f"moved to {address}"[:LONGEST_REASON]
    value = {"who": "db move", "since": datetime.now(UTC).isoformat(), "reason": reason, _MOVED: True}
    await leadership.note(keeper, PAUSE_FACT, value)


async def _put_back(keeper: AsyncConnection[Any], pause: Mapping[str, Any] | None) -> None:
    if pause is None:
        await leadership.forget(keeper, PAUSE_FACT)
    else:
        await leadership.note(keeper, PAUSE_FACT, pause)
