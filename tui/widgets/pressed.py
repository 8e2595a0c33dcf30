"""Words that stand for a command: a click on them does what its key does."""

from rich.style import Style
from rich.text import Text
from textual import events
from textual.widget import Widget

from tui.commands import PERFORM

_COMMAND = "command"


def pressable(words: Text, command_id: str) -> Text:
    """`words`, which a click takes for the command; their colours stay, as a link's would not."""
    words.stylize(Style.from_meta({_COMMAND: command_id}))
    return words


class Pressed(Widget):
    """A widget that draws pressable words."""

    async def on_click(self, event: events.Click) -> None:
        command_id = event.style.meta.get(_COMMAND)
        if command_id is not None:
            event.stop()
            await self.run_action(f"screen.{PERFORM}({command_id!r})")


class Words(Pressed):
    """A widget of pressable words that is drawn again only when they have changed."""

    _shown: Text | None = None

    def words(self) -> Text:
        """The words as they stand now."""
        raise NotImplementedError

    def render(self) -> Text:
        self._shown = self.words()
        return self._shown

    def refresh_if_changed(self) -> None:
        """Draws anew if the words or their styles are others now."""
        if self.words() != self._shown:
            self.refresh()
