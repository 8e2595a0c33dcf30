"""No place of the terminal shows a secret, whatever a source repeats; nor does what is exported."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from textual.app import App

from core.due_work import run_due_work
from core.settings import Settings
from core.settings_layers import load_settings
from tests.fakes import FixedClock
from tests.tui.driving import app_for, has_arrived, running, shown, until, write_as_another
from tests.tui.history import NOW
from tests.tui.shell.test_secrets import HEARTBEAT, KEY, PASSWORD, TLS_PASSWORD, TOKEN, USER_INFO, leaks, offer
from tests.tui.test_hostile import PLACES
from tui.mode import Mode

NEXT_DAY = NOW + timedelta(days=1)


@pytest.fixture
async def leaky_settings(filled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The history, on whose next evening a source answers with all that it was told."""
    offer(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALPHA_MONDAY_LEAKY_KEY", KEY)
    monkeypatch.setenv("ALPHA_MONDAY_LEAKY_URL", f"https://{USER_INFO}@prices.test/v1?token={TOKEN}")
    monkeypatch.setenv("ALPHA_MONDAY_HEARTBEAT_URL", HEARTBEAT)
    address = make_conninfo(filled, password=PASSWORD, sslpassword=TLS_PASSWORD)
    settings = load_settings({"database_url": address, "price_source": "leaky", "pick_source": "leaky"}).settings
    await write_as_another(settings, run_due_work, NEXT_DAY)
    return settings


def has_files(directory: Path, number: int) -> bool:
    """Whether so many files were exported."""
    return len(list(directory.glob("*.csv"))) == number


def no_secret_on(app: App[None]) -> None:
    assert leaks(shown(app) + app.export_screenshot()) == []


@pytest.mark.parametrize("place", PLACES)
async def test_no_place_shows_a_secret(leaky_settings: Settings, place: str) -> None:
    keys, words = PLACES[place]
    app = app_for(leaky_settings, Mode.NO_SCHEDULER, FixedClock(NEXT_DAY))
    async with running(app, size=(200, 60)) as pilot:
        for key in keys:
            await until(pilot, lambda: has_arrived(app), "what the key before opens")
            await pilot.press(key)
        await until(pilot, lambda: has_arrived(app) and words in shown(app), words)
        await pilot.pause()
        no_secret_on(app)


async def test_what_a_source_said_is_shown_without_its_secrets(leaky_settings: Settings) -> None:
    app = app_for(leaky_settings, Mode.SCHEDULER, FixedClock(NEXT_DAY))
    async with running(app, size=(200, 60)) as pilot:
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: "refused: ***" in shown(app), "what the source said")
        no_secret_on(app)
        await pilot.press("q", "3")
        await until(pilot, lambda: "refused: ***" in shown(app), "what the source said")
        no_secret_on(app)


async def test_what_is_exported_holds_no_secret(leaky_settings: Settings, tmp_path: Path) -> None:
    app = app_for(leaky_settings, Mode.NO_SCHEDULER, FixedClock(NEXT_DAY))
    async with running(app, size=(200, 60)) as pilot:
        for number, place in enumerate(("1", "3", "4"), 1):
            await pilot.press(place)
            await pilot.pause()
            await pilot.press("x")
            await until(pilot, lambda: "CSV of" in shown(app), "the question for a file")
            await pilot.press("enter")
            await until(pilot, partial(has_files, tmp_path, number), "the file")
            await until(pilot, lambda: "CSV of" not in shown(app), "the answer")
    written = {file.name: file.read_text() for file in tmp_path.glob("*")}
    assert written
    assert "refused: ***" in "".join(written.values())
    assert leaks("".join(written) + "".join(written.values())) == []
