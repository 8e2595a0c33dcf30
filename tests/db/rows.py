"""Rows that nothing is wrong with, and what it means that the database refuses one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

MONDAY = date(2026, 1, 5)


def insert(connection: Connection, table: str, **columns: object) -> UUID:
    """A row of `table` that nothing is wrong with, except what `columns` say."""
    usual: dict[str, dict[str, object]] = {
        "batches": {"run_date": MONDAY, "benchmark_initial_price": "100.50", "status": "active"},
        "picks": {"ticker": "AAPL", "action": "BUY", "reasoning": "Because.", "initial_price": "20"},
        "checkpoints": {
            "checkpoint_date": MONDAY,
            "status": "computed",
            "benchmark_price": "101",
            "benchmark_return_pct": "0.5",
        },
        "pick_checkpoint_metrics": {"current_price": "21", "absolute_return_pct": "5", "vs_benchmark_pct": "4.5"},
        "events": {"event_type": "batch_opened", "payload": "{}"},
    }
    row = {"id": uuid4()} | usual[table] | columns
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        row,
    )
    return UUID(str(row["id"]))


def insert_parents(connection: Connection, table: str) -> dict[str, UUID]:
    """What a row of `table` refers to, inserted, by column."""
    if table == "batches":
        return {}
    batch_id = insert(connection, "batches")
    if table != "pick_checkpoint_metrics":
        return {"batch_id": batch_id}
    return {
        "checkpoint_id": insert(connection, "checkpoints", batch_id=batch_id),
        "pick_id": insert(connection, "picks", batch_id=batch_id),
    }


def finish(connection: Connection, batch_id: UUID, status: str) -> None:
    connection.execute("update batches set status = %s where id = %s", (status, batch_id))


def count(connection: Connection, table: str) -> int:
    (rows,) = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone() or (-1,)
    return int(rows)


@contextmanager
def refused(
    connection: Connection, error: type[psycopg.Error], constraint: str, words: str | None = None
) -> Iterator[None]:
    """The block, a savepoint, is refused under the name of `constraint`, by which callers tell the guards apart."""
    with pytest.raises(error, match=words) as caught, connection.transaction():
        yield
    assert caught.value.diag.constraint_name == constraint


def every_row(conninfo: str) -> dict[str, list[Any]]:
    """Every table of the database, found in its catalogue, with all its rows as text.

    But for when each migration was applied, which is of a database and not of what it holds.
    """
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "select relname::text from pg_class "
            "where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'migration_checksums' "
            "order by 1"
        ).fetchall()
        return {
            name: connection.execute(
                sql.SQL("select t::text from {} t order by 1").format(sql.Identifier(name))
            ).fetchall()
            for (name,) in tables
        }


def fill(conninfo: str) -> str:
    """Puts a row in every table."""
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
