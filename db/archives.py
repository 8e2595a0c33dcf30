"""A dump read as data: its rows alone are taken, and no statement that stands in it is ever run.

Whoever made the file may have put anything into it: functions, triggers, checks, commands of psql. So the tables come
from this version's own migrations, and rows arrive in them by COPY, as values.
"""

import asyncio
import os
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, LiteralString, cast

from psycopg import AsyncConnection, sql

from db import migrate
from db.blocking import in_thread, to_its_end
from db.client_programs import run_confined
from db.dumps import BackupError, connected
from db.errors import EmbeddedServerError
from db.moving import WITH_STATE, own_tables
from db.scratch import scratch_server
from db.statements import load

_SQL: dict[str, LiteralString] = {name: cast("Any", body.decode()) for name, body in load("archives").items()}
_VERSIONS, _CHECKSUMS = migrate.TABLES
_TABLE = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA |ATTACH )(\S+) (\S+) ", re.MULTILINE | re.ASCII)
_COPY = re.compile(rb'COPY \S+ \(([a-z0-9_", ]+)\) FROM stdin;\n')
_END = b"\\.\n"
_LONGEST_ROW = 64 * 1024 * 1024
_NOTHING_RESTORED = (
    "Nothing was restored. Check that the file is a backup by alpha-monday, and that there is room in the directory "
    "for temporary files (TMPDIR)."
)


@dataclass(frozen=True, slots=True)
class Archive:
    """A dump: a copy of the file that nobody else can reach, the schema of our tables in it, and their names.

    `applied` gives the checksum, where one was kept, of each migration that its tables were made by. `left_out` are
    other tables, as schema.name.
    """

    file: IO[bytes]
    schema: str
    names: frozenset[str]
    applied: Mapping[str, str | None]
    left_out: tuple[str, ...]


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Archive]:
    """What the file at `path` holds, which is read once.

    Raises BackupError where there is no file, DatabaseError where it is no dump.
    """
    with _temporary_file() as copy:
        await to_its_end(_copy_of, path, copy)
        listed = await _read(copy, "--list")
        found = {(schema, name) for schema, name in _TABLE.findall(listed)}
        schemas = sorted({schema for schema, name in found if {(schema, "batches"), (schema, _VERSIONS)} <= found})
        schema = "public" if "public" in schemas or len(schemas) != 1 else schemas[0]
        names = frozenset(name for other, name in found if other == schema and schemas)
        ours = {*WITH_STATE, _VERSIONS, _CHECKSUMS}
        archive = Archive(
            copy,
            schema,
            names & ours,
            await _applied(copy, schema, names),
            tuple(sorted(f"{each}.{name}" for each, name in found if each != schema or name not in ours)),
        )
        yield archive


@asynccontextmanager
async def restored(archive: Archive) -> AsyncIterator[str]:
    """How a temporary server is reached that holds the rows of `archive`, in tables of the migrations it came from.

    The server goes with the block. Raises SchemaError for migrations that are not those of this version, BackupError
    where the server cannot be had or a row is malformed, DatabaseError where one does not fit its table.
    """
    try:
        async with in_thread(scratch_server()) as server:
            conninfo = server.conninfo("restored")
            await asyncio.to_thread(migrate.up_to, conninfo, archive.applied)
            async with connected(conninfo) as connection:
                # The rows were judged where they were written, and are judged again where they go.
                await connection.execute(_SQL["without_guards"])
                for table in await own_tables(connection, [name for name in WITH_STATE if name in archive.names]):
                    await _load(archive, table.name, connection)
            yield conninfo
    except EmbeddedServerError as exc:
        raise BackupError(
            f"The backup cannot be proved: the temporary PostgreSQL for it fails: {exc.message}",
            "Make room in the directory for temporary files, or set TMPDIR to another one.",
        ) from exc


async def _load(archive: Archive, name: str, connection: AsyncConnection[Any]) -> None:
    with _temporary_file() as script:
        columns = await _rows_of(archive.file, archive.schema, name, script)
        copying = sql.SQL(_SQL["write"]).format(
            table=sql.Identifier(name), columns=sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        async with connection.cursor() as cursor, cursor.copy(copying) as arriving:
            for row in _rows(script):
                await arriving.write(row)


async def _applied(copy: IO[bytes], schema: str, names: frozenset[str]) -> dict[str, str | None]:
    """The versions, each with its checksum where one was kept."""
    found: dict[str, str | None] = {}
    for name, wanted in ((_VERSIONS, ("version",)), (_CHECKSUMS, ("version", "sha256"))):
        if name not in names:
            continue
        with _temporary_file() as script:
            columns = await _rows_of(copy, schema, name, script)
            if not set(wanted) <= set(columns):
                continue
            for row in _rows(script):
                fields = row.decode(errors="replace").rstrip("\n").split("\t")
                values = dict(zip(columns, fields, strict=False))
                version = values.get("version", "")
                if name == _VERSIONS or version in found:
                    found[version] = values.get("sha256")
    return found


async def _rows_of(copy: IO[bytes], schema: str, name: str, script: IO[bytes]) -> list[str]:
    """The columns of a table, at whose rows `script` stands afterwards."""
    await _read(copy, "--data-only", f"--schema={schema}", f"--table={name}", "--file=-", stdout=script.fileno())
    script.seek(0)
    while line := script.readline(_LONGEST_ROW):
        if (header := _COPY.fullmatch(line)) is not None:
            return header[1].decode().replace('"', "").split(", ")
    raise BackupError(f"The backup is damaged: it lacks the rows of the table {name}.", _NOTHING_RESTORED)


def _rows(script: IO[bytes]) -> Iterator[bytes]:
    while (row := script.readline(_LONGEST_ROW)) != _END:
        if not row.endswith(b"\n"):
            raise BackupError("The backup is damaged: a row has no end.", _NOTHING_RESTORED)
        yield row


async def _read(copy: IO[bytes], *arguments: str, stdout: int | None = None) -> str:
    copy.seek(0)
    output = {} if stdout is None else {"stdout": stdout}
    return await run_confined("pg_restore", arguments, _NOTHING_RESTORED, stdin=copy.fileno(), **output)


def _copy_of(path: Path, copy: IO[bytes]) -> None:
    try:
        # What is no regular file, a pipe for one, might never end; opening one must not wait for its other side.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise _unreadable(path, exc.strerror or str(exc)) from exc
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unreadable(path, "it is no regular file")
        with _told_of_temporary_files(), open(descriptor, "rb", closefd=False) as file:
            shutil.copyfileobj(file, copy, 1024 * 1024)
            copy.flush()
    finally:
        os.close(descriptor)


def _unreadable(path: Path, why: str) -> BackupError:
    return BackupError(f"{str(path)!r} cannot be read: {why}.", "Name a file that alpha-monday db backup wrote.")


@contextmanager
def _temporary_file() -> Iterator[IO[bytes]]:
    """A file without a name, gone afterwards."""
    with ExitStack() as stack:
        with _told_of_temporary_files():
            file = stack.enter_context(tempfile.TemporaryFile(prefix="alpha-monday-"))
        yield file


@contextmanager
def _told_of_temporary_files() -> Iterator[None]:
    """Turns what the system refuses under TMPDIR into an operator's error that names it."""
    try:
        yield
    except OSError as exc:
        raise BackupError(
            f"Temporary files cannot be written in {tempfile.tempdir or 'any directory for them'}: {exc.strerror}.",
            "Make room there, or set TMPDIR to another directory.",
        ) from exc
