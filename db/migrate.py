"""Bringing the tables to this version, and refusing tables that do not fit it."""

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import tuple_row

from db import dbmate, sessions
from db.database_creation import connect_or_create
from db.driver_errors import translated
from db.errors import SchemaError
from db.waiting import bounded

MIGRATIONS = Path(__file__).parent / "migrations"
_FILE_NAME = re.compile(r"(?P<version>[0-9]{14})_(?P<name>[a-z0-9_]+)\.sql", re.ASCII)
TABLES = ("schema_migrations", "migration_checksums")
_REINSTALL = "Reinstall alpha-monday, so that its migrations are those that were shipped."

# Whether each table is there, and whether the first one is as dbmate makes it.
_TABLES = """
select to_regclass('schema_migrations') is not null, to_regclass('migration_checksums') is not null,
       exists (
           select from pg_attribute
           where attrelid = to_regclass('schema_migrations') and attname = 'version' and not attisdropped
             and atttypid in ('varchar'::regtype, 'text'::regtype)
       )
"""
_VERSIONS = "select version, null from schema_migrations"
_VERSIONS_AND_CHECKSUMS = "select version, sha256 from schema_migrations left join migration_checksums using (version)"
_PLACES = """
select current_schema()::text, (
    select nspname::text from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where pg_class.oid = to_regclass('schema_migrations')
)
"""
_FORGET = "delete from migration_checksums where version not in (select version from schema_migrations)"
# The process that migrates waits for dbmate; each attempt to get the lock is shorter than the limit of a statement.
_BEGIN_TURN = "begin; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = '5s'"
# It conflicts with itself and with no row that dbmate writes. dbmate's own lock is one that any role may hold for ever.
# The table is as dbmate makes it.
_MAKE = "create table if not exists schema_migrations (version varchar primary key)"
_MADE_AT_THE_SAME_MOMENT = (
    psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject,
)  # fmt: skip
_LOCK = "lock table schema_migrations in share update exclusive mode"
_MAY_RECORD = "select has_table_privilege('migration_checksums', 'insert')"
_RECORD = """
insert into migration_checksums (version, sha256)
select version, sha256
from unnest(%s::text[], %s::text[]) as shipped (version, sha256) join schema_migrations using (version)
on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file: its version (14 digits), its name, and its bytes' SHA-256 in hexadecimal digits."""

    version: str
    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Versions, each in ascending order; `edited` holds file names.

    `unknown` was applied to the database and is not shipped here; `edited` was applied with other content. `is_foreign`
    says that schema_migrations is another program's: of another form, or without a single version of ours.
    """

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    is_foreign: bool = False


def shipped(directory: Path = MIGRATIONS) -> list[Migration]:
    """The migrations in `directory`, by version.

    Raises SchemaError for a bad file name, a version used twice, and a file that cannot be read.
    """
    migrations: dict[str, Migration] = {}
    try:
        for path in sorted(directory.glob("*.sql")):
            parts = _FILE_NAME.fullmatch(path.name)
            if parts is None:
                raise SchemaError(f"{directory} holds {path.name[:80]!r}, which is no migration's name.", _REINSTALL)
            migration = Migration(parts["version"], parts["name"], path, hashlib.sha256(path.read_bytes()).hexdigest())
            twin = migrations.setdefault(migration.version, migration)
            if twin is not migration:
                raise SchemaError(f"{twin.path.name} and {path.name} in {directory} share a version.", _REINSTALL)
    except OSError as exc:
        raise SchemaError(f"{exc.filename} cannot be read: {exc.strerror}.", _REINSTALL) from exc
    if not migrations:
        raise SchemaError(f"{directory} holds no migrations.", _REINSTALL)
    return list(migrations.values())


def status(connection: psycopg.Connection[Any], directory: Path = MIGRATIONS) -> MigrationStatus:
    """Where the database stands: two quick queries. Raises SchemaError where `shipped` does."""
    applied, has_other_form = _applied(connection)
    return _compare(shipped(directory), applied, has_other_form=has_other_form)


async def check(connection: psycopg.AsyncConnection[Any], directory: Path = MIGRATIONS) -> MigrationStatus:
    """`status` over an asynchronous connection."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_TABLES)
        tables = await cursor.fetchone()
        query = _applied_query(tables)
        applied: dict[str, str | None] = dict(await (await cursor.execute(query)).fetchall()) if query else {}
    return _compare(shipped(directory), applied, has_other_form=_has_other_form(tables))


def problem(status: MigrationStatus, *, may_be_behind: bool) -> SchemaError | None:
    """What keeps this version from working on these tables, if anything.

    `may_be_behind` is for those who are about to migrate.
    """
    if status.is_foreign:
        return SchemaError(
            "The table schema_migrations in this database belongs to another program"
            + (f": it has the {_named(status.unknown)}." if status.unknown else "."),
            "Name another database in DATABASE_URL, or give alpha-monday a schema of its own: let search_path name it "
            "and no other, in DATABASE_URL (options) or for the user. Nothing was changed.",
        )
    last = max([*status.applied, *status.pending], default="")
    if newer := [version for version in status.unknown if version > last]:
        return SchemaError(
            f"The database was written by a newer version of alpha-monday: it has the {_named(newer)}, "
            f"this version ends at {last}.",
            "Upgrade alpha-monday.",
        )
    if status.unknown:
        return SchemaError(
            f"The database has the {_named(status.unknown)}, for which this version has no file.",
            f"{_REINSTALL} If another program keeps its migrations in the same schema_migrations, give each a database "
            "or a schema of its own.",
        )
    if status.edited:
        return SchemaError(f"Edited after being applied to this database: {', '.join(status.edited)}.", _REINSTALL)
    if overtaken := [version for version in status.pending if version < max(status.applied, default="")]:
        return SchemaError(
            f"The {_named(overtaken)} was overtaken: the database has later ones already.",
            "Restore a backup from before the later ones, or roll them back with dbmate.",
        )
    if status.pending and not may_be_behind:
        return SchemaError(
            f"The database is behind this version: it lacks the {_named(status.pending)}.",
            "Run `alpha-monday db up` as the owner of the database.",
        )
    return None


def raise_unless_current(status: MigrationStatus, *, may_be_behind: bool) -> None:
    """Raises the SchemaError that `problem` finds."""
    if found := problem(status, may_be_behind=may_be_behind):
        raise found


def up(conninfo: str, directory: Path = MIGRATIONS) -> list[Migration]:
    """Creates the database where it is missing, applies what is pending, and gives what this call applied.

    Any number of callers may do so at the same time. Raises SchemaError for tables that do not fit this
    version and for a migration that fails, and the DatabaseError of a server that is unreachable or refuses.
    """
    migrations = shipped(directory)
    done: list[str] = []
    with translated(), connect_or_create(conninfo) as connection, bounded(connection):
        applied, has_other_form = _applied(connection)
        before = _compare(migrations, applied, has_other_form=has_other_form)
        raise_unless_current(before, may_be_behind=True)
        if before.pending:
            _require_one_schema(connection)
            _forget_checksums(connection)
            with _turn(connection):
                done = dbmate.run(connection, directory, "migrate", "--strict")
        if before.pending or None in applied.values():
            _record_checksums(connection, migrations)
    return [migration for migration in migrations if migration.path.name in done]


def up_to(conninfo: str, applied: Mapping[str, str | None]) -> None:
    """`up` with no migration but those `applied` elsewhere, given with their checksums where those were kept.

    Raises SchemaError too for migrations that are not those of this version, and OSError for temporary files.
    """
    before = _compare(shipped(), applied, has_other_form=False)
    raise_unless_current(before, may_be_behind=True)
    with tempfile.TemporaryDirectory(prefix="alpha-monday-") as directory:
        for migration in shipped():
            if migration.version in applied:
                shutil.copy(migration.path, directory)
        if before.applied:
            up(conninfo, Path(directory))
        else:
            with translated():
                connect_or_create(conninfo).close()


def down(conninfo: str, directory: Path = MIGRATIONS) -> Migration | None:
    """Takes the last applied migration back, and the rows of the tables it made with it.

    None where none is applied. Raises what `up` raises.
    """
    migrations = shipped(directory)
    with translated(), sessions.connect(conninfo) as connection:
        applied, has_other_form = _applied(connection)
        before = _compare(migrations, applied, has_other_form=has_other_form)
        raise_unless_current(before, may_be_behind=True)
        if not before.applied:
            return None
        _require_one_schema(connection)
        with _turn(connection):
            done = dbmate.run(connection, directory, "rollback")
    return next(migration for migration in migrations if migration.path.name in done)


@contextmanager
def _turn(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Lets one process at a time migrate. Raises psycopg.errors.LockNotAvailable after ten minutes."""
    try:
        if not (connection.execute(_TABLES).fetchone() or (False,))[0]:
            with suppress(*_MADE_AT_THE_SAME_MOMENT):
                connection.execute(_MAKE)
        deadline = time.monotonic() + dbmate.WITHIN_S
        while not _take_turn(connection, is_last=time.monotonic() > deadline):
            pass
    except psycopg.errors.InsufficientPrivilege as exc:
        connection.rollback()
        raise dbmate.may_not_migrate(connection, exc.diag.message_primary or "the server did not say why") from exc
    yield
    connection.rollback()


def _take_turn(connection: psycopg.Connection[Any], *, is_last: bool) -> bool:
    """Whether the table of migrations is locked now, in a transaction that goes on; it is waited for some seconds."""
    connection.execute(_BEGIN_TURN)
    try:
        connection.execute(_LOCK)
    except psycopg.errors.LockNotAvailable:
        connection.rollback()
        if is_last:
            raise
        return False
    return True


def _applied(connection: psycopg.Connection[Any]) -> tuple[dict[str, str | None], bool]:
    """The checksum of every version that was applied, and whether schema_migrations has another form than dbmate's."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        tables = cursor.execute(_TABLES).fetchone()
        query = _applied_query(tables)
        return dict(cursor.execute(query).fetchall()) if query else {}, _has_other_form(tables)


def _has_other_form(tables: tuple[bool, bool, bool] | None) -> bool:
    return tables is not None and tables[0] and not tables[2]


def _applied_query(tables: tuple[bool, bool, bool] | None) -> LiteralString | None:
    if tables is None or not tables[0] or _has_other_form(tables):
        return None
    return _VERSIONS_AND_CHECKSUMS if tables[1] else _VERSIONS


def _compare(
    migrations: Sequence[Migration], applied: Mapping[str, str | None], *, has_other_form: bool
) -> MigrationStatus:
    """`applied` gives, by version, the checksum where one was recorded."""
    ours = {migration.version for migration in migrations}
    return MigrationStatus(
        applied=tuple(migration.version for migration in migrations if migration.version in applied),
        pending=tuple(migration.version for migration in migrations if migration.version not in applied),
        unknown=tuple(sorted(applied.keys() - ours)),
        edited=tuple(
            migration.path.name
            for migration in migrations
            if applied.get(migration.version) not in (None, migration.sha256)
        ),
        is_foreign=has_other_form or (bool(applied) and not ours & applied.keys()),
    )


def _named(versions: Sequence[str]) -> str:
    names = ", ".join(version[:40] for version in versions[:3])
    more = f" and {len(versions) - 3} more" if len(versions) > 3 else ""
    return f"migration{'s' if len(versions) > 1 else ''} {names}{more}"


def _require_one_schema(connection: psycopg.Connection[Any]) -> None:
    """Refuses where dbmate, which works in the first schema of the search path, would not find the tables."""
    row = connection.execute(_PLACES).fetchone()
    current, tables = row or (None, None)
    if current is None or tables not in (None, current):
        raise SchemaError(
            f"The search path of {connection.info.user[:63]!r} leads first to the schema {current!r}; "
            f"the tables stand in {tables!r}.",
            "Correct search_path, in DATABASE_URL (options) or for the user: the tables' schema comes first.",
        )


def _checksums_kept(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(_TABLES).fetchone()
    return row is not None and all(row[:2])


def _forget_checksums(connection: psycopg.Connection[Any]) -> None:
    """Those of migrations that were taken back, by whatever program: their files may change again."""
    if _checksums_kept(connection):
        try:
            connection.execute(_FORGET)
        except psycopg.errors.InsufficientPrivilege as exc:
            raise dbmate.may_not_migrate(connection, exc.diag.message_primary or "the server did not say why") from exc


def _record_checksums(connection: psycopg.Connection[Any], migrations: Sequence[Migration]) -> None:
    """Those that are missing, where the user may: a writer finds current tables and leaves the rest to their owner."""
    if _checksums_kept(connection) and connection.execute(_MAY_RECORD).fetchone() == (True,):
        versions = [migration.version for migration in migrations]
        connection.execute(_RECORD, (versions, [migration.sha256 for migration in migrations]))
