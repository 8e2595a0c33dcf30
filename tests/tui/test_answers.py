"""A database that is slow, silent, or of another mind: no key is stopped, nothing is shown that is not so."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from textual import events

from core.batches import NotFoundError
from core.settings import Settings
from tests.databases import as_owner
from tests.tui.driving import app_for, has_arrived, home, is_filled, link, running, shown, started, until
from tests.tui.history import NEWEST_WEEK, all_weeks
from tui import app as app_module
from tui import watching
from tui.mode import Mode
from tui.outgoing import Export
from tui.screens.ask import AskScreen
from tui.screens.batch import BatchScreen
from tui.screens.week_list import WeekListScreen
from tui.status import Link


@contextmanager
def locked(conninfo: str, table: str) -> Iterator[None]:
    """Lets every question about `table` wait."""
    with psycopg.connect(as_owner(conninfo)) as connection:
        connection.execute(f"lock table {table} in access exclusive mode".encode())
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "SCHEDULERS_READ_EVERY_S", 1.0)
    monkeypatch.setattr(watching, "NOTICED_WITHIN_S", 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mode", [Mode.SCHEDULER, Mode.READ_ONLY])
async def test_silence_is_noticed_by_itself_and_so_is_its_end(settings: Settings, filled: str, mode: Mode) -> None:
    async with running(app_for(settings, mode)) as pilot:
        with locked(filled, "scheduler_state"):
            await until(pilot, lambda: link(pilot.app) is Link.LOST, "the loss")
            await until(pilot, lambda: "has not answered for" in shown(pilot.app), "why")
            assert "BUY NVDA" in shown(pilot.app), "the last good values stay"
            await pilot.press("j")
            assert home(pilot.app).table.cursor == 1
        # Nobody writes: the connection that listens has nothing to tell.
        await until(pilot, lambda: link(pilot.app) is Link.OPEN, "the return")


async def test_an_answer_that_is_no_loss_is_told_and_the_app_goes_on(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:

        async def refused(_: object) -> str:
            raise NotFoundError("There is no batch for 2024-11-18.", "alpha-monday batches lists the weeks there are.")

        assert await home(pilot.app).ask(refused) is None
        await until(pilot, lambda: "There is no batch for 2024-11-18." in shown(pilot.app), "the sentence")
        assert link(pilot.app) is Link.OPEN


async def test_a_reason_that_is_being_written_stops_no_key(settings: Settings, filled: str) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("F", *"stale")
        with locked(filled, "batches"):
            await pilot.press("enter", "enter")
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is home(pilot.app), "the list")


async def test_an_answer_is_taken_once(settings: Settings) -> None:
    taken: list[str] = []
    go_on = asyncio.Event()

    async def take(answer: str) -> None:
        taken.append(answer)
        await go_on.wait()

    from rich.text import Text

    async with running(app_for(settings)) as pilot:
        pilot.app.push_screen(AskScreen("Ask", Text("?"), take=take))
        await pilot.press("a", "enter", "enter", "enter")
        go_on.set()
        await until(pilot, lambda: pilot.app.screen is home(pilot.app), "the list")
    assert taken == ["a"]


async def test_a_held_key_goes_through_the_batches_one_by_one(settings: Settings) -> None:
    weeks = sorted(all_weeks(), reverse=True)
    async with running(app_for(settings)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        screen = pilot.app.screen
        assert isinstance(screen, BatchScreen)
        for key in "JJJJJJKJ":
            pilot.app.post_message(events.Key(key, key))
        await until(pilot, lambda: screen.run_date == weeks[6] and has_arrived(pilot.app), "the seventh newest")
        assert str(weeks[6]) in shown(pilot.app)
        for _ in range(30):
            pilot.app.post_message(events.Key("K", "K"))
        await until(pilot, lambda: screen.run_date == NEWEST_WEEK and has_arrived(pilot.app), "the newest")
        await until(pilot, lambda: f" {NEWEST_WEEK} · " in shown(pilot.app), "its header")


async def test_who_moves_away_is_not_thrown_to_the_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("FIRST_PAGE", 3), ("PAGE", 2), ("LARGEST_PAGE", 2)):
        monkeypatch.setattr(f"tui.screens.week_list.{name}", number)
    app = app_for(settings)
    async with started(app, (80, 24)) as pilot:
        await until(pilot, lambda: is_filled(app), "the first page")
        app.post_message(events.Key("G", "G"))
        app.post_message(events.Key("g", "g"))
        await until(pilot, lambda: home(app).weeks.next_cursor is None or not home(app).reading.locked(), "the pages")
        await pilot.pause(0.2)
        assert home(app).table.cursor == 0


async def test_an_export_that_took_long_does_not_lie_on_what_was_opened_meanwhile(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = asyncio.Event()

    async def slow(_: WeekListScreen) -> Export:
        await ready.wait()
        return Export("x", ("a",), [("1",)])

    monkeypatch.setattr(WeekListScreen, "exported", slow)
    async with running(app_for(settings)) as pilot:
        await pilot.press("x", "question_mark")
        await until(pilot, lambda: pilot.app.screen is not home(pilot.app), "the help, once keys wait no longer")
        opened = pilot.app.screen
        ready.set()
        await until(pilot, lambda: "meanwhile" in shown(pilot.app), "the word")
        assert pilot.app.screen is opened


async def test_sorting_twice_at_once_goes_two_columns_on(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        for key in "sss":
            pilot.app.post_message(events.Key(key, key))
        await until(pilot, lambda: "SPY↓" in shown(pilot.app), "the third column after the week")


async def test_only_problems_that_were_shown_count_as_seen(settings: Settings, filled: str) -> None:
    async with running(app_for(settings)) as pilot:
        app = pilot.app
        await until(pilot, lambda: "4 Nov missed" in shown(app), "what was missed")
        await pilot.press("exclamation_mark")
        with psycopg.connect(filled) as connection:
            connection.execute(
                """insert into events (id, event_type, payload, created_at, batch_id)
                select gen_random_uuid(), 'checkpoint_skipped', %s, '2024-11-21 21:59:50+00', id
                from batches where run_date = %s""",
                (
                    '{"checkpoint_date": "2024-11-19", "reason": "price_missing", "symbols": ["KO"], "sources": []}',
                    NEWEST_WEEK,
                ),
            )
            connection.execute("select pg_notify('alpha_monday', '[]')")
        await pilot.pause(0.3)
        await pilot.press("escape")
        await until(pilot, lambda: "KO 19 Nov skipped" in shown(app), "what came while the list was open")
        await until(pilot, lambda: "4 Nov missed" not in shown(app), "what was seen")
