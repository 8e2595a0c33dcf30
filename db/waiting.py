"""How long the database is waited for: no statement without a limit, and no write counts that was not confirmed."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.pq.abc import PGconn

_connections: "WeakSet[BoundedConnection[Any]]" = WeakSet()
Result = TypeVar("Result")
Row = TypeVar("Row")

# Longer than `lock_timeout`, so that a lock that is held is reported as such.
STATEMENT_WITHIN_S = 30.0
SHOWN_AFTER_S = 3.0
# The function of the server that warns of a wait for the standby that was cancelled: the text is in its language.
UNCONFIRMED = "SyncRepWaitForLSN"
_LOOK_EVERY_S = 0.5
_show: ContextVar[Callable[[str], None] | None] = ContextVar("show_database_waits", default=None)


class SilentServerError(psycopg.OperationalError):
    """A statement was given up: the server did not answer within its limit. A commit may have been done or not."""


class CommitNotConfirmedError(psycopg.OperationalError):
    """The primary committed, and its wait for the synchronous standby was cancelled."""


@contextmanager
def showing_database_waits(show: Callable[[str], None]) -> Iterator[None]:
    """For the commands of an operator: `show` gets a sentence for each wait of more than three seconds."""
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)


@contextmanager
def shown_wait(what: str) -> Iterator[None]:
    """Shows that `what` is waited for if the block takes longer than three seconds."""
    show = _show.get()
    if show is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(SHOWN_AFTER_S, show, f"Waiting for {what}.")
    try:
        yield
    finally:
        timer.cancel()


def shut_down(pgconn: PGconn) -> None:
    """Ends a connection's socket, so that whoever waits on it gets the driver's error at once.

    The driver's own closing would leave those who wait on the socket waiting.
    """
    if pgconn.status == ConnStatus.OK:
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(pgconn.socket)) as theirs:
            theirs.shutdown(socket.SHUT_RDWR)


def hang_up() -> None:
    """Breaks every connection of this process.

    For a command at its limit: cancelled, the driver would ask the server to cancel and wait for it too.
    """
    for connection in list(_connections):
        shut_down(connection.pgconn)


class BoundedConnection(AsyncConnection[Row]):
    """A connection on which every statement has a limit and every commit that was not confirmed is an error."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_committing = False
        self._unconfirmed: list[str] = []
        unconfirmed = self._unconfirmed  # not the connection, which would then hold itself

        def note(diagnostic: psycopg.errors.Diagnostic) -> None:
            _note_unconfirmed(diagnostic, unconfirmed)

        self.add_notice_handler(note)
        _connections.add(self)

    async def wait(self, gen: PQGen[Result], *arguments: Any, **options: Any) -> Result:
        """Raises SilentServerError after 30 s of one statement, CommitNotConfirmedError for a commit like that."""
        loop, has_given_up = asyncio.get_running_loop(), False

        def give_up() -> None:
            nonlocal has_given_up
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # not one that only listens
                has_given_up = True
                shut_down(self.pgconn)

        def tell() -> None:
            if show is not None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                what = "to confirm the write" if self.is_committing else "to answer"
                show(f"Waiting for the database at {place_of(self)} {what}, for at most {STATEMENT_WITHIN_S:g} s.")

        show = _show.get()
        timers = [loop.call_later(STATEMENT_WITHIN_S, give_up)]
        if show is not None:
            timers.append(loop.call_later(SHOWN_AFTER_S, tell))
        try:
            result = await super().wait(gen, *arguments, **options)
        except psycopg.OperationalError as exc:
            if has_given_up:
                raise _silent(place_of(self), is_committing=self.is_committing) from exc
            raise
        finally:
            for timer in timers:
                timer.cancel()
        if self._unconfirmed:
            said = self._unconfirmed.pop()
            self._unconfirmed.clear()
            raise CommitNotConfirmedError(f"{place_of(self)}: {said}")
        return result


def _note_unconfirmed(diagnostic: psycopg.errors.Diagnostic, unconfirmed: list[str]) -> None:
    if diagnostic.source_function == UNCONFIRMED:
        unconfirmed.append(diagnostic.message_primary or "the wait was cancelled")


def _silent(place: str, *, is_committing: bool) -> SilentServerError:
    limit = f"{STATEMENT_WITHIN_S:g} s"
    if is_committing:
        return SilentServerError(f"{place} has not confirmed the write for {limit}; it may have been done or not")
    return SilentServerError(f"{place} has not answered for {limit}")


def place_of(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> str:
    """`db1.example:5432`, or the socket's directory; a connection that has ended has neither."""
    try:
        return f"{connection.info.host}:{connection.info.port}"
    except (psycopg.Error, ValueError):
        return "the server"


@contextmanager
def bounded(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """The limit of BoundedConnection for a synchronous connection, which must not be used by another thread.

    Raises CommitNotConfirmedError at the end for any commit in the block.
    """
    ended, gave_up = threading.Event(), threading.Event()
    unconfirmed: list[str] = []
    connection.add_notice_handler(lambda diagnostic: _note_unconfirmed(diagnostic, unconfirmed))

    def watch() -> None:
        active_since: float | None = None
        while not ended.wait(_LOOK_EVERY_S):
            if connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
                active_since = None
            elif active_since is None:
                active_since = time.monotonic()
            elif time.monotonic() - active_since > STATEMENT_WITHIN_S:
                gave_up.set()
                shut_down(connection.pgconn)
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    except psycopg.OperationalError as exc:
        if gave_up.is_set():
            raise _silent(place_of(connection), is_committing=False) from exc
        raise
    finally:
        ended.set()
        watching.join()
    if unconfirmed:
        raise CommitNotConfirmedError(f"{place_of(connection)}: {unconfirmed[0]}")
