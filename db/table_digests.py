"""What a database holds, table by table: how many rows, and a digest of them, so that two databases can be compared.

A digest is the SHA-256 of the sorted SHA-256 of each row's text. Sorted by that and not by the primary key, it depends
neither on a collation, which differs from server to server, nor on the table having a key; and a row costs 32 bytes of
the server's memory, however long it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, cast

from psycopg import AsyncConnection, sql

from db.errors import DatabaseRefusedError
from db.rows import record_row
from db.statements import load

_SQL = load("table_digests")
_TEXT: dict[str, LiteralString] = {name: cast("Any", body.decode()) for name, body in _SQL.items()}
_DIGEST = sql.SQL(_TEXT["digest"])


@dataclass(frozen=True, slots=True, order=True)
class Table:
    """A table by its schema and name."""

    schema: str
    name: str

    def __str__(self) -> str:
        return (self.name if self.schema == "public" else f"{self.schema}.{self.name}")[:130]

    @property
    def identifier(self) -> sql.Identifier:
        """The table as SQL names it."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class TableDigest:
    """How many rows there are, and their digest in hexadecimal digits."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Found(Table):
    is_readable: bool


Digests = Mapping[str, TableDigest]  # by the tables' names
_found_row = record_row(_Found)
_digest_row = record_row(TableDigest)


async def fix_text(connection: AsyncConnection[Any]) -> None:
    """Lets every session write a value as the same text until its transaction ends; names need their schema then."""
    await connection.execute(_SQL["fix_text"])


async def tables(connection: AsyncConnection[Any]) -> list[Table]:
    """Every table that holds rows of its own, those of extensions left out.

    Raises DatabaseRefusedError naming the first one that the user may not read.
    """
    async with connection.cursor(row_factory=_found_row) as cursor:
        await cursor.execute(_SQL["tables"])
        found = await cursor.fetchall()
    for table in found:
        if not table.is_readable:
            user = sql.Identifier(connection.info.user[:63]).as_string(connection)
            raise DatabaseRefusedError(
                f"The database user {user} may not read the table {table}.",
                f"Connect as its owner, or have the owner grant it: grant select on table "
                f"{table.identifier.as_string(connection)} to {user}",
            )
    return [Table(table.schema, table.name) for table in found]


async def digests(connection: AsyncConnection[Any], tables: Iterable[Table]) -> dict[str, TableDigest]:
    """The digest of each of `tables`, as the transaction that `connection` is in sees them."""
    await fix_text(connection)
    return {table.name: await digest_of(connection, table) for table in tables}


async def digest_of(connection: AsyncConnection[Any], table: Table) -> TableDigest:
    """One table's digest; the caller has fixed the session's text."""
    async with connection.cursor(row_factory=_digest_row) as cursor:
        await cursor.execute(_DIGEST.format(table=table.identifier))
        [found] = await cursor.fetchall()
    return found


def difference(expected: Digests, found: Digests) -> str | None:
    """What tells `found` from `expected`: the first table in which they differ, and how."""
    for table in sorted(expected.keys() | found.keys()):
        ours, theirs = expected.get(table), found.get(table)
        if ours == theirs:
            continue
        if ours is None or theirs is None:
            return f"the table {table} is {'missing' if theirs is None else 'not expected'}"
        if ours.rows != theirs.rows:
            return f"the table {table} has {theirs.rows:,} rows instead of {ours.rows:,}"
        return f"the {ours.rows:,} rows of the table {table} are not the same"
    return None
