"""A batch over its sessions as a chart: the returns of its picks and the benchmark, or its excess."""

from decimal import Decimal
from uuid import UUID

from rich.text import Text

from tui import format as formats
from tui.batch_view import BatchDay, BatchView, DayState
from tui.literal import clean
from tui.widgets.plot import Series, Slot, plot

_SATURDAY = 5
# One look for each pick, in their order, and the benchmark's.
_PICKS = (("●", "series-1", "#"), ("■", "series-2", "#### "), ("◆", "series-3", "## "))
_BENCHMARK = ("○", "series-4", "#   ")
_SIGNS = {
    DayState.COMPUTED: ("┴", "quiet"),
    DayState.SKIPPED: ("░", "quiet"),
    DayState.WAITING: ("!", "caution"),
    DayState.DUE: ("!", "caution"),
    DayState.TO_COME: ("─", "quiet"),
    DayState.NEVER: ("─", "quiet"),
}


def returns_chart(view: BatchView, width: int, height: int) -> Text:
    """The absolute return in percent of each pick and of the benchmark, from the baseline's zero on."""
    days = _days(view)
    returns = [
        Series(
            f"{str(pick.action)[0]} {clean(pick.ticker, limit=10)}",
            _last(values := [_return(day, pick.id) for day in days]),
            mark,
            style,
            _line(values),
            dashes,
        )
        for pick, (mark, style, dashes) in zip(view.detail.picks, _PICKS, strict=False)
    ]
    of_benchmark = [day.day.checkpoint.benchmark_return_pct if day.day else None for day in days]
    mark, style, dashes = _BENCHMARK
    benchmark = clean(view.detail.batch.benchmark_symbol, limit=10)
    returns.append(Series(benchmark, _last(of_benchmark), mark, style, _line(of_benchmark), dashes))
    title = Text("Return since the baseline, %", style="quiet")
    return plot(returns, _slots(view, days), width, height, title)


def excess_chart(view: BatchView, width: int, height: int) -> Text:
    """The batch's excess in percentage points, gains and losses in their colours on either side of zero."""
    days = _days(view)
    values = [day.excess_pct for day in days]
    last = next((formats.excess(value) for value in reversed(values) if value is not None), "")
    series = Series("", last, "●", "gain", _line(values), below="loss")
    benchmark = clean(view.detail.batch.benchmark_symbol, limit=10)
    title = Text(f"Excess over {benchmark} by day, percentage points", style="quiet")
    return plot([series], _slots(view, days), width, height, title)


def _days(view: BatchView) -> list[BatchDay]:
    """The days that can have prices: weekends are left out, holidays are gaps."""
    return [day for day in view.days if day.date.weekday() < _SATURDAY or day.state is DayState.COMPUTED]


def _slots(view: BatchView, days: list[BatchDay]) -> list[Slot]:
    """The baseline, then the days."""
    slots = [Slot("base", "b")]
    for day in days:
        sign, style = _SIGNS[day.state]
        slots.append(Slot(formats.short_day(day.date), str(day.date.day), sign, "strong" if day is view.day else style))
    return slots


def _return(day: BatchDay, pick_id: UUID) -> Decimal | None:
    found = day.day.metrics.get(pick_id) if day.day else None
    return None if found is None else found.absolute_return_pct


def _line(values: list[Decimal | None]) -> tuple[float | None, ...]:
    """The points, in binary: they only become places on the screen. All returns begin at the baseline with zero."""
    start = None if all(value is None for value in values) else 0.0
    return (start, *(None if value is None else float(value) for value in values))


def _last(values: list[Decimal | None]) -> str:
    return next((formats.percent(value) for value in reversed(values) if value is not None), "")
