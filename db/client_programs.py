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

from db.driver_errors import translate
from db.embedded import client_tools
from db.embedded_programs import server_tools, usual_places
from db.embedded_user import NO_CLUSTER, ServerUser
from db.errors import DatabaseError
from db.libpq_environment import CHANGE_RESULTS
from db.sessions import session_address
from db.text import sentence
from db.waiting import UNCONFIRMED, CommitNotConfirmedError, shown_wait

_REINSTALL = "Reinstall alpha-monday with its dependencies."
_NEEDED = ("pg_dump", "psql")
_LEFT_OUT = (*CHANGE_RESULTS, "PG_COLOR")  # coloured, a program's complaint would hold escape codes
_NEWER_LOOKED_FOR = 10  # major versions, a decade of them
_WITHIN_S = 3600.0
_KILLED = 128  # plus the number of the signal
_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)", re.ASCII)


def client_environment(conninfo: str) -> dict[bytes, bytes]:
    """The environment in which a client program finds the database at `conninfo`, as this process finds it.

    What the address leaves open comes from libpq's own variables and service, except for what changes results; what it
    gives, an empty value too, comes from nowhere else. It travels in the environment because everyone on the machine
    can read a command line; what has no variable of its own (keepalives and the like) does not matter to these
    programs.
    """
    options = Conninfo.parse(session_address(conninfo, "alpha-monday db").encode())
    given = {option.keyword: option for option in options if option.val is not None}
    left_out: set[bytes | None] = {option.envvar for option in given.values()} | {name.encode() for name in _LEFT_OUT}
    if b"service" not in given:
        # A program would heed PGSERVICE before the variables that carry the address: it is looked up here instead.
        from_outside = [option for option in Conninfo.get_defaults() if option.val != option.compiled]
        given = {option.keyword: option for option in from_outside if option.keyword != b"service"} | given
        left_out |= {b"PGSERVICE", b"PGSERVICEFILE"}
    address = {option.envvar: option.val for option in given.values() if option.envvar and option.val}
    return {name: value for name, value in os.environb.items() if name not in left_out} | address


async def run_client(
    program: str, arguments: Sequence[str | Path], conninfo: str, remedy: str, tools: Path | None = None
) -> str:
    """What `program` of `tools`, or of those that came along, printed.

    Raises DatabaseError with what it complained of and `remedy`. A program whose waiter is cancelled is killed.
    """
    command = [(tools or client_tools()) / program, *arguments]
    return await _run(command, remedy, env=client_environment(conninfo), stdin=subprocess.DEVNULL)


async def run_confined(
    program: str, arguments: Sequence[str], remedy: str, *, stdin: int, stdout: int = subprocess.PIPE
) -> str:
    """`run_client` for what reads a file from outside: as the server's user, never root, and without our secrets.

    It has the descriptor `stdin`, and writes to `stdout` where that is given. Raises EmbeddedServerError too.
    """
    user = await asyncio.to_thread(ServerUser.of, NO_CLUSTER)
    tools = await asyncio.to_thread(server_tools, user)
    options = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.is_another else {}
    return await _run(
        [tools / program, *arguments], remedy, env={b"LC_ALL": b"C"}, stdin=stdin, stdout=stdout, cwd="/", **options
    )


async def _run(command: Sequence[str | Path], remedy: str, *, stdout: int = subprocess.PIPE, **options: Any) -> str:
    program = Path(command[0]).name
    process = await asyncio.create_subprocess_exec(*command, stdout=stdout, stderr=subprocess.PIPE, **options)
    try:
        with shown_wait(f"{program}, for at most {_WITHIN_S / 60:.0f} min"):
            printed, complaint = await asyncio.wait_for(process.communicate(), _WITHIN_S)
    except (asyncio.CancelledError, TimeoutError) as exc:
        with suppress(ProcessLookupError):  # it has just ended by itself
            process.kill()
        await process.wait()
        if isinstance(exc, TimeoutError):
            raise DatabaseError(f"{program} was ended: it took longer than {_WITHIN_S / 60:.0f} min.", remedy) from exc
        raise
    if UNCONFIRMED.encode() in complaint:
        raise translate(CommitNotConfirmedError(f"{program} was not told that it is replicated"))
    if process.returncode != 0:
        said = (
            " ".join(complaint.decode(errors="replace").split())[:500] or f"it ended with status {process.returncode}"
        )
        raise DatabaseError(f"{program} failed: {sentence(said)}", remedy)
    return (printed or b"").decode(errors="replace")


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
    server's major version or of the next above it, because what an older one writes, more programs can read. Raises
    DatabaseError where there are none.
    """
    if not connection.pgconn.ssl_in_use:
        return client_tools()
    server = connection.info.server_version // 10000
    for major in range(server, server + _NEWER_LOOKED_FOR + 1):
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


async def run_psql(conninfo: str, tools: Path) -> int:
    """PostgreSQL's shell of `tools` in the operator's terminal; gives its exit code, as a shell counts it.

    It is told to end if the waiter is cancelled, and waited for.
    """
    environment = client_environment(conninfo)
    environment.pop(b"PGCLIENTENCODING", None)  # psql takes the terminal's own
    process = await asyncio.create_subprocess_exec(tools / "psql", "--no-password", env=environment)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):  # it has just ended by itself
            process.terminate()
        await process.wait()
        raise
    return code if code >= 0 else _KILLED - code
