"""The whole database to one file and back, proved both ways by comparing every table."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db import batches, migrate
from db.archives import opened, restored
from db.dumps import BackupError, connected, dump
from db.embedded_files import sync_directory
from db.hosts import chosen_address
from db.moving import WITH_STATE, carry_over, empty, hold_off_openings, own_tables
from db.table_digests import Digests, difference, digests

__all__ = ["BackupError", "backup", "restore"]


@dataclass(frozen=True, slots=True)
class Restored:
    """What every table holds now, and which other tables the file has, as schema.name, that stay there."""

    held: Digests
    left_out: tuple[str, ...]


async def backup(conninfo: str, file: Path) -> Digests:
    """Writes the database at `conninfo` to `file`, readable by its owner alone; gives what every table held.

    Before it gets its name, the file is restored into an empty database of a temporary server, and every table
    compared with the source as of the dump's snapshot: `file` is whole and proved, or absent.

    Raises BackupError if `file` exists already, cannot be written, or does not restore to the same rows;
    DatabaseRefusedError if the user may not read every table; DatabaseError if the dump or its restore fails.
    """
    with _aside(file) as aside:
        held = await dump(conninfo, aside)
        async with opened(aside) as archive, restored(archive) as proof, connected(proof) as connection:
            found = await digests(connection, await own_tables(connection, WITH_STATE))
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


async def restore(conninfo: str, file: Path) -> Restored:
    """Fills the database at `conninfo` with the rows in `file`, in one transaction.

    Only a database without batches is filled, and no week is opened meanwhile. Nothing of the file is run: its rows
    are loaded into a temporary server's tables, brought to this version, and copied from there with every guard in
    force. The transaction commits only if every table then has the same rows here. Must be called as the tables' owner.

    Raises BackupError if there are batches, there is no such file, or it is another program's dump; SchemaError for a
    backup by a newer version; DatabaseError if the restore fails.
    """
    async with opened(file) as archive:
        if not archive.applied:
            raise BackupError(
                f"{str(file)!r} is no backup of alpha-monday's: it lacks its tables.",
                "Name a file that alpha-monday db backup wrote.",
            )
        async with restored(archive) as aside:
            await asyncio.to_thread(migrate.up, aside)
            conninfo = await chosen_address(conninfo)
            await asyncio.to_thread(migrate.up, conninfo)
            async with connected(aside) as source, connected(conninfo) as target:
                await hold_off_openings(target)
                if await batches.has_any(target):
                    raise BackupError(
                        "The database holds batches already; a backup is restored into an empty one only.",
                        "Point DATABASE_URL or ALPHA_MONDAY_DATA_DIR at an empty database.",
                    )
                await empty(target, WITH_STATE)
                held = await carry_over(source, target, WITH_STATE)
    return Restored(held, archive.left_out)
