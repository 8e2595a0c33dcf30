"""The heat map and the chart of a batch as tabs."""

from rich.text import Text

from tui.batch_view import BatchView
from tui.widgets.chart import returns_chart
from tui.widgets.heat_map import heat_map
from tui.widgets.prose import Prose

_HIGHEST = 30
_WIDEST = 150


class HeatMap(Prose):
    """Picks by days, shaded."""

    view: BatchView | None = None

    def show(self, view: BatchView) -> None:
        """Draws for `view`."""
        self.view = view
        self.changed()

    def draw(self, width: int) -> Text:
        return heat_map(self.view, width) if self.view else Text()


class ReturnsChart(Prose):
    """The absolute returns of picks and benchmark, as large as there is room for."""

    view: BatchView | None = None

    def show(self, view: BatchView) -> None:
        """Draws for `view`."""
        self.view = view
        self.changed()

    def on_resize(self) -> None:
        self.changed()

    def draw(self, width: int) -> Text:
        height = self.size.height
        return returns_chart(self.view, min(width, _WIDEST), min(height, _HIGHEST)) if self.view and height else Text()
