"""Carrying every row from one database into an empty one of the same tables, whatever the versions of the servers.

Rows travel by COPY with every guard in force, so that no right beyond a writer's is needed where they arrive.
"""

import re
from typing import Any, LiteralString, cast
from urllib.parse import quote, urlencode

from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict

from db import events
from db.address import parse_conninfo, passwords_of
from db.errors import DatabaseError
from db.statements import load
from db.table_digests import Table, TableDigest, difference, digest_of, fix_text

# Those that hold data, parents first; who schedules and when they last ticked is not of the database that they leave.
TABLES = ("batches", "picks", "checkpoints", "pick_checkpoint_metrics", "events", "waiting_days")
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


async def carry_over(source: AsyncConnection[Any], target: AsyncConnection[Any]) -> dict[Table, TableDigest]:
    """Copies every row of `source` to `target`, and gives what each table of `source` held.

    Both are in a transaction of the caller's; nobody writes to the source until its own ends. Raises MoveError if the
    target holds rows, or if any table differs afterwards: then the caller must not commit. Raises psycopg.Error.
    """
    from_, to = [await _places(connection) for connection in (source, target)]
    for connection in (source, target):
        await connection.execute(_SQL["wait_briefly"])
        await events.serialise_openings(connection)
    tables = sql.SQL(", ").join(from_[name].identifier for name in TABLES)
    await source.execute(_TEMPLATES["hold_still"].format(tables=tables))
    await refuse_rows(target)
    for connection in (source, target):
        await fix_text(connection)
    for name in TABLES:
        await _copy(source, from_[name], target, to[name], "_batches" if name == "batches" else "")
    cursor = await source.execute(_TEMPLATES["endings"].format(table=from_["batches"].identifier))
    for status, ids in await cursor.fetchall():
        end = _TEMPLATES["end"].format(table=to["batches"].identifier)
        await target.execute(end, {"status": status, "ids": ids})
    held = {Table("public", name): await digest_of(source, from_[name]) for name in TABLES}
    found = {Table("public", name): await digest_of(target, to[name]) for name in TABLES}
    if what := difference(held, found):
        raise MoveError(
            f"What arrived is not what was sent: {what}. Nothing was moved.", "Try again; report it if it stays so."
        )
    await events.notify(target, [])
    return held


async def refuse_rows(target: AsyncConnection[Any]) -> None:
    """Raises MoveError, naming the table, unless every table of `target` is empty."""
    for name, table in (await _places(target)).items():
        cursor = await target.execute(_TEMPLATES["has_rows"].format(table=table.identifier))
        [[has_rows]] = await cursor.fetchall()
        if has_rows:
            raise MoveError(
                f"The database to move to holds {name} already.", "Name an empty database; it is made if it is missing."
            )


async def _places(connection: AsyncConnection[Any]) -> dict[str, Table]:
    """The tables by their names alone."""
    cursor = await connection.execute(_SQL["place"])
    [[schema]] = await cursor.fetchall()
    return {name: Table(schema, name) for name in TABLES}


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
