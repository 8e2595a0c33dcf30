"""The whole database to one file and back, with PostgreSQL's own dump and restore."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from db import migrate
from db.client_programs import run_client
from db.database import translated
from db.errors import DatabaseError
from db.events import _OPENINGS_KEY

# No row can look like this line: in the script every row begins with an id or a name.
_UNKNOWN_TO_OLD_SERVERS = b"SET transaction_timeout = 0;\n"
_OWN_TABLES = ("batches", "schema_migrations")
_NOTHING_RESTORED = "Nothing was restored. Check that the file is a backup by alpha-monday"


class BackupError(DatabaseError):
    """A backup could not be written, or must not be restored here."""

    code = "backup"


def backup(conninfo: str, file: Path) -> None:
    """Writes the database at `conninfo` to `file`, readable by its owner alone; `file` is whole or absent.

    Raises BackupError if `file` exists already or cannot be written, DatabaseError if the dump fails.
    """
    if file.exists():
        raise _exists_already(file)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # made with mode 0600
    except OSError as exc:
        raise BackupError(
            f"{str(file)!r} cannot be written: {exc.strerror}.", "Name a file in a directory of yours."
        ) from exc
    os.close(descriptor)
    aside = Path(name)
    try:
        run_client(
            "pg_dump",
            ["--format=custom", "--no-owner", "--no-privileges", "--no-password", f"--file={aside}"],
            conninfo,
            "Check DATABASE_URL, that its user may read every table, and the space on the disk.",
        )
        _name(aside, file)
    finally:
        aside.unlink(missing_ok=True)


def _name(aside: Path, file: Path) -> None:
    """Gives the finished backup its name, which another file may have taken meanwhile."""
    try:
        file.hardlink_to(aside)
    except FileExistsError as exc:
        raise _exists_already(file) from exc
    except OSError:  # a file system without hard links
        aside.rename(file)


def _exists_already(file: Path) -> BackupError:
    return BackupError(f"{str(file)!r} exists already.", "Name another file; backups are not overwritten.")


def restore(conninfo: str, file: Path) -> None:
    """Fills the database at `conninfo` from `file`, in one transaction. Only one without batches is filled.

    No week is opened meanwhile. Raises BackupError if there are batches, no such file or another program's dump,
    DatabaseError if the restore fails.
    """
    if not file.is_file():
        raise BackupError(f"There is no file {str(file)!r}.", "Name a file that alpha-monday db backup wrote.")
    _require_own_tables(file)
    migrate.up(conninfo)
    with _openings_held_off(conninfo) as connection, tempfile.TemporaryDirectory(prefix="alpha-monday-") as private:
        row = connection.execute("select exists (select from batches)").fetchone()
        if row and row[0]:
            raise BackupError(
                "The database holds batches already; a backup is restored into an empty one only.",
                "Point DATABASE_URL or ALPHA_MONDAY_DATA_DIR at an empty database.",
            )
        script = _script_of(file, Path(private))
        run_client(
            "psql",
            ["--no-psqlrc", "--quiet", "--no-password", "--single-transaction", "--set=ON_ERROR_STOP=1",
             "--output=/dev/null", f"--file={script}"],
            conninfo,
            f"{_NOTHING_RESTORED} and that the user may create tables.",
        )  # fmt: skip
    migrate.up(conninfo)


def _require_own_tables(file: Path) -> None:
    """Refuses a dump of anything else: restored, it would leave its own tables among the product's."""
    listed = run_client("pg_restore", ["--list", str(file)], "", f"{_NOTHING_RESTORED}.")
    tables = re.findall(r"^\d+; \d+ \d+ TABLE public (\S+) ", listed, re.MULTILINE | re.ASCII)
    if not set(_OWN_TABLES) <= set(tables):
        raise BackupError(
            f"{str(file)!r} is no backup of alpha-monday's: it lacks its tables.",
            "Name a file that alpha-monday db backup wrote.",
        )


@contextmanager
def _openings_held_off(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that keeps every other process from opening weeks for as long as it lives."""
    with translated(), psycopg.connect(conninfo, autocommit=True) as connection:
        # Autocommit, so that beside this lock none is held that the clearing of the tables would wait for.
        connection.execute("select pg_advisory_lock(%s)", (_OPENINGS_KEY,))
        yield connection


def _script_of(file: Path, directory: Path) -> Path:
    """The backup as SQL in a file of `directory`, without the setting that servers before 17 do not know."""
    whole, fitting = directory / "whole.sql", directory / "fitting.sql"
    run_client(
        "pg_restore",
        ["--clean", "--if-exists", "--no-owner", "--no-privileges", f"--file={whole}", str(file)],
        "",
        f"{_NOTHING_RESTORED}.",
    )
    with whole.open("rb") as lines, fitting.open("wb") as kept:
        kept.writelines(line for line in lines if line != _UNKNOWN_TO_OLD_SERVERS)
    whole.unlink()
    return fitting
