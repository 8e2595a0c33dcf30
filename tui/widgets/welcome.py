"""What stands where there is nothing to list: what is going on, or what to do."""

from typing import cast

from rich.text import Text

from tui.literal import literal
from tui.status import Link, Status
from tui.surroundings import House
from tui.widgets.drawn import Drawn

_FIRST_STEPS = (
    ("alpha-monday setup", "choose price and pick sources"),
    ("alpha-monday open", "open this week's batch"),
    ("alpha-monday backfill --picks FILE", "replay weeks from a file"),
    ("alpha-monday demo", "look around with simulated prices"),
)
_FIRST_LOOKS = _FIRST_STEPS[-1:]


def welcome_words(status: Status) -> Text:
    """The words for an empty list."""
    if status.link is Link.FAILED and status.problem is not None:
        return Text.assemble(
            ("There is no database to show.\n\n", "trouble"),
            literal(status.problem.message, limit=400),
            "\n",
            literal(status.problem.remedy, limit=400, style="quiet"),
        )
    if status.link in (Link.OPENING, Link.PREPARING):
        return Text(f"{str(status.link).capitalize()} …", style="quiet")
    steps = _FIRST_STEPS if status.mode.may_write else _FIRST_LOOKS
    widest = max(len(command) for command, _ in _FIRST_STEPS)
    words = Text.assemble(("There are no batches yet.\n", "strong"), "\nWhat to do, in another terminal:\n\n")
    for command, why in steps:
        words.append_text(Text.assemble("  ", (command.ljust(widest), "key"), "  ", (why, "quiet"), "\n"))
    return words


class Welcome(Drawn):
    """Greets an empty list."""

    def on_mount(self) -> None:
        self.watch(self.app, "status", self.changed, init=False)

    def draw(self, width: int) -> Text:
        return welcome_words(cast("House", self.app).status)
