"""What the screens look like, to the cell."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from core.settings import Settings
from tests.tui.driving import app_for, has_arrived, is_filled, until
from tui.app import AlphaMondayApp

SnapCompare = Callable[..., bool]
SMALL, ROOMY, WIDE = (80, 24), (120, 40), (200, 60)


def _prepared(app: AlphaMondayApp, *keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def prepare(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: is_filled(app), "the first page")
        for key in keys:
            await pilot.press(key)
            await until(pilot, lambda: has_arrived(app), "what the key opens")
        await pilot.pause()

    return prepare


@pytest.mark.parametrize(
    ("size", "keys"),
    [
        pytest.param(SMALL, (), id="home-small"),
        pytest.param(ROOMY, (), id="home-roomy"),
        pytest.param(WIDE, (), id="home-wide"),
        pytest.param(SMALL, ("j", "j"), id="missed-small"),
        pytest.param(SMALL, ("enter",), id="picks-small"),
        pytest.param(ROOMY, ("enter",), id="picks-roomy"),
        pytest.param(SMALL, ("enter", "tab"), id="checkpoints-small"),
        pytest.param(ROOMY, ("enter", "tab"), id="checkpoints-roomy"),
        pytest.param(SMALL, ("enter", "tab", "enter"), id="metrics-small"),
        pytest.param(SMALL, ("question_mark",), id="help-small"),
        pytest.param(SMALL, ("colon",), id="palette-small"),
    ],
)
def test_looks(snap_compare: SnapCompare, settings: Settings, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    app = app_for(settings)
    assert snap_compare(app, terminal_size=size, run_before=_prepared(app, *keys))


@pytest.mark.parametrize("theme", ["alpha-monday-light", "alpha-monday-colour-safe"])
def test_looks_in_other_colours(snap_compare: SnapCompare, settings: Settings, theme: str) -> None:
    app = app_for(settings)
    app.theme = theme
    assert snap_compare(app, terminal_size=(80, 24), run_before=_prepared(app))
