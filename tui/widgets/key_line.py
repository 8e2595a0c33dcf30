"""The line of keys at the bottom: what can be done here, the least important left out first."""

from typing import cast

from rich.text import Text

from tui.commands import Command, Situation
from tui.surroundings import Place
from tui.widgets.pressed import Words, pressable

_GAP = "  "


def key_words(commands: list[Command], situation: Situation, width: int) -> Text:
    """`↵ open  q quit`, in as much of `width` as there are commands to show; unavailable ones quiet, or left out."""
    shown = [
        command
        for command in commands
        if command.rank > 0 and not (command.comes_up and command.unavailable(situation) is not None)
    ]
    while shown and sum(_length(command) for command in shown) > width:
        shown.remove(max(shown, key=lambda command: command.rank))
    words = Text()
    for command in shown:
        off = command.unavailable(situation) is not None
        part = Text.assemble((command.keys[0], "quiet" if off else "key"), " ", (command.label, "quiet"))
        words.append_text(pressable(part, command.id)).append(_GAP)
    return words


def _length(command: Command) -> int:
    return len(command.keys[0]) + 1 + len(command.label) + len(_GAP)


class KeyLine(Words):
    """The keys of the screen it stands on."""

    DEFAULT_CSS = "KeyLine { height: 1; padding: 0 1; dock: bottom; }"

    def on_mount(self) -> None:
        self.watch(self.app, "status", self.refresh_if_changed, init=False)

    def words(self) -> Text:
        screen = cast("Place", self.screen)
        return key_words(screen.offered(), screen.situation(), self.content_size.width)
