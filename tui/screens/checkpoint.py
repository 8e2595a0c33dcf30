"""One day of a batch: every pick's metrics, and where each price came from."""

from rich.text import Text

from tui import format as formats
from tui.batch_export import prices_of_day
from tui.batch_view import BatchDay, BatchView, DayState
from tui.literal import clean, literal
from tui.outgoing import tabbed_text
from tui.screens.overlay import OverlayScreen
from tui.widgets.batch_parts import figures_table
from tui.widgets.columns import Column, fit, heading, line
from tui.widgets.day_columns import without_figures
from tui.words import basis_words


def checkpoint_words(view: BatchView, day: BatchDay, width: int) -> Text:
    """The metrics of a computed day and their origin, or why there are none."""
    if day.state is not DayState.COMPUTED or day.day is None:
        words = without_figures(view, day)
        if day.waiting is not None:
            words.append_text(
                Text.assemble(
                    "\n\n",
                    literal(day.waiting.detail, limit=400),
                    (f"\ntried {day.waiting.attempts} times, first ", "quiet"),
                    formats.exchange_time(day.waiting.first_tried_at, view.now),
                )
            )
        if day.day is not None and day.day.symbols:
            words.append("\n\nwithout a close: ", style="quiet")
            words.append_text(literal(", ".join(day.day.symbols), limit=100))
        return words
    origin = Text.assemble(
        ("Where the prices came from: ", "quiet"),
        literal(day.day.source or "unknown", limit=20, style="strong"),
        (f" · {basis_words(day.day.basis)} · closes as sent", "quiet"),
    )
    return Text("\n").join([figures_table(view, width), Text(), origin, _traces(view, day, width)])


def _traces(view: BatchView, day: BatchDay, width: int) -> Text:
    assert day.day is not None  # the caller has a computed day
    columns: list[Column[tuple[str, str, str, str, str]]] = [
        Column("symbol", "Symbol", 10, lambda row, _: literal(row[0], limit=10, style="strong")),
        Column("baseline", "Baseline close", 16, lambda row, _: literal(row[1], limit=26), most=26, is_number=True),
        Column("close", "Close", 16, lambda row, _: literal(row[2], limit=26), most=26, is_number=True),
        Column("factor", "Split factor", 13, lambda row, _: literal(row[3], limit=26), is_number=True),
    ]
    if any(trace.quoted_as for trace in day.day.traces.values()):
        columns.append(Column("quoted", "Quoted as", 10, lambda row, _: literal(row[4], limit=10)))
    fitted = fit(columns, width, 2)
    symbols = [*(each.pick.ticker for each in view.picks), view.detail.batch.benchmark_symbol]
    rows = [
        (symbol, trace.baseline, trace.close, trace.split_factor, trace.quoted_as or "")
        for symbol in symbols
        if (trace := day.day.traces.get(symbol)) is not None
    ]
    if not rows:
        return Text("The log does not say.", style="quiet")
    return Text("\n").join([heading(fitted, 2), *(line(fitted, row, 2) for row in rows)])


class CheckpointScreen(OverlayScreen):
    """`day` of the batch in `view`."""

    def __init__(self, view: BatchView, day: BatchDay) -> None:
        super().__init__()
        self._view = view.on_day(day.date)
        self._day = day

    @property
    def heading(self) -> Text:
        run_date = clean(self._view.detail.batch.run_date)
        return Text(f"{run_date} · day {self._day.number} · {formats.day_and_month(self._day.date)}")

    def draw(self, width: int) -> Text:
        return checkpoint_words(self._view, self._day, width)

    def copied_text(self) -> str:
        prices = prices_of_day(self._view, self._day)
        return tabbed_text(prices.header, prices.rows)
