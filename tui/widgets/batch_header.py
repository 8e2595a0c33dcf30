"""The lines above a batch's tabs: which batch, how it came to be, how it stands."""

from rich.text import Text

from tui import format as formats
from tui.batch_view import BatchView
from tui.literal import literal
from tui.widgets import figures
from tui.widgets.batch_parts import joined, joined_lines, notable_lines
from tui.widgets.drawn import Drawn
from tui.words import batch_heading

_MOST_LINES, _MOST_LINES_IF_TALL = 6, 12
_TALL = 34


class BatchHeader(Drawn):
    """Two or three lines, and one more for each thing that stands out."""

    DEFAULT_CSS = "BatchHeader { min-height: 2; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._view: BatchView | None = None

    def show(self, view: BatchView) -> None:
        """Draws for `view`."""
        self._view = view
        self.changed()

    def draw(self, width: int) -> Text:
        if self._view is None:
            return Text("Reading the batch …", style="quiet")
        lines = [*joined_lines(batch_heading(self._view), width), joined(standing(self._view), width)]
        most = _MOST_LINES if self.app.size.height < _TALL else _MOST_LINES_IF_TALL
        return Text("\n").join(lines + notable_lines(self._view, width, max(1, most - len(lines)), self.app.console))


def standing(view: BatchView) -> list[Text]:
    """The batch's excess and its benchmark, then and now."""
    batch, day = view.detail.batch, view.day
    symbol = literal(batch.benchmark_symbol, limit=10, style="strong")
    if day is None or day.day is None:
        return [Text.assemble(symbol, " ", figures.price(batch.benchmark_initial_price)), Text("no day computed yet")]
    checkpoint = day.day.checkpoint
    return [
        Text.assemble(("excess ", "quiet"), figures.excess(day.excess_pct)),
        Text.assemble(
            symbol, " ",
            figures.price(batch.benchmark_initial_price), (" → ", "quiet"), figures.price(checkpoint.benchmark_price),
            "  ", figures.signed(checkpoint.benchmark_return_pct),
        ),
        Text(f"as of {formats.day_and_month(day.date)}", style="quiet"),
    ]  # fmt: skip
