"""Carrying every row from one database into an empty one of the same tables, whatever the versions of the servers.

Rows travel by COPY with every guard in force, so that no right beyond a writer's is needed where they arrive.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, LiteralString, cast
from urllib.parse import quote, urlencode

from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict

from db import events
from db.address import parse_conninfo, passwords_of
from db.errors import DatabaseError
from db.lock_holders import OPENINGS
from db.statements import load
from db.table_digests import Digests, Table, difference, digests, fix_text

# Those that hold the record, parents first.
TABLES = ("batches", "picks", "checkpoints", "pick_checkpoint_metrics", "events", "waiting_days")
# With who schedules and when they last ticked, which belongs to a database and not to the one that it moves to.
WITH_STATE = (*TABLES, "scheduler_state")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*", re.ASCII)
_SQL = load("moving")
_TEXT: dict[str, LiteralString] = {name: cast("Any", body.decode()) for name, body in _SQL.items()}
_TEMPLATES = {name: sql.SQL(text) for name, text in _TEXT.items()}


class MoveError(DatabaseError):
    """A database cannot be carried from here, or to there."""

    code = "move"


def address_without_secrets(url: str) -> str:
    """`url` as postgresql://..., passwords and keys left out, with nothing in it that a shell's quotes would not hold.

    Raises DatabaseRefusedError where it is no address.
    """
    given = conninfo_to_dict(parse_conninfo(url))
    parts = {name: str(value) for name, value in given.items() if value and name not in passwords_of(url)}
    user, database = (quote(parts.pop(name, ""), safe="") for name in ("user", "dbname"))
    host = ""
    if _PLAIN_HOST.fullmatch(parts.get("host", "")) and parts.get("port", "0").isdecimal():
        host = parts.pop("host") + (f":{parts.pop('port')}" if "port" in parts else "")
    # Sockets, several hosts and IPv6 addresses stand safely only in the query.
    query = urlencode(parts, quote_via=quote, safe="")
    return f"postgresql://{user}{'@' if user else ''}{host}/{database}{'?' if query else ''}{query}"


async def carry_over(
    source: AsyncConnection[Any], target: AsyncConnection[Any], names: Sequence[str] = TABLES
) -> Digests:
    """Copies every row of the tables `names` of `source` to `target`, and gives what each of them held.

    Both are in a transaction of the caller's; nobody writes to the source until its own ends. Raises MoveError if one
    of the tables in `target` holds rows, or if any differs afterwards: then the caller must not commit. Raises
    psycopg.Error.
    """
    from_, to = [await own_tables(connection, names) for connection in (source, target)]
    for connection in (source, target):
        await hold_off_openings(connection)
    tables = sql.SQL(", ").join(table.identifier for table in from_)
    await source.execute(_TEMPLATES["hold_still"].format(tables=tables))
    await _refuse_rows(target, to)
    for connection in (source, target):
        await fix_text(connection)
    for giving, taking in zip(from_, to, strict=True):
        await _copy(source, giving, target, taking, "_batches" if giving.name == "batches" else "")
    cursor = await source.execute(_TEMPLATES["endings"].format(table=from_[names.index("batches")].identifier))
    for status, ids in await cursor.fetchall():
        end = _TEMPLATES["end"].format(table=to[names.index("batches")].identifier)
        await target.execute(end, {"status": status, "ids": ids})
    held = await digests(source, from_)
    if what := difference(held, await digests(target, to)):
        raise MoveError(
            f"What arrived is not what was sent: {what}. Nothing was kept.", "Try again; report it if it stays so."
        )
    await events.notify(target, [])
    return held


async def hold_off_openings(connection: AsyncConnection[Any]) -> None:
    """Lets nobody open a week until the transaction ends; waits at most 10 s for somebody who does."""
    await connection.execute(_SQL["wait_briefly"])
    # Tables of an earlier version may lack it: those of a cluster that is upgraded, which nobody else uses meanwhile.
    if await own_tables(connection, [OPENINGS]):
        await events.serialise_openings(connection)


async def refuse_rows(target: AsyncConnection[Any]) -> None:
    """Raises MoveError, naming the table, unless every table of the record is empty in `target`."""
    await _refuse_rows(target, await own_tables(target, TABLES))


async def empty(target: AsyncConnection[Any], names: Sequence[str]) -> None:
    """Removes every row of the tables `names`, whose guards are off meanwhile, within a transaction of their owner's.

    The caller knows that there is no batch. Raises psycopg.errors.InsufficientPrivilege for anybody but the owner.
    """
    tables = [table.identifier for table in await own_tables(target, names)]
    for table in tables:
        await target.execute(_TEMPLATES["guards_off"].format(table=table))
    await target.execute(_TEMPLATES["empty"].format(tables=sql.SQL(", ").join(tables)))
    for table in tables:
        await target.execute(_TEMPLATES["guards_on"].format(table=table))


async def own_tables(connection: AsyncConnection[Any], names: Sequence[str]) -> list[Table]:
    """The tables `names` where this user's search path finds them, without those that are missing."""
    cursor = await connection.execute(_SQL["place"], {"names": list(names)})
    return [Table(schema, name) for schema, name in await cursor.fetchall()]


async def _refuse_rows(target: AsyncConnection[Any], tables: Iterable[Table]) -> None:
    for table in tables:
        cursor = await target.execute(_TEMPLATES["has_rows"].format(table=table.identifier))
        [[has_rows]] = await cursor.fetchall()
        if has_rows:
            raise MoveError(
                f"The database to move to holds {table} already.",
                "Name an empty database; it is made if it is missing.",
            )


async def _copy(source: AsyncConnection[Any], from_: Table, target: AsyncConnection[Any], to: Table, form: str) -> None:
    reading = _TEMPLATES[f"read{form}"].format(table=from_.identifier)
    writing = _TEMPLATES[f"write{form}"].format(table=to.identifier)
    async with (
        source.cursor() as reader,
        target.cursor() as writer,
        reader.copy(reading) as rows,
        writer.copy(writing) as arriving,
    ):
        async for part in rows:
            await arriving.write(part)
