"""The demo's database: one of everything that can happen, and the same however often it is filled."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import psycopg
import pytest

from core.demo import fill, open_demo
from core.services import DEMO_DATABASE, Access
from core.settings import Settings
from core.settings_layers import load_settings
from core.trading_calendar import TradingCalendar, batch_days
from db.database_creation import drop_database
from db.embedded import EmbeddedServer
from tests.fakes import FixedClock, exchange
from tests.tui.shell.conftest import everything

NOW = exchange("2026-11-22", "14:16")
KINDS = "select event_type, count(*)::int from events group by 1"


@pytest.fixture
def demo(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The conninfo of the demo's database, on the tests' server."""

    @asynccontextmanager
    async def on_the_tests_server(_: Settings, access: Access, name: str) -> AsyncIterator[tuple[str, None]]:
        assert access is Access.WRITE
        yield server.conninfo(name), None

    monkeypatch.setattr("core.services._address", on_the_tests_server)
    yield server.conninfo(DEMO_DATABASE)
    drop_database(server.conninfo("postgres"), DEMO_DATABASE)


async def filled(clock: FixedClock, *, reset: bool = False) -> None:
    async with open_demo(load_settings().settings, reset=reset, clock=clock) as services:
        await fill(services)


async def test_it_holds_one_of_everything_and_stays_as_it_is(demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/a-real-one")  # the demo leaves it alone
    clock = FixedClock(NOW)
    await filled(clock)
    with psycopg.connect(demo) as connection:
        rows = connection.execute("select run_date, status from batches order by 1").fetchall()
        weeks: dict[date, str] = dict(rows)
        missed = connection.execute("select payload ->> 'run_date' from events where event_type = 'batch_missed'")
        assert len(missed.fetchall()) >= 1, "a missed Monday"
        assert list(weeks.values()).count("failed") >= 1
        assert list(weeks.values()).count("active") >= 1
        assert max(weeks) == date(2026, 11, 16)
        assert date(2026, 11, 16) - min(weeks) <= timedelta(weeks=59)
        assert len(weeks) == 60 - len(
            connection.execute("select from events where event_type = 'batch_missed'").fetchall()
        )

        [(waiting,)] = connection.execute("select count(*) from waiting_days").fetchall()
        assert waiting >= 1, "a day that waits"
        [(latest,)] = connection.execute("select max(checkpoint_date) from waiting_days").fetchall()
        assert latest == date(2026, 11, 20)
        splits = connection.execute(
            "select from events, jsonb_each(payload -> 'closes') as traced (symbol, ends) "
            "where event_type = 'checkpoint_computed' and (ends ->> 'split_factor')::numeric <> 1"
        ).fetchall()
        assert splits, "a split"
        worst = connection.execute("select min(absolute_return_pct) from pick_checkpoint_metrics").fetchone()
        assert worst is not None
        assert worst[0] > -45, "and none that shows as a crash"
        sources = connection.execute("select distinct payload ->> 'source' from events where payload ? 'source'")
        assert sources.fetchall() == [("simulated",)]

    calendar = TradingCalendar()
    days = {day for week in weeks for day in batch_days(week) if day <= NOW.date() and day.weekday() < 5}
    assert [day for day in days if not calendar.is_session(day)], "a holiday"
    assert [day for day in days if calendar.is_half_day(day)], "a half day"

    before = everything(demo)
    await filled(clock)
    after = everything(demo)
    assert {table: after[table] for table in after if table != "waiting_days"} == {
        table: before[table] for table in before if table != "waiting_days"
    }
    assert len(after["waiting_days"]) == len(before["waiting_days"])


async def test_it_goes_on_from_day_to_day_and_begins_anew_when_told(demo: str) -> None:
    clock = FixedClock(NOW - timedelta(days=14))
    await filled(clock)
    before = everything(demo)
    clock.instant = NOW
    await filled(clock)
    after = everything(demo)
    assert set(before["checkpoints"]) < set(after["checkpoints"])
    assert len(after["batches"]) > len(before["batches"])
    await filled(clock, reset=True)
    assert not set(everything(demo)["batches"]) & set(after["batches"]), "other ids: it was made anew"
