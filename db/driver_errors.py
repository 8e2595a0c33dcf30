"""The driver's errors, turned into the operator's in one place."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout

from db.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    NotConfirmedError,
    RowRefusedError,
)
from db.hosts import words_of
from db.text import sentence
from db.waiting import CommitNotConfirmedError, SilentServerError

TRY_AGAIN = "Look whether the server runs and can be reached; a scheduler tries again by itself."
_SEE_URL = "Check DATABASE_URL and the user's rights."
# A value out of range or of another form, a constraint, a limit of the server's such as the length of a text.
_DATA = frozenset({"22", "23", "54"})
# What the driver itself refuses, with no SQLSTATE: the connection is sound.
_DEFECTS = (psycopg.ProgrammingError, psycopg.NotSupportedError)
# The driver's own words for an address with several hosts.
_EACH_HOST = "Multiple connection attempts failed. All failures were:\n"
_FAILURE = re.compile(
    r"^- host: (?:'(?P<host>[^']*)'|None), port: (?:'?(?P<port>\d+)'?|None), "
    r"hostaddr: (?:'(?P<address>[^']*)'|None): (?P<said>.*)",
    re.MULTILINE,
)
_IN_THE_WAY = frozenset({"40001", "40P01", "55P03"})  # a serialisation failure, a deadlock, a lock not to be had


def translate(exc: psycopg.Error) -> DatabaseError:
    """The operator's error for a driver's error."""
    state = exc.sqlstate or ""
    said = sentence(_said(exc))
    if isinstance(exc, PoolTimeout):
        return DatabaseUnavailableError("No database connection became free in time.", TRY_AGAIN)
    if isinstance(exc, CommitNotConfirmedError):
        return NotConfirmedError(
            f"The write was not confirmed by the standby: {said} A failover may undo it.",
            "Look whether the cluster has a synchronous standby. Then check whether the write is there, and repeat it "
            "if not; a scheduler tries again by itself.",
        )
    if isinstance(exc, SilentServerError):
        return DatabaseUnavailableError(f"The database at {said}", TRY_AGAIN)
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
    if state[:2] in _DATA or (not state and isinstance(exc, psycopg.DataError)):
        return RowRefusedError(f"The database refused a row: {said}", "Nothing was written. Report this as a defect.")
    if state in _IN_THE_WAY:
        return DatabaseBusyError(
            f"Another process was in the way: {said}",
            "Nothing was written. A scheduler's work is tried again by itself; run any other command again. If it goes "
            "on, alpha-monday doctor names the session that holds the lock.",
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
    if isinstance(exc, psycopg.OperationalError) or not (state or isinstance(exc, _DEFECTS)):
        return DatabaseUnavailableError(f"The database cannot be reached: {said}", TRY_AGAIN)
    return DatabaseError(f"The database failed ({state}): {said}", "Look at the server's log.")


def _said(exc: psycopg.Error) -> str:
    """The first line of an error; of an address with several hosts each host's own."""
    text = str(exc).strip()
    _, is_list, failures = text.partition(_EACH_HOST)
    if is_list:
        return "; ".join(
            f"{found['host'] or found['address']}:{found['port'] or 5432}: {words_of(psycopg.Error(found['said']))}"
            for found in _FAILURE.finditer(failures)
        )
    return text.splitlines()[0] if text else type(exc).__name__


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
    except UnicodeEncodeError as exc:
        raise RowRefusedError(
            f"The database refused a row: a text of it is not Unicode: {exc.reason}.",
            "Nothing was written. Report this as a defect.",
        ) from exc
