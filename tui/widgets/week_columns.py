"""The columns of the list of batches."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from rich.text import Text

from core.mixing import SIMULATED
from db.records import MissedWeek
from tui.literal import clean, literal
from tui.weeks import run_date_of
from tui.widgets import figures
from tui.widgets.columns import Column
from tui.words import batch_state, reason_words

if TYPE_CHECKING:
    from core.reading import BatchRow

    Week = BatchRow | MissedWeek

_FULL_STATE = 13
_FULL_PICKS = 30


def week_columns(rows: "Sequence[Week]", today: date) -> "list[Column[Week]]":
    """The columns for `rows`; a benchmark that all of them share stands in the heading, otherwise in every cell."""
    symbols = {row.overview.benchmark_symbol for row in rows if not isinstance(row, MissedWeek)}
    shared = clean(next(iter(symbols)), limit=10) if len(symbols) == 1 else None

    def state(row: "Week", width: int) -> Text:
        if isinstance(row, MissedWeek):
            return Text("– missed", style="caution")
        overview = row.overview
        in_full = width >= _FULL_STATE
        return batch_state(overview.status, overview.run_date, today, overview.waiting, in_full=in_full)

    def benchmark(row: "Week", _: int) -> Text:
        if isinstance(row, MissedWeek) or row.overview.benchmark_return_pct is None:
            return figures.ABSENT
        value = figures.signed(row.overview.benchmark_return_pct)
        if shared is not None:
            return value
        return Text.assemble(literal(row.overview.benchmark_symbol, limit=10, style="quiet"), " ", value)

    return [
        Column("week", "Week", 10, lambda row, _: Text(run_date_of(row).isoformat(), style="strong")),
        Column("state", "State", 8, state, most=18),
        Column("sessions", "Sess", 5, _sessions, priority=3, is_number=True),
        Column("picks", "Picks", 23, _picks, most=36),
        Column("benchmark", shared or "Benchmark", 7 if shared else 19, benchmark, priority=2, is_number=True),
        Column("excess", "Excess", 9, _excess, is_number=True),
        Column("trend", "Trend", 10, _trend, priority=4),
        Column("origin", "Opened", 10, _origin, priority=5),
    ]


def missed_words(row: "Week") -> tuple[str, Text] | None:
    """For a missed Monday, why, from the column of the picks on."""
    if not isinstance(row, MissedWeek):
        return None
    detail = f" ({row.detail})" if row.detail else ""
    return "picks", literal(f"no batch: {reason_words(row.cause)}{detail}", limit=160, style="quiet")


def _sessions(row: "Week", _: int) -> Text:
    if isinstance(row, MissedWeek):
        return figures.ABSENT
    return Text(f"{row.overview.computed}/{row.sessions}")


def _picks(row: "Week", width: int) -> Text:
    if isinstance(row, MissedWeek):
        return Text()
    slot = (width + 1) // max(1, len(row.overview.tickers)) - 1
    picks = []
    for action, ticker in zip(row.overview.actions, row.overview.tickers, strict=True):
        pick = figures.pick(action, ticker, in_words=width >= _FULL_PICKS)
        pick.pad_right(max(0, slot - pick.cell_len))
        picks.append(pick)
    return Text(" ").join(picks)


def _excess(row: "Week", _: int) -> Text:
    return figures.ABSENT if isinstance(row, MissedWeek) else figures.excess(row.excess_pct)


def _trend(row: "Week", width: int) -> Text:
    if isinstance(row, MissedWeek):
        return Text()
    return figures.trend([day.excess_pct for day in row.excess_by_day], width)


def _origin(row: "Week", _: int) -> Text:
    if isinstance(row, MissedWeek):
        return Text()
    return Text(SIMULATED if row.overview.source == SIMULATED else str(row.origin), style="quiet")
