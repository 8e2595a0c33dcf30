"""Which values the guards refuse, and which they let pass, on every supported PostgreSQL."""

from datetime import date, timedelta

import pytest
from psycopg import errors, sql

from tests.db.rows import MONDAY, Connection, count, insert, insert_parents, refused

POSITIVE = [
    ("batches", "benchmark_initial_price"),
    ("picks", "initial_price"),
    ("checkpoints", "benchmark_price"),
    ("pick_checkpoint_metrics", "current_price"),
]
FINITE = [
    ("checkpoints", "benchmark_return_pct"),
    ("pick_checkpoint_metrics", "absolute_return_pct"),
    ("pick_checkpoint_metrics", "vs_benchmark_pct"),
]


@pytest.mark.parametrize("run_date", [MONDAY, date(1993, 2, 1), date(2024, 2, 26)])
def test_a_run_date_that_is_a_monday_is_admitted(guarded: Connection, run_date: date) -> None:
    insert(guarded, "batches", run_date=run_date)
    assert count(guarded, "batches") == 1


@pytest.mark.parametrize(
    "run_date", [*((MONDAY + timedelta(days=days)).isoformat() for days in range(1, 7)), "infinity", "-infinity"]
)
def test_a_run_date_that_is_no_monday_is_refused(guarded: Connection, run_date: str) -> None:
    with refused(guarded, errors.CheckViolation, "batches_run_date_is_monday"):
        insert(guarded, "batches", run_date=run_date)


@pytest.mark.parametrize(("table", "column"), POSITIVE)
@pytest.mark.parametrize("price", ["0.000000000001", "999999999999.999999999999"])
def test_a_positive_price_is_admitted_digit_for_digit(guarded: Connection, table: str, column: str, price: str) -> None:
    insert(guarded, table, **insert_parents(guarded, table), **{column: price})
    stored = guarded.execute(
        sql.SQL("select {}::text from {}").format(sql.Identifier(column), sql.Identifier(table))
    ).fetchall()
    assert stored == [(price,)]


@pytest.mark.parametrize(("table", "column"), POSITIVE)
@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "-Infinity"])
def test_a_price_that_is_not_positive_and_finite_is_refused(
    guarded: Connection, table: str, column: str, price: str
) -> None:
    parents = insert_parents(guarded, table)
    with refused(guarded, errors.CheckViolation, f"{table}_{column}_is_positive"):
        insert(guarded, table, **parents, **{column: price})


@pytest.mark.parametrize(("table", "column"), FINITE)
@pytest.mark.parametrize("return_pct", ["-100", "0", "123456.789012345678"])
def test_a_finite_return_is_admitted(guarded: Connection, table: str, column: str, return_pct: str) -> None:
    insert(guarded, table, **insert_parents(guarded, table), **{column: return_pct})
    assert count(guarded, table) == 1


@pytest.mark.parametrize(("table", "column"), FINITE)
@pytest.mark.parametrize("return_pct", ["NaN", "Infinity", "-Infinity"])
def test_a_return_that_is_not_finite_is_refused(guarded: Connection, table: str, column: str, return_pct: str) -> None:
    parents = insert_parents(guarded, table)
    with refused(guarded, errors.CheckViolation, f"{table}_{column}_is_finite"):
        insert(guarded, table, **parents, **{column: return_pct})


@pytest.mark.parametrize(
    ("status", "price", "return_pct"), [("computed", "101", "0.5"), ("computed", "101", "0"), ("skipped", None, None)]
)
def test_computed_with_both_benchmark_columns_and_skipped_with_none_are_admitted(
    guarded: Connection, status: str, price: str | None, return_pct: str | None
) -> None:
    parents = insert_parents(guarded, "checkpoints")
    insert(guarded, "checkpoints", **parents, status=status, benchmark_price=price, benchmark_return_pct=return_pct)
    assert count(guarded, "checkpoints") == 1


@pytest.mark.parametrize(
    ("status", "price", "return_pct"),
    [
        ("computed", None, None),
        ("computed", "101", None),
        ("computed", None, "0.5"),
        ("skipped", "101", "0.5"),
        ("skipped", "101", None),
        ("skipped", None, "0.5"),
    ],
)
def test_any_other_mixture_is_refused(
    guarded: Connection, status: str, price: str | None, return_pct: str | None
) -> None:
    parents = insert_parents(guarded, "checkpoints")
    with refused(guarded, errors.CheckViolation, "checkpoints_computed_has_benchmark"):
        insert(guarded, "checkpoints", **parents, status=status, benchmark_price=price, benchmark_return_pct=return_pct)
