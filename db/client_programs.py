"""PostgreSQL's own client programs (psql, pg_dump, pg_restore), run without an address in their arguments."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from psycopg.pq import Conninfo

from db.address import parse_conninfo
from db.embedded import client_tools
from db.embedded_programs import usual_places
from db.errors import DatabaseError

_REINSTALL = "Reinstall alpha-monday with its dependencies."
_NEEDED = ("pg_dump", "psql")
_NEWER_LOOKED_FOR = 10  # major versions, a decade of them
_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)", re.ASCII)


def client_environment(conninfo: str) -> dict[bytes, bytes]:
    """The environment in which a client program finds the database at `conninfo`.

    The address travels so because everyone on the machine can read a command line; what has no variable of its own
    (keepalives and the like) does not matter to these programs.
    """
    options = Conninfo.parse(parse_conninfo(conninfo).encode())
    address = {option.envvar: option.val for option in options if option.envvar and option.val}
    return {**os.environb, **address}


async def run_client(
    program: str, arguments: Sequence[str | Path], conninfo: str, remedy: str, tools: Path | None = None
) -> str:
    """What `program` of `tools`, or of those that came along, printed.

    Raises DatabaseError with what it complained of and `remedy`. A program whose waiter is cancelled is killed.
    """
    process = await asyncio.create_subprocess_exec(
        (tools or client_tools()) / program,
        *arguments,
        env=client_environment(conninfo),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        printed, complaint = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):  # it has just ended by itself
            process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        said = " ".join(complaint.decode(errors="replace").split())[:500]
        raise DatabaseError(f"{program} failed: {said}", remedy)
    return printed.decode(errors="replace")


async def client_major(tools: Path | None = None) -> int:
    """The major version of the programs in `tools`, or of those that came along."""
    printed = await run_client("pg_dump", ["--version"], "", _REINSTALL, tools)
    found = _MAJOR.search(printed)
    if found is None:
        raise DatabaseError(f"pg_dump does not tell its version: {printed[:80]!r}", _REINSTALL)
    return int(found[1])


async def tools_for(connection: AsyncConnection[Any]) -> Path:
    """The directory of programs that reach the server of `connection` as safely as it did.

    Those that came along are built without TLS: where the connection is encrypted, the system's are taken, of the
    server's major version or newer. Raises DatabaseError where there are none.
    """
    if not connection.pgconn.ssl_in_use:
        return client_tools()
    server = connection.info.server_version // 10000
    for major in range(server + _NEWER_LOOKED_FOR, server - 1, -1):
        for tools in usual_places(major):
            if all((tools / program).is_file() for program in _NEEDED):
                return tools
    on_path = shutil.which("pg_dump")
    if on_path is not None and await client_major(Path(on_path).parent) >= server:
        return Path(on_path).parent
    raise DatabaseError(
        "The server is reached over TLS, for which the programs that came along are not built, and this machine has "
        "no others.",
        f"Install PostgreSQL's client programs of version {server} or newer (Debian: postgresql-client-{server}), or "
        "run this on the server's own machine, over its socket.",
    )


def run_psql(conninfo: str, tools: Path) -> int:
    """PostgreSQL's shell of `tools` in the operator's terminal; gives its exit code."""
    return subprocess.run(  # noqa: S603 - PostgreSQL's own program, and no shell
        [tools / "psql", "--no-password"], env=client_environment(conninfo), check=False
    ).returncode
