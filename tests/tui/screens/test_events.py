"""The log over all batches: pages, filters, what comes in live, hostile payloads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from textual.pilot import Pilot

from core.batches import fail
from core.settings import Settings
from db.database import CHANNEL
from tests.tui.driving import app_for, running, shown, started, until, write_as_another
from tests.tui.history import FAILED_WEEK, MISSED_WEEK, NEWEST_WEEK, settings_for
from tests.tui.test_literal import HOSTILE
from tui import event_pages
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.screens import event_list
from tui.screens.ask import AskScreen
from tui.screens.batch import BatchScreen
from tui.screens.events import EventsScreen
from tui.screens.payload import PayloadScreen

Driver = Pilot[None]


def log(pilot: Driver) -> EventsScreen:
    """The screen, when it is on top."""
    screen = pilot.app.screen
    assert isinstance(screen, EventsScreen)
    return screen


def ids(pilot: Driver) -> list[UUID]:
    """What is listed, in order."""
    return [event.id for event in log(pilot).table.rows]


def all_ids(conninfo: str) -> list[UUID]:
    """What the database holds, newest first."""
    with psycopg.connect(conninfo) as connection:
        return [row[0] for row in connection.execute("select id from events order by id desc")]


def write_event(
    conninfo: str, event_id: UUID, payload: object, event_type: str = "batch_failed", week: object = NEWEST_WEEK
) -> None:
    """Appends an event as another process would."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "insert into events (id, batch_id, event_type, payload)"
            " values (%s, (select id from batches where run_date = %s), %s, %s)",
            (event_id, week, event_type, json.dumps(payload)),
        )
        connection.execute("select pg_notify(%s, %s)", (CHANNEL, json.dumps([str(NEWEST_WEEK)])))


def after(event_id: UUID) -> UUID:
    """The next greater id."""
    return UUID(int=event_id.int + 1)


def only_file(directory: Path) -> Path:
    """The one file there is."""
    [file] = directory.iterdir()
    return file


async def open_log(pilot: Driver, key: str = "4") -> EventsScreen:
    """Goes to the events and waits for the first page."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, EventsScreen), "the screen")
    await until(pilot, lambda: bool(log(pilot).table.rows), "the first page")
    await pilot.pause()
    return log(pilot)


def clicked_at(app: AlphaMondayApp, words: str) -> tuple[int, int]:
    """Where `words` stand on the terminal."""
    for y, line in enumerate(shown(app).splitlines()):
        if words in line:
            return line.index(words) + 1, y
    raise AssertionError(f"{words!r} is not shown:\n{shown(app)}")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_newest_stands_first_with_week_and_payload(settings: Settings, size: tuple[int, int]) -> None:
    app = app_for(settings)
    async with running(app, size) as pilot:
        await open_log(pilot)
        await pilot.press("j")
        await pilot.pause()
        text = shown(app)
        assert "checkpoint computed 2024-11-21 · csv · unspecified" in " ".join(text.split())
        assert '"source": "csv"' in text
        assert '"checkpoint_date": "2024-11-21"' in text
        assert str(MISSED_WEEK) in text, "a missed week is named though it has no batch"
        types = next(line for line in text.splitlines() if "computed  " in line or " opened " in line)
        assert types.count("…") == (1 if size[0] < 110 else 0), "where not all types have room"


async def test_every_page_is_read_down_to_the_oldest(
    settings: Settings, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_list, "FIRST_PAGE", 3)
    monkeypatch.setattr(event_list, "NEXT_PAGE", 2)
    monkeypatch.setattr(event_list, "PAGE", 4)
    monkeypatch.setattr(event_pages, "PAGE", 7)
    everything = all_ids(filled)
    async with running(app_for(settings), (80, 24)) as pilot:
        screen = await open_log(pilot)
        await until(pilot, lambda: screen.place.endswith("+ events"), "a page that is not the last")
        await pilot.press("G")
        await until(pilot, lambda: ids(pilot) == everything, "the last page")
        await until(pilot, lambda: screen.table.cursor == len(everything) - 1, "the cursor on the last row")
        await until(pilot, lambda: screen.place == f"{len(everything)} events", "no longer following")
        await pilot.press("k", "G", "g")
        assert screen.table.cursor == 0


async def test_an_event_above_moves_neither_cursor_nor_scroll(settings: Settings, filled: str) -> None:
    async with running(app_for(settings), (80, 24)) as pilot:
        screen = await open_log(pilot)
        await pilot.press(*["j"] * 3)
        row = screen.table.row
        assert row is not None
        line = next(line for line in shown(pilot.app).splitlines() if line.startswith("▌"))
        height = shown(pilot.app).splitlines().index(line)
        newest = after(all_ids(filled)[0])
        write_event(filled, newest, {"run_date": str(NEWEST_WEEK), "reason": "changed our mind"})
        await until(pilot, lambda: ids(pilot)[0] == newest, "the new event")
        await pilot.pause()
        assert screen.table.row is not None
        assert screen.table.row.id == row.id
        assert shown(pilot.app).splitlines().index(line) == height
        assert "1 newer" in shown(pilot.app)


async def test_following_keeps_the_newest_under_the_cursor_until_one_moves_away(
    settings: Settings, filled: str
) -> None:
    async with running(app_for(settings)) as pilot:
        screen = await open_log(pilot)
        await pilot.press("j", "j", "f")
        await pilot.pause()
        assert "following" in shown(pilot.app)
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: "changed our mind" in shown(pilot.app), "the new event")
        await until(pilot, lambda: screen.table.cursor == 0 and ids(pilot) == all_ids(filled)[: len(ids(pilot))], "top")
        await until(pilot, lambda: '"reason": "changed our mind"' in shown(pilot.app), "its payload")
        await pilot.press("j")
        await until(pilot, lambda: not screen.is_following, "the end of following")
        assert "following" not in shown(pilot.app)
        await pilot.press("f", "f")
        assert not screen.is_following


async def test_following_is_said_where_the_place_line_has_no_room(settings: Settings) -> None:
    async with running(app_for(settings), (80, 24)) as pilot:
        await open_log(pilot)
        await until(pilot, lambda: shown(pilot.app).count("following") == 1, "the word")


async def test_an_event_that_appears_below_the_newest_is_not_overlooked(settings: Settings, filled: str) -> None:
    async with running(app_for(settings), (80, 24)) as pilot:
        await open_log(pilot)
        late = after(all_ids(filled)[5])
        write_event(filled, late, {"reason": "committed late"})
        await until(pilot, lambda: late in ids(pilot), "the late event")
        assert ids(pilot) == all_ids(filled)[: len(ids(pilot))]


async def test_more_than_a_page_at_once_leaves_no_gap(
    settings: Settings, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_pages, "PAGE", 3)
    async with running(app_for(settings), (80, 24)) as pilot:
        screen = await open_log(pilot)
        await pilot.press(*["j"] * 20)
        row = screen.table.row
        assert row is not None
        newest = all_ids(filled)[0]
        for number in range(1, 11):
            write_event(filled, UUID(int=newest.int + number), {"reason": f"number {number}"})
        await until(pilot, lambda: ids(pilot)[0].int == newest.int + 10, "all of them")
        assert ids(pilot) == all_ids(filled)[: len(ids(pilot))]
        assert screen.table.row is not None
        assert screen.table.row.id == row.id


async def test_what_is_read_again_reaches_down_to_the_cursor_only(
    settings: Settings, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_list, "FIRST_PAGE", 3)
    async with running(app_for(settings), (80, 24)) as pilot:
        screen = await open_log(pilot)
        await pilot.press("G")
        await until(pilot, lambda: screen.table.cursor == len(all_ids(filled)) - 1, "the last row")
        await pilot.press("g")
        newest = after(all_ids(filled)[0])
        write_event(filled, newest, {"reason": "new"})
        await until(pilot, lambda: newest in ids(pilot), "the new event")
        assert len(ids(pilot)) < len(all_ids(filled))
        await pilot.press("G")
        await until(pilot, lambda: ids(pilot) == all_ids(filled), "the rest again")


async def test_types_are_cycled_by_key_and_chosen_by_mouse(settings: Settings) -> None:
    app = app_for(settings)
    async with running(app, (120, 40)) as pilot:
        screen = await open_log(pilot)

        def types() -> set[str]:
            return {event.event_type for event in screen.table.rows}

        await pilot.press("s")
        await until(pilot, lambda: types() == {"batch_opened"}, "the first type")
        await pilot.press("s", "s", "s")
        await until(pilot, lambda: types() == {"batch_failed"}, "the fourth type")
        assert screen.table.cursor == 0
        await pilot.click(offset=clicked_at(app, "skipped"))
        await until(pilot, lambda: types() == {"checkpoint_skipped"}, "the type that was clicked")
        await pilot.click(offset=clicked_at(app, "resumed"))
        await until(pilot, lambda: "No event is of this type" in shown(app), "a type without events")
        await pilot.press("s")
        await until(pilot, lambda: len(types()) > 3, "every type again")


async def test_words_filter_as_they_are_typed_and_escape_clears_before_it_leaves(settings: Settings) -> None:
    app = app_for(settings)
    async with running(app, (80, 24)) as pilot:
        screen = await open_log(pilot)
        await pilot.press("slash", *"stale FILE")
        await until(pilot, lambda: [event.run_date for event in screen.table.rows] == [FAILED_WEEK], "the failed week")
        await pilot.press("enter", "s", "s", "s", "s")
        await until(pilot, lambda: screen.event_query.event_type == "batch_failed", "the type too")
        await pilot.press("escape")
        await until(pilot, lambda: len(screen.table.rows) > 1, "everything again")
        assert app.screen is screen
        assert not screen.event_query.is_filtered
        await pilot.press("q")
        await until(pilot, lambda: app.current_mode == "batches", "home")


async def test_enter_and_a_click_show_the_payload(settings: Settings) -> None:
    app = app_for(settings)
    async with running(app) as pilot:
        screen = await open_log(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PayloadScreen), "the payload")
        assert '"cause": "not_running"' in shown(app)
        await pilot.press("escape")
        await pilot.click("#log", offset=(5, 4))
        assert screen.table.cursor == 3
        await pilot.click("#log", offset=(5, 4))
        await until(pilot, lambda: isinstance(app.screen, PayloadScreen), "the payload, by mouse")


async def test_b_goes_to_the_batch_of_the_event(settings: Settings) -> None:
    app = app_for(settings)
    async with running(app) as pilot:
        screen = await open_log(pilot)
        assert screen.table.rows[0].run_date == MISSED_WEEK
        await pilot.press("b")
        await until(pilot, lambda: "There is no batch under the cursor." in shown(app), "the reason")
        await pilot.press("j", "b")
        await until(pilot, lambda: isinstance(app.screen, BatchScreen), "the batch")
        assert app.current_mode == "batches"
        assert isinstance(app.screen, BatchScreen)
        assert app.screen.run_date == NEWEST_WEEK
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1, "the batches")


async def test_everything_that_matches_is_exported_whole(
    settings: Settings, filled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(event_pages, "PAGE", 7)
    app = app_for(settings)
    async with running(app) as pilot:
        screen = await open_log(pilot)
        await pilot.click(offset=clicked_at(app, "computed skipped"))
        await until(pilot, lambda: {event.event_type for event in screen.table.rows} == {"checkpoint_computed"}, "type")
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, AskScreen), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: bool(list(tmp_path.iterdir())), "the file")
    with psycopg.connect(filled) as connection:
        row = connection.execute("select count(*) from events where event_type = 'checkpoint_computed'").fetchone()
    file = only_file(tmp_path)
    header, *lines = file.read_text(encoding="utf-8").splitlines()
    assert header == "id,created_at,run_date,event_type,payload"
    assert row == (len(lines),)


async def test_the_whole_payload_is_copied(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        screen = await open_log(pilot)
        await pilot.press("j")
        headings, row = screen.copied_text().split("\n")
        assert headings.split("\t") == ["created_at", "run_date", "event_type", "payload"]
        at, week, name, payload = row.split("\t")
        assert (week, name) == (str(NEWEST_WEEK), "checkpoint_computed")
        assert json.loads(payload)["closes"]["SPY"]["baseline"] == "505.57"
        assert "T" in at


@contextmanager
def poisoned(conninfo: str, text: str) -> Iterator[None]:
    """An event of the newest batch that says `text` wherever it can, behind the guards' back."""
    write_event(
        conninfo,
        after(all_ids(conninfo)[0]),
        {"reason": text, "source": text, text[:40]: text},
        event_type=text,
    )
    yield


HOSTILE_PAYLOADS = {name: text for name, text in HOSTILE.items() if name != "surrogate"} | {"long": "x[/b]" * 2_000}


@pytest.mark.parametrize("text", HOSTILE_PAYLOADS.values(), ids=HOSTILE_PAYLOADS)
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_a_hostile_payload_is_shown_and_nothing_more(
    settings: Settings, filled: str, text: str, size: tuple[int, int]
) -> None:
    with poisoned(filled, text):
        app = app_for(settings, Mode.READ_ONLY)
        async with running(app, size) as pilot:
            screen = await open_log(pilot)
            screens = [shown(app)]
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, PayloadScreen), "the payload")
            await pilot.pause()
            screens.append(shown(app))
            await pilot.press("pagedown", "G", "escape")
            for words in ("quit[/]", "reason"):
                if words in shown(app):
                    await pilot.click(offset=clicked_at(app, words))
            assert app.is_running
            assert all(character == "\n" or character.isprintable() for each in screens for character in each)
            _, row = screen.copied_text().split("\n")
            assert row.replace("\t", "").isprintable()


async def test_read_only_shows_everything_and_writes_nothing(settings: Settings) -> None:
    app = app_for(settings, Mode.READ_ONLY)
    async with running(app) as pilot:
        screen = await open_log(pilot)
        assert not [command for command in screen.applicable() if command.writes]
        await pilot.press("f", "s")
        await until(pilot, lambda: {each.event_type for each in screen.table.rows} == {"batch_opened"}, "the filter")


async def test_an_empty_log_says_what_will_stand_here(conninfo: str, filled: str) -> None:
    app = app_for(settings_for(conninfo), Mode.READ_ONLY)
    async with started(app, (80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "Nothing has happened yet." in shown(app), "the words")
        for key in ("j", "G", "enter", "y", "x", "b", "s", "escape", "f"):
            await pilot.press(key)
        write_event(
            conninfo, all_ids(filled)[0], {"run_date": str(MISSED_WEEK), "cause": "not_running"}, "batch_missed"
        )
        await until(pilot, lambda: "batch missed" in shown(app), "the first event")
        assert "Nothing has happened" not in shown(app)
