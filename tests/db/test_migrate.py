"""Migrating up and down, and refusing a database or a directory that does not fit, on every supported PostgreSQL."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from db import dbmate, migrate
from db.errors import DatabaseReadOnlyError, DatabaseRefusedError, DatabaseUnavailableError, SchemaError
from db.migrate import MIGRATIONS, MigrationStatus

ROOT = MIGRATIONS.parent.parent
VERSIONS = tuple(migration.version for migration in migrate.shipped())
LATER = "20990101000001"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the shipped migrations, for a test to spoil."""
    return shutil.copytree(MIGRATIONS, tmp_path / "migrations of ours")


def add(directory: Path, name: str, up: str = "select 1;", down: str = "select 1;") -> None:
    (directory / name).write_text(f"-- migrate:up\n{up}\n-- migrate:down\n{down}\n")


def read(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(query.encode()).fetchall()


def status(conninfo: str, directory: Path = MIGRATIONS) -> MigrationStatus:
    with psycopg.connect(conninfo) as connection:
        return migrate.status(connection, directory)


@pytest.fixture
def role(missing: str) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"role_{os.urandom(4).hex()}"
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        yield name
        target = sql.Identifier(str(conninfo_to_dict(missing)["dbname"]))
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(target))
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


# The directory


def test_the_shipped_migrations_are_one_a_table_in_the_document_s_order() -> None:
    assert [migration.name for migration in migrate.shipped()] == [
        "create_batches",
        "create_picks",
        "create_checkpoints",
        "create_pick_checkpoint_metrics",
        "create_events",
        "guards",
        "waiting_days",
        "scheduler_state",
        "migration_checksums",
        "waiting_evidence",
        "turn_locks",
    ]
    assert list(VERSIONS) == sorted(VERSIONS)


def test_two_files_of_one_version_are_refused(directory: Path) -> None:
    add(directory, f"{VERSIONS[3]}_again.sql")
    with pytest.raises(SchemaError, match=f"{VERSIONS[3]}_again.sql and .* share a version"):
        migrate.shipped(directory)


@pytest.mark.parametrize("name", ["1_short.sql", f"{LATER}-dash.sql", f"{LATER}_Capital.sql", "readme.sql"])
def test_a_file_name_that_dbmate_or_we_would_misread_is_refused(directory: Path, name: str) -> None:
    add(directory, name)
    with pytest.raises(SchemaError, match="no migration's name"):
        migrate.shipped(directory)


def test_a_directory_without_migrations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="holds no migrations"):
        migrate.shipped(tmp_path)


def test_a_migration_that_cannot_be_read_is_named(directory: Path) -> None:
    (directory / f"{LATER}_folder.sql").mkdir()
    with pytest.raises(SchemaError, match=f"{LATER}_folder.sql cannot be read"):
        migrate.shipped(directory)


# What a status means


@pytest.mark.parametrize("may_be_behind", [True, False])
@pytest.mark.parametrize(
    ("found", "message", "remedy"),
    [
        (MigrationStatus(VERSIONS, (), (LATER,)), f"newer version .* {LATER}", "Upgrade alpha-monday"),
        (MigrationStatus(VERSIONS, (), ("20260130000000",)), "no file", "Reinstall"),
        (MigrationStatus(VERSIONS, (), (), ("20260130000006_guards.sql",)), "20260130000006_guards.sql", "Reinstall"),
        (MigrationStatus(VERSIONS[1:], VERSIONS[:1]), f"{VERSIONS[0]} was overtaken", "Restore a backup"),
    ],
)
def test_tables_that_do_not_fit_are_refused_whoever_asks(
    found: MigrationStatus, message: str, remedy: str, may_be_behind: bool
) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        migrate.raise_unless_current(found, may_be_behind=may_be_behind)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("found", [MigrationStatus((), VERSIONS), MigrationStatus(VERSIONS[:-1], VERSIONS[-1:])])
def test_pending_migrations_stop_readers_only(found: MigrationStatus) -> None:
    assert migrate.problem(found, may_be_behind=True) is None
    problem = migrate.problem(found, may_be_behind=False)
    assert problem is not None
    assert "alpha-monday db up" in problem.remedy


def test_current_tables_are_no_problem() -> None:
    migrate.raise_unless_current(MigrationStatus(VERSIONS, ()), may_be_behind=False)


def test_a_long_list_of_hostile_versions_is_cut_short() -> None:
    problem = migrate.problem(MigrationStatus(VERSIONS, (), ("9" * 5000,) * 200), may_be_behind=True)
    assert len(str(problem)) < 400


# Up and down


def test_up_creates_what_is_missing_and_says_what_it_applied(missing: str) -> None:
    assert tuple(migration.version for migration in migrate.up(missing)) == VERSIONS
    assert status(missing) == MigrationStatus(VERSIONS, ())
    assert migrate.up(missing) == []


def test_up_does_not_call_dbmate_when_nothing_is_pending(migrated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbmate, "find_program", lambda: pytest.fail("dbmate was called"))
    assert migrate.up(migrated) == []


def test_up_applies_only_what_is_new(migrated: str, directory: Path) -> None:
    add(directory, f"{LATER}_later.sql", "create table later (id integer);", "drop table later;")
    assert status(migrated, directory) == MigrationStatus(VERSIONS, (LATER,))
    assert [migration.name for migration in migrate.up(migrated, directory)] == ["later"]
    assert read(migrated, "select count(*) from later") == [(0,)]
    taken_back = migrate.down(migrated, directory)
    assert taken_back is not None
    assert taken_back.version == LATER
    assert status(migrated, directory).pending == (LATER,)


def test_a_database_without_tables_is_behind_and_has_nothing_to_take_back(bare_conninfo: str) -> None:
    assert status(bare_conninfo) == MigrationStatus((), VERSIONS)
    assert migrate.down(bare_conninfo) is None


async def test_the_asynchronous_check_sees_the_same(migrated: str, directory: Path) -> None:
    add(directory, f"{LATER}_later.sql")
    async with await psycopg.AsyncConnection.connect(migrated, row_factory=dict_row) as connection:
        assert await migrate.check(connection, directory) == status(migrated, directory)
        assert await migrate.check(connection) == MigrationStatus(VERSIONS, ())
        await connection.execute("alter table schema_migrations rename to elsewhere")
        assert await migrate.check(connection) == MigrationStatus((), VERSIONS)
        await connection.rollback()


@pytest.mark.parametrize("attempt", range(2))
def test_four_processes_may_migrate_a_missing_database_at_once(missing: str, attempt: int) -> None:
    program = "import os; from db import migrate; print(len(migrate.up(os.environ['CONNINFO'])))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "CONNINFO": missing},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, ends
    assert sum(int(output) for output, _ in ends) == len(VERSIONS)
    assert status(missing) == MigrationStatus(VERSIONS, ())


def test_a_database_that_somebody_creates_between_two_looks_is_used(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = psycopg.connect

    def created_after_the_first_refusal(conninfo: str, **parameters: Any) -> psycopg.Connection[Any]:
        try:
            return connect(conninfo, **parameters)
        except psycopg.OperationalError:
            monkeypatch.undo()
            with connect(missing, dbname="postgres", autocommit=True) as connection:
                name = sql.Identifier(str(conninfo_to_dict(missing)["dbname"]))
                connection.execute(sql.SQL("create database {}").format(name))
            raise

    monkeypatch.setattr(psycopg, "connect", created_after_the_first_refusal)
    assert len(migrate.up(missing)) == len(VERSIONS)


def test_a_migration_that_fails_leaves_itself_out_and_the_earlier_ones_in(migrated: str, directory: Path) -> None:
    add(directory, f"{LATER}_good.sql", "create table good (id integer);")
    add(directory, "20990101000002_bad.sql", "create table bad (id integer); select 1 / 0;")
    with pytest.raises(SchemaError, match=r"division by zero .*\.$"):
        migrate.up(migrated, directory)
    assert status(migrated, directory).pending == ("20990101000002",)
    assert read(migrated, "select to_regclass('good') is null, to_regclass('bad') is null") == [(False, True)]


# Databases that do not fit


def test_a_newer_database_is_refused_before_anything_is_done(migrated: str, directory: Path) -> None:
    add(directory, f"{LATER}_later.sql")
    migrate.up(migrated, directory)
    for step in (migrate.up, migrate.down):
        with pytest.raises(SchemaError, match="newer version"):
            step(migrated)
    assert status(migrated).unknown == (LATER,)


def test_an_edited_file_is_named(migrated: str, directory: Path) -> None:
    with (directory / "20260130000002_create_picks.sql").open("a") as file:
        file.write("-- a word more\n")
    assert status(migrated, directory).edited == ("20260130000002_create_picks.sql",)
    with pytest.raises(SchemaError, match=r"20260130000002_create_picks\.sql"):
        migrate.up(migrated, directory)


def test_a_migration_that_slipped_in_before_applied_ones_is_refused(migrated: str, directory: Path) -> None:
    add(directory, "20260130000000_slipped_in.sql", "create table slipped_in (id integer);")
    with pytest.raises(SchemaError, match="20260130000000 was overtaken"):
        migrate.up(migrated, directory)
    assert read(migrated, "select to_regclass('slipped_in') is null") == [(True,)]


def test_a_missing_checksum_is_filled_in_by_the_next_up(migrated: str) -> None:
    query = "select version, sha256 from migration_checksums order by version"
    recorded = read(migrated, query)
    assert recorded == [(migration.version, migration.sha256) for migration in migrate.shipped()]
    with psycopg.connect(migrated) as connection:
        connection.execute("delete from migration_checksums where version = %s", (VERSIONS[2],))
    assert status(migrated) == MigrationStatus(VERSIONS, ())
    migrate.up(migrated)
    assert read(migrated, query) == recorded


@pytest.mark.parametrize("by_us", [True, False])
def test_a_migration_that_was_taken_back_may_be_edited(migrated: str, directory: Path, by_us: bool) -> None:
    add(directory, f"{LATER}_later.sql")
    migrate.up(migrated, directory)
    if by_us:
        migrate.down(migrated, directory)
    else:
        with psycopg.connect(migrated, autocommit=True) as connection:
            dbmate.run(connection, directory, "rollback")
    add(directory, f"{LATER}_later.sql", "select 2;")
    migrate.up(migrated, directory)
    assert status(migrated, directory) == MigrationStatus((*VERSIONS, LATER), ())


# Rights, and servers that refuse


def test_a_role_that_may_not_create_tables_is_told_who_may(missing: str, role: str) -> None:
    migrate.up(missing)
    migrate.down(missing)
    with psycopg.connect(missing) as connection:
        grant = sql.SQL("grant select on schema_migrations, migration_checksums to {}")
        connection.execute(grant.format(sql.Identifier(role)))
    with pytest.raises(DatabaseRefusedError, match=f"{role}.* may not change the tables: .*permission") as caught:
        migrate.up(make_conninfo(missing, user=role))
    assert "`alpha-monday db up` as the owner of the database (postgres)" in caught.value.remedy


def test_a_role_that_may_not_create_the_database_is_told_so(missing: str, role: str) -> None:
    with pytest.raises(DatabaseRefusedError, match=f"{role}.* may not create the missing database"):
        migrate.up(make_conninfo(missing, user=role))


def test_a_refusal_that_is_not_about_a_missing_database_stays_what_it_was(migrated: str) -> None:
    with pytest.raises(DatabaseRefusedError, match='role "nobody at all" does not exist'):
        migrate.up(make_conninfo(migrated, user="nobody at all"))


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        migrate.up(make_conninfo(host=str(tmp_path), user="postgres", dbname="alpha_monday"))


def test_a_read_only_session_is_told_so(migrated: str) -> None:
    migrate.down(migrated)
    with pytest.raises(DatabaseReadOnlyError):
        migrate.up(make_conninfo(migrated, options="-c default_transaction_read_only=on"))


# Schemas


def test_tables_go_to_the_first_schema_of_the_search_path(missing: str) -> None:
    migrate.up(missing)
    while migrate.down(missing):
        pass
    with psycopg.connect(missing, autocommit=True) as connection:
        connection.execute('drop table schema_migrations; create schema "Our, own"')
    elsewhere = make_conninfo(missing, options='-c search_path="Our,\\ own"')
    migrate.up(elsewhere)
    assert status(elsewhere) == MigrationStatus(VERSIONS, ())
    assert read(missing, "select to_regclass('batches') is null") == [(True,)]
    assert read(missing, """select to_regclass('"Our, own".batches') is null""") == [(False,)]
    assert {
        settings[0]
        for (settings,) in read(
            missing, "select proconfig from pg_proc where pronamespace = '\"Our, own\"'::regnamespace"
        )
    } == {'search_path=pg_catalog, "Our, own", pg_temp'}


@pytest.mark.parametrize("search_path", ["another,public", "nowhere"])
def test_a_search_path_by_which_dbmate_would_miss_the_tables_is_refused(migrated: str, search_path: str) -> None:
    migrate.down(migrated)
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("create schema another")
    with pytest.raises(SchemaError, match="search path of 'postgres'"):
        migrate.up(make_conninfo(migrated, options=f"-c search_path={search_path}"))
    assert read(migrated, "select count(*) from pg_class where relname = 'schema_migrations'") == [(1,)]


# Another program's tables


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("version varchar primary key); insert into schema_migrations values ('20240101000000')", "20240101000000"),
        ("version varchar primary key); insert into schema_migrations values ('20990101000000')", "20990101000000"),
        ("version text primary key, at date); insert into schema_migrations values ('1')", "migration 1"),
        ("version bigint primary key, dirty boolean not null)", ""),
        ("version bigint primary key, inserted_at date); insert into schema_migrations values (20240101000000)", ""),
        ("id serial, name text)", ""),
    ],
    ids=["Rails", "Rails, later than ours", "text", "golang-migrate, empty", "Ecto", "no version"],
)
async def test_a_table_of_another_program_is_named_and_left_alone(missing: str, made: str, named: str) -> None:
    name = sql.Identifier(str(conninfo_to_dict(missing)["dbname"]))
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
    with psycopg.connect(missing) as connection:
        connection.execute(f"create table schema_migrations ({made}".encode())
    before = read(missing, "select to_jsonb(schema_migrations) from schema_migrations")
    for step in (migrate.up, migrate.down):
        with pytest.raises(SchemaError, match=f"belongs to another program.*{named}") as caught:
            step(missing)
        assert "Name another database" in caught.value.remedy
        assert "Reinstall" not in caught.value.remedy
    async with await psycopg.AsyncConnection.connect(missing) as reader:
        assert (await migrate.check(reader)).is_foreign
    assert read(missing, "select to_jsonb(schema_migrations) from schema_migrations") == before
    assert read(
        missing, "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    ) == [("schema_migrations",)]


def test_a_schema_of_its_own_is_enough_beside_another_program(missing: str) -> None:
    name = sql.Identifier(str(conninfo_to_dict(missing)["dbname"]))
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
    with psycopg.connect(missing) as connection:
        connection.execute("create table schema_migrations (version bigint primary key); create schema ours")
    assert len(migrate.up(make_conninfo(missing, options="-c search_path=ours"))) == len(VERSIONS)


def test_migrations_of_another_program_between_ours_are_told_of(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("insert into schema_migrations values ('20240101000000')")
    with pytest.raises(SchemaError, match="migration 20240101000000, for which") as caught:
        migrate.up(migrated)
    assert "another program" in caught.value.remedy
