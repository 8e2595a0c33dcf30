"""PostgreSQL's own client programs (psql, pg_dump, pg_restore), run without an address in their arguments."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from psycopg.pq import Conninfo

from db.database import parse_conninfo
from db.embedded import client_tools
from db.errors import DatabaseError


def client_environment(conninfo: str) -> dict[bytes, bytes]:
    """The environment in which a client program finds the database at `conninfo`.

    The address travels so because everyone on the machine can read a command line; what has no variable of its own
    (keepalives and the like) does not matter to these programs.
    """
    options = Conninfo.parse(parse_conninfo(conninfo).encode())
    address = {option.envvar: option.val for option in options if option.envvar and option.val}
    return {**os.environb, **address}


def run_client(program: str, arguments: Sequence[str | Path], conninfo: str, remedy: str) -> str:
    """What `program` printed. Raises DatabaseError with what it complained of and `remedy`."""
    finished = subprocess.run(  # noqa: S603 - our own dependency's program, and no shell
        [client_tools() / program, *arguments],
        env=client_environment(conninfo),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if finished.returncode != 0:
        raise DatabaseError(f"{program} failed: {' '.join(finished.stderr.split())[:500]}", remedy)
    return finished.stdout


def run_psql(conninfo: str) -> int:
    """PostgreSQL's shell in the operator's terminal; gives its exit code."""
    return subprocess.run(  # noqa: S603 - our own dependency's program, and no shell
        [client_tools() / "psql", "--no-password"], env=client_environment(conninfo), check=False
    ).returncode
