"""A batch as a file holds it: its days with every pick's metrics, or its events; whole and unrounded. Pure."""

import json
from collections.abc import Iterable

from db.records import Event
from tui.batch_view import BatchDay, BatchView, DayState
from tui.outgoing import Export

_DAYS_HEADER = (
    "run_date", "day", "checkpoint_date", "status", "reason", "source", "basis", "benchmark", "benchmark_price",
    "benchmark_return_pct", "action", "ticker", "initial_price", "current_price", "absolute_return_pct",
    "vs_benchmark_pct", "excess_pct",
)  # fmt: skip
_PRICES_HEADER = (
    "run_date", "day", "checkpoint_date", "action", "ticker", "initial_price", "current_price", "absolute_return_pct",
    "vs_benchmark_pct", "excess_pct", "baseline_close", "close", "split_factor", "quoted_as", "source", "basis",
)  # fmt: skip
_EVENTS_HEADER = ("id", "created_at", "event_type", "payload")


def days_of_batch(view: BatchView) -> Export:
    """A row for each pick on each computed day, and one for each day without figures."""
    batch = view.detail.batch
    rows: list[tuple[object, ...]] = []
    for day in view.days:
        checkpoint = day.day.checkpoint if day.day else None
        common = (
            batch.run_date, day.number, day.date, str(day.state), day.day.reason if day.day else None,
            day.day.source if day.day else None, day.day.basis if day.day else None, batch.benchmark_symbol,
            checkpoint.benchmark_price if checkpoint else None,
            checkpoint.benchmark_return_pct if checkpoint else None,
        )  # fmt: skip
        if day.state is not DayState.COMPUTED:
            rows.append((*common, *[None] * 7))
            continue
        rows += [
            (
                *common, str(each.pick.action), each.pick.ticker, each.pick.initial_price, each.current_price,
                each.absolute_return_pct, each.vs_benchmark_pct, each.excess_pct,
            )
            for each in view.on_day(day.date).picks
        ]  # fmt: skip
    return Export(f"alpha-monday-{batch.run_date}", _DAYS_HEADER, rows)


def prices_of_day(view: BatchView, day: BatchDay) -> Export:
    """A row for each pick of a computed day and one for the benchmark, with both closes as the source sent them.

    A day without figures is one row, as in `days_of_batch`.
    """
    batch, found = view.detail.batch, day.day
    if day.state is not DayState.COMPUTED or found is None:
        whole = days_of_batch(view)
        return Export(whole.name, whole.header, [row for row in whole.rows if row[1] == day.number])

    def traced(symbol: str) -> tuple[object, ...]:
        trace = found.traces.get(symbol)
        closes = (trace.baseline, trace.close, trace.split_factor, trace.quoted_as) if trace else (None,) * 4
        return (*closes, found.source, found.basis)

    common = (batch.run_date, day.number, day.date)
    rows: list[tuple[object, ...]] = [
        (
            *common, str(each.pick.action), each.pick.ticker, each.pick.initial_price, each.current_price,
            each.absolute_return_pct, each.vs_benchmark_pct, each.excess_pct, *traced(each.pick.ticker),
        )
        for each in view.on_day(day.date).picks
    ]  # fmt: skip
    checkpoint = found.checkpoint
    benchmark = (batch.benchmark_symbol, batch.benchmark_initial_price, checkpoint.benchmark_price)
    returned = (checkpoint.benchmark_return_pct, None, None)
    rows.append((*common, None, *benchmark, *returned, *traced(batch.benchmark_symbol)))
    return Export(f"alpha-monday-{batch.run_date}-{day.date}", _PRICES_HEADER, rows)


def events_of(events: Iterable[Event]) -> Export:
    """A row an event, the payload as JSON."""
    rows = [
        (str(event.id), event.created_at.isoformat(), event.event_type, json.dumps(dict(event.payload), default=str))
        for event in events
    ]
    return Export("alpha-monday-events", _EVENTS_HEADER, rows)


def picks_as_text(view: BatchView) -> str:
    """The picks with their whole reasoning, as text to be pasted."""
    return "\n\n".join(
        f"{view.detail.batch.run_date} {each.pick.action} {each.pick.ticker}\n{each.pick.reasoning}"
        for each in view.picks
    )
