"""The columns of the list of weeks."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from core.mixing import SIMULATED
from tui.commands import key_name
from tui.literal import clean, literal
from tui.week_kinds import batch_of, is_missed, is_staged
from tui.weeks import key_of
from tui.widgets import figures
from tui.widgets.columns import Column, Span, shared_out
from tui.words import batch_state, opening_words, reason_words

if TYPE_CHECKING:
    from core.week_list import WeekQuery, WeekRow

_FULL_STATE = 13
_FULL_PICKS = 30


def week_columns(rows: "Sequence[WeekRow]", today: date, query: "WeekQuery") -> "list[Column[WeekRow]]":
    """The columns for `rows`; a benchmark that all of them share stands in the heading, otherwise in every cell.

    The column that is sorted by says so, and in which direction.
    """
    symbols = {batch.benchmark_symbol for row in rows if (batch := batch_of(row)) is not None}
    shared = clean(next(iter(symbols)), limit=10) if len(symbols) == 1 else None

    def state(row: "WeekRow", width: int) -> Text:
        if is_missed(row):
            return Text("– missed", style="caution")
        batch = batch_of(row)
        if batch is None:
            return Text("○ staged", style="name")
        return batch_state(batch.status, batch.run_date, today, batch.waiting, in_full=width >= _FULL_STATE)

    def benchmark(row: "WeekRow", _: int) -> Text:
        batch = batch_of(row)
        if batch is None or batch.benchmark_return_pct is None:
            return figures.ABSENT
        value = figures.signed(batch.benchmark_return_pct)
        if shared is not None:
            return value
        return Text.assemble(literal(batch.benchmark_symbol, limit=10, style="quiet"), " ", value)

    def label(key: str, words: str) -> str:
        return f"{words}{'↓' if query.descending else '↑'}" if query.sort == key else words

    return [
        Column("week", label("week", "Week"), 10, lambda row, _: Text(key_of(row)[1].isoformat(), style="strong")),
        Column("state", label("state", "State"), 8, state, most=18),
        Column("sessions", label("sessions", "Sess"), 5, _sessions, priority=3, is_number=True),
        Column("picks", "Picks", 23, _picks, most=36),
        Column(
            "benchmark", label("benchmark", shared or "Benchmark"), 7 if shared else 19, benchmark, priority=2,
            is_number=True,
        ),
        Column("excess", label("excess", "Excess"), 9, _excess, is_number=True),
        Column("trend", "Trend", 10, _trend, priority=4),
        Column("origin", "Opened", 10, _origin, priority=5),
    ]  # fmt: skip


def week_words(row: "WeekRow", now: datetime, *, may_write: bool, is_paused: bool) -> Span | None:
    """For a week without a batch, what stands in the place of the figures."""
    any_row: Any = row
    if is_missed(row):
        count = f"{any_row.count} Mondays since {any_row.oldest}, " if any_row.count > 1 else ""
        detail = f" ({any_row.detail})" if any_row.detail and any_row.count == 1 else ""
        words = literal(f"{count}{reason_words(any_row.cause)}{detail}", limit=160, style="quiet")
        return "picks", Text.assemble((f"{key_name('enter')} open late  " if may_write else "", "key"), words)
    if is_staged(row):
        picks = Text("  ").join(figures.pick(each.action, each.ticker, in_words=False) for each in any_row.drafts)
        opens = (opening_words(any_row.opens_at, now, is_paused=is_paused), "quiet")
        return "picks", Text.assemble(picks, ("  e edit" if may_write else "", "key"), "  ", opens)
    return None


def _sessions(row: "WeekRow", _: int) -> Text:
    any_row: Any = row
    batch = batch_of(row)
    return figures.ABSENT if batch is None else Text(f"{batch.computed}/{any_row.sessions}")


def _picks(row: "WeekRow", width: int) -> Text:
    batch = batch_of(row)
    if batch is None:
        return Text()
    picks = [
        figures.pick(action, ticker, in_words=width >= _FULL_PICKS)
        for action, ticker in zip(batch.actions, batch.tickers, strict=True)
    ]
    for pick, slot in zip(picks, shared_out([pick.cell_len for pick in picks], width - len(picks) + 1), strict=True):
        pick.truncate(slot, overflow="ellipsis", pad=True)
    return Text(" ").join(picks)


def _excess(row: "WeekRow", _: int) -> Text:
    return figures.excess(getattr(row, "excess_pct", None))


def _trend(row: "WeekRow", width: int) -> Text:
    return figures.trend([day.excess_pct for day in getattr(row, "excess_by_day", ())], width)


def _origin(row: "WeekRow", _: int) -> Text:
    any_row: Any = row
    batch = batch_of(row)
    if batch is None:
        return Text()
    return Text(SIMULATED if batch.source == SIMULATED else str(any_row.origin), style="quiet")
