"""Backup and restore: every row there and back, nothing overwritten, nothing shown."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from db import dumps, migrate, moving
from db.backup import BackupError, backup, restore
from db.client_programs import client_environment, run_client
from db.embedded import EmbeddedServer
from db.errors import DatabaseBusyError, DatabaseError, DatabaseRefusedError, DatabaseUnavailableError
from db.moving import WITH_STATE
from tests.databases import as_onlooker, as_owner
from tests.db.conftest import Postgres15
from tests.db.rows import every_row, fill, insert

pytestmark = pytest.mark.usefixtures("scratch")

PASSWORD = "Pa55-marker"  # noqa: S105 - the marker that is looked for, and no secret


async def test_every_row_comes_back(migrated: str, missing: str, tmp_path: Path) -> None:
    """On the newest server and on the oldest, which does not know every setting of the newest's programs."""
    fill(migrated)
    before = every_row(migrated)
    assert all(before.values()), "a table without rows would prove nothing"
    file = tmp_path / "a backup.dump"
    held = await backup(migrated, file)
    assert {name: digest.rows for name, digest in held.items()} == {name: len(before[name]) for name in WITH_STATE}
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert (await restore(missing, file)).held == held
    assert every_row(missing) == before
    assert every_row(migrated) == before
    with psycopg.connect(missing) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("delete from events")


async def test_an_older_servers_backup_is_restored_into_a_newer_one(
    postgres_15: Postgres15, server: EmbeddedServer, tmp_path: Path
) -> None:
    old, new = postgres_15.conninfo("to_be_dumped"), server.conninfo("from_an_older_one")
    migrate.up(old)
    fill(old)
    await backup(old, tmp_path / "backup")
    await restore(new, tmp_path / "backup")
    assert every_row(new) == every_row(old)


async def test_a_newer_servers_backup_is_restored_into_an_older_one(
    filled: str, postgres_15: Postgres15, tmp_path: Path
) -> None:
    await backup(filled, tmp_path / "backup")
    await restore(postgres_15.conninfo("older"), tmp_path / "backup")
    assert every_row(postgres_15.conninfo("older")) == every_row(filled)


async def test_a_server_newer_than_the_programs_is_named(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def older(_: Path) -> int:
        return 17

    monkeypatch.setattr(dumps, "client_major", older)
    with pytest.raises(BackupError, match=r"server is PostgreSQL 18.* version 17") as caught:
        await backup(filled, tmp_path / "backup")
    assert "PostgreSQL 18" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


async def test_a_table_that_may_not_be_read_is_named_with_the_right(filled: str, tmp_path: Path) -> None:
    with psycopg.connect(as_owner(filled), autocommit=True) as connection:
        connection.execute("revoke select on events from alpha_monday_reader")
    with pytest.raises(DatabaseRefusedError, match='user "onlooker" may not read the table events') as caught:
        await backup(as_onlooker(filled), tmp_path / "backup")
    assert 'grant select on table "public"."events" to "onlooker"' in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
    with psycopg.connect(as_owner(filled), autocommit=True) as connection:
        connection.execute("grant select on events to alpha_monday_reader")
    await backup(as_onlooker(filled), tmp_path / "backup")


async def test_a_cancelled_backup_leaves_neither_file_nor_server(filled: str, tmp_path: Path) -> None:
    """Wherever it is when its waiter gives it up; the scratch directory is looked at by the fixture."""
    given_up = 0
    for moment_s in (0.01, 0.2, 0.6, 1.0):
        working = asyncio.ensure_future(backup(filled, tmp_path / "backup"))
        done, _ = await asyncio.wait({working}, timeout=moment_s)
        if done:  # on a fast machine
            break
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        given_up += 1
        assert list(tmp_path.iterdir()) == []
    assert given_up


async def test_a_database_that_is_migrated_and_empty_is_filled_too(
    filled: str, server: EmbeddedServer, template: str, tmp_path: Path
) -> None:
    await backup(filled, tmp_path / "backup")
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database refilled template {template}".encode())
        try:
            await restore(server.conninfo("refilled"), tmp_path / "backup")
            assert every_row(server.conninfo("refilled")) == every_row(filled)
        finally:
            connection.execute("drop database refilled with (force)")


async def test_a_file_that_exists_is_not_overwritten(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    for place in (file, tmp_path):
        with pytest.raises(BackupError, match="exists already"):
            await backup(filled, place)
    assert file.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [file]


async def test_a_file_that_appears_meanwhile_is_not_overwritten(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup"

    async def somebody_else_writes(*given: Any) -> str:
        file.write_text("precious")
        return await run_client(*given)

    monkeypatch.setattr(dumps, "run_client", somebody_else_writes)
    with pytest.raises(BackupError, match="exists already"):
        await backup(filled, file)
    assert file.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [file]


async def test_a_place_that_cannot_be_written(filled: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="cannot be written: No such file"):
        await backup(filled, tmp_path / "nowhere" / "backup")


async def test_a_dump_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="cannot be reached"):
        await backup("postgresql://127.0.0.1:1/x", tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


async def test_a_database_with_batches_is_not_restored_into(filled: str, conninfo: str, tmp_path: Path) -> None:
    await backup(filled, tmp_path / "backup")
    before = every_row(filled)
    with pytest.raises(BackupError, match="holds batches already") as caught:
        await restore(filled, tmp_path / "backup")
    assert "empty" in caught.value.remedy
    assert every_row(filled) == before


@pytest.mark.parametrize("content", [b"", b"no backup at all\n", b"PGDMP and then nothing", b"\0" * 1000])
async def test_a_file_that_is_no_backup(conninfo: str, tmp_path: Path, content: bytes) -> None:
    before = every_row(conninfo)
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises(DatabaseError, match="pg_restore failed") as caught:
        await restore(conninfo, tmp_path / "backup")
    assert "Nothing was restored" in caught.value.remedy
    assert every_row(conninfo) == before


@pytest.mark.parametrize("table", ["batches", "schema_migrations", "other"])
async def test_another_programs_dump_changes_nothing(
    server: EmbeddedServer, bare_conninfo: str, table: str, tmp_path: Path
) -> None:
    """Not even a database is made for it."""
    with psycopg.connect(bare_conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("create table {} (id int)").format(sql.Identifier(table)))
        connection.execute("create schema elsewhere")
        connection.execute("create table elsewhere.batches (id int)")
        connection.execute("create table elsewhere.schema_migrations (id int)")
    with pytest.raises(BackupError, match="no tables of alpha-monday's"):
        await backup(bare_conninfo, tmp_path / "backup")
    await run_client("pg_dump", ["--format=custom", f"--file={tmp_path / 'backup'}"], bare_conninfo, "")
    with pytest.raises(BackupError, match="is no backup of alpha-monday's") as caught:
        await restore(server.conninfo("never_made"), tmp_path / "backup")
    assert "alpha-monday db backup wrote" in caught.value.remedy
    with psycopg.connect(server.conninfo("postgres")) as connection:
        assert not connection.execute("select from pg_database where datname = 'never_made'").fetchall()


HOLDS_OPENINGS = """
select from pg_locks where granted and mode = 'ExclusiveLock' and relation = to_regclass('week_openings')
"""


async def waiting_for_a_lock(conninfo: str) -> None:
    """Returns when some session of the database waits for a lock on a relation."""
    query = "select from pg_stat_activity where datname = current_database() and wait_event = 'relation'"
    async with asyncio.timeout(30), await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as looking:
        while not await (await looking.execute(query)).fetchall():  # noqa: ASYNC110 - the event is the server's
            await asyncio.sleep(0.02)


async def test_a_batch_that_is_being_opened_is_not_cleared_away(
    filled: str, bare_conninfo: str, tmp_path: Path
) -> None:
    """Whoever has the openings' lock first is waited for, and what it committed is seen."""
    file = tmp_path / "backup"
    await backup(filled, file)
    migrate.up(bare_conninfo)
    with psycopg.connect(bare_conninfo) as opener:
        opener.execute("lock table week_openings in exclusive mode")
        batch_id = insert(opener, "batches")
        restoring = asyncio.ensure_future(restore(bare_conninfo, file))
        await waiting_for_a_lock(bare_conninfo)
        opener.commit()
    with pytest.raises(BackupError, match="holds batches already"):
        await restoring
    with psycopg.connect(bare_conninfo) as connection:
        assert connection.execute("select id from batches").fetchall() == [(batch_id,)]


async def test_no_batch_is_opened_during_a_restore(
    filled: str, bare_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup"
    await backup(filled, file)
    held: list[object] = []

    async def noting(*given: Any) -> Any:
        with psycopg.connect(bare_conninfo) as connection:
            held.append(connection.execute(HOLDS_OPENINGS).fetchone())
        return await moving.carry_over(*given)

    monkeypatch.setattr("db.backup.carry_over", noting)
    await restore(bare_conninfo, file)
    assert len(held) == 1
    assert held[0] is not None
    with psycopg.connect(bare_conninfo) as connection:
        assert connection.execute(HOLDS_OPENINGS).fetchone() is None
    assert every_row(bare_conninfo) == every_row(filled)


async def test_what_a_scheduler_noted_before_there_was_a_batch_is_replaced(
    filled: str, bare_conninfo: str, tmp_path: Path
) -> None:
    await backup(filled, tmp_path / "backup")
    migrate.up(bare_conninfo)
    with psycopg.connect(bare_conninfo, autocommit=True) as connection:
        insert(connection, "events", event_type="batch_missed")
        connection.execute("insert into scheduler_state (name, value) values ('tick', '{}')")
    await restore(bare_conninfo, tmp_path / "backup")
    assert every_row(bare_conninfo) == every_row(filled)
    with psycopg.connect(bare_conninfo) as connection:
        for statement in ("delete from events", "truncate batches cascade", "update picks set ticker = 'X'"):
            with pytest.raises(psycopg.errors.RestrictViolation), connection.transaction():
                connection.execute(statement.encode())


async def test_a_lock_on_openings_that_nobody_gives_up_is_not_waited_for_for_ever(
    filled: str, bare_conninfo: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await backup(filled, file)
    migrate.up(bare_conninfo)
    with psycopg.connect(bare_conninfo) as opener:
        opener.execute("lock table week_openings in exclusive mode")
        async with asyncio.timeout(60):
            with pytest.raises(DatabaseBusyError, match="lock timeout"):
                await restore(bare_conninfo, file)


async def test_a_restore_waits_for_no_leader_and_no_backfill(filled: str, bare_conninfo: str, tmp_path: Path) -> None:
    """They hold their locks for as long as they run; the views that they lock stay."""
    await backup(filled, tmp_path / "backup")
    migrate.up(bare_conninfo)
    with psycopg.connect(bare_conninfo) as holding:
        holding.execute("lock table scheduler_lead in exclusive mode; lock table week_backfills in share mode")
        await restore(bare_conninfo, tmp_path / "backup")
    assert every_row(bare_conninfo) == every_row(filled)


async def test_a_backup_from_before_the_last_migration_is_restored_and_brought_up_beside_a_leader(
    server: EmbeddedServer, filled: str, bare_conninfo: str, tmp_path: Path
) -> None:
    older = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    next(older.glob("*_turn_locks.sql")).unlink()
    migrate.down(as_owner(filled))
    assert migrate.up(as_owner(filled), older) == []
    await backup(filled, tmp_path / "backup")
    migrate.up(bare_conninfo)
    with psycopg.connect(bare_conninfo) as leading:
        leading.execute("lock table scheduler_lead in exclusive mode")
        await restore(bare_conninfo, tmp_path / "backup")
    assert migrate.up(bare_conninfo) == []
    with psycopg.connect(bare_conninfo) as connection:
        connection.execute("lock table scheduler_lead in exclusive mode nowait")


async def test_a_backup_cut_short_restores_nothing(filled: str, bare_conninfo: str, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    await backup(filled, whole)
    part.write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(DatabaseError, match="pg_restore failed"):
        await restore(bare_conninfo, part)
    assert every_row(bare_conninfo) == {}
    await restore(bare_conninfo, whole)
    assert every_row(bare_conninfo) == every_row(filled)


async def test_no_file_and_no_server(conninfo: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place, why in (
        (tmp_path, "no regular file"),
        (tmp_path / "pipe", "no regular file"),
        (tmp_path / "x", "No such"),
    ):
        with pytest.raises(BackupError, match=f"cannot be read: .*{why}"):
            await restore(conninfo, place)
    await backup(conninfo, tmp_path / "file")
    with pytest.raises(DatabaseUnavailableError):
        await restore("postgresql://127.0.0.1:1/x", tmp_path / "file")


async def test_the_password_travels_in_the_environment_alone(
    filled: str, bare_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[bytes, bytes]]] = []
    run = asyncio.create_subprocess_exec

    async def noting(*arguments: Any, **options: Any) -> Any:
        started.append(([str(argument) for argument in arguments], options["env"]))
        return await run(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
    monkeypatch.setenv("ALPHA_MONDAY_TIINGO_KEY", PASSWORD)
    await backup(f"{filled} password={PASSWORD}", tmp_path / "backup")
    await restore(f"{bare_conninfo} password={PASSWORD}", tmp_path / "backup")
    programs = [Path(arguments[0]).name for arguments, _ in started]
    assert programs[:2] == ["pg_dump", "pg_dump"]  # its version, and the dump
    assert {*programs[2:]} == {"pg_restore"}
    assert started[1][1][b"PGPASSWORD"] == PASSWORD.encode()
    for arguments, environment in started:
        assert not [argument for argument in arguments if PASSWORD in argument]
        if Path(arguments[0]).name == "pg_restore":  # it reads what others may have written
            assert environment == {b"LC_ALL": b"C"}


def test_a_malformed_address_is_not_repeated() -> None:
    with pytest.raises(DatabaseError) as caught:
        client_environment(f"postgres//u:{PASSWORD}@h")
    assert PASSWORD not in str(caught.value)
