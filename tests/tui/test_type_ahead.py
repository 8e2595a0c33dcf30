"""Type-ahead: a burst of keys does what the same keys do one by one, whatever opens, closes or is asked in between."""

from collections.abc import Iterable
from typing import Any

from textual import events
from textual.app import App
from textual.widgets import Input, TextArea

from core.settings import Settings
from tests.tui.driving import app_for, running, until
from tui.screens.new_batch import NewBatchScreen
from tui.widgets.pick_form import ActionToggle, PickForm


def burst(app: App[Any], keys: Iterable[str]) -> None:
    """Hands all of `keys` over before the app has looked at the first."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


def picks_typed(app: App[Any]) -> list[tuple[str, str, str]]:
    form = app.screen
    assert isinstance(form, NewBatchScreen)
    return [
        (each.query_one(Input).value, each.query_one(ActionToggle).action.value, each.query_one(TextArea).text)
        for each in form.query(PickForm)
    ]


async def test_a_form_is_filled_in_by_a_burst_from_the_key_on_that_opens_it(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        burst(
            pilot.app, ["n", *"gs", "tab", "tab", *"why", "enter", *"ko", "enter", "s", "enter", *"dear", "enter", "x"]
        )
        await until(
            pilot,
            lambda: (
                isinstance(pilot.app.screen, NewBatchScreen)
                and picks_typed(pilot.app) == [("GS", "BUY", "why"), ("KO", "SELL", "dear"), ("X", "BUY", "")]
            ),
            "every key in its field",
        )
