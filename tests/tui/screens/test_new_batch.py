"""The form for a new batch, by keyboard alone and by mouse, on a real database."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.batches import open_week
from core.picks.file import read_picks_file
from core.picks.source import PickDraft
from core.prices.source import Answer
from core.services import Services
from core.settings import Settings
from core.staging import StagedWeek, stage
from core.week_list import MissedWeeks, run_date_of
from db.records import Action
from tests.fakes import FixedClock, ScriptedPrices, exchange
from tests.tui.driving import app_for, home, shown, started, until, write_as_another
from tests.tui.history import MISSED_WEEK, NEWEST_WEEK, NOW
from tests.tui.test_literal import HOSTILE
from tui.app import AlphaMondayApp
from tui.messages import PicksFetched
from tui.mode import Mode
from tui.screens import new_batch
from tui.screens.new_batch import NewBatchScreen
from tui.screens.writing_week import OpeningScreen, StagingScreen, WritingScreen
from tui.widgets.pick_form import ActionToggle
from tui.widgets.printable_area import PrintableArea

NEXT_WEEK = NEWEST_WEEK + timedelta(days=7)
DRAFTS = (
    PickDraft("NVDA", Action.BUY, "Up,\nup."),
    PickDraft("TSLA", Action.SELL, "Dear."),
    PickDraft("BRK.B", Action.BUY, "Calm."),
)


@pytest.fixture
def picks_file(tmp_path: Path) -> Path:
    return tmp_path / "picks.csv"


@pytest.fixture
def staging(settings: Settings, picks_file: Path) -> Settings:
    """Settings whose pick source is a file that is not there yet."""
    return settings.model_copy(update={"pick_source": "file", "picks_file": picks_file})


def write_picks(path: Path, run_date: date, drafts: Iterable[PickDraft] = DRAFTS) -> None:
    rows = [f'{run_date},{draft.ticker},{draft.action},"{draft.reasoning}"' for draft in drafts]
    path.write_text("\n".join(["run_date,ticker,action,reasoning", *rows]) + "\n", encoding="utf-8")


def picks_of(conninfo: str, run_date: date) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "select ticker, action, reasoning from picks p join batches b on b.id = p.batch_id where run_date = %s"
            " order by p.id",
            (run_date,),
        ).fetchall()


def rows_of(drafts: Iterable[PickDraft] = DRAFTS) -> list[tuple[Any, ...]]:
    return [(draft.ticker, draft.action.value, draft.reasoning) for draft in drafts]


@asynccontextmanager
async def at_home(app: AlphaMondayApp, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[Any]]:
    """The app with its list of weeks."""
    async with started(app, size) as pilot:
        await until(pilot, lambda: home(app).weeks.is_begun, "the weeks")
        await pilot.pause()
        yield pilot


@asynccontextmanager
async def in_form(
    app: AlphaMondayApp, week: StagedWeek | MissedWeeks | None = None, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[Pilot[Any]]:
    """The form, for a week."""
    async with at_home(app, size) as pilot:
        app.push_screen(NewBatchScreen(week))
        await until(pilot, lambda: is_form(app), "the form")
        yield pilot


def is_form(app: Any) -> bool:
    """Whether the form is there to type into: it is on the stack before it is composed."""
    screen = app.screen
    return isinstance(screen, NewBatchScreen) and screen.focused not in (None, *screen.query("#week"))


def form(pilot: Pilot[Any]) -> NewBatchScreen:
    screen = next(screen for screen in pilot.app.screen_stack if isinstance(screen, NewBatchScreen))
    assert isinstance(screen, NewBatchScreen)
    return screen


def complaint(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one("#complaint", Static).render())


def keys_for(drafts: Iterable[PickDraft]) -> Iterator[str]:
    """What fills the form from the first ticker on; the Enter in the last field goes on to what follows."""
    for draft in drafts:
        yield from (*draft.ticker.lower(), "enter", "b" if draft.action is Action.BUY else "s", "enter")
        yield from (*("ctrl+j" if each == "\n" else each for each in draft.reasoning), "enter")


async def type_picks(pilot: Pilot[Any], drafts: Iterable[PickDraft] = DRAFTS) -> None:
    await pilot.press(*keys_for(drafts))


async def at_preview(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: "Baseline" in shown(pilot.app), "the preview")
    await pilot.pause()


def missed() -> MissedWeeks:
    return MissedWeeks(MISSED_WEEK, MISSED_WEEK, "not_running", "")


# Opening and staging


async def test_a_missed_week_is_opened_by_hand_by_keyboard_alone(settings: Settings, filled: str) -> None:
    app = app_for(settings)
    async with at_home(app) as pilot:
        await pilot.press("j", "j", "n")
        await until(pilot, lambda: is_form(app), "the form")
        assert form(pilot).draft.week == str(MISSED_WEEK)
        assert "Opens late, backfilled: the opening ended Mon 4 Nov 09:30 ET." in shown(app)
        await type_picks(pilot)
        await at_preview(pilot)
        text = shown(app)
        assert isinstance(app.screen, OpeningScreen)
        assert "Fri 1 Nov 2024" in text
        assert "csv · basis unspecified" in text
        assert "Opens late" in text
        assert picks_of(filled, MISSED_WEEK) == [], "a preview writes nothing"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is home(app), "the list")
        await until(pilot, lambda: f"The batch of {MISSED_WEEK} is open, late." in shown(app), "the toast")
        await until(pilot, lambda: all(not isinstance(row, MissedWeeks) for row in home(app).table.rows), "the row")
    assert picks_of(filled, MISSED_WEEK) == rows_of()


async def test_a_week_is_opened_from_a_pick_source_by_keyboard_alone(
    staging: Settings, picks_file: Path, filled: str
) -> None:
    write_picks(picks_file, MISSED_WEEK)
    app = app_for(staging)
    async with at_home(app) as pilot:
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: is_form(app), "the form")
        await pilot.press("ctrl+o", "enter")
        await until(pilot, lambda: form(pilot).draft.picks == DRAFTS, "the picks")
        await pilot.press("ctrl+s")
        await at_preview(pilot)
        await pilot.press("escape")
        assert app.screen is form(pilot)
        assert form(pilot).draft.picks == DRAFTS
        await pilot.press("ctrl+s")
        await at_preview(pilot)
        await pilot.press("ctrl+s")
        assert app.screen is not form(pilot), "what was not read is not confirmed"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is home(app), "the list")
    assert picks_of(filled, MISSED_WEEK) == rows_of()


async def test_what_is_said_follows_the_clock(settings: Settings) -> None:
    clock = FixedClock(exchange(str(NEXT_WEEK), "08:59"))
    app = app_for(settings, clock=clock)
    async with in_form(app) as pilot:
        assert form(pilot).draft.week == str(NEXT_WEEK)
        assert "Cannot be opened before Mon 09:00 ET" in shown(app)
        clock.instant += timedelta(minutes=1)
        await until(pilot, lambda: "Opens now: the opening lasts until Mon 09:30 ET." in shown(app), "the clock")


async def test_a_burst_stages_what_it_says(staging: Settings, picks_file: Path) -> None:
    app = app_for(staging)
    async with at_home(app) as pilot:
        for key in ("n", *keys_for(DRAFTS), "enter", "e", *["backspace"] * 4, *"ko", "ctrl+s", "enter", "j"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: picks_file.exists() and app.screen is home(app), "the list")
        await until(pilot, lambda: home(app).table.cursor == 1, "the row below")
        edited = (replace(DRAFTS[0], ticker="KO"), *DRAFTS[1:])
        assert await read_picks_file(picks_file) == {NEXT_WEEK: edited}


@pytest.mark.parametrize("pick_source", ["file", "manual"])
async def test_picks_are_staged_edited_and_unstaged_by_keyboard_alone(
    staging: Settings, picks_file: Path, pick_source: str, tmp_path: Path
) -> None:
    if pick_source == "manual":
        picks_file = tmp_path / "staged.csv"
        own = {"pick_source": "manual", "picks_file": None, "data_dir": tmp_path}
        staging = staging.model_copy(update=own)
    app = app_for(staging)
    async with at_home(app) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: is_form(app) and form(pilot).draft.week == str(NEXT_WEEK), "the week to come")
        await until(pilot, lambda: "Stages: Monday's job opens it, Mon 09:00 ET." in shown(app), "what is done")
        await type_picks(pilot)
        assert isinstance(app.screen, StagingScreen)
        assert str(picks_file)[:20] in shown(app)
        assert not picks_file.exists()
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is home(app), "the list")
        await until(pilot, lambda: run_date_of(home(app).table.rows[0]) == NEXT_WEEK, "the staged row")
        assert await read_picks_file(picks_file) == {NEXT_WEEK: DRAFTS}

        await pilot.press("g", "e")
        await until(pilot, lambda: is_form(app), "the form")
        assert form(pilot).draft.picks == DRAFTS
        await until(pilot, lambda: "Replaces the picks staged already." in shown(app), "what is done")
        await pilot.press(*["backspace"] * 4, *"ko", "ctrl+s", "enter")
        await until(pilot, lambda: app.screen is home(app), "the list")
        edited = (replace(DRAFTS[0], ticker="KO"), *DRAFTS[1:])
        assert await read_picks_file(picks_file) == {NEXT_WEEK: edited}
        await until(pilot, lambda: "KO" in shown(app), "the edited row")
        assert not app.drafts

        await pilot.press("g", "delete")
        await until(pilot, lambda: "taken out of the picks file" in shown(app), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: run_date_of(home(app).table.rows[0]) == NEWEST_WEEK, "no staged row")
        assert await read_picks_file(picks_file) == {}


async def test_while_the_opening_is_on_every_screen_reminds_and_the_form_opens_the_week(
    staging: Settings, tmp_path: Path
) -> None:
    manual = staging.model_copy(update={"pick_source": "manual", "picks_file": None, "data_dir": tmp_path})
    clock = FixedClock(exchange(NEXT_WEEK.isoformat(), "09:05"))
    reminds = f"! Nothing is staged for the week of {NEXT_WEEK}. n opens the form, until 09:30 ET."
    app = app_for(manual, clock=clock)
    async with at_home(app) as pilot:
        await until(pilot, lambda: reminds in shown(app), "the reminder")
        for place in ("2", "3", "4", "1"):
            await pilot.press(place)
            await pilot.pause()
            assert reminds in shown(app)
        await pilot.press("n")
        await until(pilot, lambda: is_form(app) and form(pilot).draft.week == str(NEXT_WEEK), "the week to open")
        await type_picks(pilot)
        assert isinstance(app.screen, OpeningScreen)
        await pilot.press("escape", "escape")
        await write_as_another(manual, lambda services: stage(services, NEXT_WEEK, DRAFTS), clock.now())
        await until(pilot, lambda: "Nothing is staged" not in shown(app), "the end of the reminder")


# Checks


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["1"], "! no ticker: up to 10 of A-Z 0-9 . -"),
        (["s", "p", "y"], "! the benchmark cannot be picked"),
        (["k", "o", "enter", "enter", "x", "enter", "k", "o"], "! picked twice"),
        (["k", "o"], "reasoning missing"),
        ([], "ticker missing"),
    ],
)
async def test_what_is_wrong_is_said_while_typing(settings: Settings, keys: list[str], words: str) -> None:
    app = app_for(settings)
    async with in_form(app, missed(), size=(80, 24)) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        assert words in shown(app)


async def test_a_long_reasoning_is_told_and_goes_nowhere(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        await pilot.press(*"ko", "enter", "enter")
        app.post_message(events.Paste("x" * 4_001))
        await until(pilot, lambda: "! 4,001 characters, at most 4,000" in shown(app), "the problem")
        await pilot.press("ctrl+s")
        assert complaint(pilot) == "! Pick 1: 4,001 characters, at most 4,000."


async def test_going_on_with_a_gap_goes_to_it(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        await pilot.press(*"ko", "ctrl+s")
        assert complaint(pilot) == "! Pick 1: reasoning missing."
        assert app.focused is app.screen.query(PrintableArea)[0]


async def test_the_week_is_checked_and_moved(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app) as pilot:
        await until(pilot, lambda: form(pilot).draft.week == str(NEXT_WEEK), "the first week without a batch")
        await pilot.press("ctrl+down")
        await until(pilot, lambda: f"{NEWEST_WEEK} has a batch already" in shown(app), "what stands there")
        await pilot.press("ctrl+s")
        assert "has a batch already" in complaint(pilot)
        assert app.focused is app.screen.query_one("#week")
        await pilot.press("ctrl+up", "ctrl+up")
        assert form(pilot).draft.week == str(NEXT_WEEK + timedelta(days=7))
        app.screen.query_one("#week", Input).value = ""
        await pilot.press(*"2024-11-21")
        await pilot.pause()
        assert "2024-11-21 is a Thursday; a batch begins on a Monday." in shown(app)
        await pilot.press("backspace", "x")
        await pilot.pause()
        assert "not a date (YYYY-MM-DD): '2024-11-2x'" in shown(app)


async def test_a_missed_run_begins_with_its_newest(settings: Settings) -> None:
    app = app_for(settings)
    week = MissedWeeks(MISSED_WEEK, MISSED_WEEK - timedelta(days=14), "not_running", "")
    async with in_form(app, week) as pilot:
        assert form(pilot).draft.week == str(MISSED_WEEK)


# Nothing is lost


async def test_what_is_typed_is_kept_for_the_next_time(settings: Settings) -> None:
    app = app_for(settings)
    async with at_home(app) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: is_form(app) and form(pilot).draft.week == str(NEXT_WEEK), "the week to come")
        await pilot.press(*"ko", "enter", "s", "enter", *"why", "escape")
        await until(pilot, lambda: "What you typed is kept" in shown(app), "the toast")
        await pilot.press("n")
        await until(pilot, lambda: is_form(app) and "This is what you had typed" in shown(app), "the form")
        assert form(pilot).draft.picks[0] == PickDraft("KO", Action.SELL, "why")
        await pilot.press("ctrl+l")
        assert form(pilot).draft.picks[0] == PickDraft("", Action.BUY, "")
        await pilot.press("escape")
        assert not app.drafts


async def test_a_draft_of_a_week_does_not_outlive_it(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        await pilot.press(*"ko", "escape", "g", "n")
        await until(pilot, lambda: is_form(app), "the form")
        assert form(pilot).draft.picks[0].ticker == "KO", "n without a week brings back the last draft"
        assert form(pilot).draft.week == str(MISSED_WEEK)
        await pilot.press(*["backspace"] * 2)
        await type_picks(pilot)
        await at_preview(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is home(app), "the list")
        assert not app.drafts


async def test_a_form_that_was_only_looked_at_leaves_nothing(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app) as pilot:
        await until(pilot, lambda: form(pilot).draft.week == str(NEXT_WEEK), "the week to come")
        await pilot.press("escape")
        assert app.screen is home(app)
        assert not app.drafts


async def test_a_conflict_is_told_and_the_form_is_as_it_was(settings: Settings, filled: str) -> None:
    app = app_for(settings)
    others = (replace(DRAFTS[0], ticker="KO"), *DRAFTS[1:])
    async with in_form(app, missed()) as pilot:
        await type_picks(pilot)
        await at_preview(pilot)
        await write_as_another(settings, lambda services: open_week(services, MISSED_WEEK, others, "", late=True))
        await pilot.press("enter")
        await until(pilot, lambda: "exists already with other picks" in complaint(pilot), "the conflict")
        await pilot.press("escape")
        assert app.screen is form(pilot)
        assert form(pilot).draft.picks == DRAFTS
        await until(pilot, lambda: f"{MISSED_WEEK} has a batch already" in shown(app), "what stands there now")
    assert picks_of(filled, MISSED_WEEK) == rows_of(others)


async def test_the_same_picks_by_another_process_are_success(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        await type_picks(pilot)
        await at_preview(pilot)
        await write_as_another(settings, lambda services: open_week(services, MISSED_WEEK, DRAFTS, "", late=True))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is home(app), "the list")


async def test_a_ticker_without_a_price_is_told_and_can_be_corrected(settings: Settings, filled: str) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        await type_picks(pilot, [replace(DRAFTS[0], ticker="NONE"), *DRAFTS[1:]])
        await until(pilot, lambda: "cannot be opened" in complaint(pilot), "the refusal")
        assert "NONE" in complaint(pilot)
        await pilot.press("escape")
        app.screen.query(Input)[1].focus()
        await pilot.press(*["backspace"] * 4, *"nvda", "ctrl+s")
        await at_preview(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is home(app), "the list")
    assert picks_of(filled, MISSED_WEEK) == rows_of()


async def test_a_picks_file_that_cannot_be_understood_is_told_and_kept(staging: Settings, picks_file: Path) -> None:
    app = app_for(staging)
    async with in_form(app) as pilot:
        await until(pilot, lambda: form(pilot).draft.week == str(NEXT_WEEK), "the week to come")
        await type_picks(pilot)
        picks_file.write_text("nonsense\n", encoding="utf-8")
        await pilot.press("enter")
        await until(pilot, lambda: "unknown column" in complaint(pilot), "the refusal")
        await pilot.press("escape")
        assert form(pilot).draft.picks == DRAFTS
        assert picks_file.read_text(encoding="utf-8") == "nonsense\n"


# Sources that hang or fail


class HangingPicks:
    """A pick source that never answers, and tells when it is asked and given up."""

    name = "file"

    def __init__(self) -> None:
        self.asked, self.given_up = asyncio.Event(), asyncio.Event()

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()
        return ()


class HangingPrices(ScriptedPrices):
    """A price source that never answers, and counts how often it was given up."""

    given_up = 0

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        try:
            return await asyncio.Future()
        finally:
            HangingPrices.given_up += 1


async def test_escape_stops_a_pick_source_that_hangs_and_keeps_the_form(
    staging: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = HangingPicks()
    monkeypatch.setattr(new_batch, "pick_source_called", lambda *_: source)
    app = app_for(staging)
    async with in_form(app, missed()) as pilot:
        await pilot.press(*"ko", "ctrl+o", *["right"] * 3, "enter")
        await until(pilot, source.asked.is_set, "the question")
        assert "asking momentum… Esc stops it" in shown(app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "still being asked" in complaint(pilot), "the complaint")
        await pilot.press("escape")
        await until(pilot, source.given_up.is_set, "the end of the question")
        assert is_form(app)
        assert form(pilot).draft.picks[0].ticker == "KO"
        await pilot.press("ctrl+o", "enter", "ctrl+q")
        await until(pilot, lambda: not app.is_running, "the end")


async def test_picks_that_nobody_waits_for_any_more_change_nothing(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        await pilot.press(*"ko")
        form(pilot).post_message(PicksFetched("file", MISSED_WEEK, DRAFTS))
        await pilot.pause()
        assert [pick.ticker for pick in form(pilot).draft.picks] == ["KO", "", ""]


async def test_a_pick_source_with_a_defect_is_told(staging: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        class Broken:
            name = "momentum"

            async def picks(self, run_date: date) -> Sequence[PickDraft]:
                raise RuntimeError("secret")

        return Broken()

    monkeypatch.setattr(new_batch, "pick_source_called", broken)
    app = app_for(staging)
    async with in_form(app, missed()) as pilot:
        await pilot.press("ctrl+o", *["right"] * 3, "enter")
        await until(pilot, lambda: "The pick source momentum failed: RuntimeError." in complaint(pilot), "the failure")
        assert "secret" not in shown(app)


async def test_a_source_without_picks_says_so(staging: Settings, picks_file: Path) -> None:
    write_picks(picks_file, NEXT_WEEK)
    app = app_for(staging)
    async with in_form(app, missed()) as pilot:
        await pilot.press("ctrl+o", "enter")
        await until(pilot, lambda: f"has no picks for the week of {MISSED_WEEK}" in complaint(pilot), "the answer")


async def test_escape_leaves_a_price_source_that_hangs(settings: Settings, filled: str) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        assert isinstance(app.services, Services)
        app.services = replace(app.services, sources=(HangingPrices({}),))
        HangingPrices.given_up = 0
        await type_picks(pilot)
        await until(pilot, lambda: "asking scripted for the baseline's closes…" in shown(app), "the question")
        await pilot.press("enter")
        assert isinstance(app.screen, OpeningScreen)
        await pilot.press("escape")
        await until(pilot, lambda: HangingPrices.given_up == 1, "the end of the question")
        assert is_form(app)
        assert form(pilot).draft.picks == DRAFTS
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, OpeningScreen), "the question again")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running, "the end")
    assert picks_of(filled, MISSED_WEEK) == []


async def test_only_one_write_goes_on_at_a_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    app, writes, go_on = app_for(settings), [], asyncio.Event()

    async def slow(screen: WritingScreen) -> str:
        writes.append(screen)
        await go_on.wait()
        return "Done."

    monkeypatch.setattr(OpeningScreen, "write", slow)
    async with in_form(app, missed()) as pilot:
        await type_picks(pilot)
        await at_preview(pilot)
        await pilot.press("enter", "enter", "enter")
        go_on.set()
        await until(pilot, lambda: app.screen is home(app), "the list")
        assert len(writes) == 1


# By mouse


async def test_by_mouse(staging: Settings, picks_file: Path) -> None:
    write_picks(picks_file, NEXT_WEEK)
    app = app_for(staging)
    async with in_form(app) as pilot:
        await until(pilot, lambda: form(pilot).draft.week == str(NEXT_WEEK), "the week to come")
        await pilot.click("ActionToggle")
        assert app.screen.query(ActionToggle)[0].action is Action.SELL
        await pilot.click("ChoiceLine", offset=(2, 0))
        await until(pilot, lambda: form(pilot).draft.picks == DRAFTS, "the picks")
        await click_on(pilot, "later")
        assert form(pilot).draft.week == str(NEXT_WEEK + timedelta(days=7))
        await click_on(pilot, "earlier")
        assert form(pilot).draft.week == str(NEXT_WEEK)
        await pilot.pause()
        await click_on(pilot, "^s stage", "stage")
        await until(pilot, lambda: isinstance(app.screen, StagingScreen), "the question")
        await pilot.pause()
        await click_on(pilot, "↵ stage", "stage")
        await until(pilot, lambda: app.screen is home(app), "the list")


async def click_on(pilot: Pilot[Any], line_with: str, word: str = "") -> None:
    """Clicks a word of the lowest line that holds a text."""
    lines = shown(pilot.app).splitlines()
    row = max(number for number, line in enumerate(lines) if line_with in line)
    column = lines[row].index(line_with) + (line_with.index(word) if word else 0)
    await pilot.click(offset=(column + 1, row))


# Whatever it is given


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_text_is_shown_and_does_nothing(
    settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, sent = HOSTILE[name], []
    monkeypatch.setattr(HeadlessDriver, "write", lambda _, data: sent.append(data))
    drafts = tuple(PickDraft(text, Action.BUY, f"{text}\n{number}") for number in range(3))
    week = StagedWeek(NEXT_WEEK, drafts, datetime.fromisoformat("2024-11-25T09:00-05:00"))
    app = app_for(settings)
    async with in_form(app, week, size=(80, 24)) as pilot:
        await pilot.press("ctrl+s")
        for field in (*app.screen.query(Input), *app.screen.query(PrintableArea)):
            field.focus()
            app.post_message(events.Paste(text))
            await pilot.pause()
        for character in shown(app):
            assert character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert text.strip() == "" or "\x1b" not in text or "␛" in shown(app)
        assert app.is_running
    for piece in ("\x1b]52", "\x1b]0;owned", "\x9b"):
        assert piece not in "".join(sent)


async def test_a_reasoning_that_is_only_looked_at_is_kept_digit_for_digit(staging: Settings, picks_file: Path) -> None:
    hidden = tuple(replace(draft, reasoning=f"{draft.reasoning}\u200b") for draft in DRAFTS)
    write_picks(picks_file, NEXT_WEEK, hidden)
    app = app_for(staging)
    week = StagedWeek(NEXT_WEEK, hidden, NOW)
    async with in_form(app, week) as pilot:
        assert "\u200b" not in shown(app)
        await pilot.press("backspace", "x", "ctrl+s", "enter")
        await until(pilot, lambda: app.screen is home(app), "the list")
    assert [draft.reasoning for draft in (await read_picks_file(picks_file))[NEXT_WEEK]] == [
        d.reasoning for d in hidden
    ]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_all_three_picks_are_in_view(settings: Settings, size: tuple[int, int]) -> None:
    app = app_for(settings)
    async with in_form(app, missed(), size=size) as pilot:
        await pilot.pause()
        text = shown(app)
        assert text.count("BUY  ○ SELL") == 3
        assert all(
            area.region.height >= 3 and area.region.bottom <= size[1] for area in app.screen.query(PrintableArea)
        )


async def test_read_only_has_no_form(settings: Settings) -> None:
    app = app_for(settings, Mode.READ_ONLY)
    async with at_home(app) as pilot:
        await pilot.press("n")
        await pilot.pause()
        assert app.screen is home(app)


async def test_keys_faster_than_the_screen_type_what_was_typed(settings: Settings) -> None:
    app = app_for(settings)
    async with in_form(app, missed()) as pilot:
        for key in "googl":
            app.post_message(events.Key(key, key))
        await until(pilot, lambda: form(pilot).draft.picks[0].ticker == "GOOGL", "the ticker")
        await pilot.press("ctrl+u", *"brk", "full_stop", "b")
        assert form(pilot).draft.picks[0].ticker == "BRK.B"
