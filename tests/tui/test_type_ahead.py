"""Type-ahead: a burst of keys does what the same keys do one by one, whatever opens, closes or is asked in between."""

import asyncio
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyperclip
import pytest
from pydantic import SecretStr
from textual import events
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

import tui
from core.settings import Settings
from db.embedded import EmbeddedServer
from tests.databases import cloned
from tests.tui.driving import app_for, has_arrived, home, running, shown, until
from tests.tui.test_outgoing import no_clipboard
from tui import type_ahead
from tui.app import AlphaMondayApp
from tui.screens import house
from tui.screens.new_batch import NewBatchScreen
from tui.widgets.choices import Choices
from tui.widgets.filter_line import FilterLine
from tui.widgets.pick_form import ActionToggle
from tui.widgets.table import Table

SHIFT_TAB, TAB, ENTER, ESCAPE, DOWN = "shift+tab", "tab", "enter", "escape", "down"
PICKS = ("g", "s", TAB, TAB, *"why", ENTER, *"ko", ENTER, "s", ENTER, *"dear", ENTER, *"xom", TAB, TAB, *"cheap")
# Every form, dialog and line to type in, the places, what lies on top, and the ways between them.
BURSTS: dict[str, Sequence[str]] = {
    "a new batch": ("n", *PICKS),
    "a new batch refused": ("n", *"spy", ENTER, ENTER, "x", "ctrl+s", *"q"),
    "a new batch left and opened again": ("n", *"gs", ESCAPE, "j", "n", TAB, "s"),
    "another week": ("n", SHIFT_TAB, SHIFT_TAB, "ctrl+u", *"2024-11-04", ENTER, *PICKS),
    "picks from a source": ("n", "ctrl+o", "right", "left", "x", TAB, *"ko"),
    "a filter": ("slash", *"failed", ENTER, ENTER, TAB, TAB),
    "a filter and a row": ("slash", *"tsla", ENTER, "j", "j", ENTER),
    "a filter cleared": ("slash", *"tsla", ESCAPE, "j", ENTER),
    "two filters": ("slash", *"failed", ENTER, "slash", "ctrl+u", *"missed", DOWN, "j"),
    "the last week": ("G", ENTER, TAB, "j"),
    "another order": ("s", "s", "j", ENTER),
    "a reason": ("j", ENTER, "F", *"no: it waits", "left", "x"),
    "a batch marked failed": ("F", *"stale", ENTER, "j", "F", *"no"),
    "a reason taken back": ("F", *"why", ESCAPE, "j", "j", ENTER),
    "tabs and a day": (ENTER, TAB, "j", ENTER, "q", "j", ENTER),
    "batches in turn": (ENTER, "J", "J", TAB, "K", ESCAPE, "j"),
    "a payload": (ENTER, SHIFT_TAB, "j", ENTER, ESCAPE, "k"),
    "an event's batch": ("4", "j", "j", ENTER, ESCAPE, "b", TAB),
    "a filter of the log": ("4", "slash", *"computed", ENTER, "j", ENTER),
    "the places": ("3", "j", "4", "2", "1", "j", "4", "j"),
    "help and problems": ("question_mark", "j", "q", "exclamation_mark", ENTER, "j"),
    "a command by name": ("colon", *"perfor", ENTER, "1", "j"),
    "an export": ("x", "ctrl+u", *"a.csv", "left"),
    "an export written": ("x", "ctrl+u", *"b.csv", ENTER, "j", ENTER),
    "a copy": ("y", "ctrl+u", *"row.txt", "left", "left", "x"),
    "a pause": ("3", "p", ENTER, "j", "j"),
    "set-up": ("u", DOWN, TAB, *"key"),
}


def states(app: App[Any]) -> Any:
    """Where the operator is, and what stands in every field: all that keys can change."""
    screen = app.screen
    focused = screen.focused
    tables = {
        table.id: (table.cursor, table.row is not None and table.text_of(table.row)[0]) for table in screen.query(Table)
    }
    return (
        [type(each).__name__ for each in app.screen_stack],
        None if focused is None else list(screen.query("*")).index(focused),
        [(each.value, each.cursor_position) for each in screen.query(Input)],
        [(each.text, each.cursor_location) for each in screen.query(TextArea)],
        [each.action for each in screen.query(ActionToggle)],
        [each.chosen for each in screen.query(Choices)],
        [each.value for each in screen.query(FilterLine)],
        tables,
        getattr(screen, "tab", None),
        getattr(screen, "run_date", None),
    )


async def at_rest(pilot: Pilot[Any], looks: int) -> Any:
    """The state once nothing changes any more: every key has gone through, and what it asked for has come."""
    app = pilot.app
    assert isinstance(app, AlphaMondayApp)
    same, last = 0, None
    while same < looks:
        await until(pilot, lambda: app._type_ahead.is_at_rest and has_arrived(app), "rest")
        now = states(app)
        same, last = (same + 1, last) if now == last else (0, now)
        await pilot.pause(0.03)
    return last


async def state_after(settings: Settings, keys: Iterable[str], *, in_burst: bool) -> Any:
    async with running(app_for(settings)) as pilot:
        for key in keys:
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
            if not in_burst:
                await at_rest(pilot, 3)
        return await at_rest(pilot, 8)


@pytest.fixture
def filled_again(server: EmbeddedServer, filled_template: str) -> Iterator[str]:
    """Another copy of the history."""
    with cloned(server, filled_template) as conninfo:
        yield conninfo


@pytest.mark.slow
@pytest.mark.parametrize("keys", BURSTS.values(), ids=BURSTS)
async def test_a_burst_leaves_what_the_same_keys_leave_one_by_one(
    filled: str,
    filled_again: str,
    settings: Settings,
    keys: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pyperclip, "copy", no_clipboard)
    found = []
    for in_burst, conninfo in ((False, filled), (True, filled_again)):
        directory = tmp_path / str(in_burst)
        directory.mkdir()
        monkeypatch.chdir(directory)
        found.append(
            await state_after(
                settings.model_copy(update={"database_url": SecretStr(conninfo)}), keys, in_burst=in_burst
            )
        )
        found[-1] = (found[-1], sorted(file.name for file in directory.iterdir()))
    assert found[1] == found[0]


def test_every_worker_is_awaited_or_not_for_a_reason() -> None:
    """A new group of workers has to say whether keys wait for it: by default, those of the screen on top do."""
    groups = set()
    for file in Path(tui.__file__).parent.rglob("*.py"):
        groups |= set(re.findall(r'(?:@work\(|run_worker\(.*)group="([a-z ]+)"', file.read_text(encoding="utf-8")))
    of_the_app = {
        "changes", "listening", "looking", "probing", "problems", "retrying", "scheduler", "schedulers", "services",
        "theme", "typing",
    }  # fmt: skip
    read_by_a_screen = {"paging", "pausing", "preview", "reading", "week"}
    assert groups == type_ahead.OPENS_OR_CLOSES | type_ahead.SHOWN_ASIDE | of_the_app | read_by_a_screen


async def test_a_provider_that_keeps_silent_holds_keys_back_no_longer_than_the_patience(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        await never.wait()

    monkeypatch.setattr(house, "ANSWERS_WITHIN_S", 60.0)
    async with running(app_for(settings)) as pilot:
        monkeypatch.setattr("core.week_list.week_page", hang)
        await pilot.press("slash", *"tsla", "enter")
        started_at = time.monotonic()
        await pilot.press("j", "j")
        await until(pilot, lambda: home(pilot.app).table.cursor == 2, "the third row")
        assert time.monotonic() - started_at < type_ahead.PATIENCE_S


@pytest.mark.parametrize("key", ["q", "K"], ids=["comes first", "waits"])
async def test_keys_that_arrive_once_the_screens_are_closed_go_nowhere(settings: Settings, key: str) -> None:
    app = app_for(settings)
    async with running(app):
        pass
    typed = events.Key(key, key)
    await app.on_event(typed)
    app._type_ahead._let_through.append(typed)
    await app.on_event(typed)


async def test_leaving_waits_for_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async with running(app_for(settings)) as pilot:
        monkeypatch.setattr("tui.week_export.every_week", hang)
        for key in ("x", "j", "j", "ctrl+q"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: not pilot.app.is_running, "the end")


async def test_a_paste_and_a_click_wait_their_turn(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        app = pilot.app
        app.post_message(events.Key("n", "n"))
        app.post_message(events.Paste("gs"))
        for _ in range(2):
            app.post_message(events.Key("tab", None))
        app.post_message(events.Paste("why"))
        await until(pilot, lambda: isinstance(app.screen, NewBatchScreen) and "why" in shown(app), "the reasoning")
        assert isinstance(app.screen, NewBatchScreen)
        assert app.screen.draft.picks[0].ticker == "GS"
