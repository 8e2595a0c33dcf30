"""Backup and restore: every row there and back, nothing overwritten, nothing shown."""

import subprocess
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from db import events, migrate
from db.backup import BackupError, backup, restore
from db.client_programs import client_environment, run_client
from db.embedded import EmbeddedServer
from db.errors import DatabaseError, DatabaseUnavailableError
from tests.db.rows import finish, insert

PASSWORD = "Pa55-marker"  # noqa: S105 - the marker that is looked for, and no secret


def every_row(conninfo: str) -> dict[str, list[Any]]:
    """Every table of the database, found in its catalogue, with all its rows as text."""
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "select relname::text from pg_class "
            "where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"
        ).fetchall()
        return {
            name: connection.execute(
                sql.SQL("select t::text from {} t order by 1").format(sql.Identifier(name))
            ).fetchall()
            for (name,) in tables
        }


@pytest.fixture
def filled(conninfo: str) -> str:
    """A database with a row in every table."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        batch_id = insert(connection, "batches")
        pick_id = insert(connection, "picks", batch_id=batch_id, reasoning='Ümläuts, "quotes"\n\tand \\N')
        checkpoint_id = insert(connection, "checkpoints", batch_id=batch_id)
        insert(
            connection,
            "pick_checkpoint_metrics",
            checkpoint_id=checkpoint_id,
            pick_id=pick_id,
            current_price="1.100000000000",
        )
        insert(connection, "events", batch_id=batch_id, payload='{"a": "\\u001b"}')
        connection.execute(
            "insert into waiting_days values (%s, '2026-01-06', 'c', 'd', 1, now(), now(), now())", (batch_id,)
        )
        connection.execute("insert into scheduler_state (name, value) values ('leader', '{}')")
        finish(connection, batch_id, "failed")
    return conninfo


def test_every_row_comes_back(filled: str, missing: str, tmp_path: Path) -> None:
    """On the newest server and on the oldest, which does not know every setting of the newest's programs."""
    before = every_row(filled)
    assert all(before.values()), "a table without rows would prove nothing"
    file = tmp_path / "a backup.dump"
    backup(filled, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    restore(missing, file)
    assert every_row(missing) == before
    assert every_row(filled) == before
    with psycopg.connect(missing) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("delete from events")


def test_a_database_that_is_migrated_and_empty_is_filled_too(
    filled: str, server: EmbeddedServer, template: str, tmp_path: Path
) -> None:
    backup(filled, tmp_path / "backup")
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database refilled template {template}".encode())
        try:
            restore(server.conninfo("refilled"), tmp_path / "backup")
            assert every_row(server.conninfo("refilled")) == every_row(filled)
        finally:
            connection.execute("drop database refilled with (force)")


def test_a_file_that_exists_is_not_overwritten(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    for place in (file, tmp_path):
        with pytest.raises(BackupError, match="exists already"):
            backup(filled, place)
    assert file.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup"

    def somebody_else_writes(*_: object) -> str:
        file.write_text("precious")
        return ""

    monkeypatch.setattr("db.backup.run_client", somebody_else_writes)
    with pytest.raises(BackupError, match="exists already"):
        backup(filled, file)
    assert file.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_written(filled: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="cannot be written: No such file"):
        backup(filled, tmp_path / "nowhere" / "backup")


def test_a_dump_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="pg_dump failed"):
        backup("postgresql://127.0.0.1:1/x", tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def test_a_database_with_batches_is_not_restored_into(filled: str, conninfo: str, tmp_path: Path) -> None:
    backup(filled, tmp_path / "backup")
    before = every_row(filled)
    with pytest.raises(BackupError, match="holds batches already") as caught:
        restore(filled, tmp_path / "backup")
    assert "empty" in caught.value.remedy
    assert every_row(filled) == before


@pytest.mark.parametrize("content", [b"", b"no backup at all\n", b"PGDMP and then nothing", b"\0" * 1000])
def test_a_file_that_is_no_backup(conninfo: str, tmp_path: Path, content: bytes) -> None:
    before = every_row(conninfo)
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises(DatabaseError, match="pg_restore failed") as caught:
        restore(conninfo, tmp_path / "backup")
    assert "Nothing was restored" in caught.value.remedy
    assert every_row(conninfo) == before


@pytest.mark.parametrize("table", ["batches", "schema_migrations", "other"])
def test_another_programs_dump_changes_nothing(
    server: EmbeddedServer, bare_conninfo: str, table: str, tmp_path: Path
) -> None:
    """Not even a database is made for it."""
    with psycopg.connect(bare_conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("create table {} (id int)").format(sql.Identifier(table)))
        connection.execute("create schema elsewhere")
        connection.execute("create table elsewhere.batches (id int)")
        connection.execute("create table elsewhere.schema_migrations (id int)")
    backup(bare_conninfo, tmp_path / "backup")
    with pytest.raises(BackupError, match="is no backup of alpha-monday's") as caught:
        restore(server.conninfo("never_made"), tmp_path / "backup")
    assert "alpha-monday db backup wrote" in caught.value.remedy
    with psycopg.connect(server.conninfo("postgres")) as connection:
        assert not connection.execute("select from pg_database where datname = 'never_made'").fetchall()


def test_a_batch_that_is_being_opened_is_not_cleared_away(filled: str, bare_conninfo: str, tmp_path: Path) -> None:
    """Whoever has the openings' lock first is waited for, and what it committed is seen."""
    file = tmp_path / "backup"
    backup(filled, file)
    migrate.up(bare_conninfo)
    caught: list[Exception] = []

    def restoring() -> None:
        try:
            restore(bare_conninfo, file)
        except BackupError as exc:
            caught.append(exc)

    with psycopg.connect(bare_conninfo) as opener:
        opener.execute("select pg_advisory_xact_lock(%s)", (events._OPENINGS_KEY,))
        batch_id = insert(opener, "batches")
        thread = threading.Thread(target=restoring)
        thread.start()
        thread.join(2)
        assert thread.is_alive()
        opener.commit()
    thread.join(60)
    assert not thread.is_alive()
    assert "holds batches already" in str(caught)
    with psycopg.connect(bare_conninfo) as connection:
        assert connection.execute("select id from batches").fetchall() == [(batch_id,)]


def test_no_batch_is_opened_during_a_restore(
    filled: str, bare_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup"
    backup(filled, file)
    held: dict[str, bool] = {}

    def noting(program: str, *arguments: Any) -> str:
        printed = run_client(program, *arguments)
        with psycopg.connect(bare_conninfo) as connection:
            row = connection.execute("select pg_try_advisory_xact_lock(%s)", (events._OPENINGS_KEY,)).fetchone()
        held[program] = row == (False,)
        return printed

    monkeypatch.setattr("db.backup.run_client", noting)
    restore(bare_conninfo, file)
    assert held["psql"]
    with psycopg.connect(bare_conninfo) as connection:
        row = connection.execute("select pg_try_advisory_xact_lock(%s)", (events._OPENINGS_KEY,)).fetchone()
    assert row == (True,)
    assert every_row(bare_conninfo) == every_row(filled)


def test_a_backup_cut_short_restores_nothing(filled: str, bare_conninfo: str, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    backup(filled, whole)
    part.write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(DatabaseError, match="pg_restore failed"):
        restore(bare_conninfo, part)
    assert not every_row(bare_conninfo)["batches"]
    restore(bare_conninfo, whole)
    assert every_row(bare_conninfo) == every_row(filled)


def test_no_file_and_no_server(conninfo: str, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BackupError, match="There is no file"):
            restore(conninfo, place)
    backup(conninfo, tmp_path / "file")
    with pytest.raises(DatabaseUnavailableError):
        restore("postgresql://127.0.0.1:1/x", tmp_path / "file")


def test_the_password_travels_in_the_environment_alone(
    filled: str, bare_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[bytes, bytes]]] = []
    run = subprocess.run

    def noting(arguments: Any, **options: Any) -> Any:
        started.append(([str(argument) for argument in arguments], options["env"]))
        return run(arguments, **options)

    monkeypatch.setattr("db.client_programs.subprocess.run", noting)
    backup(f"{filled} password={PASSWORD}", tmp_path / "backup")
    restore(f"{bare_conninfo} password={PASSWORD}", tmp_path / "backup")
    programs = [Path(arguments[0]).name for arguments, _ in started]
    assert [name for name in programs if name.startswith("pg_")] == ["pg_dump", "pg_restore", "pg_restore"]
    assert "psql" in programs
    for arguments, environment in started:
        assert not [argument for argument in arguments if PASSWORD in argument]
        if Path(arguments[0]).name in {"pg_dump", "psql"}:
            assert environment[b"PGPASSWORD"] == PASSWORD.encode()


def test_a_malformed_address_is_not_repeated() -> None:
    with pytest.raises(DatabaseError) as caught:
        client_environment(f"postgres//u:{PASSWORD}@h")
    assert PASSWORD not in str(caught.value)
