"""Marking a batch failed: the reason, typed, is the confirmation."""

from datetime import date
from typing import Any, cast

from rich.text import Text
from textual.screen import Screen

from db.errors import DatabaseUnavailableError
from tui.screens.ask import AskScreen
from tui.surroundings import House


def ask_to_fail(screen: Screen[Any], run_date: date) -> None:
    """Asks why the batch of `run_date` failed, and marks it so; what the core refuses is told in the question."""
    house = cast("House", screen.app)

    async def take(reason: str) -> None:
        from core.batches import fail

        if house.services is None:
            raise DatabaseUnavailableError("The database is not open.", "Wait until it answers again.")
        await fail(house.services, run_date, reason)
        house.say(f"The batch of {run_date} is marked failed.")

    words = Text.assemble(
        ("This is final: ", "caution"),
        f"the batch of {run_date} will get no further checkpoint, and nothing makes it active again.\n\n",
        "The reason is kept in the log.",
    )
    screen.app.push_screen(AskScreen("Mark failed", words, placeholder="why", take=take))
