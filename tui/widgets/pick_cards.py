"""The picks of a batch, each with its figures and its whole reasoning."""

from rich.console import Console
from rich.text import Text

from tui import format as formats
from tui.batch_view import BatchView, PickFigures
from tui.literal import clean, literal
from tui.widgets import figures
from tui.widgets.batch_parts import REASONING_LIMIT, quoted_as
from tui.widgets.prose import Prose
from tui.words import quoted_words

_INDENT = 5
_NAME = 6
_GAP, _TREND = 3, 10
_NUMBER = 8
_MOST_READABLE = 96


class PickCards(Prose):
    """One card a pick, one below the other."""

    def __init__(self, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._view: BatchView | None = None

    def show(self, view: BatchView) -> None:
        """Draws for `view`."""
        self._view = view
        self.changed()

    def draw(self, width: int) -> Text:
        if self._view is None:
            return Text()
        view = self._view
        benchmark = clean(view.detail.batch.benchmark_symbol, limit=10)
        quoted = {each.pick.ticker: quoted_as(view, each.pick.ticker) for each in view.picks}
        names = {ticker: quoted_words(ticker, newer) for ticker, newer in quoted.items()}
        # Short names stand in a column of their own width; a renamed one makes room for all.
        column = max([_NAME, *(len(names[ticker]) for ticker, newer in quoted.items() if newer)])
        return Text("\n\n").join(
            card(each, names[each.pick.ticker].ljust(column), benchmark, width, self.app.console) for each in view.picks
        )


def card(each: PickFigures, name: str, benchmark: str, width: int, console: Console) -> Text:
    """A pick under its `name`: its figures, its best and worst day, its reasoning with its own line breaks."""
    prices = f"{formats.price(each.pick.initial_price):>10}"
    current = formats.price(each.current_price) if each.current_price is not None else "·"
    lines = [
        Text.assemble(
            (f"{each.pick.action!s:<{_INDENT}}", "quiet"), (name, "strong"), prices, (" → ", "quiet"), f"{current:<10}",
            "  ", _wide(figures.signed(each.absolute_return_pct)),
            ("   excess ", "quiet"), _wide(figures.excess(each.excess_pct)),
        ),
        Text.assemble(" " * _INDENT, (f"vs {benchmark} ", "quiet"), figures.signed(each.vs_benchmark_pct)),
    ]  # fmt: skip
    if lines[0].cell_len + _GAP + _TREND <= width:
        lines[0].append(" " * _GAP).append_text(figures.trend(each.trend, _TREND))
    if each.excess_by_day:
        best = max(each.excess_by_day, key=lambda day: day[1])
        worst = min(each.excess_by_day, key=lambda day: day[1])
        for label, (day, value) in (("best", best), ("worst", worst)):
            lines[-1].append(f"   {label} ", style="quiet")
            lines[-1].append_text(figures.excess(value))
            lines[-1].append(f" {formats.day_and_month(day)}", style="quiet")
    words = literal(each.pick.reasoning.strip(), limit=REASONING_LIMIT, lines=True)
    wrapped = words.wrap(console, max(20, min(width, _MOST_READABLE) - _INDENT))
    lines += [Text.assemble(" " * _INDENT, each_line) for each_line in wrapped]
    return Text("\n").join(lines)


def _wide(text: Text) -> Text:
    return Text.assemble(" " * max(0, _NUMBER - text.cell_len), text)
