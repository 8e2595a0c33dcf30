"""A batch valued from one answer of one source: its opening prices, its days, and what is missing. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from uuid_utils.compat import uuid7

from core import metrics
from core.picks.source import PickDraft
from core.price_history import History, TracedClose
from core.prices.source import INTEGER_DIGITS, TRY_ANOTHER, Basis, MalformedError, is_price
from db.records import (
    Batch,
    BatchStatus,
    Checkpoint,
    CheckpointStatus,
    Pick,
    PickCheckpointMetric,
)


@dataclass(frozen=True, slots=True)
class Opening:
    """A week ready to be opened: its rows, and where its prices came from."""

    batch: Batch
    picks: tuple[Pick, ...]
    pick_source: str
    source: str
    basis: Basis
    baseline_date: date


@dataclass(frozen=True, slots=True)
class Rebasing:
    """A source's close for the baseline that is no longer the stored one: explained by a split, or revised."""

    symbol: str
    stored: Decimal
    answered: Decimal
    split: str | None


@dataclass(frozen=True, slots=True)
class ComputedDay:
    """A day with all its closes: the rows, and the trace of each price by symbol."""

    checkpoint: Checkpoint
    metrics: tuple[PickCheckpointMetric, ...]
    source: str
    basis: Basis
    baseline_date: date
    closes: Mapping[str, TracedClose]
    rebasings: tuple[Rebasing, ...]


@dataclass(frozen=True, slots=True)
class MissingCloses:
    """A session without all its closes: the symbols that lack one, in the order asked."""

    checkpoint_date: date
    symbols: tuple[str, ...]


def open_week(
    history: History,
    *,
    run_date: date,
    drafts: Sequence[PickDraft],
    pick_source: str,
    benchmark: str,
    baseline_date: date,
    created_at: datetime,
) -> Opening | MissingCloses:
    """The rows of a new week at the official closes of `baseline_date`, or the symbols without one."""
    closes = {symbol: history.close(symbol, baseline_date) for symbol in (benchmark, *(d.ticker for d in drafts))}
    missing = tuple(symbol for symbol, close in closes.items() if close is None)
    benchmark_close = closes[benchmark]
    if missing or benchmark_close is None:
        return MissingCloses(baseline_date, missing)
    batch = Batch(uuid7(), created_at, run_date, benchmark, benchmark_close, BatchStatus.ACTIVE)
    return Opening(
        batch=batch,
        picks=tuple(
            Pick(uuid7(), batch.id, draft.ticker, draft.action, draft.reasoning, close)
            for draft in drafts
            if (close := closes[draft.ticker]) is not None
        ),
        pick_source=pick_source,
        source=history.source,
        basis=history.basis,
        baseline_date=baseline_date,
    )


def value_day(
    history: History, batch: Batch, picks: Sequence[Pick], baseline_date: date, day: date
) -> ComputedDay | MissingCloses:
    """The metrics of a session, with both ends of every return from the same answer, or the symbols that lack one.

    Raises MalformedError for a value that cannot be stored.
    """
    traces: dict[str, TracedClose] = {}
    missing: list[str] = []
    for symbol in (batch.benchmark_symbol, *(pick.ticker for pick in picks)):
        if (trace := history.trace(symbol, baseline_date, day)) is None:
            missing.append(symbol)
        else:
            traces[symbol] = trace
    if missing:
        return MissingCloses(day, tuple(missing))

    symbol = batch.benchmark_symbol
    benchmark_price, benchmark_return = _value(history.source, symbol, batch.benchmark_initial_price, traces[symbol])
    checkpoint = Checkpoint(
        id=uuid7(),
        batch_id=batch.id,
        checkpoint_date=day,
        status=CheckpointStatus.COMPUTED,
        benchmark_price=benchmark_price,
        benchmark_return_pct=metrics.rounded(benchmark_return),
    )
    rows = []
    for pick in picks:
        price, absolute_return = _value(history.source, pick.ticker, pick.initial_price, traces[pick.ticker])
        rows.append(
            PickCheckpointMetric(
                id=uuid7(),
                checkpoint_id=checkpoint.id,
                pick_id=pick.id,
                current_price=price,
                absolute_return_pct=metrics.rounded(absolute_return),
                vs_benchmark_pct=metrics.rounded(metrics.vs_benchmark_pct(absolute_return, benchmark_return)),
            )
        )
    return ComputedDay(
        checkpoint=checkpoint,
        metrics=tuple(rows),
        source=history.source,
        basis=history.basis,
        baseline_date=baseline_date,
        closes=traces,
        rebasings=tuple(_rebasings(batch, picks, traces)),
    )


def _value(source: str, symbol: str, initial: Decimal, trace: TracedClose) -> tuple[Decimal, Decimal]:
    """The price to store and the unrounded return in percent. Raises MalformedError for a price out of bounds."""
    price = metrics.current_price(initial, trace.baseline, trace.close, trace.split_factor)
    # The digits are counted first: rounding a number with too many of them fails.
    if price.adjusted() >= INTEGER_DIGITS or not is_price(stored := metrics.stored_price(price)):
        raise MalformedError(
            f"{source} leads to a price of {price:.3E} for {symbol}, which cannot be stored: close {trace.close:f}, "
            f"split factors {trace.split_factor:.6g}, baseline {trace.baseline:f} (stored as {initial:.6g}).",
            TRY_ANOTHER,
        )
    return stored, metrics.return_pct(initial, price)


def _rebasings(batch: Batch, picks: Iterable[Pick], traces: Mapping[str, TracedClose]) -> Iterable[Rebasing]:
    stored = {batch.benchmark_symbol: batch.benchmark_initial_price}
    stored.update((pick.ticker, pick.initial_price) for pick in picks)
    for symbol, price in stored.items():
        answered = traces[symbol].baseline
        if answered != price and not metrics.is_same_close(price, answered):
            split = metrics.explained_by_split(price, answered)
            yield Rebasing(symbol, price, answered, f"{split.numerator}:{split.denominator}" if split else None)
