"""What keeps a process that lost touch from writing: the server's timeline and the leader's term.

Both are looked at inside the transaction that writes. A promoted standby begins a higher timeline, so that a lower one
than was seen before is that of an old primary which came back; a new leader begins a higher term.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection

from db.errors import LeadershipLostError, OldTimelineError
from db.statements import load

_SQL = load("fencing")
TERM_FACT = "term"
# No function, no right to call it, or a managed server that stores its log in another way.
_DOES_NOT_TELL = frozenset({"42883", "42501", "0A000"})


@dataclass(frozen=True, slots=True)
class Term:
    """One process's time in the lead: a number that grows with each leader, and the session that holds the lock."""

    number: int
    session: int

    async def require(self, connection: AsyncConnection[Any]) -> None:
        """Holds off the next term until the transaction ends. Raises LeadershipLostError if this one has ended."""
        cursor = await connection.execute(
            _SQL["is_in_force"],
            {"name": TERM_FACT, "number": self.number, "session": self.session},
        )
        row = await cursor.fetchone()
        if not (row and row[0]):
            raise LeadershipLostError(
                "This process leads no longer, so nothing was written.",
                "Another one leads, or this one takes the lead again by itself.",
            )


async def take_lead(connection: AsyncConnection[Any], lapses_after_s: float) -> int | None:
    """Takes the leader's lock if nobody holds it, and gives the session that holds it now; None if somebody does.

    The lock lasts as long as the transaction that this begins on an autocommit connection, which is for nothing else
    then. The server ends a session that says nothing in it for `lapses_after_s`; 0 is for as long as its client lives.
    """
    cursor = await connection.execute(_SQL["is_lead_taken"])
    if await cursor.fetchone() == (True,):
        return None  # seen beforehand, because each lock that is refused is an error in the server's log
    await connection.execute(_SQL["begin_lead"])
    limit = f"{lapses_after_s * 1000:.0f}ms"
    cursor = await connection.execute(_SQL["leading_session"], {"lapses_after": limit})
    [(session, _)] = await cursor.fetchall()
    try:
        await connection.execute(_SQL["take_lead"])
    except psycopg.errors.LockNotAvailable:
        await connection.rollback()
        return None
    return int(session)


async def begin_term(connection: AsyncConnection[Any], session: int) -> Term:
    """Begins the next term, for the `session` that holds the lead. What the last leader has under way ends first.

    Raises psycopg.errors.LockNotAvailable if that takes longer than five seconds.
    """
    async with connection.transaction():
        await connection.execute(_SQL["lock_timeout"])
        cursor = await connection.execute(_SQL["begin_term"], {"name": TERM_FACT})
        [(number,)] = await cursor.fetchall()
    return Term(number, session)


async def read_timeline(connection: AsyncConnection[Any]) -> int:
    """The timeline of a server that was asked for nothing else yet; 0 for a replica and for one that does not tell."""
    try:
        cursor = await connection.execute(_SQL["timeline"])
        row = await cursor.fetchone()
    except psycopg.Error as exc:
        if exc.sqlstate not in _DOES_NOT_TELL:
            raise
        return 0
    return int(row[0], 16) if row and row[0] else 0


class Timelines:
    """The highest timeline that this process has seen.

    `refusal` is what the server looked at last was refused with, if it was.
    """

    def __init__(self) -> None:
        self.highest = 0
        self.refusal: OldTimelineError | None = None
        self._untold: set[str] = set()

    @property
    def are_told(self) -> bool:
        """Whether every server that was asked has told its timeline."""
        return not self._untold

    async def probe(self, connection: AsyncConnection[Any]) -> None:
        """`require` in no transaction: whether a server tells its timeline is found out where an error harms none."""
        self._untold.discard(_address(connection))
        try:
            await self.require(connection)
        except psycopg.Error as exc:
            if exc.sqlstate not in _DOES_NOT_TELL:
                raise
            self._untold.add(_address(connection))

    async def require(self, connection: AsyncConnection[Any]) -> bool:
        """Whether the server was asked. Raises OldTimelineError if it is on a lower timeline than one seen before."""
        if _address(connection) in self._untold:
            return False
        cursor = await connection.execute(_SQL["timeline"])
        row = await cursor.fetchone()
        if row is None or row[0] is None:
            return True  # a replica takes no writes
        timeline = int(row[0], 16)
        if timeline < self.highest:
            self.refusal = OldTimelineError(
                f"{_address(connection)} is an old primary: it is on timeline {timeline}, and {self.highest} was seen.",
                "Take it out of service or make it a standby again. If this is a new cluster, start alpha-monday anew.",
            )
            raise self.refusal
        self.highest, self.refusal = timeline, None
        return True


def _address(connection: AsyncConnection[Any]) -> str:
    return f"{connection.info.host}:{connection.info.port}"
