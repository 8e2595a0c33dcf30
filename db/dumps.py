"""PostgreSQL's dumps: written from one snapshot, told what they are, and read back as a script that checks itself."""

import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, ConnectionInfo, IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import sessions
from db.blocking import in_thread, to_its_end
from db.client_programs import client_major, run_client, tools_for
from db.driver_errors import translated
from db.embedded import client_tools
from db.errors import DatabaseError, EmbeddedServerError
from db.hosts import chosen_address
from db.lock_holders import LOCKS
from db.scratch import scratch_server
from db.table_digests import Digests, Table, TableDigest, digests, requirements
from db.waiting import shown_wait

# What belongs to a server and not to the data stays there; extensions might be wanting where the file is read.
_DATA_ALONE = (
    "--no-owner", "--no-privileges", "--no-tablespaces", "--no-publications", "--no-subscriptions",
    "--no-security-labels",
)  # fmt: skip
_NO_EXTENSIONS = ("--exclude-extension=*",)  # which programs before 17 do not know
# No row can look like these lines: in the script every row begins with an id or a name.
_UNKNOWN_TO_OLD_SERVERS = b"SET transaction_timeout = 0;\n"
# A server's own mark on a column, from the security releases of November 2026 (15.20) on; older servers refuse it.
COLUMN_MARK = re.compile(rb"ALTER TABLE ONLY \S+ ALTER COLUMN \S+ SET \(pg_attver=\d+\);\n")
_TABLE = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA |ATTACH )(\S+) (\S+) ", re.MULTILINE | re.ASCII)
_LOCK = re.compile(rf"\d+; \d+ \d+ VIEW \S+ (?:{'|'.join(LOCKS)}) ", re.ASCII)
_DUMPED_FROM = re.compile(r"^;\s+Dumped from database version: (\d+)", re.MULTILINE | re.ASCII)
_NOTHING_RESTORED = "Nothing was restored. Check that the file is a backup by alpha-monday"


class BackupError(DatabaseError):
    """A backup could not be written or proved, or must not be restored here."""

    code = "backup"


@dataclass(frozen=True, slots=True)
class Dump:
    """What a dump says of itself: the major version of the server it came from, and its tables as (schema, name)."""

    server_major: int
    tables: frozenset[tuple[str, str]]


async def dump(conninfo: str, file: Path) -> dict[Table, TableDigest]:
    """Writes the database at `conninfo` to `file`; gives the digest of every table as of the dump's own snapshot.

    Raises BackupError for a server that is newer than the programs here, DatabaseRefusedError for a table that the
    user may not read, DatabaseError if the dump fails.
    """
    async with connected(conninfo) as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        tools = await tools_for(connection)
        ours = await _writer_major(tools, connection.info.server_version // 10000)
        async with connection.transaction():
            cursor = await connection.execute("select pg_export_snapshot()")
            [[snapshot]] = await cursor.fetchall()
            found = await digests(connection)

            async def run_at(address: str) -> None:
                await run_client(
                    "pg_dump",
                    ["--format=custom", *_DATA_ALONE, *(_NO_EXTENSIONS if ours >= 17 else ()), "--no-password",
                     f"--snapshot={snapshot}", f"--file={file}"],
                    address,
                    "Check DATABASE_URL, that its user may read every table, and the space on the disk.",
                    tools,
                )  # fmt: skip

            same_host = _same_server(conninfo, connection.info)
            try:
                await run_at(same_host)
            except DatabaseError:
                if (pinned := await _behind_a_balancer(same_host, connection)) is None:
                    raise
                await run_at(pinned)
    return found


async def _behind_a_balancer(conninfo: str, connection: AsyncConnection[Any]) -> str | None:
    """The server's own address, where `conninfo` may lead to several: a snapshot is known to one of them alone.

    None where the server has no such address, or `conninfo` names it already. Raises BackupError where another server,
    or none, is reached at that address.
    """
    here = await _identity(connection)
    _, address, port = here
    info = connection.info
    if address is None or (address in (info.hostaddr, info.host) and port == info.port):
        return None
    pinned = make_conninfo(conninfo, hostaddr=address, port=port)
    try:
        async with connected(pinned) as other:
            is_the_same = await _identity(other) == here
    except DatabaseError:
        is_the_same = False
    if not is_the_same:
        raise BackupError(
            f"The address may lead to several servers, and the one that was reached cannot be reached by its own "
            f"address, {address}:{port}.",
            "Set DATABASE_URL to the address of one server, and try again.",
        )
    return pinned


async def _identity(connection: AsyncConnection[Any]) -> tuple[datetime, str | None, int | None]:
    """When the server was started, and its own address; none for a socket."""
    cursor = await connection.execute("select pg_postmaster_start_time(), host(inet_server_addr()), inet_server_port()")
    [(started_at, address, port)] = await cursor.fetchall()
    return started_at, address, port


async def _writer_major(tools: Path, server: int) -> int:
    """The major version of the pg_dump in `tools`. Raises BackupError where it cannot read that of the `server`.

    Or where its archives could not be read here, since a backup is proved and restored by the programs that came along.
    """
    ours = await client_major(tools)
    if server > ours:
        raise BackupError(
            f"The server is PostgreSQL {server}; the pg_dump in {tools} is of version {ours} and cannot read newer "
            "servers.",
            f"Upgrade alpha-monday, or use the pg_dump of PostgreSQL {server}.",
        )
    if tools != client_tools() and ours > (reader := await client_major()):
        raise BackupError(
            f"The pg_dump in {tools} is of version {ours}, and what it writes cannot be read by the pg_restore that "
            f"came along, of version {reader}.",
            f"Install PostgreSQL's client programs of version {server} to {reader} (Debian: "
            f"postgresql-client-{server}), or upgrade alpha-monday.",
        )
    return ours


async def read_contents(file: Path) -> Dump:
    """What the dump in `file` says of itself. Raises DatabaseError where it is none."""
    listed = await run_client("pg_restore", ["--list", file], "", f"{_NOTHING_RESTORED}.")
    version = _DUMPED_FROM.search(listed)
    return Dump(int(version[1]) if version else 0, frozenset(_TABLE.findall(listed)))


async def fill(
    conninfo: str, file: Path, expected: Digests | None = None, tools: Path | None = None, *, has_locks: bool = False
) -> None:
    """Replaces the tables at `conninfo` by those in the dump `file`, in one transaction of psql of `tools`.

    With `has_locks` the views that processes lock are there and stay: replacing one would wait for whoever holds it.
    The transaction commits only if every table's rows are those of `expected`. Raises DatabaseError, with nothing
    changed, if they are not or anything else fails.
    """
    with _temporary_directory() as private:
        script = await _script_of(file, private, expected, has_locks=has_locks)
        await run_client(
            "psql",
            ["--no-psqlrc", "--quiet", "--no-password", "--single-transaction", "--set=ON_ERROR_STOP=1",
             "--set=VERBOSITY=verbose", "--output=/dev/null", f"--file={script}"],
            conninfo,
            f"{_NOTHING_RESTORED} and that the user may create tables.",
            tools,
        )  # fmt: skip


@asynccontextmanager
async def restored_aside(file: Path) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection, in a transaction, to an empty database that the dump `file` was restored into.

    The server is a temporary one and goes with the connection. Raises BackupError where it cannot be had,
    DatabaseError if the restore fails.
    """
    try:
        async with in_thread(scratch_server()) as server:
            # A dump is a program, and a superuser's could run others on this machine.
            async with connected(server.conninfo("postgres")) as connection:
                await connection.set_autocommit(True)
                await connection.execute("create role restorer login")
                await connection.execute("create database restored owner restorer")
            conninfo = make_conninfo(server.conninfo("restored"), user="restorer")
            await fill(conninfo, file)
            async with connected(conninfo) as connection, connection.transaction():
                yield connection
    except EmbeddedServerError as exc:
        raise BackupError(
            f"The backup cannot be proved: the temporary PostgreSQL for it fails: {exc.message}",
            "Make room in the directory for temporary files, or set TMPDIR to another one.",
        ) from exc


@asynccontextmanager
async def connected(conninfo: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of these commands' own, its errors translated; its first statement begins a transaction."""
    with translated():
        with shown_wait("a connection to the database"):
            address = sessions.session_address(await chosen_address(conninfo), "alpha-monday db")
            connection = await sessions.PatientConnection.connect(address, autocommit=True)
        async with connection:
            await sessions.prepare(connection)  # outside a transaction, whose rollback would take the settings back
            await connection.set_autocommit(False)
            yield connection


def _same_server(conninfo: str, info: ConnectionInfo) -> str:
    """`conninfo`, of several hosts only the one that a connection has reached: a snapshot is known there alone."""
    address = info.hostaddr if conninfo_to_dict(conninfo).get("hostaddr") else None
    return make_conninfo(conninfo, host=info.host, hostaddr=address, port=info.port, load_balance_hosts="disable")


async def _script_of(file: Path, directory: Path, expected: Digests | None, *, has_locks: bool) -> Path:
    """The dump as SQL in a file of `directory`, without the setting that servers before 17 do not know."""
    whole, fitting, entries = directory / "whole.sql", directory / "fitting.sql", directory / "entries"
    selection = []
    if has_locks:
        listed = await run_client("pg_restore", ["--list", file], "", f"{_NOTHING_RESTORED}.")
        with _told_of_temporary_files():
            entries.write_text("\n".join(line for line in listed.splitlines() if not _LOCK.match(line)), "utf-8")
        selection = [f"--use-list={entries}"]
    await run_client(
        "pg_restore",
        ["--clean", "--if-exists", "--no-owner", "--no-privileges", *selection, f"--file={whole}", file],
        "",
        f"{_NOTHING_RESTORED}, and that there is room for it in the directory for temporary files (TMPDIR).",
    )
    end = requirements(expected, "the backup") if expected is not None else ()
    with _told_of_temporary_files():
        await to_its_end(_fit, whole, fitting, end)
    return fitting


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    """A private directory, gone afterwards."""
    with ExitStack() as stack:
        with _told_of_temporary_files():
            private = stack.enter_context(tempfile.TemporaryDirectory(prefix="alpha-monday-"))
        yield Path(private)


@contextmanager
def _told_of_temporary_files() -> Iterator[None]:
    """Turns what the system refuses under TMPDIR into an operator's error that names it."""
    try:
        yield
    except OSError as exc:
        raise BackupError(
            f"Temporary files cannot be written in {tempfile.tempdir or 'any directory for them'}: {exc}.",
            "Make room there, or set TMPDIR to another directory.",
        ) from exc


def _fit(whole: Path, fitting: Path, end: Iterable[str]) -> None:
    with whole.open("rb") as lines, fitting.open("wb") as kept:
        kept.writelines(f"{statement}\n".encode() for statement in sessions.begin_script())
        kept.writelines(line for line in lines if line != _UNKNOWN_TO_OLD_SERVERS and not COLUMN_MARK.fullmatch(line))
        kept.writelines(f"{statement}\n".encode() for statement in end)
    whole.unlink()
