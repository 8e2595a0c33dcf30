"""A text to scroll in with the movement keys."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from tui.widgets.drawn import Drawn


class Prose(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Subclasses draw the text for a width."""

    DEFAULT_CSS = "Prose { padding: 0 1; }"

    class _Body(Drawn):
        def draw(self, width: int) -> Text:
            assert isinstance(self.parent, Prose)  # it stands nowhere else
            return self.parent.draw(width)

    def compose(self) -> ComposeResult:
        yield self._Body()

    def draw(self, width: int) -> Text:
        """The text for `width` cells."""
        raise NotImplementedError

    def changed(self) -> None:
        """Draws again, measuring anew."""
        for body in self.query(Prose._Body):
            body.changed()

    def move(self, lines: int) -> None:
        """Scrolls down by lines, or up for a negative number."""
        self.scroll_relative(y=lines, animate=False)

    def move_page(self, pages: int) -> None:
        """Scrolls by screenfuls."""
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def move_to(self, index: int) -> None:
        """Scrolls to a line, as near as there are lines."""
        self.scroll_to(y=min(index, self.max_scroll_y), animate=False)
