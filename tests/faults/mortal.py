"""A database whose sessions die at a chosen moment of their transactions, as seen from the process that uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from db.database import Database
from db.errors import DatabaseUnavailableError
from tests.databases import as_superuser


@dataclass(slots=True)
class Fate:
    """At which moment a session dies: each statement of a transaction is one, the commit one, its answer another."""

    dies_at: int | None
    passed: int = 0
    died: bool = False

    def strikes(self) -> bool:
        """Whether this moment is the one."""
        strikes = not self.died and self.passed == self.dies_at
        self.passed += 1
        self.died = self.died or strikes
        return strikes


class MortalDatabase(Database):
    """A database whose transactions follow a fate."""

    def __init__(self, conninfo: str, fate: Fate) -> None:
        super().__init__(conninfo)
        self._fate = fate

    @asynccontextmanager
    async def transaction(self, *args: Any, **options: Any) -> AsyncIterator[AsyncConnection[Any]]:
        async with super().transaction(*args, **options) as connection:
            connection.cursor_factory = self._cursor_class()
            try:
                yield connection
            finally:
                connection.cursor_factory = AsyncCursor
            self._kill_at_its_time(connection)
        if self._fate.strikes():
            # The rows are there, and whoever wrote them never hears of it.
            raise DatabaseUnavailableError("The connection was lost after the commit.", "It is tried again.")

    def _kill_at_its_time(self, connection: AsyncConnection[Any]) -> None:
        if self._fate.strikes():
            with psycopg.connect(as_superuser(self.conninfo), autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))

    def _cursor_class(self) -> type[AsyncCursor[Any]]:
        kill = self._kill_at_its_time

        class MortalCursor(AsyncCursor[Any]):
            async def execute(self, *args: Any, **options: Any) -> "MortalCursor":
                kill(self.connection)
                await super().execute(*args, **options)
                return self

            def copy(self, *args: Any, **options: Any) -> Any:
                kill(self.connection)
                return super().copy(*args, **options)

        return MortalCursor
