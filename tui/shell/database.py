"""The commands on the database itself: up, status, url, psql, backup, restore."""

import argparse
import asyncio
import signal

from core.services import Access, open_address
from core.settings import LoadedSettings
from db import migrate
from db.backup import backup as write_backup
from db.backup import restore as read_backup
from db.client_programs import run_psql
from db.database import Database, shown_address
from tui.output import print_error, print_json, print_line, print_table


async def up(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Creates the database and brings its tables to this version."""
    async with open_address(loaded.settings, Access.WRITE) as conninfo:
        applied = await asyncio.to_thread(migrate.up, conninfo)
    if args.json:
        print_json({"applied": [migration.version for migration in applied]})
    elif applied:
        for migration in applied:
            print_line(f"applied {migration.version} {migration.name}")
    else:
        print_line("The tables are up to date.")
    return 0


async def status(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints which migrations are applied; exit 1 if the tables do not fit this version."""
    async with (
        open_address(loaded.settings, Access.READ) as conninfo,
        Database(conninfo, read_only=True).dedicated() as connection,
    ):
        found = await migrate.check(connection)
    names = {migration.version: migration.name for migration in migrate.shipped()}
    edited = {name.removesuffix(".sql").partition("_")[2] for name in found.edited}
    rows: list[tuple[str, str | None, str]] = [(version, names.get(version), "applied") for version in found.applied]
    rows += [(version, names.get(version), "pending") for version in found.pending]
    rows += [(version, None, "unknown here") for version in found.unknown]
    rows = [(version, name, "edited" if name in edited else state) for version, name, state in sorted(rows)]
    problem = migrate.problem(found, may_be_behind=False)
    if args.json:
        error = {"code": problem.code, "message": problem.message, "remedy": problem.remedy} if problem else None
        print_json(
            {
                "migrations": [{"version": version, "name": name, "state": state} for version, name, state in rows],
                **({"error": error} if error else {}),
            }
        )
    else:
        print_table(("version", "name", "state"), rows)
        if problem:
            print_error(problem.message, problem.remedy)
    return problem.exit_code if problem else 0


async def url(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints the database's address without its password."""
    async with open_address(loaded.settings, Access.READ) as conninfo:
        address = shown_address(conninfo)
    if args.json:
        print_json({"url": address})
    else:
        print_line(address)
    return 0


async def psql(_: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Opens PostgreSQL's shell; the embedded server runs at least as long."""
    async with open_address(loaded.settings, Access.READ) as conninfo:
        # The terminal sends Ctrl-C to both: it is psql's, which ends a query by it and goes on.
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
        return await asyncio.to_thread(run_psql, conninfo)


async def backup(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Writes everything to a file."""
    async with open_address(loaded.settings, Access.READ) as conninfo:
        await asyncio.to_thread(write_backup, conninfo, args.file)
    _tell(args, f"Written to {args.file}.")
    return 0


async def restore(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Fills an empty database from a file."""
    async with open_address(loaded.settings, Access.WRITE) as conninfo:
        await asyncio.to_thread(read_backup, conninfo, args.file)
    _tell(args, f"Restored from {args.file}.")
    return 0


def _tell(args: argparse.Namespace, sentence: str) -> None:
    if args.json:
        print_json({"file": str(args.file)})
    else:
        print_line(sentence)
