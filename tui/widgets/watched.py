"""A text that changes by itself as time goes on, and is drawn anew only where it did."""

from collections.abc import Callable

from rich.text import Text

from tui.widgets.drawn import Drawn


class Watched(Drawn):
    """Draws what `words` gives for the width there is; `look` asks again."""

    def __init__(self, words: Callable[[int], Text], id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._words = words
        self._shown = Text()

    def draw(self, width: int) -> Text:
        return self._words(width)

    def render(self) -> Text:
        self._shown = super().render()  # what was measured alone is not shown yet
        return self._shown

    def look(self) -> None:
        """Draws again if there is something else to say."""
        shown, width = self._shown, self.content_size.width
        if width and self._words(width) != shown:
            self.changed()
