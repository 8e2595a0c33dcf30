"""The parts of a batch that the preview and the batch screen draw: heading, figures, a strip of days, reasoning."""

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.text import Text

from tui import format as formats
from tui.batch_view import BatchDay, BatchView, DayState, PickFigures
from tui.literal import clean, literal
from tui.widgets import figures
from tui.widgets.columns import Column, fit, heading, line
from tui.words import awaits_word, batch_heading, days_words, quoted_words, stopped_words

REASONING_LIMIT = 4100
_SEPARATOR = " · "
_STRIP_CELL = 5
_HANG = 2
_SKIPPED = {"market_closed": "–", "stopped_trading": "stop"}


def joined(parts: list[Text], width: int) -> Text:
    """As many of `parts` as fit in `width`, with points between them."""
    text = Text()
    for part in parts:
        if text and text.cell_len + len(_SEPARATOR) + part.cell_len > width:
            break
        if text:
            text.append(_SEPARATOR, style="quiet")
        text.append_text(part)
    return text


def joined_lines(parts: list[Text], width: int) -> list[Text]:
    """All of `parts` with points between them, in as many lines of `width` as they take."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + len(_SEPARATOR) + part.cell_len <= width:
            lines[-1].append(_SEPARATOR, style="quiet").append_text(part)
        else:
            lines.append(part.copy())
    return lines


def rule(words: Text, width: int) -> Text:
    """`words` as a heading in a line across `width`."""
    shown = words.copy()
    shown.truncate(max(0, width - 6), overflow="ellipsis")
    text = Text.assemble(("── ", "quiet"), shown, " ")
    return text.append("─" * max(0, width - text.cell_len), style="quiet")


def batch_rule(view: BatchView, width: int) -> Text:
    """The heading of a batch as a line across `width`."""
    return rule(joined(batch_heading(view), width - 6), width)


def quoted_as(view: BatchView, symbol: str) -> str | None:
    """The name under which `symbol` was quoted on the day that is looked at, where it is another one."""
    trace = view.day.day.traces.get(symbol) if view.day and view.day.day else None
    return trace.quoted_as if trace else None


def figures_table(view: BatchView, width: int) -> Text:
    """The picks and the benchmark on the day that is looked at: prices, returns, excess; the batch's excess last."""
    batch, day = view.detail.batch, view.day
    checkpoint = day.day.checkpoint if day and day.day else None
    symbols = [batch.benchmark_symbol, *(each.pick.ticker for each in view.picks)]
    names = {each: quoted_words(each, quoted_as(view, each)) for each in symbols}
    renamed = [len(names[each]) for each in symbols if quoted_as(view, each)]
    symbol = Text(names[batch.benchmark_symbol], style="quiet")

    def column(
        key: str, label: str, width: int, of_pick: Callable[[PickFigures], Text], of_benchmark: Text, *,
        most: int = 0, priority: int = 0, is_number: bool = True,
    ) -> Column[PickFigures | None]:  # fmt: skip
        def cell(row: PickFigures | None, _: int) -> Text:
            return of_benchmark if row is None else of_pick(row)

        return Column(key, label, width, cell, priority, most, is_number)

    columns = [
        column("action", "", 4, lambda row: Text(str(row.pick.action), style="quiet"), Text(), is_number=False),
        column(
            "ticker", "", max([6, *renamed]), lambda row: Text(names[row.pick.ticker], style="strong"), symbol,
            most=10, is_number=False,
        ),
        column(
            "from", formats.day_and_month(view.detail.baseline_date), 10,
            lambda row: figures.price(row.pick.initial_price), figures.price(batch.benchmark_initial_price), most=12,
        ),
        column(
            "to", formats.day_and_month(day.date) if day else "no day yet", 10,
            lambda row: figures.price(row.current_price),
            figures.price(checkpoint.benchmark_price if checkpoint else None), most=12,
        ),
        column(
            "return", "Return", 8, lambda row: figures.signed(row.absolute_return_pct),
            figures.signed(checkpoint.benchmark_return_pct if checkpoint else None),
        ),
        column(
            "versus", f"vs {clean(batch.benchmark_symbol, limit=10)}", 8,
            lambda row: figures.signed(row.vs_benchmark_pct), Text(), priority=1,
        ),
        column(
            "excess", "Excess", 9, lambda row: figures.excess(row.excess_pct),
            figures.excess(day.excess_pct if day else None),
        ),
        column(
            "trend", "Trend", 10, lambda row: figures.trend(row.trend, 10), Text("batch", style="quiet"),
            priority=2, is_number=False,
        ),
    ]  # fmt: skip
    fitted = fit(columns, width, 1)
    rows: list[PickFigures | None] = [*view.picks, None]
    return Text("\n").join([heading(fitted, 1), *(line(fitted, row, 1) for row in rows)])


def day_strip(view: BatchView, width: int) -> Text:
    """The days in two lines: their dates, and the batch's excess or what stands in its place."""
    dates, values = Text(), Text()
    for day in view.days[: max(1, width // _STRIP_CELL)]:
        is_shown = day is view.day
        dates.append(formats.short_day(day.date).rjust(_STRIP_CELL), style="strong" if is_shown else "quiet")
        value = _strip_value(day)
        values.append(" " * max(0, _STRIP_CELL - value.cell_len))
        values.append_text(value)
    return Text("\n").join([dates, values])


def _strip_value(day: BatchDay) -> Text:
    if day.excess_pct is not None:
        return figures.short_excess(day.excess_pct).copy()
    if day.state is DayState.SKIPPED:
        return Text(_SKIPPED.get(day.day.reason or "", "skip") if day.day else "skip", style="quiet")
    if day.state in (DayState.WAITING, DayState.DUE):
        return Text("wait" if day.state is DayState.WAITING else "due", style="caution")
    return Text()


def notable_lines(view: BatchView, width: int, rows: int, console: Console) -> list[Text]:
    """What stands out in a batch, in at most `rows` lines of `width`.

    Why it was marked failed, which symbols stopped trading, and the days that wait, those for the same thing together:
    for an operator's word, or for the next try.
    """
    lines = list(_notable(view))
    if len(lines) > rows:
        lines = [*lines[: rows - 1], Text(f"  and {len(lines) - rows + 1} more", style="quiet")]
    spare = rows - len(lines)
    shown: list[Text] = []
    for line_of_text in lines:
        pieces = _wrapped(line_of_text, width, spare + 1, console)
        spare -= len(pieces) - 1
        shown += pieces
    return shown


def _wrapped(text: Text, width: int, rows: int, console: Console) -> list[Text]:
    """`text` in at most `rows` lines, the ones after the first indented; only what is left after those is cut."""
    if text.cell_len <= width:
        return [text]
    pieces = list(text.wrap(console, max(1, width - _HANG)))
    last = Text(" ").join(pieces[rows - 1 :])
    last.truncate(max(1, width - _HANG), overflow="ellipsis")
    first, *more = [*pieces[: rows - 1], last] if len(pieces) > rows else pieces
    for each in (first, *more):
        each.rstrip()
    return [first, *(Text.assemble(" " * _HANG, each) for each in more)]


def _notable(view: BatchView) -> Iterable[Text]:
    lines = [*_failure(view), *(Text.assemble(("– ", "caution"), stopped_words(each)) for each in view.detail.stopped)]
    waiting: dict[str, list[BatchDay]] = {}
    for day in view.days:
        if day.waiting is not None and day.state is DayState.WAITING:
            waiting.setdefault(day.waiting.detail, []).append(day)
    return [*lines, *(_waits(view, detail, days) for detail, days in waiting.items())]


def _failure(view: BatchView) -> Iterable[Text]:
    from db.events import EventType  # it brings the driver, which the first paint need not wait for

    for event in view.detail.events:
        if event.event_type == EventType.BATCH_FAILED:
            reason = literal(event.payload.get("reason") or "", limit=500)
            yield Text.assemble(("✗ ", "trouble"), "marked failed: ", reason)


def _waits(view: BatchView, detail: str, days: Sequence[BatchDay]) -> Text:
    """`! Wed 20 Nov: next try Thu 17:05 ET · no close …`, `! Mon 6 Jun and 4 more wait for a word · AMZN moved …`.

    No next try is named while the schedulers are paused.
    """
    words = Text.assemble(("! ", "caution"), days_words([day.date for day in days]))
    if awaits_word(days[0]):
        words.append(" wait for a word" if len(days) > 1 else " waits for a word")
    elif view.is_paused:
        words.append(": paused")
    else:
        next_try = min(day.waiting.next_try_at for day in days if day.waiting is not None)
        words.append(f": next try {formats.exchange_time(next_try, view.now)}")
    return words.append(_SEPARATOR, style="quiet").append_text(literal(detail, limit=300))


def reasoning(view: BatchView, *, in_full: bool) -> Text:
    """Each pick's reasoning: whole, or on one line each."""
    paragraphs = [
        Text.assemble(
            figures.pick(each.pick.action, each.pick.ticker, in_words=True),
            "  ",
            literal(each.pick.reasoning.strip(), limit=REASONING_LIMIT, lines=in_full),
        )
        for each in view.picks
    ]
    return Text("\n\n" if in_full else "\n").join(paragraphs)
