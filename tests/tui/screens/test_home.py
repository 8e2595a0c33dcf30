"""The list of weeks, by keyboard, on a real database."""

from datetime import timedelta

import pytest

from core.backfill import backfill
from core.settings import Settings
from core.week_list import run_date_of
from tests.tui.driving import app_for, has_arrived, home, is_filled, running, shown, started, until, write_as_another
from tests.tui.history import FAILED_WEEK, FIRST_WEEK, MISSED_WEEK, NEWEST_WEEK, all_weeks, drafts, settings_for
from tui.mode import Mode
from tui.screens import week_list as week_list_module
from tui.screens.batch import BatchScreen


async def test_every_week_has_a_row_and_the_newest_is_previewed(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        app = pilot.app
        rows = [run_date_of(row) for row in home(app).table.rows]
        assert rows == sorted({*all_weeks(), MISSED_WEEK}, reverse=True)
        text = shown(app)
        assert "day 4, 1 waiting" in text
        assert "✗ failed" in text
        assert "– missed" in text
        assert "BUY NVDA" in text
        assert f"── {NEWEST_WEEK}" in text
        assert "Wed 20 Nov: next try Thu 17:05 ET · no close on 2024-11-20 for TSLA" in text


async def test_the_movement_keys_move_and_the_preview_follows(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        table = home(pilot.app).table
        for key, row in (("j", 1), ("down", 2), ("k", 1), ("G", len(table.rows) - 1), ("g", 0), ("pagedown", 11)):
            await pilot.press(key)
            assert table.cursor == row, key
        await until(pilot, lambda: has_arrived(pilot.app), "the preview")
        assert f"── {run_date_of(table.rows[11])}" in shown(pilot.app)


async def test_the_preview_steps_through_the_computed_days(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        preview = home(pilot.app).preview
        days = []
        for key in ("left", "left", "left", "right"):
            await pilot.press(key)
            assert preview.view is not None
            assert preview.view.day is not None
            days.append(preview.view.day.number)
        assert days == [2, 1, 1, 2]
        await pilot.pause()
        [heading] = [line for line in shown(pilot.app).splitlines() if "Return" in line]
        assert "Tue 19 Nov   Return" in heading


async def test_a_missed_monday_says_why_and_what_can_still_be_done(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("j", "j")
        await pilot.pause()
        assert "No batch was opened: no scheduler ran." in shown(pilot.app)
        assert "n open it late" in shown(pilot.app)
        await pilot.press("F")
        assert pilot.app.screen is home(pilot.app)
        await until(pilot, lambda: "There is no batch under the cursor." in shown(pilot.app), "the reason")


async def test_read_only_offers_nothing_that_writes(settings: Settings) -> None:
    async with running(app_for(settings, Mode.READ_ONLY)) as pilot:
        await pilot.press("j", "j")
        await pilot.pause()
        assert "No batch was opened" in shown(pilot.app)
        assert "late" not in shown(pilot.app)
        assert " n new" not in shown(pilot.app)
        assert "read-only" in shown(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: "Only a batch can be opened here" in shown(pilot.app), "the reason")
        assert pilot.app.screen is home(pilot.app)
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: "can open the week late" in shown(pilot.app), "the problems")
        assert "R on" not in shown(pilot.app)


async def test_pages_are_read_as_the_cursor_nears_the_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(week_list_module, "FIRST_PAGE", 3)
    monkeypatch.setattr(week_list_module, "PAGE", 2)
    monkeypatch.setattr(week_list_module, "LARGEST_PAGE", 4)
    async with running(app_for(settings), size=(80, 24)) as pilot:
        screen = home(pilot.app)
        await pilot.press("G")
        await until(pilot, lambda: screen.weeks.next_cursor is None, "the last page")
        await until(pilot, lambda: screen.table.row is screen.table.rows[-1], "the cursor on the last row")
        assert [run_date_of(row) for row in screen.table.rows] == sorted({*all_weeks(), MISSED_WEEK}, reverse=True)


async def test_enter_opens_a_batch_and_escape_comes_back_to_the_one_looked_at(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        assert isinstance(pilot.app.screen, BatchScreen)
        await pilot.press("J")
        await until(pilot, lambda: has_arrived(pilot.app), "the older batch")
        await pilot.press("escape")
        assert run_date_of(home(pilot.app).table.rows[home(pilot.app).table.cursor]) == NEWEST_WEEK - timedelta(days=7)


async def test_a_click_on_the_row_under_the_cursor_opens_it(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.click("#weeks", offset=(5, 4))
        assert home(pilot.app).table.cursor == 3
        await pilot.click("#weeks", offset=(5, 4))
        assert isinstance(pilot.app.screen, BatchScreen)


async def test_an_empty_database_says_what_to_do(conninfo: str) -> None:
    app = app_for(settings_for(conninfo), Mode.SCHEDULER)
    async with started(app, (80, 24)) as pilot:
        await until(pilot, lambda: home(app).weeks.is_begun, "the first page")
        await pilot.pause()
        await pilot.press("escape")  # set-up has opened by itself
        text = shown(app)
        assert "There are no batches yet." in text
        assert "▸ u   set up" in text
        assert "No price source is set" in text
        assert "✗ not scheduling" in text


async def test_the_first_batch_replaces_the_greeting(conninfo: str, price_file: object) -> None:
    settings = settings_for(conninfo, price_source="csv", price_file=str(price_file))
    app = app_for(settings)
    async with started(app, (80, 24)) as pilot:
        await until(pilot, lambda: "There are no batches yet." in shown(app), "the greeting")
        await write_as_another(settings, lambda services: backfill(services, {FIRST_WEEK: drafts(FIRST_WEEK)}))
        await until(pilot, lambda: is_filled(app), "the batch")
        await until(pilot, lambda: str(FIRST_WEEK) in shown(app), "its row")
        assert "There are no batches yet." not in shown(app)


async def test_simulated_prices_are_labelled_unmistakably(conninfo: str) -> None:
    settings = settings_for(conninfo, price_source="simulated")
    await write_as_another(settings, lambda services: backfill(services, {FAILED_WEEK: drafts(FAILED_WEEK)}))
    async with running(app_for(settings_for(conninfo), Mode.READ_ONLY)) as pilot:
        assert shown(pilot.app).count("SIMULATED PRICES") == 2
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        await pilot.pause()
        assert shown(pilot.app).count("SIMULATED PRICES") == 2
