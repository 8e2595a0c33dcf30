"""Taking a move at its word from the screens: where it is offered, what is asked, what follows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from textual import events
from textual.pilot import Pilot

from core.batches import fail
from core.operators import operator_name
from core.settings import Settings
from core.week_list import run_date_of
from tests.fakes import FixedClock
from tests.tui.driving import has_arrived, home, running, shown, started, until
from tests.tui.troubles import DOUBTFUL_WEEK, NOW, RENAMED_WEEK, STOPPED_WEEK, app_in_trouble, opened_now
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.screens.accepting import AcceptScreen
from tui.screens.batch import BatchScreen
from tui.screens.problems import ProblemsScreen

Driver = Pilot[Any]


def accepted(settings: Settings) -> list[dict[str, Any]]:
    """The payloads of what was accepted."""
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        return [row[0] for row in connection.execute("select payload from events where event_type = 'move_accepted'")]


@asynccontextmanager
async def at_week(app: AlphaMondayApp, week: object, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Driver]:
    """The list with the cursor on `week` and its preview shown."""
    async with started(app, size) as pilot:
        await until(pilot, lambda: home(app).weeks.is_begun and "! show" in shown(app), "the list")
        weeks = [run_date_of(row) for row in home(app).table.rows]
        await pilot.press(*["j"] * weeks.index(week))  # type: ignore[arg-type]
        await until(pilot, lambda: has_arrived(app), "the preview")
        await pilot.pause()
        yield pilot


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_it_is_among_the_keys_where_something_waits_for_a_word(troubled: Settings, size: tuple[int, int]) -> None:
    app = app_in_trouble(troubled)
    async with at_week(app, DOUBTFUL_WEEK, size) as pilot:
        assert "a accept" in shown(app)
        assert "Mon 6 Jun and 4 more wait for a word · AMZN moved -95.04 %" in shown(app)
        await pilot.press("k")
        await until(pilot, lambda: has_arrived(app), "the week above")
        await pilot.pause()
        assert "a accept" not in shown(app)
        await pilot.press("a")
        await until(pilot, lambda: "No move of this batch waits" in shown(app), "the reason")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_the_move_is_shown_before_it_is_accepted_and_the_reason_is_kept(
    troubled: Settings, size: tuple[int, int]
) -> None:
    app = app_in_trouble(troubled)
    async with at_week(app, DOUBTFUL_WEEK, size) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AcceptScreen), "the question")
        await pilot.pause()
        text = shown(app)
        assert "AMZN  2302.93 → 114.28  -95.04 %" in text
        assert "Fri 3 Jun to Mon 6 Jun 2022, without a split, at yahoo" in text
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, AcceptScreen), "the list")
        assert accepted(troubled) == []
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AcceptScreen), "the question")
        await pilot.press(*"20:1", "enter")
        await until(pilot, lambda: "Accepted; the days are" in shown(app), "the answer")
        [payload] = accepted(troubled)
        assert (payload["symbol"], payload["reason"], payload["who"]) == ("AMZN", "20:1", operator_name())
        await pilot.press("a")
        await until(pilot, lambda: f"No move of {DOUBTFUL_WEEK} waits" in shown(app), "that nothing is left")


async def test_a_burst_is_the_whole_answer(troubled: Settings) -> None:
    app = app_in_trouble(troubled)
    async with at_week(app, DOUBTFUL_WEEK) as pilot:
        for key in ("a", *"20:1, really", "left", "backspace", "enter", "j"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: "Accepted; the days are" in shown(app), "the answer")
        assert [payload["reason"] for payload in accepted(troubled)] == ["20:1, realy"]
        weeks = [run_date_of(row) for row in home(app).table.rows]
        await until(pilot, lambda: home(app).table.cursor == weeks.index(DOUBTFUL_WEEK) + 1, "the row below")


async def test_a_reason_need_not_be_given_and_one_too_long_is_refused_there(troubled: Settings) -> None:
    app = app_in_trouble(troubled)
    async with at_week(app, DOUBTFUL_WEEK) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BatchScreen) and has_arrived(app), "the batch")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AcceptScreen), "the question")
        app.screen.query_one("#answer").value = "x" * 501  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: "at most 500" in shown(app), "the refusal")
        app.screen.query_one("#answer").value = ""  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BatchScreen), "the batch again")
        assert [payload["reason"] for payload in accepted(troubled)] == [""]


async def test_where_this_process_leads_the_days_are_tried_at_once(troubled: Settings) -> None:
    app = app_in_trouble(troubled, Mode.SCHEDULER)
    async with at_week(app, DOUBTFUL_WEEK) as pilot:
        await until(pilot, lambda: "● leading" in shown(app), "the lead")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AcceptScreen), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: "9/9" in shown(app), "the five days, computed")
        await until(pilot, lambda: "5 days computed" in shown(app), "the report")
        assert "wait for a word" not in shown(app)


async def test_the_problems_lead_to_the_question(troubled: Settings) -> None:
    app = app_in_trouble(troubled)
    async with at_week(app, STOPPED_WEEK) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: app.current_mode == "scheduler", "the scheduler")
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: isinstance(app.screen, ProblemsScreen), "the problems")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AcceptScreen), "the question")
        assert f"The batch of {DOUBTFUL_WEEK} waits" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: len(accepted(troubled)) == 1, "the word")


async def test_the_problems_without_any_say_so(settings: Settings) -> None:
    from tests.tui.driving import app_for

    async with running(app_for(settings)) as pilot:
        await until(pilot, lambda: "! show" in shown(pilot.app), "the problems")
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProblemsScreen), "the list")
        await pilot.press("a")
        await until(pilot, lambda: "No move waits for an operator's word." in shown(pilot.app), "the reason")
        assert isinstance(pilot.app.screen, ProblemsScreen)


async def test_a_batch_that_ended_meanwhile_is_told_in_the_question(troubled: Settings) -> None:
    app = app_in_trouble(troubled)
    async with at_week(app, DOUBTFUL_WEEK) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AcceptScreen), "the question")
        async with opened_now(troubled, FixedClock(NOW)) as services:
            await fail(services, DOUBTFUL_WEEK, "somebody else was faster")
        await pilot.press("enter")
        await until(pilot, lambda: "failed already" in shown(app), "the refusal")
        assert accepted(troubled) == []


async def test_read_only_offers_nothing(troubled: Settings) -> None:
    app = app_in_trouble(troubled, Mode.READ_ONLY)
    async with at_week(app, DOUBTFUL_WEEK) as pilot:
        assert "a accept" not in shown(app)
        for keys in (("a",), ("exclamation_mark", "a")):
            await pilot.press(*keys)
            await until(pilot, lambda: "read-only; it writes nothing" in shown(app), "the reason")
            assert not isinstance(app.screen, AcceptScreen)


async def test_what_stopped_was_renamed_and_served_is_told(troubled: Settings) -> None:
    app = app_in_trouble(troubled)
    async with at_week(app, STOPPED_WEEK, (80, 24)) as pilot:
        assert "– CERN stopped trading, last close Tue 7 Jun" in shown(app)
        await pilot.press("enter", "tab")
        await until(pilot, lambda: "skipped  CERN stopped trading" in shown(app), "the days")
    async with at_week(app_in_trouble(troubled), RENAMED_WEEK, (80, 24)) as pilot:
        text = shown(pilot.app)
        assert "tiingo, yahoo from 1 Jun" in text
        assert "FB (as META)" in text
        await pilot.press("enter", "tab", "G", "k", "k", "k", "enter")
        await until(pilot, lambda: "Quoted as" in shown(pilot.app), "the day")
        [row] = [line for line in shown(pilot.app).splitlines() if "META  " in line and "FB  " in line]
        assert row.split("│")[1].split() == ["FB", "191.63", "191.63", "1", "META"]
        assert "Where the prices came from: yahoo" in shown(pilot.app)
