"""Connections: the pool, transactions and notifications, with the driver's errors translated once."""

import asyncio
import copy
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from db.errors import (
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    OldTimelineError,
    RowRefusedError,
)
from db.fencing import Term, Timelines
from db.hosts import Hosts

Answer = TypeVar("Answer")
Connection = AsyncConnection[tuple[Any, ...]]

CHANNEL = "alpha_monday"
CONNECT_TIMEOUT_S = 5
ANSWERS_WITHIN_S = 10.0
POOL_SIZE = 4
# A peer that is gone without a word is noticed within half a minute from either end; sockets take no notice of these.
_CLIENT_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20000}
_SESSION = {
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "30s",  # a process suspended inside a transaction holds its locks no longer
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}

_SEE_URL = "Check DATABASE_URL and the user's rights."
_TRY_AGAIN = "Look whether the server runs and can be reached; a scheduler tries again by itself."
_IN_THE_WAY = frozenset({"40001", "40P01", "55P03"})  # a serialisation failure, a deadlock, a lock not to be had
_USER_INFO = re.compile(r"postgres(?:ql)?://[^:]*:(.*)@", re.DOTALL)
_PORTS = re.compile(r"[0-9]*(,[0-9]*)*", re.ASCII)
_KEYS = frozenset({"scram_client_key", "scram_server_key"})  # libpq does not count them among the passwords


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
    if state in _IN_THE_WAY:
        return DatabaseUnavailableError(
            f"Another process was in the way: {said}",
            "Nothing was written. A scheduler's work is tried again by itself; run any other command again.",
        )
    if state == "42501":
        return DatabaseRefusedError(
            f"The database user lacks a right: {said}",
            "Ask the database's owner to grant it: alpha-monday db up, and alpha-monday db roles for the roles.",
        )
    if state == "3D000" or ("FATAL:" in said and 'database "' in said and "does not exist" in said):
        return DatabaseRefusedError(
            f"There is no such database yet: {said}", "Run alpha-monday db up to create it, or correct DATABASE_URL."
        )
    if state.startswith("28") or _server_said_no(exc, said):
        return DatabaseRefusedError(f"The database refused the connection: {said}", _SEE_URL)
    if isinstance(exc, psycopg.OperationalError) or exc.sqlstate is None:
        return DatabaseUnavailableError(f"The database cannot be reached: {said}", _TRY_AGAIN)
    return DatabaseError(f"The database failed ({state}): {said}", "Look at the server's log.")


def _server_said_no(exc: psycopg.Error, said: str) -> bool:
    """Whether a connection attempt got as far as a refusal that waiting does not mend (libpq gives no SQLSTATE)."""
    if "no password supplied" in said:  # libpq's own words where the server asks for one
        return True
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
        conninfo = make_conninfo(url, **extra)
        well_formed = "\0" not in url and _has_its_parts_in_place(url)
    except (psycopg.ProgrammingError, UnicodeError):
        well_formed = False
    if not well_formed:
        raise DatabaseRefusedError(
            "DATABASE_URL is not a PostgreSQL address.",
            "Write it as postgresql://user@host:5432/database; in a password, write @ : / ? # % as %40 %3A %2F %3F "
            "%23 %25.",
        )
    return conninfo


def _has_its_parts_in_place(url: str) -> bool:
    """Whether no piece of a password, with an @ or / left as it is, passes for a host, port or database."""
    parts = conninfo_to_dict(url)
    hosts = str(parts.get("host") or "").split(",")
    return (
        all("@" not in host[1:] for host in hosts)
        and _PORTS.fullmatch(str(parts.get("port") or "")) is not None
        and not ("://" in url and "@" in str(parts.get("dbname") or "") and "%40" not in url)
    )


def shown_address(url: str) -> str:
    """`url` in key=value form with its passwords and keys masked, fit to be shown."""
    parts = conninfo_to_dict(parse_conninfo(url))
    return make_conninfo("", **{**parts, **dict.fromkeys(_passwords(url), "***")})


def secrets_of(url: str) -> set[str]:
    """The passwords and keys in `url`, as they are written and as libpq reads them."""
    written = _USER_INFO.match(url)
    try:
        parse_conninfo(url)
    except DatabaseRefusedError:
        return {url, *([written[1]] if written else ())}  # it is no address, so any part of it may be a secret
    return {*_passwords(url).values(), *([written[1]] if written else ())}


def _passwords(url: str) -> dict[str, str]:
    return {
        option.keyword.decode(): option.val.decode(errors="replace")
        for option in Conninfo.parse(url.encode())
        if option.val and (option.dispchar == b"*" or option.keyword.decode() in _KEYS)
    }


class Database:
    """A pool of autocommit connections to one database.

    With `read_only` every session refuses writes itself, whatever the code above it tries. `restart` starts the server
    again where it is the product's own.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        application_name: str = "alpha-monday",
        restart: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        given = conninfo_to_dict(parse_conninfo(url))
        keepalive = {name: value for name, value in _CLIENT_KEEPALIVE.items() if name not in given}
        self.conninfo = parse_conninfo(
            url, application_name=application_name, connect_timeout=CONNECT_TIMEOUT_S, **keepalive
        )
        self.read_only = read_only
        self.timelines = Timelines()
        self._restart = restart
        self._hung_up = 0
        self._term: Term | None = None
        self._hosts = Hosts(self.conninfo)
        self._live: WeakSet[Connection] = WeakSet()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._hosts.conninfo,
            open=False,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=10,
            kwargs={"autocommit": True},
            configure=self._configure,
            check=self._check,
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

    async def restart(self) -> None:
        """Starts the server again if it is the product's own and has ended; others are not ours to start."""
        if self._restart is not None:
            await self._restart()

    def fenced(self, term: Term) -> "Database":
        """This database as its leader uses it: every transaction is refused once `term` has ended."""
        fenced = copy.copy(self)
        fenced._term = term  # noqa: SLF001 - of another one of this class
        return fenced

    async def answered(self, asking: Awaitable[Answer]) -> Answer:
        """What `asking` gives. Raises DatabaseUnavailableError after ten seconds of silence, and hangs up."""
        task, hung_up_before = asyncio.ensure_future(asking), self._hung_up
        try:
            await asyncio.wait({task}, timeout=ANSWERS_WITHIN_S)
            if not task.done():
                self.hang_up()
            return await task
        except (psycopg.Error, DatabaseError):
            if self._hung_up == hung_up_before:
                raise
            raise DatabaseUnavailableError(
                f"The database has not answered for {ANSWERS_WITHIN_S:g} s.", _TRY_AGAIN
            ) from None
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def hang_up(self) -> None:
        """Breaks every connection, so that whoever waits on one is told now that it is lost."""
        self._hung_up += 1
        for connection in list(self._live):
            if not connection.closed:
                # The driver's own closing would leave those who wait on the socket waiting.
                with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as theirs:
                    theirs.shutdown(socket.SHUT_RDWR)

    async def _configure(self, connection: Connection) -> None:
        self._live.add(connection)
        cursor = await connection.execute(
            "select pg_backend_pid(), set_config(name, value, false) "
            "from unnest(%s::text[], %s::text[]) as ours (name, value)",
            (
                [*_SESSION, "default_transaction_read_only"],
                [*_SESSION.values(), "on" if self.read_only else "off"],
            ),
        )
        row = await cursor.fetchone()
        if row is not None and row[0] != connection.info.backend_pid:
            connection.prepare_threshold = None  # a pooler may give the next transaction another session
        async with self._shunning(connection):
            await self.timelines.probe(connection)

    async def _check(self, connection: Connection) -> None:
        """Whether a pooled connection still leads to a server that is to be used."""
        async with self._shunning(connection):
            if self.timelines.are_told:
                await self.timelines.require(connection)
            else:
                await connection.execute("")

    @asynccontextmanager
    async def _shunning(self, connection: Connection) -> AsyncIterator[None]:
        """Gives a connection up, and its host for a while, if it leads to an old primary."""
        try:
            yield
        except OldTimelineError:
            self._hosts.shun(connection.info.host, connection.info.port)
            await connection.close()
            raise

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout:
            # The pool only says that it timed out.
            if self.timelines.refusal is not None:
                raise self.timelines.refusal from None
            async with self.dedicated():
                pass
            raise

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        """A connection outside the pool, for what lives as long as its session: listening, leading."""
        with translated():
            async with await AsyncConnection.connect(self._hosts.conninfo(), autocommit=True) as connection:
                await self._configure(connection)
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A pooled connection, each statement a transaction of its own."""
        with translated():
            async with self._pooled() as connection:
                yield connection

    async def answers(self) -> bool:
        """Whether a statement is answered now."""
        try:
            async with self.connection() as connection:
                await connection.execute("select 1")
        except DatabaseError:
            return False
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A pooled connection inside one read-committed transaction, for what is written.

        Raises OldTimelineError on an old primary that came back, and LeadershipLostError where this database is fenced
        and its term has ended.
        """
        with translated():
            async with self._pooled() as connection, connection.transaction():
                async with self._shunning(connection):
                    await self.timelines.require(connection)
                if self._term is not None:
                    await self._term.require(connection)
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A pooled connection whose statements all see one moment, and write nothing."""
        with translated():
            async with self._pooled() as connection, connection.transaction():
                await connection.execute("set transaction isolation level repeatable read, read only")
                yield connection

    async def notifications(self) -> AsyncIterator[frozenset[str]]:
        """The run dates (ISO) that each write names, as they come; ends with an error when the connection is lost.

        The first item is empty and says that listening has begun; a later empty one says that anything may have
        changed.
        """
        async with self.dedicated() as connection:
            await connection.execute(f"listen {CHANNEL}")
            yield frozenset()
            async for notification in connection.notifies():
                yield _run_dates_in(notification.payload)


def _run_dates_in(payload: str) -> frozenset[str]:
    """What a notification names; nothing where it is of another form, for any session may send one."""
    try:
        named = json.loads(payload)
    except (ValueError, RecursionError):
        return frozenset()
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        return frozenset()
    return frozenset(named)
