"""The text of `schema.sql`: what the migrations make, as PostgreSQL 18's pg_dump writes it.

To write it anew after adding a migration: `DATABASE_URL=... python -m db.schema_dump > db/schema.sql`, with a
database that holds nothing but the migrations' tables.
"""

import os
import subprocess
import sys

from psycopg.pq import Conninfo

from db.database import parse_conninfo
from db.embedded import client_tools
from db.errors import DatabaseError

# pg_dump writes a new random key at each run, and versions that differ without the tables differing.
_CHANGING_LINES = ("\\restrict ", "\\unrestrict ", "-- Dumped ")


def dump_schema(conninfo: str) -> str:
    """The schema of the database at `conninfo`, without owners and privileges. Raises DatabaseError."""
    # The address travels in the environment, because everyone on the machine can read a command line; what
    # has no variable of its own (keepalives and the like) does not matter to a dump.
    options = Conninfo.parse(parse_conninfo(conninfo).encode())
    address = {option.envvar: option.val for option in options if option.envvar and option.val}
    finished = subprocess.run(  # noqa: S603 - our own dependency's program, and no shell
        [client_tools() / "pg_dump", "--schema-only", "--no-owner", "--no-privileges", "--no-password"],
        env={**os.environb, **address},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if finished.returncode != 0:
        raise DatabaseError(
            f"pg_dump failed: {' '.join(finished.stderr.split())[:500]}",
            "Check DATABASE_URL, and that its user may read every table.",
        )
    lines = finished.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_CHANGING_LINES))


if __name__ == "__main__":
    sys.stdout.write(dump_schema(os.environ["DATABASE_URL"]))
