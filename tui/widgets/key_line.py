"""The line of keys at the bottom: what can be done here, the least important left out first."""

from typing import cast

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from tui.commands import PERFORM, Command, Situation
from tui.surroundings import Place

_GAP = "  "


def key_words(commands: list[Command], situation: Situation, width: int) -> Text:
    """`↵ open  q quit`, in as much of `width` as there are commands to show; unavailable ones are quiet."""
    shown = [command for command in commands if command.rank > 0]
    while shown and sum(_length(command) for command in shown) > width:
        shown.remove(max(shown, key=lambda command: command.rank))
    words = Text()
    for command in shown:
        off = command.unavailable(situation) is not None
        click = Style.from_meta({"@click": f"app.{PERFORM}('{command.id}')"})
        part = Text.assemble((command.keys[0], "quiet" if off else "key"), " ", (command.label, "quiet"), _GAP)
        part.stylize(click, 0, len(part) - len(_GAP))
        words.append_text(part)
    return words


def _length(command: Command) -> int:
    return len(command.keys[0]) + 1 + len(command.label) + len(_GAP)


class KeyLine(Widget):
    """The keys of the screen it stands on."""

    DEFAULT_CSS = "KeyLine { height: 1; padding: 0 1; dock: bottom; }"

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._refresh, init=False)

    def _refresh(self) -> None:
        self.refresh()

    def render(self) -> Text:
        screen = cast("Place", self.screen)
        return key_words(screen.applicable(), screen.situation(), self.content_size.width)
