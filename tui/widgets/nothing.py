"""What stands in a place that has nothing to show: why the database is not there, or what will stand here."""

from collections.abc import Callable
from typing import cast

from rich.text import Text

from tui.surroundings import House
from tui.widgets.drawn import Drawn
from tui.widgets.welcome import link_words


class Nothing(Drawn):
    """Draws `words` once the database is open."""

    def __init__(self, words: Callable[[], Text]) -> None:
        super().__init__()
        self._words = words

    def on_mount(self) -> None:
        self.watch(self.app, "status", self.changed, init=False)

    def draw(self, width: int) -> Text:
        return link_words(cast("House", self.app).status) or self._words()
