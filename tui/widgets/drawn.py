"""A widget that is a text drawn for its width."""

from rich.text import Text
from textual.widget import Widget


class Drawn(Widget):
    """Draws what `draw` gives for the width there is; as high as that text."""

    DEFAULT_CSS = "Drawn { height: auto; }"

    def draw(self, width: int) -> Text:
        """The text for `width` cells."""
        raise NotImplementedError

    def render(self) -> Text:
        return self.draw(self.content_size.width or self.app.size.width)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """The lines that the text takes when wrapped to `width`."""
        return len(self.draw(width).wrap(self.app.console, max(1, width))) if width else 0

    def changed(self) -> None:
        """Draws again, measuring anew."""
        self.refresh(layout=True)
