"""One batch: its tabs, its days, its metrics, its neighbours."""

import psycopg

from core.settings import Settings
from tests.databases import as_superuser
from tests.tui.driving import app_for, has_arrived, running, shown, until
from tests.tui.history import NEWEST_WEEK, SPLIT_WEEK
from tui.screens.batch import BatchScreen


async def test_the_reasoning_is_whole(settings: Settings) -> None:
    async with running(app_for(settings), size=(80, 24)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        await pilot.pause()
        text = shown(pilot.app)
        assert "Capital expenditure on data centres was guided up again; estimates lag." in text
        assert "Supply is the limit, not demand." in text
        assert "best ▲" in text


async def test_every_day_stands_in_the_checkpoints(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter", "tab")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        await pilot.pause()
        screen = pilot.app.screen
        assert isinstance(screen, BatchScreen)
        assert [day.number for day in screen.days.rows] == list(range(1, 15))
        assert [str(day.state) for day in screen.days.rows][:5] == [
            "computed", "computed", "waiting", "computed", "to come",
        ]  # fmt: skip
        text = shown(pilot.app)
        assert "waiting  next try Thu 17:05 ET, no close yet" in text
        assert "due 13:30 ET" in text, "the half day after Thanksgiving"


async def test_a_checkpoint_tells_where_each_price_came_from(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        weeks_back = (NEWEST_WEEK - SPLIT_WEEK).days // 7
        await pilot.press(*["j"] * weeks_back, "enter", "tab", "j", "j")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        batch_screen = pilot.app.screen
        await pilot.press("enter")
        await until(pilot, lambda: "Split factor" in shown(pilot.app), "the day, laid out")
        await pilot.pause()
        text = shown(pilot.app)
        assert f"{SPLIT_WEEK} · day 3 · Wed 9 Oct" in text
        assert "vs SPY" in text
        assert "csv · basis unspecified" in text
        traced = [line.partition("│ KO ")[2].partition("│")[0].split() for line in text.splitlines()]
        assert ["269.55", "134.225", "2"] in traced
        await pilot.press("escape")
        assert pilot.app.screen is batch_screen


async def test_a_skipped_and_a_waiting_day_say_why(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter", "tab", "j", "j")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        await pilot.press("enter")
        await pilot.pause()
        assert "no close on 2024-11-20 for TSLA from csv" in shown(pilot.app)
        await pilot.press("escape", "J")
        await until(pilot, lambda: has_arrived(pilot.app), "the older batch")
        await pilot.press("g", "j", "j", "j", "j", "j", "enter")
        await pilot.pause()
        assert "skipped  market closed" in shown(pilot.app)


async def test_tabs_and_neighbours(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        screen = pilot.app.screen
        assert isinstance(screen, BatchScreen)
        tabs = []
        for key in ("tab", "]", "]", "]", "]", "[", "shift+tab", "[", "["):
            await pilot.press(key)
            tabs.append(screen.tab)
        assert tabs == ["days", "heat", "chart", "log", "picks", "log", "chart", "heat", "days"]
        await pilot.press("K")
        await until(pilot, lambda: "This is the newest batch." in shown(pilot.app), "the reason")
        await pilot.press("J", "J", "J")
        await until(pilot, lambda: has_arrived(pilot.app), "an older batch")
        assert screen.tab == "days"
        older = screen.run_date
        assert older < NEWEST_WEEK
        await pilot.press("K")
        await until(pilot, lambda: has_arrived(pilot.app) and screen.run_date > older, "the newer batch")


async def test_the_log_tells_what_happened_with_its_payload(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter", "shift+tab")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        await pilot.press("G")
        await until(pilot, lambda: '"pick_source": "file"' in shown(pilot.app), "the payload")
        text = shown(pilot.app)
        assert "batch opened" in text
        assert f"{NEWEST_WEEK} · file · csv · unspecified" in text


async def test_while_the_database_is_frozen_enter_shows_what_the_preview_held(settings: Settings, filled: str) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("left")
        with psycopg.connect(as_superuser(filled)) as connection:
            connection.execute("lock table batches, picks, checkpoints, events in access exclusive mode")
            await pilot.press("enter")
            await pilot.pause()
            assert isinstance(pilot.app.screen, BatchScreen)
            text = shown(pilot.app)
            assert "Supply is the limit, not demand." in text
            assert "Wed 20 Nov: next try Thu 17:05 ET · no close on 2024-11-20 for TSLA" in text
            assert "as of Thu 21 Nov" in text, "the newest day, whichever one the preview looked at"
            await pilot.press("tab")
            await pilot.pause()
            await until(pilot, lambda: "due 13:30 ET" in shown(pilot.app), "the days")
            assert pilot.app.screen._older is None, "nothing was read"
        await until(pilot, lambda: pilot.app.screen._older is not None, "the neighbours, once it answers")  # type: ignore[attr-defined]  # the batch's screen


async def test_a_batch_that_nobody_has_read_says_that_it_is_being_read(settings: Settings, filled: str) -> None:
    async with running(app_for(settings)) as pilot:
        with psycopg.connect(as_superuser(filled)) as connection:
            connection.execute("lock table batches, picks, checkpoints, events in access exclusive mode")
            pilot.app.push_screen(BatchScreen(NEWEST_WEEK))
            await until(pilot, lambda: "Reading the batch …" in shown(pilot.app), "the words")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
