"""The base of every error that an operator meets, and the database's own errors."""

from typing import ClassVar

from db.text import sentence, storable


class AlphaMondayError(Exception):
    """Something an operator has to know: what happened (`message`) and what to do about it (`remedy`).

    `code` is the stable name that scripts read in `--json`; `exit_code` is the command's exit status.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str) -> None:
        # Here, because what a source or an operating system says is stored as the cause of a delay.
        self.message = storable(message)
        self.remedy = storable(remedy)
        super().__init__(self.message)

    @property
    def in_one_line(self) -> str:
        """What happened and what to do, as sentences after one another."""
        return f"{sentence(self.message)} {self.remedy}"


class DatabaseError(AlphaMondayError):
    """PostgreSQL refused or failed a statement."""

    code = "database_error"


class DatabaseUnavailableError(DatabaseError):
    """No connection, or the connection was lost: worth trying again."""

    code = "database_unavailable"


class DatabaseBusyError(DatabaseError):
    """Another session held what was needed for longer than is waited for, or both were in each other's way."""

    code = "database_busy"


class OldTimelineError(DatabaseUnavailableError):
    """The server is an old primary that came back after another was promoted; what it took would be lost."""

    code = "old_timeline"


class NotConfirmedError(DatabaseUnavailableError):
    """The primary committed a write that its synchronous standby did not confirm: a failover may undo it."""

    code = "not_confirmed"


class LeadershipLostError(DatabaseUnavailableError):
    """A scheduler that no longer leads tried to write as the leader."""

    code = "leadership_lost"


class LeadershipUnconfirmedError(DatabaseUnavailableError):
    """The leader's lock is held, and the database confirms no write: another process may lead elsewhere."""

    code = "lead_unconfirmed"


class DatabaseRefusedError(DatabaseError):
    """The server answered and said no: wrong password, unknown database, missing right."""

    code = "database_refused"


class DatabaseReadOnlyError(DatabaseError):
    """The session or the server is read-only."""

    code = "database_read_only"


class DatabaseFullError(DatabaseError):
    """The server has no space left to write."""

    code = "database_full"


class RowRefusedError(DatabaseError):
    """A constraint, a guard or a type refused a value."""

    code = "row_refused"


class SchemaError(DatabaseError):
    """The tables are not those of this version: behind, newer, or changed."""

    code = "schema"


class EmbeddedServerError(DatabaseError):
    """The embedded PostgreSQL could not be prepared, started or stopped."""

    code = "embedded_server"

    def __init__(self, message: str, remedy: str) -> None:
        # Most end with a path or with what a program printed.
        super().__init__(sentence(message), remedy)
