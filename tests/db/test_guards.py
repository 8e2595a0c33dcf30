"""What the guards refuse of inserting and changing, and what they let pass, on every supported PostgreSQL."""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID, uuid4

import pytest
from psycopg import errors, sql

from tests.db.rows import MONDAY, Connection, count, finish, insert, insert_parents, refused

TABLES = ("picks", "checkpoints", "pick_checkpoint_metrics", "events")


# A batch ends once, and nothing else of it changes


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_an_active_batch_may_end(guarded: Connection, status: str) -> None:
    finish(guarded, insert(guarded, "batches"), status)
    assert guarded.execute("select status from batches").fetchall() == [(status,)]


def test_an_active_batch_is_not_written_again(guarded: Connection) -> None:
    batch_id = insert(guarded, "batches")
    with refused(guarded, errors.RestrictViolation, "batches_end_once"):
        finish(guarded, batch_id, "active")


@pytest.mark.parametrize("now", ["active", "completed", "failed"])
@pytest.mark.parametrize("then", ["completed", "failed"])
def test_a_batch_that_ended_is_final(guarded: Connection, then: str, now: str) -> None:
    batch_id = insert(guarded, "batches")
    finish(guarded, batch_id, then)
    with refused(guarded, errors.RestrictViolation, "batches_end_once", f"2026-01-05 is {then}"):
        finish(guarded, batch_id, now)


@pytest.mark.parametrize("status", ["active", "completed"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "0198c0de-0000-7000-8000-000000000000"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("run_date", "2026-01-12"),
        ("benchmark_symbol", "QQQ"),
        ("benchmark_initial_price", "101"),
        ("benchmark_initial_price", "100.5"),  # the same number with other digits than were sent
    ],
)
def test_nothing_of_a_batch_changes_but_its_status(guarded: Connection, column: str, value: str, status: str) -> None:
    insert(guarded, "batches")
    update = sql.SQL("update batches set status = %s, {} = %s").format(sql.Identifier(column))
    with refused(guarded, errors.RestrictViolation, "batches_end_once"):
        guarded.execute(update, (status, value))


@pytest.mark.parametrize("statement", ["delete from batches", "truncate batches cascade"])
def test_a_batch_is_never_removed(guarded: Connection, statement: LiteralString) -> None:
    insert(guarded, "batches")
    with refused(guarded, errors.RestrictViolation, "batches_are_kept", "append-only"):
        guarded.execute(statement)
    assert count(guarded, "batches") == 1


# Append-only tables


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "update {0} set id = gen_random_uuid()",
        "update {0} set id = id where false",
        "delete from {0}",
        "truncate {0} cascade",
        "insert into {0} select * from {0} on conflict (id) do update set id = excluded.id",
    ],
)
def test_rows_are_inserted_once_and_never_changed(guarded: Connection, table: str, statement: LiteralString) -> None:
    insert(guarded, table, **insert_parents(guarded, table))
    with refused(guarded, errors.RestrictViolation, f"{table}_are_append_only", f'"{table}" is append-only'):
        guarded.execute(sql.SQL(statement).format(sql.Identifier(table)))
    assert count(guarded, table) == 1


# Checkpoints belong to active batches


def copy_checkpoints(guarded: Connection, batch_ids: list[UUID]) -> None:
    with (
        guarded.cursor() as cursor,
        cursor.copy("copy checkpoints (id, batch_id, checkpoint_date, status) from stdin") as copy,
    ):
        for batch_id in batch_ids:
            copy.write_row((uuid4(), batch_id, MONDAY, "skipped"))


def test_many_checkpoints_on_active_batches_are_admitted_at_once(guarded: Connection) -> None:
    batch_ids = [insert(guarded, "batches", run_date=MONDAY + timedelta(weeks=week)) for week in range(30)]
    copy_checkpoints(guarded, batch_ids)
    assert count(guarded, "checkpoints") == 30


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_checkpoint_on_a_batch_that_ended_is_refused(guarded: Connection, status: str) -> None:
    batch_id = insert(guarded, "batches")
    insert(guarded, "checkpoints", batch_id=batch_id)
    finish(guarded, batch_id, status)
    with refused(guarded, errors.CheckViolation, "checkpoints_batch_is_active", f"2026-01-05 is {status}"):
        insert(guarded, "checkpoints", batch_id=batch_id, checkpoint_date=MONDAY + timedelta(days=1))


def test_one_ended_batch_among_many_refuses_them_all(guarded: Connection) -> None:
    batch_ids = [insert(guarded, "batches", run_date=MONDAY + timedelta(weeks=week)) for week in range(30)]
    finish(guarded, batch_ids[17], "failed")
    with refused(guarded, errors.CheckViolation, "checkpoints_batch_is_active"):
        copy_checkpoints(guarded, batch_ids)
    assert count(guarded, "checkpoints") == 0


def test_the_last_checkpoint_and_the_end_of_its_batch_fit_into_one_transaction(guarded: Connection) -> None:
    batch_id = insert(guarded, "batches")
    with guarded.transaction():
        insert(guarded, "checkpoints", batch_id=batch_id)
        finish(guarded, batch_id, "completed")
    assert guarded.execute("select status from batches").fetchall() == [("completed",)]


# Metrics


def test_a_metric_of_a_computed_checkpoint_is_admitted(guarded: Connection) -> None:
    insert(guarded, "pick_checkpoint_metrics", **insert_parents(guarded, "pick_checkpoint_metrics"))
    assert count(guarded, "pick_checkpoint_metrics") == 1


def test_a_metric_of_a_batch_that_ended_meanwhile_is_admitted(guarded: Connection) -> None:
    """The transaction of day 14 may complete the batch before it writes the metrics."""
    parents = insert_parents(guarded, "pick_checkpoint_metrics")
    guarded.execute("update batches set status = 'completed'")
    insert(guarded, "pick_checkpoint_metrics", **parents)
    assert count(guarded, "pick_checkpoint_metrics") == 1


def test_a_metric_may_not_join_two_batches(guarded: Connection) -> None:
    parents = insert_parents(guarded, "pick_checkpoint_metrics")
    other = insert(guarded, "batches", run_date=MONDAY + timedelta(weeks=1))
    stranger = insert(guarded, "picks", batch_id=other, ticker="MSFT")
    with refused(guarded, errors.CheckViolation, "pick_checkpoint_metrics_fit", "MSFT"):
        insert(guarded, "pick_checkpoint_metrics", **(parents | {"pick_id": stranger}))


def test_a_skipped_checkpoint_has_no_metrics(guarded: Connection) -> None:
    batch_id = insert(guarded, "batches")
    pick_id = insert(guarded, "picks", batch_id=batch_id)
    checkpoint_id = insert(
        guarded,
        "checkpoints",
        batch_id=batch_id,
        status="skipped",
        benchmark_price=None,
        benchmark_return_pct=None,
    )
    with refused(guarded, errors.CheckViolation, "pick_checkpoint_metrics_fit", "skipped checkpoint of 2026-01-05"):
        insert(guarded, "pick_checkpoint_metrics", checkpoint_id=checkpoint_id, pick_id=pick_id)


def copy_metrics(guarded: Connection, picks: list[UUID], checkpoints: list[UUID]) -> None:
    with guarded.cursor() as cursor, cursor.copy("copy pick_checkpoint_metrics from stdin") as copy:
        for pick_id, checkpoint_id in zip(picks, checkpoints, strict=True):
            copy.write_row((uuid4(), checkpoint_id, pick_id, "21", "5", "4.5"))


@pytest.fixture
def picks_and_checkpoints(guarded: Connection) -> tuple[list[UUID], list[UUID]]:
    """A pick and a computed checkpoint of each of twenty batches."""
    batch_ids = [insert(guarded, "batches", run_date=MONDAY + timedelta(weeks=week)) for week in range(20)]
    picks = [insert(guarded, "picks", batch_id=batch_id) for batch_id in batch_ids]
    return picks, [insert(guarded, "checkpoints", batch_id=batch_id) for batch_id in batch_ids]


def test_many_metrics_are_admitted_at_once(
    guarded: Connection, picks_and_checkpoints: tuple[list[UUID], list[UUID]]
) -> None:
    copy_metrics(guarded, *picks_and_checkpoints)
    assert count(guarded, "pick_checkpoint_metrics") == 20


def test_one_misfit_among_many_metrics_refuses_them_all(
    guarded: Connection, picks_and_checkpoints: tuple[list[UUID], list[UUID]]
) -> None:
    picks, checkpoints = picks_and_checkpoints
    picks[13] = picks[14]
    with refused(guarded, errors.CheckViolation, "pick_checkpoint_metrics_fit"):
        copy_metrics(guarded, picks, checkpoints)
    assert count(guarded, "pick_checkpoint_metrics") == 0


# A session's own search path


def test_temporary_tables_do_not_stand_in_for_the_guarded_ones(guarded: Connection) -> None:
    batch_id = insert(guarded, "batches")
    finish(guarded, batch_id, "failed")
    guarded.execute("create temporary table batches as select id, run_date, 'active' as status from batches")
    with refused(guarded, errors.CheckViolation, "checkpoints_batch_is_active"):
        insert(guarded, "checkpoints", batch_id=batch_id)


def test_guards_find_their_tables_from_any_search_path(guarded: Connection) -> None:
    batch_id = insert(guarded, "batches")
    guarded.execute("set search_path = pg_catalog")
    guarded.execute(
        "insert into public.checkpoints (id, batch_id, checkpoint_date, status) values (%s, %s, %s, 'skipped')",
        (uuid4(), batch_id, MONDAY),
    )
    guarded.execute("update public.batches set status = 'completed'")
    assert guarded.execute("select status from public.batches").fetchall() == [("completed",)]


def test_every_guard_has_a_fixed_search_path(guarded: Connection) -> None:
    functions = guarded.execute("""
        select proname, proconfig from pg_proc
        where prorettype = 'trigger'::regtype and pronamespace = 'public'::regnamespace
    """).fetchall()
    assert len(functions) == 4
    assert {tuple(settings or ()) for _, settings in functions} == {("search_path=pg_catalog, public, pg_temp",)}
