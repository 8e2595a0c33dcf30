"""Connections: the pool, transactions and notifications, with the driver's errors translated once."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from db.errors import (
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    RowRefusedError,
)

CHANNEL = "alpha_monday"
CONNECT_TIMEOUT_S = 5
POOL_SIZE = 4

_SEE_URL = "Check DATABASE_URL, and that the server runs and admits this user."
_TRY_AGAIN = "It is tried again by itself; if it lasts, look at the server."


def translate(exc: psycopg.Error) -> DatabaseError:
    """The operator's error for a driver's error."""
    state = exc.sqlstate or ""
    said = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
    if isinstance(exc, PoolTimeout):
        return DatabaseUnavailableError("No database connection became free in time.", _TRY_AGAIN)
    if state == "25006":
        return DatabaseReadOnlyError(
            f"The database session is read-only: {said}",
            "Leave --read-only away, or connect to a server that takes writes.",
        )
    if state == "53100" or "No space left on device" in said:
        return DatabaseFullError(
            f"The database server has no space left: {said}",
            "Free space on the server's disk; work goes on by itself.",
        )
    if state.startswith("23"):
        return RowRefusedError(f"The database refused a row: {said}", "Nothing was written. Report this as a defect.")
    if state == "42501":
        return DatabaseRefusedError(
            f"The database user lacks a right: {said}",
            "Ask the database's owner to grant it (alpha-monday db up).",
        )
    if state.startswith("28") or state == "3D000" or _server_said_no(exc, said):
        return DatabaseRefusedError(f"The database refused the connection: {said}", _SEE_URL)
    if isinstance(exc, psycopg.OperationalError) or exc.sqlstate is None:
        return DatabaseUnavailableError(f"The database cannot be reached: {said}", _TRY_AGAIN)
    return DatabaseError(f"The database failed ({state}): {said}", "Look at the server's log.")


def _server_said_no(exc: psycopg.Error, said: str) -> bool:
    """Whether a connection attempt got as far as a refusal that waiting does not mend (libpq gives no SQLSTATE)."""
    if not isinstance(exc, psycopg.OperationalError) or "FATAL:" not in said:
        return False
    return not any(
        text in said for text in ("starting up", "shutting down", "recovery", "too many", "connection slots")
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's errors into the house's."""
    try:
        yield
    except psycopg.Error as exc:
        raise translate(exc) from exc


def parse_conninfo(url: str, **extra: Any) -> str:
    """`url` with `extra` parameters. Raises DatabaseRefusedError without repeating a text that may hold a password."""
    try:
        return make_conninfo(url, **extra)
    except psycopg.ProgrammingError:
        raise DatabaseRefusedError(
            "DATABASE_URL is not a PostgreSQL address.", "Write it as postgresql://user@host:5432/database."
        ) from None


def shown_address(url: str) -> str:
    """`url` in key=value form with its password masked, fit to be shown."""
    parts = conninfo_to_dict(parse_conninfo(url))
    secrets = {name: "***" for name in ("password", "sslpassword") if parts.get(name)}
    return parse_conninfo("", **{**parts, **secrets})


class Database:
    """A pool of autocommit connections to one database.

    With `read_only` every session refuses writes itself, whatever the code above it tries.
    """

    def __init__(self, url: str, *, read_only: bool = False, application_name: str = "alpha-monday") -> None:
        self.conninfo = parse_conninfo(url, application_name=application_name, connect_timeout=CONNECT_TIMEOUT_S)
        self.read_only = read_only
        self._pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            self.conninfo,
            open=False,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=10,
            kwargs={"autocommit": True},
            configure=self._configure,
            check=AsyncConnectionPool.check_connection,
        )

    @property
    def host(self) -> str | None:
        """The server's host name or names; None for a socket on this machine."""
        host = conninfo_to_dict(self.conninfo).get("host")
        return None if host is None or str(host).startswith(("/", "@")) else str(host)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Opens the pool. Raises DatabaseUnavailableError or DatabaseRefusedError with the server's own words."""
        async with self.dedicated():  # the pool would only say that it timed out
            pass
        with translated():
            await self._pool.open()

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close(timeout=1)

    async def _configure(self, connection: AsyncConnection[Any]) -> None:
        await connection.execute(
            "select set_config('timezone', 'UTC', false), set_config('default_transaction_read_only', %s, false)",
            ("on" if self.read_only else "off",),
        )

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection outside the pool, for what lives as long as its session: listening, leading."""
        with translated():
            async with await AsyncConnection.connect(self.conninfo, autocommit=True) as connection:
                await self._configure(connection)
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A pooled connection, each statement a transaction of its own."""
        with translated():
            async with self._pool.connection() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A pooled connection inside one read-committed transaction."""
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A pooled connection whose statements all see one moment, and write nothing."""
        with translated():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute("set transaction isolation level repeatable read, read only")
                yield connection

    async def notifications(self) -> AsyncIterator[frozenset[str]]:
        """The run dates (ISO) that each write names, as they come; ends with an error when the connection is lost.

        The first item is empty and says that listening has begun; a later empty one says that too many to name changed.
        """
        async with self.dedicated() as connection:
            await connection.execute(f"listen {CHANNEL}")
            yield frozenset()
            async for notification in connection.notifies():
                yield frozenset(json.loads(notification.payload))
