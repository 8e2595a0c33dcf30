"""The help screen: the keys of where the operator is."""

from collections.abc import Sequence

from rich.text import Text

from tui.commands import Command, Situation
from tui.screens.overlay import OverlayScreen

_KEYS_WIDTH = 14


def help_words(commands: Sequence[Command], situation: Situation) -> Text:
    """Every command with its keys and its sentence, by where it applies; an unavailable one says why."""
    paragraphs = []
    for scope in dict.fromkeys(command.scope for command in commands):
        lines = [Text(str(scope), style="strong")]
        for command in commands:
            if command.scope == scope:
                reason = command.unavailable(situation)
                keys = "  ".join(command.keys).ljust(_KEYS_WIDTH)
                lines.append(Text.assemble((keys, "quiet" if reason else "key"), command.sentence))
                if reason:
                    lines.append(Text(f"{'':{_KEYS_WIDTH}}not now: {reason}", style="caution"))
        paragraphs.append(Text("\n").join(lines))
    return Text("\n\n").join(paragraphs)


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
        return help_words(self._commands, self._situation)
