"""The columns of a list of a batch's days."""

from collections.abc import Callable

from rich.text import Text

from db.records import Pick
from tui import format as formats
from tui.batch_view import BatchDay, BatchView, DayState, excess_of
from tui.literal import clean
from tui.widgets import figures
from tui.widgets.columns import Column
from tui.words import day_state, day_why


def day_columns(view: BatchView) -> list[Column[BatchDay]]:
    """The columns for the days of `view`: the benchmark, each pick's excess, and the batch's.

    The picks' columns are the last to give way, and all at once: two of three would be taken for the whole batch.
    """
    symbol = clean(view.detail.batch.benchmark_symbol, limit=10)
    return [
        Column("number", "Day", 3, lambda day, _: Text(str(day.number), style="quiet"), priority=2, is_number=True),
        Column("date", "Date", 10, lambda day, _: Text(formats.day_and_month(day.date))),
        Column("state", "Status", 8, lambda day, _: day_state(day)),
        Column("price", symbol, 10, _benchmark_price, priority=4, is_number=True),
        Column("return", f"{symbol} %", 8, _benchmark_return, priority=3, is_number=True),
        *map(_pick_column, view.detail.picks),
        Column("excess", "Excess", 9, lambda day, _: figures.excess(day.excess_pct), is_number=True),
    ]


def why_spanned(view: BatchView) -> Callable[[BatchDay], tuple[str, Text] | None]:
    """For a day of `view` without figures, why, in the place of the figures."""

    def spanned(day: BatchDay) -> tuple[str, Text] | None:
        return None if day.state is DayState.COMPUTED else ("state", without_figures(view, day))

    return spanned


def without_figures(view: BatchView, day: BatchDay) -> Text:
    """The state of a day of `view` that has no figures, and why."""
    return Text.assemble(day_state(day), "  ", day_why(day, view.now, is_paused=view.is_paused))


def _pick_column(pick: Pick) -> Column[BatchDay]:
    def cell(day: BatchDay, _: int) -> Text:
        return figures.excess(excess_of(pick, day.day) if day.day else None)

    return Column(str(pick.id), clean(pick.ticker, limit=10), 9, cell, priority=1, is_number=True)


def _benchmark_price(day: BatchDay, _: int) -> Text:
    return figures.price(day.day.checkpoint.benchmark_price if day.day else None)


def _benchmark_return(day: BatchDay, _: int) -> Text:
    return figures.signed(day.day.checkpoint.benchmark_return_pct if day.day else None)
