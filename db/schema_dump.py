"""The text of `schema.sql`: what the migrations make, as PostgreSQL 18's pg_dump writes it.

To write it anew after adding a migration: `DATABASE_URL=... python -m db.schema_dump > db/schema.sql`, with a
database that holds nothing but the migrations' tables.
"""

import asyncio
import os
import re
import sys

from db.client_programs import run_client

# pg_dump writes a new random key at each run, and versions that differ without the tables differing.
# A server's own mark on a column, from the security releases of November 2026 (15.20) on.
_COLUMN_MARK = re.compile(r"ALTER TABLE ONLY \S+ ALTER COLUMN \S+ SET \(pg_attver=\d+\);\n")
_CHANGING_LINES = ("\\restrict ", "\\unrestrict ", "-- Dumped ")


def dump_schema(conninfo: str) -> str:
    """The schema of the database at `conninfo`, without owners and privileges. Raises DatabaseError."""
    dump = asyncio.run(
        run_client(
            "pg_dump",
            ["--schema-only", "--no-owner", "--no-privileges", "--no-password"],
            conninfo,
            "Check DATABASE_URL, and that its user may read every table.",
        )
    )
    return "".join(
        line
        for line in dump.splitlines(keepends=True)
        if not line.startswith(_CHANGING_LINES) and not _COLUMN_MARK.fullmatch(line)
    )


if __name__ == "__main__":
    sys.stdout.write(dump_schema(os.environ["DATABASE_URL"]))
