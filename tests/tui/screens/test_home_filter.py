"""Filtering, sorting, failing and unstaging from the list, by keyboard and by mouse."""

import psycopg
import pytest
from textual.events import Paste

from core.settings import Settings
from core.week_list import run_date_of
from tests.tui.driving import app_for, has_arrived, home, running, shown, until
from tests.tui.history import FAILED_WEEK, MISSED_WEEK, NEWEST_WEEK, all_weeks
from tests.tui.test_literal import HOSTILE
from tui.mode import Mode


def dates(app: object) -> list[object]:
    return [run_date_of(row) for row in home(app).table.rows]  # type: ignore[arg-type]  # the running app


async def test_a_filter_by_ticker_state_and_words_and_back(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        app = pilot.app
        await pilot.press("slash", *"failed")
        await until(pilot, lambda: dates(app) == [FAILED_WEEK], "the failed week")
        await pilot.press("ctrl+u", *"missed")
        await until(pilot, lambda: dates(app) == [MISSED_WEEK], "the missed week")
        await pilot.press("ctrl+u", *"tsla underwriting")
        await until(pilot, lambda: len(dates(app)) == 3, "weeks of a ticker and a word")
        await pilot.press("enter", "j", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 2 and has_arrived(app), "the second of them")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: len(dates(app)) == len(all_weeks()) + 1, "every week")


async def test_a_filter_that_finds_nothing_says_so(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: "No week holds all of these words." in shown(pilot.app), "the sentence")
        await pilot.press("escape")
        await until(pilot, lambda: str(NEWEST_WEEK) in shown(pilot.app), "every week")


async def test_what_is_typed_into_the_filter_is_only_words(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        for text in HOSTILE.values():
            await pilot.press("slash")
            home(pilot.app).filter_line.query_one("Input").post_message(Paste(text))
            await pilot.pause(0.2)
            assert "\x1b" not in shown(pilot.app)
            await pilot.press("escape")
        await until(pilot, lambda: len(dates(pilot.app)) == len(all_weeks()) + 1, "every week")


async def test_a_click_on_a_heading_sorts_and_another_turns_it_round(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        app = pilot.app
        heading = next(line for line in shown(app).splitlines() if "Excess" in line)
        top = shown(app).splitlines().index(heading)
        await pilot.click(offset=(heading.index("Excess"), top))
        await until(pilot, lambda: "Excess↓" in shown(app), "the greatest first")
        found = (getattr(row, "excess_pct", None) for row in home(app).table.rows)
        values = [value for value in found if value is not None]
        assert values == sorted(values, reverse=True)
        await pilot.click(offset=(heading.index("Excess") + 1, top))
        await until(pilot, lambda: "Excess↑" in shown(app), "the least first")
        await pilot.press("S")
        await until(pilot, lambda: "Excess↓" in shown(app), "turned round again")


async def test_a_batch_is_marked_failed_by_keyboard_alone(settings: Settings, filled: str) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("F", "enter")
        await until(pilot, lambda: "Nothing is filled in." in shown(pilot.app), "the complaint")
        await pilot.press(*"stale file", "enter")
        await until(pilot, lambda: f"The batch of {NEWEST_WEEK} is marked failed." in shown(pilot.app), "the word")
        await until(pilot, lambda: "marked failed: stale file" in shown(pilot.app), "the reason in the preview")
        await pilot.press("F")
        await until(pilot, lambda: "This batch has ended;" in shown(pilot.app), "the refusal")
    with psycopg.connect(filled) as connection:
        row = connection.execute("select status from batches where run_date = %s", (NEWEST_WEEK,)).fetchone()
    assert row == ("failed",)


async def test_the_places_and_the_keys_below_are_clicked(settings: Settings) -> None:
    async with running(app_for(settings, Mode.READ_ONLY)) as pilot:
        app = pilot.app
        for place, words in (
            ("2 Performance", "Batting average"),
            ("4 Events", "Exchange time"),
            ("1 Batches", "Week"),
        ):
            lines = shown(app).splitlines()
            row = next(number for number, line in enumerate(lines) if place in line)
            await pilot.click(offset=(lines[row].index(place) + 2, row))
            await until(pilot, lambda words=words: words in shown(app), words)  # type: ignore[misc]  # binds the loop's value
        lines = shown(app).splitlines()
        await pilot.click(offset=(lines[-1].index("help"), len(lines) - 1))
        await until(pilot, lambda: "Show the keys of where you are." in shown(app), "the help")


@pytest.mark.parametrize("place", ["1", "4"])
async def test_while_a_filter_is_typed_the_footer_offers_only_keys_that_work_then(
    settings: Settings, place: str
) -> None:
    async with running(app_for(settings), (200, 40)) as pilot:
        await pilot.press(place)
        await until(pilot, lambda: "/ filter" in shown(pilot.app), "the keys of the place")
        await pilot.press("slash")
        await until(pilot, lambda: "to the list" in shown(pilot.app).splitlines()[-1], "the keys while typing")
        await pilot.press("n", "q", "x")
        await pilot.pause()
        assert shown(pilot.app).splitlines()[-1].strip() == "↵ to the list  Esc show all  ^p commands"
        await pilot.press("ctrl+p")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "CommandPalette", "the palette")
        await pilot.press("escape")
        await pilot.press("down")
        await until(pilot, lambda: "/ filter" in shown(pilot.app).splitlines()[-1], "the keys of the list")
        await pilot.press("slash", "escape")
        await until(pilot, lambda: "/ filter" in shown(pilot.app).splitlines()[-1], "the keys of the list")
