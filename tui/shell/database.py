"""The commands on the database itself: its tables, its address, its shell; backing it up, moving and upgrading it."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from getpass import getpass

from core.logs import redacted
from core.moving import move as move_embedded
from core.services import DATABASE, DEMO_DATABASE, Access, open_address
from core.settings_layers import LoadedSettings
from core.weekly_backup import backup_directory, kept_backups
from db import migrate
from db.address import secrets_of, shown_address
from db.backup import backup as write_backup
from db.backup import restore as read_backup
from db.client_programs import run_psql, tools_for
from db.database import Database
from db.dumps import connected
from db.embedded import place_of
from db.embedded_upgrade import kept_clusters
from db.embedded_upgrade import upgrade as upgrade_embedded
from db.errors import AlphaMondayError, DatabaseRefusedError, EmbeddedServerError
from db.hosts import chosen_address
from db.moving import address_without_secrets
from db.roles import roles_sql
from db.table_digests import Digests
from tui.literal import clean
from tui.output import print_error, print_json, print_line, print_table
from tui.shell.signals import interrupts_left_to_a_child

_LONGEST_ADDRESS = 4096
_FORM = "Write one line, such as postgresql://user:password@host:5432/database."


class UsageError(AlphaMondayError):
    """What was given on standard input is of no use."""

    code = "usage"
    exit_code = 2


async def up(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Creates the database and brings its tables to this version."""
    async with open_address(loaded.settings, Access.WRITE) as conninfo:
        applied = await asyncio.to_thread(migrate.up, await chosen_address(conninfo))
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
        address = shown_address(place_of(conninfo) if loaded.settings.database_url is None else conninfo)
    if args.json:
        print_json({"url": address})
    else:
        print_line(address)
    return 0


async def roles(args: argparse.Namespace, _: LoadedSettings) -> int:
    """Prints the SQL that gives the roles of writers and readers their rights; connects to nothing."""
    if args.json:
        print_json({"sql": roles_sql()})
    else:
        for line in roles_sql().splitlines():
            print_line(line)
    return 0


async def psql(_: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Opens PostgreSQL's shell; the embedded server runs at least as long."""
    async with open_address(loaded.settings, Access.READ) as conninfo:
        conninfo = await chosen_address(conninfo)
        async with connected(conninfo) as connection:
            tools = await tools_for(connection)
        with interrupts_left_to_a_child():
            return await run_psql(conninfo, tools)


async def backup(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Writes everything to a file that has been proved."""
    async with open_address(loaded.settings, Access.READ) as conninfo:
        held = await write_backup(conninfo, args.file)
    _tell(args, "Written to", held)
    return 0


async def restore(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Fills an empty database from a file."""
    async with open_address(loaded.settings, Access.WRITE) as conninfo:
        restored = await read_backup(conninfo, args.file)
    _tell(args, "Restored from", restored.held)
    if restored.left_out and not args.json:
        left_out = ", ".join(clean(name, limit=130) for name in restored.left_out[:20])
        print_line(f"Not alpha-monday's, and in the file only: {left_out}.")
    return 0


def _tell(args: argparse.Namespace, done: str, held: Digests) -> None:
    tables, rows = len(held), sum(table.rows for table in held.values())
    if args.json:
        print_json({"file": str(args.file), "tables": tables, "rows": rows})
    else:
        print_line(f"{done} {args.file} and verified: {tables:,} tables, {rows:,} rows.")


async def move(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Takes the embedded database to a server."""
    url = _given_address() if args.url == "-" else args.url
    try:
        moved = await move_embedded(loaded.settings, url)
    except AlphaMondayError as exc:
        secrets = secrets_of(url)
        exc.message, exc.remedy = redacted(exc.message, secrets), redacted(exc.remedy, secrets)
        raise
    if args.json:
        print_json(
            {
                "tables": moved.tables,
                "rows": moved.rows,
                "url": moved.address,
                "directory": str(moved.directory),
                "paused": moved.is_paused,
            }
        )
        return 0
    print_line(f"Moved and verified: {moved.tables:,} tables, {moved.rows:,} rows.")
    print_line(f"Use it from now on: set DATABASE_URL='{moved.address}' (its password there, or in ~/.pgpass).")
    print_line(f"The embedded database stays in {moved.directory}, its schedulers paused, until you remove it.")
    if moved.is_paused:
        print_line("The pause that was in force went along: alpha-monday resume ends it.")
    return 0


def _given_address() -> str:
    """One line of standard input; where that is a terminal, nothing typed is shown."""
    if sys.stdin.isatty():
        given = getpass("Address of the database to move to: ")
    else:
        given = sys.stdin.readline(_LONGEST_ADDRESS + 1)
    given = given.rstrip("\r\n")
    try:
        if not 0 < len(given) <= _LONGEST_ADDRESS:
            raise UsageError("Standard input holds no address of a database.", _FORM)
        address_without_secrets(given)
    except DatabaseRefusedError as exc:
        raise UsageError("What standard input holds is not a PostgreSQL address.", exc.remedy) from None
    return given


async def upgrade(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Carries the embedded database across a major version of PostgreSQL."""
    settings = loaded.settings
    if settings.database_url is not None:
        raise EmbeddedServerError(
            "DATABASE_URL is set: the server that it names is upgraded by its own operators",
            "unset it to upgrade the embedded PostgreSQL",
        )
    directory = settings.data_dir / "postgres"
    newest = [file for _, file in kept_backups(backup_directory(settings.data_dir))][:1]
    done = await upgrade_embedded(
        directory,
        (DATABASE, DEMO_DATABASE),
        on=datetime.now(UTC).date(),
        old_programs=args.old_programs,
        otherwise=f"; or restore the newest weekly backup, {newest[0]}, under a new ALPHA_MONDAY_DATA_DIR"
        if newest
        else "",
    )
    if args.json:
        print_json(
            {
                "upgraded": done is not None,
                **({} if done else {"earlier": [str(path) for path in kept_clusters(directory)]}),
                **(
                    {
                        "from": done.old_major,
                        "to": done.new_major,
                        "kept": str(done.kept),
                        "tables": done.tables,
                        "rows": done.rows,
                        "left": list(done.left),
                    }
                    if done
                    else {}
                ),
            }
        )
    elif done is None:
        print_line("The embedded PostgreSQL is of this version already.")
        for path in kept_clusters(directory):  # of an upgrade that was interrupted at its last step, for one
            print_line(f"An earlier one is kept in {path}; remove it when you need it no longer.")
    else:
        print_line(f"Upgraded from PostgreSQL {done.old_major} to {done.new_major}.")
        print_line(f"Carried over and verified: {done.tables:,} tables, {done.rows:,} rows.")
        print_line(f"The old one is kept in {done.kept}; remove it when you need it no longer.")
        if done.left:
            print_line(f"Not alpha-monday's, and in the old one only: {', '.join(done.left)}.")
    return 0
