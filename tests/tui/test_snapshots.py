"""What the screens look like, to the cell: each at 80x24 and 120x40, in dark and without colour."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from core.picks.editing import replace_week
from core.settings import Settings
from core.staging import stage
from tests.fakes import FixedClock, exchange
from tests.tui.driving import app_for, has_arrived, home, is_filled, shown, until, write_as_another
from tests.tui.history import MISSED_WEEK, NEWEST_WEEK, drafts, settings_for
from tests.tui.troubles import app_in_trouble
from tui.app import AlphaMondayApp
from tui.mode import Mode

SnapCompare = Callable[..., bool]
SMALL, ROOMY, WIDE = (80, 24), (120, 40), (200, 60)
SIZES = [pytest.param(SMALL, id="small"), pytest.param(ROOMY, id="roomy")]
STAGED_WEEK = date(2024, 11, 25)

# Keys to press, and words that stand on the screen once what they open has been read.
LOOKS: dict[str, tuple[tuple[str, ...], str]] = {
    "home": ((), "2024-09-30"),
    "home-missed": (("j", "j"), "No batch was opened"),
    "home-filtered": (("slash", *"tsla"), "2024-09-16"),
    "home-sorted": (("s", "s", "s", "s"), "Excess↓"),
    "home-columns": (("greater_than_sign",), "Week↓"),
    "problems": (("exclamation_mark",), "opens the week late"),
    "picks": (("enter",), "underwriting that pays for both"),
    "checkpoints": (("enter", "tab"), "waiting"),
    "checkpoint": (("enter", "tab", "enter"), "Where the prices came from"),
    "heat-map": (("enter", "tab", "tab"), "no close"),
    "chart": (("enter", "tab", "tab", "tab"), "Return since the baseline"),
    "log": (("enter", "shift+tab"), "checkpoint computed"),
    "payload": (("enter", "shift+tab", "enter"), '"checkpoint_date"'),
    "fail": (("F",), "This is final"),
    "performance": (("2",), "Batting average"),
    "scheduler": (("3",), "open the week"),
    "events": (("4",), "batch missed"),
    "new-batch": (("n",), "SELL"),
    "export": (("x",), "CSV of"),
    "help": (("question_mark",), "Open the week under the cursor"),
    "palette": (("colon",), "Open  (↵)"),
}


def is_drawn_below(app: AlphaMondayApp) -> bool:
    """Whether the screen under a dialog shows, unless a form on a small terminal or the terminal's colours hide it."""
    return app.current_theme.ansi or app.size.width <= SMALL[0] or "Alpha Monday" in shown(app)


def prepared(app: AlphaMondayApp, keys: tuple[str, ...], wanted: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def prepare(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: is_filled(app), "the first page")
        await until(pilot, lambda: "! show" in shown(app), "the problems")
        for key in keys:
            await until(pilot, lambda: has_arrived(app), "what the key before opens")
            await pilot.press(key)
        await until(pilot, lambda: has_arrived(app) and wanted in shown(app), wanted)
        await until(pilot, lambda: is_drawn_below(app), "the screen below")
        await pilot.pause()

    return prepare


@pytest.fixture(params=["dark", "no-colour"])
def colours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    return str(request.param)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", LOOKS)
def test_looks(
    snap_compare: SnapCompare, settings: Settings, monkeypatch: pytest.MonkeyPatch, look: str, size: tuple[int, int],
    colours: str,
) -> None:  # fmt: skip
    assert colours
    monkeypatch.chdir("/")  # file names are shown
    app = app_for(settings)
    assert snap_compare(app, terminal_size=size, run_before=prepared(app, *LOOKS[look]))


@pytest.fixture
def with_staged(settings: Settings, filled: str, reachable_directory: Path, price_file: Path) -> Settings:
    """The history, with a week staged for the Monday to come."""
    picks_file = reachable_directory / f"picks-{filled[-20:].strip().replace('=', '')}.csv"
    picks_file.unlink(missing_ok=True)
    return settings_for(
        filled, price_source="csv", price_file=str(price_file), pick_source="file", picks_file=str(picks_file)
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [pytest.param((), id="preview"), pytest.param(("e",), id="edit")])
def test_looks_staged(
    snap_compare: SnapCompare, with_staged: Settings, size: tuple[int, int], keys: tuple[str, ...], colours: str
) -> None:
    assert colours
    app = app_for(with_staged)

    async def prepare(pilot: Pilot[Any]) -> None:
        await write_as_another(with_staged, lambda services: stage(services, STAGED_WEEK, drafts(NEWEST_WEEK)))
        await until(pilot, lambda: "○ staged" in shown(app) and "! show" in shown(app), "its row")
        await pilot.press("g", *keys)
        await until(pilot, lambda: ("these picks" if not keys else "underwriting") in shown(app), "what is staged")
        await until(pilot, lambda: is_drawn_below(app), "the screen below")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", SIZES)
def test_looks_before_a_week_is_opened(
    snap_compare: SnapCompare, with_staged: Settings, size: tuple[int, int], colours: str
) -> None:
    assert colours
    assert with_staged.picks_file is not None
    replace_week(with_staged.picks_file, MISSED_WEEK, drafts(MISSED_WEEK))
    app = app_for(with_staged)

    async def prepare(pilot: Pilot[Any]) -> None:
        await prepared(app, ("j", "j", "enter"), "Fill from")(pilot)
        await pilot.press("ctrl+o", "enter")
        await until(pilot, lambda: "underwriting" in shown(app), "the picks of the file")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Nothing is written yet." in shown(app), "the prices")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [pytest.param(("escape",), id="welcome"), pytest.param((), id="set-up")])
def test_looks_empty(
    snap_compare: SnapCompare, conninfo: str, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int],
    keys: tuple[str, ...], colours: str,
) -> None:  # fmt: skip
    assert colours
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    app = app_for(settings_for(conninfo, data_dir="/var/lib/alpha-monday"), Mode.SCHEDULER)

    async def prepare(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "Set up" in shown(app), "the set-up that opens by itself")
        for key in keys:
            await pilot.press(key)
            await until(pilot, lambda: "There are no batches yet." in shown(app), "the greeting")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=prepare)


# What went wrong: keys to press, and words that stand on the screen after them.
TROUBLES: dict[str, tuple[tuple[str, ...], str]] = {
    "stopped": (("j",), "CERN stopped trading"),
    "doubtful": (("j", "j"), "wait for a word"),
    "renamed": (("j", "j", "j"), "FB (as META)"),
    "problems": (("exclamation_mark",), "picks refused"),
    "accept": (("j", "j", "a"), "Accept at its word"),
    "scheduler": (("3", "tab", "G"), "no answer since"),
    "checkpoint": (("j", "j", "j", "enter", "tab", "G", "k", "k", "k", "enter"), "Quoted as"),
}


@pytest.mark.parametrize("size", [*SIZES, pytest.param(WIDE, id="wide")])
@pytest.mark.parametrize("look", TROUBLES)
def test_looks_in_trouble(snap_compare: SnapCompare, troubled: Settings, look: str, size: tuple[int, int]) -> None:
    app = app_in_trouble(troubled)
    keys, wanted = TROUBLES[look]

    async def prepare(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: home(app).weeks.is_begun and "! show" in shown(app), "the list")
        for key in keys:
            await until(pilot, lambda: has_arrived(app), "what the key before opens")
            await pilot.pause()
            await pilot.press(key)
        await until(pilot, lambda: wanted in shown(app), wanted)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=prepare)


def test_looks_when_leaving_stops_the_schedule(snap_compare: SnapCompare, settings: Settings) -> None:
    app = app_for(settings, Mode.SCHEDULER, FixedClock(exchange("2024-11-21", "17:00")))

    async def prepare(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: is_filled(app) and "● leading" in shown(app), "the lead")
        await until(pilot, lambda: "next " in shown(app), "the first tick")
        await pilot.press("q")
        await until(pilot, lambda: "no other process stands by" in shown(app), "the question")
        # The screen below is composed anew with the question on top of it.
        await until(pilot, lambda: "12 weeks" in shown(app), "the list below it")
        await pilot.pause()

    assert snap_compare(app, terminal_size=SMALL, run_before=prepare)


@pytest.mark.parametrize("look", ["home", "heat-map", "chart"])
def test_looks_wide(snap_compare: SnapCompare, settings: Settings, look: str) -> None:
    app = app_for(settings)
    assert snap_compare(app, terminal_size=WIDE, run_before=prepared(app, *LOOKS[look]))


@pytest.mark.parametrize("look", ["home", "heat-map", "chart"])
@pytest.mark.parametrize("theme", ["alpha-monday-light", "alpha-monday-colour-safe"])
def test_looks_in_other_colours(snap_compare: SnapCompare, settings: Settings, theme: str, look: str) -> None:
    app = app_for(settings)
    app.theme = theme
    assert snap_compare(app, terminal_size=SMALL, run_before=prepared(app, *LOOKS[look]))


def test_looks_read_only(snap_compare: SnapCompare, settings: Settings) -> None:
    app = app_for(settings, Mode.READ_ONLY)
    assert snap_compare(app, terminal_size=SMALL, run_before=prepared(app, *LOOKS["home-missed"]))
