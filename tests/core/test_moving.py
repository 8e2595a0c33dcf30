"""Moving the embedded database: refused where it would split or lose anything, and final for those it leaves."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from core.moving import move
from core.pausing import PAUSE_FACT, read_pause
from core.scheduler import Scheduler
from core.scheduler_state import Phase
from core.services import DATABASE, Services
from core.settings import Settings
from db import leadership, migrate, moving
from db.database import Database
from db.embedded import EmbeddedServer
from db.errors import DatabaseUnavailableError
from db.fencing import take_lead
from db.moving import TABLES, MoveError
from tests.conftest import FAST_AND_FORGETFUL
from tests.core.world import CALENDAR, RULES
from tests.db.rows import MONDAY, every_row, fill, insert
from tests.fakes import FixedClock, exchange

PASSWORD = "Pa55-marker"  # noqa: S105 - the marker that is looked for, and no secret
PAUSE = {"who": "ann@host", "since": "2026-11-16T13:00:00+00:00", "reason": "because"}


@pytest.fixture(scope="module")
def data_dir(reachable_directory: Path) -> Iterator[tuple[Path, EmbeddedServer]]:
    """A data directory whose embedded server runs."""
    directory = reachable_directory / "data of a mover"
    with EmbeddedServer.start(directory / "postgres", FAST_AND_FORGETFUL) as server:
        yield directory, server


@pytest.fixture
def source(data_dir: tuple[Path, EmbeddedServer]) -> Iterator[str]:
    """The address of the embedded database, a row in every table of it."""
    server = data_dir[1]
    migrate.up(server.conninfo(DATABASE))
    yield fill(server.conninfo(DATABASE))
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(DATABASE)))


@pytest.fixture
def embedded(data_dir: tuple[Path, EmbeddedServer], source: str) -> Settings:
    """Settings that lead to it."""
    return Settings(data_dir=data_dir[0])


def rows_of(conninfo: str) -> dict[str, list[Any]]:
    found = every_row(conninfo)
    return {name: found[name] for name in TABLES}


def state(conninfo: str) -> dict[str, Any]:
    with psycopg.connect(conninfo) as connection:
        return dict(connection.execute("select name, value from scheduler_state").fetchall())


def note(conninfo: str, name: str, value: dict[str, Any]) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("delete from scheduler_state where name = %s", (name,))
        connection.execute("insert into scheduler_state (name, value) values (%s, %s)", (name, Jsonb(value)))


async def test_everything_arrives_and_what_it_leaves_is_paused(
    embedded: Settings, source: str, bare_conninfo: str
) -> None:
    """By the owner of an empty database; what schedulers note of themselves stays behind."""
    before = rows_of(source)
    note(source, "ticks", {"idle": 3})
    moved = await move(embedded, f"{bare_conninfo} password={PASSWORD}")
    assert rows_of(bare_conninfo) == before == rows_of(source)
    assert (moved.tables, moved.rows) == (len(TABLES), sum(map(len, before.values())))
    assert moved.directory == embedded.data_dir / "postgres"
    assert not moved.is_paused
    assert state(bare_conninfo) == {}
    assert PASSWORD not in moved.address
    parts = {name: value for name, value in conninfo_to_dict(bare_conninfo).items() if value}
    assert conninfo_to_dict(moved.address) == parts
    paused = state(source)[PAUSE_FACT]
    assert (paused["who"], paused["reason"]) == ("db move", f"moved to {moved.address}"[:300])
    assert PASSWORD not in str(state(source))


async def test_a_forgotten_scheduler_does_nothing_on_it(embedded: Settings, source: str, bare_conninfo: str) -> None:
    """Its batch has days that are due, and its Mondays are missed."""
    await move(embedded, bare_conninfo)
    with psycopg.connect(source, autocommit=True) as connection:
        insert(connection, "batches", run_date=MONDAY + timedelta(7))
    before = rows_of(source)
    async with Database(source) as database:
        clock = FixedClock(exchange("2026-03-02"))
        scheduler = Scheduler(Services(embedded, clock, CALENDAR, RULES, database, (), None))
        running = asyncio.ensure_future(scheduler.run())
        async with asyncio.timeout(30):
            while scheduler.state.phase is not Phase.PAUSED:  # noqa: ASYNC110 - states are told, not awaited
                await asyncio.sleep(0.01)
        scheduler.stop()
        await running
    assert rows_of(source) == before


async def test_the_operators_pause_goes_along(embedded: Settings, source: str, bare_conninfo: str) -> None:
    note(source, PAUSE_FACT, PAUSE)
    assert (await move(embedded, bare_conninfo)).is_paused
    assert state(bare_conninfo) == {PAUSE_FACT: PAUSE}
    assert state(source)[PAUSE_FACT]["reason"].startswith("moved to ")


async def test_one_that_was_moved_is_not_moved_again_unless_its_operator_says_so(
    embedded: Settings, source: str, bare_conninfo: str, conninfo: str
) -> None:
    """The second time to a database whose tables are another's: a writer's rights are enough there."""
    await move(embedded, bare_conninfo)
    with pytest.raises(MoveError, match="was moved to") as caught:
        await move(embedded, conninfo)
    assert "alpha-monday resume" in caught.value.remedy
    assert not any(rows_of(conninfo).values())
    async with await psycopg.AsyncConnection.connect(source, autocommit=True) as connection:
        await leadership.forget(connection, PAUSE_FACT)
    assert not (await move(embedded, conninfo)).is_paused
    assert rows_of(conninfo) == rows_of(source)
    assert state(conninfo) == {}


class TestRefusals:
    """Each leaves both databases, and the schedulers' pause, as they were."""

    @pytest.fixture(params=[None, PAUSE], ids=["not paused", "paused"], autouse=True)
    def untouched(self, request: pytest.FixtureRequest, source: str) -> Iterator[None]:
        if request.param is not None:
            note(source, PAUSE_FACT, request.param)
        before = every_row(source)
        yield
        # A pause that was put back is noted anew, at another moment.
        assert {**every_row(source), "scheduler_state": None} == {**before, "scheduler_state": None}
        assert state(source).get(PAUSE_FACT) == request.param

    async def test_of_another_database_than_the_embedded_one(self, embedded: Settings, bare_conninfo: str) -> None:
        elsewhere = Settings.model_construct(database_url=SecretStr("x"), data_dir=embedded.data_dir)
        with pytest.raises(MoveError, match="DATABASE_URL is set"):
            await move(elsewhere, bare_conninfo)
        assert every_row(bare_conninfo) == {}

    async def test_while_a_scheduler_leads(self, embedded: Settings, source: str, bare_conninfo: str) -> None:
        async with await psycopg.AsyncConnection.connect(source, autocommit=True) as leader:
            assert await take_lead(leader, lapses_after_s=30)
            with pytest.raises(MoveError, match="A scheduler leads") as caught:
                await move(embedded, bare_conninfo)
        assert "--headless" in caught.value.remedy
        assert every_row(bare_conninfo) == {}

    async def test_of_a_target_with_rows(self, embedded: Settings, conninfo: str) -> None:
        fill(conninfo)
        before = every_row(conninfo)
        with pytest.raises(MoveError, match="holds batches already"):
            await move(embedded, conninfo)
        assert every_row(conninfo) == before

    async def test_of_itself(self, embedded: Settings, source: str) -> None:
        with pytest.raises(MoveError, match="holds batches already"):
            await move(embedded, source)

    async def test_of_a_server_that_cannot_be_reached(self, embedded: Settings) -> None:
        with pytest.raises(DatabaseUnavailableError):
            await move(embedded, f"postgresql://u:{PASSWORD}@127.0.0.1:1/x")

    async def test_of_what_arrives_otherwise(self, embedded: Settings, bare_conninfo: str) -> None:
        migrate.up(bare_conninfo)
        with psycopg.connect(bare_conninfo, autocommit=True) as connection:
            connection.execute("alter table picks alter column initial_price type numeric(20, 1)")
        with pytest.raises(MoveError, match="the table picks are not the same"):
            await move(embedded, bare_conninfo)
        assert not any(rows_of(bare_conninfo).values())
        assert state(bare_conninfo) == {}


async def test_an_embedded_database_without_batches_is_not_moved(
    embedded: Settings, source: str, bare_conninfo: str
) -> None:
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from batches")
    with pytest.raises(MoveError, match="no batches to move"):
        await move(embedded, bare_conninfo)


async def test_nobody_begins_to_lead_meanwhile(
    embedded: Settings, source: str, bare_conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int | None, str]] = []
    copy = moving._copy

    async def looking(*given: Any) -> None:
        async with await psycopg.AsyncConnection.connect(source, autocommit=True) as other:
            pause = await read_pause(other)
            assert pause is not None
            seen.append((await take_lead(other, lapses_after_s=30), pause.who))
        await copy(*given)

    monkeypatch.setattr(moving, "_copy", looking)
    await move(embedded, bare_conninfo)
    assert len(seen) == len(TABLES)
    assert {session for session, _ in seen} == {None}
    assert {who for _, who in seen} == {"db move"}


async def test_a_commit_of_unknown_outcome_leaves_no_two_that_go_on(
    embedded: Settings, source: str, bare_conninfo: str, server: EmbeddedServer
) -> None:
    migrate.up(bare_conninfo)
    with psycopg.connect(make_conninfo(bare_conninfo, user="postgres"), autocommit=True) as connection:
        connection.execute(
            "create function die() returns trigger language plpgsql security definer as "
            "$$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$"
        )
        connection.execute(
            "create constraint trigger dying after insert on waiting_days deferrable initially deferred "
            "for each row execute function die()"
        )
    with pytest.raises(MoveError, match="not known whether") as caught:
        await move(embedded, bare_conninfo)
    assert "alpha-monday resume" in caught.value.remedy
    assert state(source)[PAUSE_FACT]["reason"].startswith("moved to ")


async def test_what_failed_is_told_though_the_pause_could_not_be_taken_back(
    embedded: Settings, source: str, bare_conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that dies takes the connection with it by which the pause was noted."""

    async def failing(giving: psycopg.AsyncConnection, _: Any) -> Any:
        with psycopg.connect(source, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
                "where datname = current_database() and pid <> all (%s)",
                ([connection.info.backend_pid, giving.info.backend_pid],),
            )
        raise MoveError("This is what failed.", "Mend it.")

    monkeypatch.setattr("core.moving.carry_over", failing)
    with pytest.raises(MoveError, match="This is what failed") as caught:
        await move(embedded, bare_conninfo)
    assert "alpha-monday resume" in caught.value.remedy
    assert any("not taken back" in note for note in caught.value.__notes__)
    assert state(source)[PAUSE_FACT]["reason"].startswith("moved to ")


KILLED = """
import asyncio, os, sys
from pathlib import Path
from core import moving
from core.settings import Settings
async def dying(*_): os.kill(os.getpid(), 9)
moving.carry_over = dying
asyncio.run(moving.move(Settings(data_dir=Path(sys.argv[1])), sys.argv[2]))
"""


async def test_killed_half_way_it_leaves_the_schedulers_paused_and_nothing_there(
    embedded: Settings, source: str, bare_conninfo: str
) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(embedded.data_dir), bare_conninfo, stdout=subprocess.DEVNULL
    )
    assert await killed.wait() == -9
    assert state(source)[PAUSE_FACT]["reason"].startswith("moved to ")
    assert not any(rows_of(bare_conninfo).values())
    async with await psycopg.AsyncConnection.connect(source, autocommit=True) as connection:
        await leadership.forget(connection, PAUSE_FACT)
    await move(embedded, bare_conninfo)
    assert rows_of(bare_conninfo) == rows_of(source)
