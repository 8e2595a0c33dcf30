"""What any process writes shows by itself; a database that goes away comes back."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from textual.css.query import NoMatches

from core.backfill import backfill
from core.batches import fail
from core.services import Services
from core.settings import Settings
from core.week_list import WeekPage, run_date_of, week_page
from db.embedded import EmbeddedServer
from tests.fakes import FixedClock
from tests.tui.driving import app_for, has_arrived, home, link, running, shown, started, until, write_as_another
from tests.tui.history import MISSED_WEEK, NEWEST_WEEK, NOW, drafts
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.screens.batch import BatchScreen
from tui.status import Link

LEFT = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
WITHIN_S = 10


async def test_a_write_elsewhere_shows_and_the_cursor_stays_with_its_row(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        table = home(pilot.app).table
        await pilot.press(*["j"] * 5)
        kept = run_date_of(table.rows[table.cursor])
        assert "– missed" in shown(pilot.app)
        await write_as_another(settings, lambda services: backfill(services, {MISSED_WEEK: drafts(MISSED_WEEK)}))
        await until(pilot, lambda: "– missed" not in shown(pilot.app), "the week that was missed")
        assert run_date_of(table.rows[table.cursor]) == kept
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: shown(pilot.app).count("✗ failed") == 2, "the failed batch")
        assert run_date_of(table.rows[table.cursor]) == kept


async def test_the_first_page_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []

    async def counted(services: Services, *args: Any, **options: Any) -> WeekPage:
        read.append(args)
        return await week_page(services, *args, **options)

    monkeypatch.setattr("core.week_list.week_page", counted)
    async with running(app_for(settings)) as pilot:
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: shown(pilot.app).count("✗ failed") == 2, "the failed batch, in its place")
    assert len(read) == 1


async def test_an_open_batch_and_its_tab_stay_open_while_it_changes(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter", "tab", "j", "j", "j", "j")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        screen = pilot.app.screen
        assert isinstance(screen, BatchScreen)
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: "✗ failed" in shown(pilot.app), "the failed batch")
        assert (screen.tab, screen.days.cursor) == ("days", 4)
        assert "never" in shown(pilot.app)


@contextmanager
def unreachable(server: EmbeddedServer, conninfo: str) -> Iterator[None]:
    """Throws everybody out of a database, and lets nobody in meanwhile."""
    name = str(conninfo_to_dict(conninfo)["dbname"])
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        allow = sql.SQL("alter database {} with allow_connections {}")
        connection.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        try:
            yield
        finally:
            connection.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


@pytest.mark.parametrize("mode", [Mode.NO_SCHEDULER, Mode.SCHEDULER])
async def test_a_lost_database_leaves_the_last_values_and_comes_back(
    server: EmbeddedServer, filled: str, settings: Settings, mode: Mode
) -> None:
    clock = FixedClock(NOW)
    async with running(app_for(settings, mode, clock)) as pilot:
        with unreachable(server, filled):
            await until(pilot, lambda: link(pilot.app) is Link.LOST, "the loss")
            clock.instant += timedelta(seconds=90)
            await until(pilot, lambda: "What is shown was read 1 min ago." in shown(pilot.app), "the age")
            assert "✗ database lost, retrying" in shown(pilot.app)
            assert "BUY NVDA" in shown(pilot.app)
            await pilot.press("j")
        await until(pilot, lambda: link(pilot.app) is Link.OPEN, "the database")
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: shown(pilot.app).count("✗ failed") == 2, "what was written since")
        await until(pilot, lambda: "database lost" not in shown(pilot.app), "the scheduler, at once")


async def test_without_listening_it_looks_by_itself(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.database.CHANNEL", "a channel that is no name")
    async with running(app_for(settings)) as pilot:
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: shown(pilot.app).count("✗ failed") == 2, "the failed batch")


async def test_the_scheduler_inside_leads_and_ends_with_the_app(settings: Settings, filled: str) -> None:
    app = app_for(settings, Mode.SCHEDULER)
    async with running(app) as pilot:
        await until(pilot, lambda: "● leading" in shown(app), "the lead")
        await until(pilot, lambda: "next " in shown(app), "what is next")
        await pilot.press("q")
        await until(pilot, lambda: "no other process stands by" in shown(app), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: not app.is_running, "the end")
    assert app.return_code == 0
    # The server's processes end a moment after their clients have left.
    deadline = time.monotonic() + WITHIN_S
    with psycopg.connect(filled, autocommit=True) as connection:
        while (left := connection.execute(LEFT).fetchone()) != (0,) and time.monotonic() < deadline:  # noqa: ASYNC110 - another program ends there
            await asyncio.sleep(0.05)
    assert left == (0,)


async def test_at_rest_it_keeps_the_connections_that_it_listens_and_schedules_on(
    settings: Settings, filled: str
) -> None:
    async with running(app_for(settings, Mode.SCHEDULER)) as pilot:
        await until(pilot, lambda: "● leading" in shown(pilot.app), "the lead")
        with psycopg.connect(filled, autocommit=True) as connection:
            await until(pilot, lambda: connection.execute(LEFT).fetchone() == (3,), "three connections")


async def test_a_database_that_comes_later_is_opened(server: EmbeddedServer, settings: Settings, filled: str) -> None:
    app = app_for(settings)
    async with started(app, (80, 24)) as pilot:
        with unreachable(server, filled):
            await until(pilot, lambda: "✗ no database, retrying" in shown(app), "the failure")
            assert "There is no database to show." in shown(app)
        await until(pilot, lambda: str(NEWEST_WEEK) in shown(app), "the list")
        assert app.status.link is Link.OPEN


async def test_a_source_that_cannot_be_made_does_not_keep_the_screen_closed(settings: Settings, filled: str) -> None:
    broken = settings.model_copy(update={"price_source": ("nonesuch",)})
    async with running(app_for(broken, Mode.SCHEDULER)) as pilot:
        assert "no price source is called 'nonesuch'" in shown(pilot.app)
        assert "BUY NVDA" in shown(pilot.app)


async def test_what_is_read_while_the_app_is_left_misses_no_widget(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The widgets go before the workers; a widget that is missing at any other time is a defect."""
    async with running(app_for(settings)) as pilot:
        screen = home(pilot.app)
        with pytest.raises(NoMatches), screen.while_it_stands():
            screen.query_one("#nothing-of-this-name")
        with monkeypatch.context() as leaving:
            leaving.setattr(type(pilot.app), "is_running", False)
            with screen.while_it_stands():
                screen.query_one("#nothing-of-this-name")


async def test_setting_the_status_repaints_nothing_by_itself(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(app_for(settings)) as pilot:
        painted: list[object] = []
        monkeypatch.setattr(pilot.app, "refresh", lambda *args, **_: painted.append(args))
        monkeypatch.setattr(pilot.app.screen, "refresh", lambda *args, **_: painted.append(args))
        app = pilot.app
        assert isinstance(app, AlphaMondayApp)
        app.status = replace(app.status, answered_at=NOW + timedelta(seconds=1))
        await pilot.pause()
        assert not painted


async def test_a_worker_that_outlives_the_screens_still_finds_the_last_one(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        app = pilot.app
        assert isinstance(app, AlphaMondayApp)
        shown = app.top_screen
    assert not app.screen_stack
    assert app.top_screen is shown
