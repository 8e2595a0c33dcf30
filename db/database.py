"""Connections: the pool, transactions and notifications; old primaries and silent servers are left."""

import asyncio
import copy
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from db import sessions
from db.address import parse_conninfo
from db.driver_errors import TRY_AGAIN, translated
from db.errors import (
    DatabaseError,
    DatabaseUnavailableError,
    OldTimelineError,
)
from db.fencing import Term, Timelines
from db.hosts import Hosts, OldPrimary
from db.sessions import PatientConnection
from db.waiting import shown_wait, shut_down

Answer = TypeVar("Answer")
Connection = AsyncConnection[tuple[Any, ...]]

CHANNEL = "alpha_monday"
SCHEDULE_CHANGED = "schedule"
ANSWERS_WITHIN_S = 10.0
POOL_SIZE = 4
# At rest a program keeps the connections that it listens and leads on, and none beside them: many may share a server.
# A socket gives a new one within milliseconds; over a network with TLS it takes a while longer.
_IDLE_LOCAL_CLOSES_AFTER_S, _IDLE_REMOTE_CLOSES_AFTER_S = 1.0, 15.0
_CONNECTION_WITHIN_S = 10.0
# The pool tries a connection again after 1, 2, 4 ... s, beyond the end of an outage: it gives up after 1 s instead, and
# whoever waits for a connection asks for it anew.
_POOL_TRIES_FOR_S = 1.0
_WATCH_HOSTS_EVERY_S = 3.0
# A peer that is gone without a word is noticed within half a minute from either end; sockets take no notice of these.
_CLIENT_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20000}


log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lines:
    """The open connections of a database and of its fenced copies, and how often they were all broken at once."""

    live: WeakSet[Connection] = field(default_factory=WeakSet)
    broken: int = 0


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
        self.conninfo = sessions.session_address(url, application_name, **keepalive)
        self.read_only = read_only
        self.timelines = Timelines()
        self._restart = restart
        self._term: Term | None = None
        self._hosts = Hosts(self.conninfo, self.timelines)
        self._lines = _Lines()
        self._watching: asyncio.Task[None] | None = None
        self._pool: AsyncConnectionPool[PatientConnection] = AsyncConnectionPool(
            self._hosts.choose,
            connection_class=PatientConnection,
            open=False,
            min_size=0,
            max_size=POOL_SIZE,
            max_idle=_IDLE_LOCAL_CLOSES_AFTER_S if self.host is None else _IDLE_REMOTE_CLOSES_AFTER_S,
            timeout=_POOL_TRIES_FOR_S,
            reconnect_timeout=_POOL_TRIES_FOR_S,
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
        if self._hosts.are_several:
            self._watching = asyncio.create_task(self._watch_hosts())

    async def close(self) -> None:
        """Closes every connection."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._pool.close(timeout=1)

    @property
    def old_primaries(self) -> tuple[OldPrimary, ...]:
        """The hosts of the address that take writes and are left out, because another one is the primary."""
        return self._hosts.old_primaries

    @property
    def is_own_server(self) -> bool:
        """Whether `restart` starts the server."""
        return self._restart is not None

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
        broken_before, task = self._lines.broken, asyncio.ensure_future(asking)
        try:
            await asyncio.wait({task}, timeout=ANSWERS_WITHIN_S)
            if not task.done():
                self.hang_up()
            return await task
        except (psycopg.Error, DatabaseError):
            if self._lines.broken == broken_before:
                raise
            raise DatabaseUnavailableError(
                f"The database has not answered for {ANSWERS_WITHIN_S:g} s.", TRY_AGAIN
            ) from None
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def hang_up(self) -> None:
        """Breaks every connection, so that whoever waits on one is told now that it is lost."""
        self._lines.broken += 1
        for connection in list(self._lines.live):
            shut_down(connection.pgconn)

    async def _watch_hosts(self) -> None:
        """Leaves a host for another that has become the primary, though the one that is left goes on answering."""
        told: frozenset[OldPrimary] = frozenset()
        while True:
            found = frozenset(self.old_primaries)
            for old in found - told:
                log.warning(
                    "old primary left out",
                    extra={"event": "old_timeline", "host": f"{old.host}:{old.port}", "problem": old.words},
                )
            told = found
            await asyncio.sleep(_WATCH_HOSTS_EVERY_S)
            try:
                place = await self._hosts.writable(every_host=True)
            except psycopg.Error:
                continue  # whoever needs a connection tells
            for connection in list(self._lines.live):
                if not connection.closed and (connection.info.host, connection.info.port) != place:
                    shut_down(connection.pgconn)

    async def _configure(self, connection: Connection) -> None:
        self._lines.live.add(connection)
        await sessions.prepare(connection, default_transaction_read_only="on" if self.read_only else "off")
        async with self._shunning(connection):
            await self.timelines.probe(connection)

    async def _check(self, connection: Connection) -> None:
        """Whether a pooled connection still leads to a server that is to be used."""
        async with self._shunning(connection):
            if not await self.timelines.require(connection):
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
    async def _pooled(self) -> AsyncIterator[PatientConnection]:
        connection = await self._from_pool()
        connection.is_committing = False
        try:
            async with connection:
                yield connection
        finally:
            await self._pool.putconn(connection)

    async def _from_pool(self) -> PatientConnection:
        """A connection of the pool's within ten seconds. Each request has it try to connect at once."""
        deadline = time.monotonic() + _CONNECTION_WITHIN_S
        with shown_wait("a connection to the database"):
            while True:
                try:
                    return await self._pool.getconn()
                except PoolTimeout:
                    # The pool only says that it timed out.
                    if self.timelines.refusal is not None:
                        raise self.timelines.refusal from None
                    if time.monotonic() > deadline:
                        async with self.dedicated():
                            pass
                        raise

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        """A connection outside the pool, for what lives as long as its session: listening, leading."""
        with translated():
            with shown_wait("a connection to the database"):
                connection = await PatientConnection.connect(await self._hosts.choose(), autocommit=True)
            async with connection:
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
                connection.is_committing = True

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A pooled connection whose statements all see one moment, and write nothing."""
        with translated():
            async with self._pooled() as connection, connection.transaction():
                await connection.execute("set transaction isolation level repeatable read, read only")
                yield connection

    async def notifications(self) -> AsyncIterator[frozenset[date] | None]:
        """The weeks that each write names, as they come; ends with an error when the connection is lost.

        None says that any may have changed, and as the first item that listening has begun. No week is named where only
        the schedulers' state changed.
        """
        async with self.dedicated() as connection:
            await connection.execute(f"listen {CHANNEL}")
            yield None
            async for notification in connection.notifies():
                yield _weeks_in(notification.payload)


def _weeks_in(payload: str) -> frozenset[date] | None:
    """The weeks that a notification names; None where it is of another form, for any session may send one."""
    if payload == SCHEDULE_CHANGED:
        return frozenset()
    try:
        named = json.loads(payload)
        return frozenset(map(date.fromisoformat, named)) or None if isinstance(named, list) else None
    except (ValueError, TypeError, RecursionError):
        return None
