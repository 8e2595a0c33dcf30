"""The whole database to one file and back, proved both ways by comparing every table."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from db import batches, migrate
from db.client_programs import tools_for
from db.dumps import BackupError, Dump, connected, dump, fill, read_contents, restored_aside
from db.embedded_files import sync_directory
from db.hosts import chosen_address
from db.statements import load
from db.table_digests import Digests, difference, digests

__all__ = ["BackupError", "backup", "restore"]

_SQL = load("backup")
_OWN_TABLES = frozenset({("public", "batches"), ("public", "schema_migrations")})


async def backup(conninfo: str, file: Path) -> Digests:
    """Writes the database at `conninfo` to `file`, readable by its owner alone; gives what every table held.

    Before it gets its name, the file is restored into an empty database of a temporary server, and every table
    compared with the source as of the dump's snapshot: `file` is whole and proved, or absent.

    Raises BackupError if `file` exists already, cannot be written, or does not restore to the same rows;
    DatabaseRefusedError if the user may not read every table; DatabaseError if the dump or its restore fails.
    """
    with _aside(file) as aside:
        held = await dump(conninfo, aside)
        async with restored_aside(aside) as connection:
            found = await digests(connection)
        if what := difference(held, found):
            raise BackupError(
                f"The backup does not restore to what was dumped: {what}. No file was left.",
                "Try again, on another disk if need be; if it stays so, report this as a defect.",
            )
        _name(aside, file)
    return held


@contextmanager
def _aside(file: Path) -> Iterator[Path]:
    """A new private file beside `file`, which must not exist; it is gone afterwards."""
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
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def _name(aside: Path, file: Path) -> None:
    """Gives the finished backup its name, which another file may have taken meanwhile, and makes it last."""
    try:
        file.hardlink_to(aside)
    except FileExistsError as exc:
        raise _exists_already(file) from exc
    except OSError:  # a file system without hard links
        aside.rename(file)
    sync_directory(file.parent)


def _exists_already(file: Path) -> BackupError:
    return BackupError(f"{str(file)!r} exists already.", "Name another file; backups are not overwritten.")


async def restore(conninfo: str, file: Path) -> Digests:
    """Fills the database at `conninfo` from `file`, in one transaction; gives what every table holds now.

    Only a database without batches is filled, and no week is opened meanwhile. The file is restored into a temporary
    server first; the transaction commits only if every table then has the same rows here.

    Raises BackupError if there are batches, the server is older than the one that was dumped, there is no such file,
    or it is another program's dump; SchemaError for a backup by a newer version; DatabaseError if the restore fails.
    """
    contents = await _own_contents(file)
    conninfo = await chosen_address(conninfo)
    async with restored_aside(file) as aside:
        migrate.raise_unless_current(await migrate.check(aside), may_be_behind=True)
        held = await digests(aside)
    await asyncio.to_thread(migrate.up, conninfo)
    # Beside the connection that holds the lock, whose transaction would keep a lock on whatever it reads.
    async with _openings_held_off(conninfo), connected(conninfo) as connection:
        await connection.set_autocommit(True)
        if (server := connection.info.server_version // 10000) < contents.server_major:
            raise BackupError(
                f"The backup was made by PostgreSQL {contents.server_major}, and the server is older: {server}.",
                f"Restore it into a server of PostgreSQL {contents.server_major} or newer. To take it to an older one, "
                "restore it into an embedded database (without DATABASE_URL), then use alpha-monday db move.",
            )
        if await batches.has_any(connection):
            raise BackupError(
                "The database holds batches already; a backup is restored into an empty one only.",
                "Point DATABASE_URL or ALPHA_MONDAY_DATA_DIR at an empty database.",
            )
        await fill(conninfo, file, held, await tools_for(connection), has_locks=True)
    await asyncio.to_thread(migrate.up, conninfo)
    return held


async def _own_contents(file: Path) -> Dump:
    if not await asyncio.to_thread(file.is_file):
        raise BackupError(f"There is no file {str(file)!r}.", "Name a file that alpha-monday db backup wrote.")
    contents = await read_contents(file)
    if not contents.tables >= _OWN_TABLES:
        raise BackupError(
            f"{str(file)!r} is no backup of alpha-monday's: it lacks its tables.",
            "Name a file that alpha-monday db backup wrote.",
        )
    return contents


@asynccontextmanager
async def _openings_held_off(conninfo: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection whose transaction keeps every other process from opening weeks for as long as it lasts."""
    async with connected(conninfo) as connection:
        # Lost with its machine or the network, it is given up within half a minute. A process that is suspended keeps
        # it: once thawed it goes on to clear the tables, which must hold no batch that was opened meanwhile.
        await connection.execute(_SQL["hold_on"])
        await connection.execute(_SQL["hold_off_openings"])
        yield connection
