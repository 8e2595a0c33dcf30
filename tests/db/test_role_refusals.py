"""What the roles of db/roles.sql are refused: everything that is not named among their rights."""

from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus

from tests.db.role_users import APPEND_ONLY, EVERYBODY, KEPT, MUTABLE, TABLES, Users, execute, rights
from tests.db.rows import insert, insert_parents

MISSING_RIGHT, NOT_IN_A_TRANSACTION = b"42501", b"25001"
FORBIDDEN = (
    *(f"{verb} {table}" for table in (*APPEND_ONLY, *KEPT) for verb in ("delete from", "truncate")),
    *(f"truncate {table}" for table in MUTABLE),
    *(f"drop table {table} cascade" for table in TABLES),
    *(f"alter table {table} disable trigger all" for table in TABLES),
    *(f"alter table {table} add column extra text" for table in TABLES),
    *(f"create index on {table} ((1))" for table in TABLES),
    "update batches set run_date = run_date",
    "update batches set benchmark_initial_price = 1",
    "update batches set created_at = now()",
    "update batches set status = status, benchmark_symbol = 'X'",
    "update picks set reasoning = ''",
    "update checkpoints set status = 'skipped'",
    "update pick_checkpoint_metrics set current_price = 1",
    "update events set payload = '{}'",
    "update schema_migrations set version = '1'",
    "update migration_checksums set sha256 = ''",
    "insert into schema_migrations values ('20990101000000')",
    "insert into migration_checksums values ('20990101000000', '')",
    "merge into events using (values (1)) v on true when matched then update set payload = '{}'",
    "merge into picks using (values (1)) v on true when matched then delete",
    "insert into batches select * from batches on conflict (run_date) do update set benchmark_symbol = 'X'",
    "create table own (id integer)",
    "create temporary table batches (id integer)",
    "create view seen as select 1",
    "create function ours() returns integer language sql as 'select 1'",
    "create schema own",
    "create extension pg_trgm",
    "create or replace function guard_append_only() returns trigger language plpgsql as 'begin return new; end'",
    "alter function guard_batch_is_active() reset search_path",
    "drop trigger events_are_append_only on events",
    "set session_replication_role = replica",
    "create role another",
    "create database another",
    "copy events to program 'true'",
    "copy events from '/etc/passwd'",
    "copy events to '/tmp/events'",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/exported')",
    "create or replace trigger events_are_append_only before insert on events execute function guard_append_only()",
    "create rule silent as on insert to events do instead nothing",
    "create function pg_temp.ours() returns integer language sql as 'select 1'",
    "alter table events owner to current_user",
    "set role postgres",
    "alter system set fsync = off",
    "select pg_reload_conf()",
    "select pg_read_file('/etc/passwd')",
)
READERS_FORBIDDEN = (
    *(f"insert into {table} table {table}" for table in TABLES),
    *(f"{verb} {table}" for table in MUTABLE for verb in ("delete from",)),
    "update batches set status = 'failed'",
    "select from batches for update",
    "select from batches for share",
    "update scheduler_state set value = '{}'",
    "update waiting_days set attempts = 2",
)


def not_refused(conninfo: str, statements: tuple[str, ...]) -> list[str]:
    """The statements that met with anything but a missing right, each with what it met."""
    found = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as exc:
                found.append(f"{statement}: {exc.sqlstate} {exc}")
            else:
                found.append(f"{statement}: done")
    return found


def not_refused_behind_an_abort(conninfo: str, statements: tuple[str, ...]) -> list[str]:
    """The statements that were not refused, sent in one string with the end of a transaction that was aborted."""
    found = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.pgconn.exec_(b"begin; select 1 / 0")
            assert connection.pgconn.transaction_status == TransactionStatus.INERROR
            result = connection.pgconn.exec_(f"rollback; begin; {statement}; commit".encode())
            if result.error_field(DiagnosticField.SQLSTATE) not in (MISSING_RIGHT, NOT_IN_A_TRANSACTION):
                found.append(f"{statement}: {ExecStatus(result.status).name} {result.error_message.decode()}")
            connection.pgconn.exec_(b"rollback")
    return found


@pytest.fixture
def written(users: Users) -> Users:
    """The database with a row in every table; the rows are the writer's own."""
    with psycopg.connect(users.writer) as connection:
        parents = insert_parents(connection, "pick_checkpoint_metrics")
        insert(connection, "pick_checkpoint_metrics", **parents)
        insert(connection, "events")
        connection.execute("insert into scheduler_state (name, value) values ('x', '{}')")
        connection.execute(
            "insert into waiting_days select id, run_date, 'c', 'd', 1, now(), now(), now() from batches"
        )
    return users


def rows_of(conninfo: str) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(conninfo) as connection:
        return {
            table: connection.execute(sql.SQL("select * from {} order by 1").format(sql.Identifier(table))).fetchall()
            for table in TABLES
        }


def test_the_writer_is_refused_everything_else(written: Users) -> None:
    before = rows_of(written.superuser)
    assert all(before.values())
    assert not_refused(written.writer, FORBIDDEN) == []
    assert not_refused_behind_an_abort(written.writer, FORBIDDEN) == []
    for table in TABLES:  # which is answered with a warning
        execute(written.writer, f"grant select, insert on {table} to public")
    assert rows_of(written.superuser) == before
    assert rights(written, "public") <= EVERYBODY


def test_the_reader_is_refused_every_write(written: Users) -> None:
    before = rows_of(written.superuser)
    assert not_refused(written.reader, (*FORBIDDEN, *READERS_FORBIDDEN)) == []
    assert not_refused_behind_an_abort(written.reader, (*FORBIDDEN, *READERS_FORBIDDEN)) == []
    assert rows_of(written.superuser) == before
    assert rows_of(written.reader) == before
