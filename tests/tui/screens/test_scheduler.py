"""The Scheduler screen: what it tells of every process's scheduler, a job run by hand, a pause."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from core.catch_up import Report
from core.job_history import Job
from core.pausing import pause, resume
from core.scheduler import Scheduler
from core.scheduler_state import Phase, SchedulerState
from core.services import Access, Services, open_services
from core.settings import Settings
from db import events, leadership
from tests.fakes import FixedClock
from tests.tui import history
from tests.tui.driving import app_for, running, shown, until, write_as_another
from tests.tui.history import NOW
from tests.tui.test_literal import HOSTILE
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.outgoing import csv_text
from tui.screens import scheduler as module
from tui.screens.ask import ConfirmScreen
from tui.screens.scheduler import SchedulerScreen
from tui.widgets.key_line import KeyLine

SIZES = [(80, 24), (120, 40), (200, 60)]


def screen_of(pilot: Pilot[Any]) -> SchedulerScreen:
    screen = next(each for each in pilot.app.screen_stack if isinstance(each, SchedulerScreen))
    assert screen.view is not None
    return screen


@asynccontextmanager
async def at_scheduler(app: AlphaMondayApp, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[Any]]:
    """The app on the Scheduler screen, which shows what was read."""
    async with running(app, size) as pilot:
        await pilot.press("3")
        await shows(pilot, "retry waiting days")
        yield pilot


async def shows(pilot: Pilot[Any], words: str) -> None:
    """Waits until `words` are on the terminal."""
    await until(pilot, lambda: words in shown(pilot.app), words)


async def says(pilot: Pilot[Any], words: str) -> None:
    """Waits until the operator is told `words` in passing."""
    await until(pilot, lambda: any(words in each.message for each in pilot.app._notifications), words)


@asynccontextmanager
async def another_scheduler(settings: Settings, who: str) -> AsyncIterator[asyncio.Event]:
    """The scheduler of another process; what is given is set once it leads."""
    leads = asyncio.Event()

    def note_phase(state: SchedulerState) -> None:
        if state.phase is Phase.LEADING:
            leads.set()

    async with open_services(settings, Access.WRITE, clock=FixedClock(NOW)) as services:
        other = Scheduler(services, note_phase, who=who)
        task = asyncio.create_task(other.run())
        try:
            yield leads
        finally:
            other.stop()
            await task


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read only because time has passed."""
    monkeypatch.setattr("tui.app.SCHEDULERS_READ_EVERY_S", 3600)
    monkeypatch.setattr(module, "READ_EVERY_S", 3600)


async def note(settings: Settings, facts: dict[str, dict[str, Any]]) -> None:
    """Notes facts of schedulers as another process would, and tells every screen."""

    async def work(services: Services) -> None:
        async with services.database.transaction() as connection:
            await leadership.merge(connection, facts)
            await events.notify(connection, [])

    await write_as_another(settings, work)


@pytest.mark.parametrize("size", SIZES)
async def test_it_shows_jobs_and_what_waits(settings: Settings, size: tuple[int, int]) -> None:
    async with at_scheduler(app_for(settings), size) as pilot:
        text = shown(pilot.app)
        [retry] = [line for line in text.splitlines() if "retry waiting days" in line]
        assert "Thu 17:05 ET" in retry
        assert "5 min" in retry
        assert "2024-11-18  Wed 20 Nov  no close yet" in text
        assert "next try Thu 17:05 ET (5 min), tried once, Thu 17:00 ET" in text
        assert "no close on 2024-11-20 for TSLA from csv" in text
        await pilot.press("pagedown", "pagedown")
        await shows(pilot, "csv  – not asked yet  basis unspecified")
        assert "– no pick source is set" in shown(pilot.app)
        assert screen_of(pilot).table.cursor == 0, "page keys leave the jobs alone"


async def test_it_counts_down_without_moving_the_cursor(settings: Settings, unasked: None) -> None:
    clock = FixedClock(NOW)
    async with at_scheduler(app_for(settings, clock=clock)) as pilot:
        await pilot.press("j", "j")
        clock.instant += timedelta(minutes=2)
        await shows(pilot, "next try Thu 17:05 ET (3 min)")
        assert screen_of(pilot).table.row is not None
        clock.instant += timedelta(minutes=4)
        await shows(pilot, "next try Thu 17:05 ET (now)")
        await write_as_another(settings, lambda services: pause(services, "ann"))
        await shows(pilot, "Jobs · ‖ paused")
        row = screen_of(pilot).table.row
        assert row is not None
        assert (row.job, row.due) == (Job.RETRIES, 1)


async def test_the_keys_move_in_the_pane_that_has_the_focus(settings: Settings) -> None:
    async with at_scheduler(app_for(settings), (80, 24)) as pilot:
        table, text = screen_of(pilot).table, pilot.app.screen.query_one("#below")
        await pilot.press("G", "tab", "G")
        await until(pilot, lambda: text.scroll_offset.y > 0, "the end of the text")
        assert table.cursor == 2
        await pilot.press("g", "tab", "k")
        await until(pilot, lambda: (table.cursor, text.scroll_offset.y) == (1, 0), "both moved")


# Running a job


@pytest.fixture
def prices_of_its_own(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    history.write_prices(path)
    return path


async def test_a_close_that_appears_is_taken_up_by_hand(settings: Settings, prices_of_its_own: Path) -> None:
    path = prices_of_its_own
    own = settings.model_copy(update={"price_file": path})
    async with at_scheduler(app_for(own), (80, 24)) as pilot:
        await pilot.press("G", "R")
        await says(pilot, "Retry waiting days: 1 day waits: no close on 2024-11-20")
        with path.open("a", encoding="utf-8") as stream:
            stream.write("2024-11-20,TSLA,301.25,1\n")
        await pilot.press("R")
        await says(pilot, "Retry waiting days: 1 day computed.")
        await shows(pilot, "Nothing waits.")
        assert "1 computed" in shown(pilot.app), "the outcome, whole, below the jobs"
        assert screen_of(pilot).table.cursor == 2
        await pilot.press("R")
        await says(pilot, "Retry waiting days: nothing was due.")


async def test_a_refusal_is_told_with_its_remedy(settings: Settings, price_file: Path, tmp_path: Path) -> None:
    picks = tmp_path / "picks.csv"
    picks.write_text("run_date,ticker,action,reasoning\n", encoding="utf-8")
    own = settings.model_copy(update={"pick_source": "file", "picks_file": picks})
    async with at_scheduler(app_for(own)) as pilot:
        await pilot.press("R")
        await says(pilot, "No week can be opened by the schedule now")
        await says(pilot, "Wait until then.")


Answering = Callable[[Services, Job], Awaitable[Report]]


def answering(monkeypatch: pytest.MonkeyPatch, answer: Answering) -> None:
    monkeypatch.setattr(module, "run_job", answer)


async def test_one_job_runs_at_a_time_and_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, asked = asyncio.Event(), []

    async def slow(_: Services, job: Job) -> Report:
        asked.append(job)
        await may_end.wait()
        return Report(computed=2, skipped=1)

    answering(monkeypatch, slow)
    async with at_scheduler(app_for(settings)) as pilot:
        await pilot.press("j", "R")
        await shows(pilot, "running…")
        await pilot.press("k", "R")
        await says(pilot, "A job is running; wait until it has ended.")
        [line] = [line for line in shown(pilot.app).splitlines() if "running…" in line]
        assert "write checkpoints" in line
        may_end.set()
        await says(pilot, "Write checkpoints: 2 days computed, 1 day skipped.")
        assert asked == [Job.CHECKPOINTS]
        assert "running…" not in shown(pilot.app)


async def test_a_defect_is_told_without_its_text_and_the_screen_stays(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Services, job: Job) -> Report:
        raise RuntimeError(f"key=4711 {job}")

    answering(monkeypatch, broken)
    async with at_scheduler(app_for(settings)) as pilot:
        await pilot.press("R")
        await says(pilot, "Something unforeseen happened: RuntimeError.")
        assert "4711" not in shown(pilot.app)
        assert "running…" not in shown(pilot.app)
    assert "job failed" in caplog.messages


# Pausing


async def test_a_pause_is_asked_about_shows_everywhere_outlives_the_app_and_ends(settings: Settings) -> None:
    app = app_for(settings, Mode.SCHEDULER)
    async with at_scheduler(app, (80, 24)) as pilot:
        await shows(pilot, "● leading")
        await pilot.press("p")
        await shows(pilot, "in whatever process it runs: no")
        assert "no batch is opened and no checkpoint written" in " ".join(re.sub(" │.*\n.*?│", " ", shown(app)).split())
        await pilot.press("escape")
        await pilot.press("p", "enter")
        await shows(pilot, "‖ paused by this terminal since Thu 17:00 ET")
        await until(pilot, lambda: "‖ paused" in shown(app).splitlines()[0], "the status line")
        assert "p resume" in shown(app).splitlines()[-1]
        assert "next " not in shown(app).splitlines()[0]
        await pilot.press("1")
        await until(pilot, lambda: "‖ paused" in shown(app).splitlines()[0], "the status line at home")
    again = app_for(settings, Mode.SCHEDULER)
    async with at_scheduler(again) as pilot:
        await shows(pilot, "Jobs · ‖ paused")
        await pilot.press("p")
        await says(pilot, "Resumed.")
        await until(pilot, lambda: "● leading" in shown(again).splitlines()[0], "the lead")
        assert "‖" not in shown(again)


@pytest.mark.parametrize("size", SIZES)
async def test_why_it_is_paused_is_seen_without_scrolling(settings: Settings, size: tuple[int, int]) -> None:
    async with at_scheduler(app_for(settings), size) as pilot:
        await write_as_another(settings, lambda services: pause(services, "ann@host", "relocation"))
        await shows(pilot, "‖ paused by ann@host since")
        assert "relocation" in shown(pilot.app)


async def test_a_question_answered_with_no_pauses_nothing(settings: Settings) -> None:
    async with at_scheduler(app_for(settings)) as pilot:
        await pilot.press("p", "escape")
        await write_as_another(settings, lambda services: pause(services, "ann"))
        await shows(pilot, "‖ paused by ann since")


async def test_a_pause_elsewhere_shows_in_the_status_line_of_who_runs_no_scheduler(
    settings: Settings, unasked: None
) -> None:
    async with running(app_for(settings, Mode.READ_ONLY)) as pilot:
        await shows(pilot, "read-only, nobody schedules")
        await write_as_another(settings, lambda services: pause(services, "ann"))
        await shows(pilot, "read-only, ‖ paused")
        await write_as_another(settings, lambda services: resume(services, "ann"))
        await shows(pilot, "read-only, nobody schedules")


async def test_read_only_offers_neither(settings: Settings) -> None:
    async with at_scheduler(app_for(settings, Mode.READ_ONLY)) as pilot:
        keys = shown(pilot.app).splitlines()[-1]
        assert "run now" not in keys
        assert "pause" not in keys
        for key in ("R", "p"):
            await pilot.press(key)
            await says(pilot, "This terminal is read-only")
            assert isinstance(pilot.app.screen, SchedulerScreen)
        assert "this terminal is read-only and does not schedule" in shown(pilot.app)


# Leadership


async def test_nobody_schedules_then_somebody_does(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.app.SCHEDULERS_READ_EVERY_S", 0.1)
    monkeypatch.setattr(module, "READ_EVERY_S", 0.1)
    async with at_scheduler(app_for(settings)) as pilot:
        await shows(pilot, "✗ nobody schedules")
        assert "no scheduler, nobody schedules" in shown(pilot.app)
        async with another_scheduler(settings, "elsewhere:7"):
            await shows(pilot, "● elsewhere:7 leads since Thu 17:00 ET")
            await shows(pilot, "no scheduler, elsewhere:7 leads")
        await shows(pilot, "elsewhere:7 led last")
        await shows(pilot, "no scheduler, nobody schedules")


async def test_who_stands_by_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_EVERY_S", 0.1)
    async with at_scheduler(app_for(settings, Mode.SCHEDULER)) as pilot:
        await shows(pilot, "● this terminal leads")
        async with another_scheduler(settings, "elsewhere:7"):
            await shows(pilot, "○ elsewhere:7 stands by since Thu 17:00 ET")


async def test_this_terminal_stands_by(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_EVERY_S", 0.1)
    async with another_scheduler(settings, "elsewhere:7") as leads:
        await leads.wait()
        async with at_scheduler(app_for(settings, Mode.SCHEDULER)) as pilot:
            await shows(pilot, "○ this terminal stands by")
            await shows(pilot, "● elsewhere:7 leads")


# From outside


@pytest.mark.parametrize("size", SIZES)
async def test_words_from_outside_do_nothing(settings: Settings, size: tuple[int, int]) -> None:
    hostile = " ".join(HOSTILE.values()).encode("utf-8", "replace").decode()
    long = hostile + " very" * 400
    at = NOW.isoformat()
    async with at_scheduler(app_for(settings), size) as pilot:
        failing = {"is_failing": True, "failed_at": at, "failure_code": long, "failure": long, "quota_left": -3}
        await note(
            settings,
            {
                "source:prices:csv": failing,
                "job:retries": {"at": at, "took_s": 1e300, "outcome": long, "who": long},
                "leader": {"who": long, "since": at},
                "standby:x": {"who": long, "since": at},
                "pause": {"who": long, "since": at, "reason": long},
            },
        )
        await until(pilot, lambda: screen_of(pilot).view.paused is not None, "the pause")  # type: ignore[union-attr]
        await pilot.press("G", "pagedown", "pagedown", "pagedown")
        await shows(pilot, "✗ fails")
        assert "0 questions left" in shown(pilot.app)
        for line in shown(pilot.app).splitlines():
            assert line.isprintable()
        assert shown(pilot.app).count("very") < 300, "it is cut"


# By mouse, and out of the terminal


async def test_everything_is_done_by_mouse(settings: Settings, prices_of_its_own: Path) -> None:
    own = settings.model_copy(update={"price_file": prices_of_its_own})
    async with at_scheduler(app_for(own)) as pilot:
        await pilot.click("#jobs", offset=(5, 3))
        await until(pilot, lambda: screen_of(pilot).table.cursor == 2, "the row")
        keys = shown(pilot.app).splitlines()[-1]
        await pilot.click(KeyLine, offset=(keys.index("run now"), 0))
        await says(pilot, "Retry waiting days: 1 day waits")
        await pilot.click(KeyLine, offset=(keys.index("pause"), 0))
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen), "the question")
        await pilot.press("enter")
        await shows(pilot, "Jobs · ‖ paused")
        await pilot.click("#below", offset=(5, 1))
        assert pilot.app.focused is pilot.app.screen.query_one("#below")


def written(directory: Path) -> str:
    [file] = directory.glob("alpha-monday-schedule-*.csv")
    return file.read_text(encoding="utf-8")


async def test_copying_and_exporting(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with at_scheduler(app_for(settings)) as pilot:
        await pilot.press("G", "tab")
        headings, row = (line.split("\t") for line in screen_of(pilot).copied_text().split("\n"))
        assert headings[:4] == ["Job", "Next", "In", "Due"]
        assert row[:4] == ["retry waiting days", "Thu 17:05 ET", "5 min", "0"]
        export = await screen_of(pilot).exported()
        assert export is not None
        header, *rows = csv_text(export).splitlines()
        assert header.startswith("kind,job,next_at,due,")
        assert [row.split(",")[1] for row in rows[:3]] == [str(job) for job in Job]
        assert rows[3].startswith("waiting,,2024-11-21T22:05:00+00:00,")
        assert all(len(row) == len(export.header) for row in export.rows)
        await pilot.press("x")
        await until(pilot, lambda: bool(pilot.app.screen.query(Input)), "the question")
        await pilot.press("enter")
        await says(pilot, "Written to ")
        assert written(tmp_path).startswith("kind,job,")


async def test_a_database_that_hangs_stops_no_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = asyncio.Event()

    async def hang(_: Services) -> None:
        hanging.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async with at_scheduler(app_for(settings)) as pilot:
        monkeypatch.setattr(module, "schedule_view", hang)
        await pilot.press("1", "3")
        await until(pilot, hanging.is_set, "the question")
        await pilot.press("j", "j")
        await until(pilot, lambda: screen_of(pilot).table.cursor == 2, "the third job")
