"""The help screen: the keys of where the operator is."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from tui.commands import Command, Situation
from tui.screens.overlay import OverlayScreen

_KEYS_WIDTH = 13


def help_words(commands: Sequence[Command], situation: Situation, width: int, console: Console) -> Text:
    """Every command with its keys and its sentence, by where it applies; an unavailable one says why."""
    paragraphs = []
    for scope in dict.fromkeys(command.scope for command in commands):
        lines = [Text(str(scope), style="strong")]
        for command in commands:
            if command.scope == scope:
                lines += _entry(command, command.unavailable(situation), width, console)
        paragraphs.append(Text("\n").join(lines))
    return Text("\n\n").join(paragraphs)


def _entry(command: Command, reason: str | None, width: int, console: Console) -> list[Text]:
    """The keys, and beside them the sentence and why it does not hold now, wrapped."""
    words = Text(command.sentence)
    if reason:
        words.append(f" Not now: {reason}", style="caution")
    keys = "  ".join(command.keys) or "by name"
    first, *more = words.wrap(console, max(20, width - _KEYS_WIDTH))
    return [
        Text.assemble((keys.ljust(_KEYS_WIDTH), "quiet" if reason else "key"), first),
        *(Text.assemble(" " * _KEYS_WIDTH, line) for line in more),
    ]


class HelpScreen(OverlayScreen):
    """The keys that apply, in the situation there is."""

    def __init__(self, commands: Sequence[Command], situation: Situation) -> None:
        super().__init__()
        self._commands = commands
        self._situation = situation

    @property
    def heading(self) -> Text:
        return Text("Keys")

    def draw(self, width: int) -> Text:
        return help_words(self._commands, self._situation, width, self.app.console)
