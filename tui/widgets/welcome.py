"""What stands where there is nothing to list: what is going on, or what to do."""

from typing import cast

from rich.text import Text

from tui.commands import CommandSet
from tui.literal import literal
from tui.status import Link, Status
from tui.surroundings import House
from tui.widgets.drawn import Drawn
from tui.widgets.pressed import Pressed, pressable

_ELSEWHERE = (
    ("alpha-monday backfill --picks FILE", "replay weeks from a file"),
    ("alpha-monday demo", "look around with simulated prices"),
)
_WIDEST = max(len(command) for command, _ in _ELSEWHERE)


def link_words(status: Status) -> Text | None:
    """Why the database is not there yet; None where it is."""
    if status.link is Link.FAILED and status.problem is not None:
        return Text.assemble(
            ("There is no database to show.\n\n", "trouble"),
            literal(status.problem.message, limit=400),
            "\n",
            literal(status.problem.remedy, limit=400, style="quiet"),
        )
    if status.link in (Link.OPENING, Link.PREPARING):
        return Text(f"{str(status.link).capitalize()} …", style="quiet")
    return None


def welcome_words(status: Status, commands: CommandSet, *, is_filtered: bool) -> Text:
    """The words for an empty list."""
    if (of_link := link_words(status)) is not None:
        return of_link
    if is_filtered:
        return Text.assemble(
            "No week holds all of these words.  ",
            (commands["clear_filter"].keys[0], "key"),
            (" shows every week", "quiet"),
        )
    words = Text.assemble(("There are no batches yet.\n\n", "strong"))
    if status.mode.may_write:
        first = "set_up" if not status.sources else "new_batch"
        for command_id, why in (
            ("set_up", "choose where prices and picks come from, and try it out"),
            ("new_batch", "open this week's batch, or stage picks for a week to come"),
        ):
            words.append_text(_pressed(commands, command_id, why, is_first=command_id == first))
        words.append("\nOr, in another terminal:\n\n")
    else:
        words.append("This terminal is read-only. In another one:\n\n")
    for command, why in _ELSEWHERE if status.mode.may_write else _ELSEWHERE[1:]:
        words.append_text(Text.assemble("  ", (command.ljust(_WIDEST), "key"), "  ", (why, "quiet"), "\n"))
    return words


def _pressed(commands: CommandSet, command_id: str, why: str, *, is_first: bool) -> Text:
    command = commands[command_id]
    words = Text.assemble(
        ("▸ " if is_first else "  ", "name"), (f"{command.keys[0]:<4}", "key"), f"{command.label:<8}", (why, "quiet"),
    )  # fmt: skip
    return pressable(words, command_id).append("\n")


class Welcome(Pressed, Drawn):
    """Greets an empty list."""

    is_filtered = False

    def on_mount(self) -> None:
        self.watch(self.app, "status", self.changed, init=False)

    def show(self, *, is_filtered: bool) -> None:
        """Draws for a list that is empty because of a filter, or because there is nothing."""
        if is_filtered != self.is_filtered:
            self.is_filtered = is_filtered
            self.changed()

    def draw(self, width: int) -> Text:
        house = cast("House", self.app)
        return welcome_words(house.status, house.commands, is_filtered=self.is_filtered)
