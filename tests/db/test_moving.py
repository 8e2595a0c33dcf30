"""Carrying every row to another server: all of it, compared, with the guards in force; or nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import migrate, moving
from db.embedded import EmbeddedServer
from db.errors import DatabaseRefusedError
from db.moving import TABLES, WITH_STATE, MoveError, address_without_secrets, carry_over
from tests.databases import as_owner, as_superuser, cloned
from tests.db.rows import MONDAY, every_row, fill, finish, insert

Connection = psycopg.AsyncConnection[tuple[object, ...]]


@asynccontextmanager
async def both(source: str, target: str) -> AsyncIterator[tuple[Connection, Connection]]:
    async with (
        await psycopg.AsyncConnection.connect(source) as giving,
        await psycopg.AsyncConnection.connect(target) as taking,
    ):
        yield giving, taking


def rows_of(conninfo: str) -> dict[str, list[tuple[str]]]:
    """The rows of the tables that travel."""
    found = every_row(conninfo)
    return {name: found[name] for name in TABLES}


def open_weeks(conninfo: str, endings: list[str]) -> None:
    """A batch a week, each with a day, ended as `endings` say."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for week, ending in enumerate(endings):
            run_date = MONDAY + timedelta(weeks=week)
            batch_id = insert(connection, "batches", run_date=run_date, benchmark_initial_price="100.10")
            pick_id = insert(connection, "picks", batch_id=batch_id)
            day = insert(connection, "checkpoints", batch_id=batch_id, checkpoint_date=run_date)
            insert(connection, "pick_checkpoint_metrics", checkpoint_id=day, pick_id=pick_id)
            if ending != "active":
                finish(connection, batch_id, ending)


async def test_every_row_arrives_on_every_supported_server(conninfo: str, missing: str) -> None:
    fill(conninfo)
    before = rows_of(conninfo)
    assert all(before.values()), "a table without rows would prove nothing"
    migrate.up(missing)
    async with both(as_owner(conninfo), missing) as (giving, taking):
        held = await carry_over(giving, taking)
        await taking.commit()
    assert rows_of(missing) == before == rows_of(conninfo)
    assert {name: digest.rows for name, digest in held.items()} == {name: len(before[name]) for name in TABLES}
    assert every_row(missing)["scheduler_state"] == []
    with psycopg.connect(missing) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("update batches set status = 'active'")


async def test_rows_go_between_tables_of_an_earlier_version(missing: str, bare_conninfo: str) -> None:
    """As in an upgrade of the embedded cluster, whose tables are brought to this version afterwards."""
    for conninfo in (missing, bare_conninfo):
        migrate.up_to(conninfo, dict.fromkeys(migration.version for migration in migrate.shipped()[:10]))
    fill(missing)
    async with both(missing, bare_conninfo) as (giving, taking):
        await carry_over(giving, taking, WITH_STATE)
        await taking.commit()
    assert every_row(bare_conninfo) == every_row(missing)


@pytest.fixture(scope="module")
def two_databases(server: EmbeddedServer, template: str) -> Iterator[tuple[str, str]]:
    """Two migrated databases that the tests of this file share and leave empty."""
    with cloned(server, template, "from") as source, cloned(server, template, "to") as target:
        yield source, target


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(endings=st.lists(st.sampled_from(["active", "completed", "failed"]), max_size=6))
async def test_batches_arrive_as_they_had_ended(two_databases: tuple[str, str], endings: list[str]) -> None:
    """A writer's rights are enough where they arrive: both are reached by members of alpha_monday_writer."""
    source, target = two_databases
    for database in two_databases:
        with psycopg.connect(as_superuser(database), autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            for name in reversed(TABLES):
                connection.execute(sql.SQL("delete from {}").format(sql.Identifier(name)))
    open_weeks(source, endings)
    # The one right beyond a writer's is needed where they come from: to hold everybody else off.
    async with both(as_owner(source), target) as (giving, taking):
        await carry_over(giving, taking)
        await taking.commit()
    assert rows_of(target) == rows_of(source)


@pytest.mark.parametrize("table", ["batches", "events"])
async def test_a_database_that_holds_something_is_refused(conninfo: str, missing: str, table: str) -> None:
    fill(conninfo)
    migrate.up(missing)
    with psycopg.connect(missing, autocommit=True) as connection:
        insert(connection, table)
    before = rows_of(missing)
    async with both(as_owner(conninfo), missing) as (giving, taking):
        with pytest.raises(MoveError, match=f"holds {table} already"):
            await carry_over(giving, taking)
    assert rows_of(missing) == before


async def test_what_arrives_otherwise_than_it_was_sent_is_refused(conninfo: str, bare_conninfo: str) -> None:
    fill(conninfo)
    migrate.up(bare_conninfo)
    with psycopg.connect(bare_conninfo, autocommit=True) as connection:
        connection.execute(
            "create function meddle() returns trigger language plpgsql as "
            "$$ begin new.reasoning := upper(new.reasoning); return new; end $$"
        )
        connection.execute("create trigger meddling before insert on picks for each row execute function meddle()")
    async with both(as_owner(conninfo), bare_conninfo) as (giving, taking):
        with pytest.raises(MoveError, match="1 rows of the table picks are not the same"):
            await carry_over(giving, taking)
        await taking.rollback()
    assert not any(rows_of(bare_conninfo).values())


async def test_nobody_writes_meanwhile_and_everybody_reads(conninfo: str, bare_conninfo: str) -> None:
    fill(conninfo)
    migrate.up(bare_conninfo)
    async with both(as_owner(conninfo), bare_conninfo) as (giving, taking):
        await carry_over(giving, taking)
        with psycopg.connect(conninfo, autocommit=True) as other:
            other.execute("set lock_timeout = '100ms'")
            assert other.execute("select count(*) from events").fetchone() == (1,)
            for table in ("batches", "events"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    insert(other, table, **({"run_date": MONDAY + timedelta(7)} if table == "batches" else {}))
            for database in (conninfo, bare_conninfo):
                with psycopg.connect(database) as opener, pytest.raises(psycopg.errors.LockNotAvailable):
                    opener.execute("lock table week_openings in exclusive mode nowait")
        await giving.rollback()
        await taking.rollback()
    with psycopg.connect(conninfo, autocommit=True) as other:
        insert(other, "events")


async def test_a_writer_that_does_not_end_is_not_waited_for_without_end(
    conninfo: str, bare_conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.up(bare_conninfo)
    briefly = b"select set_config('lock_timeout', '50ms', true)"
    assert b"'10s'" in moving._SQL["wait_briefly"]
    monkeypatch.setitem(moving._SQL, "wait_briefly", briefly)
    with psycopg.connect(conninfo) as writer:
        insert(writer, "events")
        async with both(as_owner(conninfo), bare_conninfo) as (giving, taking):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await asyncio.wait_for(carry_over(giving, taking), 20)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:me@db.test/me", "postgresql://me@db.test/me"),
        ("host=h user=u password='a b' sslpassword=x dbname=d port=5433", "postgresql://u@h:5433/d"),
        ("host=a,b port=1,2 user=u", "postgresql://u@/?host=a%2Cb&port=1%2C2"),
        ("dbname=d sslmode=verify-full", "postgresql:///d?sslmode=verify-full"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert address_without_secrets(url) == shown


@given(
    parts=st.dictionaries(
        st.sampled_from(["host", "port", "user", "dbname", "sslmode", "options", "password", "sslpassword"]),
        st.one_of(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), st.just("secret word")),
    )
)
def test_an_address_that_is_shown_leads_to_the_same_place(parts: dict[str, str]) -> None:
    url = make_conninfo("", **parts)
    try:
        shown = address_without_secrets(url)
    except DatabaseRefusedError:
        assume(False)
    secret = {"password", "sslpassword"}
    assert conninfo_to_dict(shown) == {
        name: value for name, value in conninfo_to_dict(url).items() if name not in secret
    }
    assert not set(shown) & set("' \"\n`$\\")
