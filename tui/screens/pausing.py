"""Asking before every scheduler of the database is paused."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.text import Text

from tui.screens.ask import ConfirmScreen

if TYPE_CHECKING:
    from tui.screens.house import HouseScreen


def ask_to_pause(screen: "HouseScreen", answered: Callable[[bool | None], None]) -> None:
    """Says what a pause means, and gives `answered` True where it is wanted all the same."""
    key = screen.house.commands["pause"].keys[0]
    words = Text.assemble(
        "Every scheduler of this database pauses, in whatever process it runs: ",
        ("no batch is opened and no checkpoint written until somebody resumes", "caution"),
        ". Days that fall due meanwhile are caught up then; a Monday's opening that passes is missed.\n\n",
        ("The pause outlives this terminal. ", "quiet"),
        (key, "key"),
        (" resumes.", "quiet"),
    )
    screen.app.push_screen(ConfirmScreen("Pause every scheduler?", words, "pause"), answered)
