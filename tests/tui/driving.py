"""Driving the app in tests: starting it, waiting for what it shows, writing as another process would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from core.services import Access, Services, open_services
from core.settings import Settings
from core.trading_calendar import EXCHANGE_ZONE
from tests.fakes import FixedClock, start_tasks_at_once
from tests.tui.history import NOW
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.screens.batch import BatchScreen
from tui.screens.home import HomeScreen
from tui.session import Pauses
from tui.status import Link
from tui.week_kinds import batch_of

_WAIT_AT_MOST_S = 20


def app_for(
    settings: Settings,
    mode: Mode = Mode.NO_SCHEDULER,
    clock: FixedClock | None = None,
    keymap: dict[str, str] | None = None,
) -> AlphaMondayApp:
    """The app at a standing moment, in the exchange's own zone, quick to try again."""
    return AlphaMondayApp(
        settings,
        mode,
        clock=clock or FixedClock(NOW),
        local_zone=EXCHANGE_ZONE,
        pauses=Pauses(retry_s=0.1, poll_s=0.2),
        keymap=keymap,
    )


async def until(pilot: Pilot[Any], condition: Callable[[], bool], what: str = "") -> None:
    """Waits until `condition` holds, within bounds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _WAIT_AT_MOST_S
    while not condition():
        assert loop.time() < deadline, f"never came true: {what or condition}\n{shown(pilot.app)}"
        await pilot.pause(0.02)


def home(app: App[Any]) -> HomeScreen:
    """The first screen."""
    screen = app.screen_stack[0]
    assert isinstance(screen, HomeScreen)
    return screen


def is_filled(app: App[Any]) -> bool:
    """Whether the list and the preview show what was read."""
    return home(app).weeks.is_begun and home(app).preview.view is not None


def has_arrived(app: App[Any]) -> bool:
    """Whether what was asked for stands on the screen: the batch that was opened, or the preview of the row."""
    if isinstance(app.screen, BatchScreen):
        view = app.screen.view
        return view is not None and view.detail.batch.run_date == app.screen.run_date
    if not isinstance(app.screen_stack[0], HomeScreen):
        return True  # the other places have words of their own to wait for
    batch, view = batch_of(home(app).table.row), home(app).preview.view
    if batch is None:
        return view is None
    return view is not None and view.detail.batch.run_date == batch.run_date


def link(app: App[Any]) -> Link:
    """How the app stands to the database."""
    assert isinstance(app, AlphaMondayApp)
    return app.status.link


@asynccontextmanager
async def started(app: App[Any], size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[Any]]:
    """The app as `App.run` starts it, which `run_test` alone does not. Every test that drives an app starts it here."""
    start_tasks_at_once()
    async with app.run_test(size=size, notifications=True) as pilot:
        yield pilot


@asynccontextmanager
async def running(app: AlphaMondayApp, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[Any]]:
    """The app with its first page shown."""
    async with started(app, size) as pilot:
        await until(pilot, lambda: is_filled(app), "the first page")
        await pilot.pause()
        yield pilot


def shown(app: App[Any]) -> str:
    """Everything on the terminal, as plain lines."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.size))


async def write_as_another(
    settings: Settings, work: Callable[[Services], Awaitable[object]], now: datetime = NOW
) -> None:
    """Does `work` through services of its own, as another process would."""
    async with open_services(settings, Access.WRITE, clock=FixedClock(now)) as services:
        await work(services)
