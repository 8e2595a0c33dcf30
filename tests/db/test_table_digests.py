"""Digests of tables: the same for the same rows, whatever session looks, and another for any other rows."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from db.embedded import EmbeddedServer
from db.table_digests import Table, TableDigest, difference, digest_of, digests, fix_text, tables
from tests.databases import as_superuser
from tests.db.rows import insert

SAMPLE = Table("public", "sample")
_VALUES = st.tuples(
    st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
    st.one_of(st.none(), st.decimals(-(10**20), 10**20, allow_nan=False, places=12), st.just(Decimal("1.10"))),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    st.one_of(st.none(), st.binary(max_size=20)),
    st.floats(allow_nan=False),
    st.timedeltas(timedelta(-1000), timedelta(1000)),
)
ODD_SESSIONS: tuple[dict[str, str], ...] = (
    {},
    {"timezone": "Asia/Kathmandu", "datestyle": "German", "intervalstyle": "sql_standard"},
    {"extra_float_digits": "-15", "bytea_output": "escape", "search_path": "pg_catalog, public"},
)


@pytest.fixture(scope="module")
def sample(server: EmbeddedServer) -> Iterator[str]:
    """A database with a table of everything that prints differently from session to session."""
    name = "digests_of_tables"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        with psycopg.connect(server.conninfo(name), autocommit=True) as inside:
            inside.execute(
                "create table sample (a text, b numeric, c timestamptz, d bytea, e double precision, f interval)"
            )
        yield server.conninfo(name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


async def digest_with(conninfo: str, rows: list[tuple[Any, ...]], session: dict[str, str]) -> TableDigest:
    """The digest of a table that holds `rows` as a session with odd settings sees it."""
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        for setting, value in session.items():
            await connection.execute("select set_config(%s, %s, false)", (setting, value))
        await connection.execute("truncate public.sample")
        await connection.cursor().executemany("insert into public.sample values (%s, %s, %s, %s, %s, %s)", rows)
        await fix_text(connection)
        found = await digest_of(connection, SAMPLE)
        await connection.rollback()
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_VALUES, max_size=6), data=st.data())
async def test_the_same_rows_in_any_order_and_session_have_one_digest(
    sample: str, rows: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(rows))
    seen = {
        await digest_with(sample, given, session)
        for given, session in zip([rows, order, rows], ODD_SESSIONS, strict=True)
    }
    assert {digest.rows for digest in seen} == {len(rows)}
    assert len(seen) == 1


async def test_any_other_rows_have_another_digest(sample: str) -> None:
    row: tuple[Any, ...] = ("a", Decimal("1.1"), datetime(2026, 1, 1, tzinfo=UTC), b"d", 1.5, timedelta(1))
    others: list[list[tuple[Any, ...]]] = [
        [],
        [row],
        [row, row],
        [("", *row[1:])],
        [(None, *row[1:])],
        [("a", Decimal("1.10"), *row[2:])],
        [(*row[:2], row[2] + timedelta(microseconds=1), *row[3:])],
        [(*row[:4], 1.5000000000000002, row[5])],
    ]
    found = [(await digest_with(sample, rows, {})).digest for rows in others]
    for one, another in itertools.combinations(found, 2):
        assert one != another


async def test_every_table_is_looked_at_whatever_its_name_and_schema(conninfo: str) -> None:
    odd = Table('odd "schema"', "a 'table' $digest$ ö")
    async with await psycopg.AsyncConnection.connect(as_superuser(conninfo)) as connection:
        before = await tables(connection)
        await connection.execute(sql.SQL("create schema {}").format(sql.Identifier(odd.schema)))
        await connection.execute(sql.SQL("create table {} (id int)").format(odd.identifier))
        await connection.execute(sql.SQL("insert into {} values (1), (1), (null)").format(odd.identifier))
        await connection.execute("create temporary table passing (id int)")
        assert {*await tables(connection)} - {*before} == {odd}
        assert (await digests(connection, [odd]))[odd.name].rows == 3
        await connection.rollback()
    assert {table.name for table in before} >= {"batches", "events", "schema_migrations"}


async def test_rows_that_a_policy_hides_are_not_passed_over(conninfo: str) -> None:
    with psycopg.connect(as_superuser(conninfo), autocommit=True) as owner:
        insert(owner, "events", event_type="batch_missed")
        owner.execute("alter table events enable row level security")
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            await digests(connection, await tables(connection))


def test_a_difference_is_told_by_its_table() -> None:
    one, two = TableDigest(1, "1"), TableDigest(2, "2")
    assert difference({"a": one, "b": two}, {"b": two, "a": one}) is None
    assert difference({"a": one}, {}) == "the table a is missing"
    assert difference({}, {"b": one}) == "the table b is not expected"
    assert difference({"a": one}, {"a": two}) == "the table a has 2 rows instead of 1"
    assert difference({"a": one}, {"a": TableDigest(1, "x")}) == "the 1 rows of the table a are not the same"
