"""PostgreSQL's dumps, written from one snapshot; and the connections of the commands that carry whole databases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, ConnectionInfo, IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import migrate, sessions
from db.client_programs import client_major, run_client, tools_for
from db.driver_errors import translated
from db.embedded import client_tools
from db.errors import DatabaseError
from db.hosts import chosen_address
from db.moving import WITH_STATE, own_tables
from db.table_digests import Digests, digests, tables
from db.waiting import shown_wait

# What belongs to a server and not to the data stays there; extensions might be wanting where the file is read. Large
# objects are none of ours: anybody who may connect can make one that nobody else may read.
_DATA_ALONE = (
    "--no-owner", "--no-privileges", "--no-tablespaces", "--no-publications", "--no-subscriptions",
    "--no-security-labels", "--no-blobs", "--encoding=UTF8",
)  # fmt: skip
_NO_EXTENSIONS = ("--exclude-extension=*",)  # which programs before 17 do not know


class BackupError(DatabaseError):
    """A backup could not be written or proved, or must not be restored here."""

    code = "backup"


async def dump(conninfo: str, file: Path) -> Digests:
    """Writes the database at `conninfo` to `file`; gives what our tables held as of the dump's own snapshot.

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
            if not (await migrate.check(connection)).applied:
                raise BackupError("The database holds no tables of alpha-monday's.", "Check DATABASE_URL.")
            await tables(connection)  # each of which the user has to read
            found = await digests(connection, await own_tables(connection, WITH_STATE))

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
