"""A batch valued from one answer of one source: its opening prices, its days, and what is missing. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from uuid_utils.compat import uuid7

from core import metrics
from core.picks.source import PickDraft
from core.prices.source import ONE, Answer, Basis, Close, MalformedError, is_price
from db.records import (
    Batch,
    BatchStatus,
    Checkpoint,
    CheckpointStatus,
    Pick,
    PickCheckpointMetric,
)

NO_CLOSES: Mapping[date, Close] = {}


class History:
    """One answer, arranged for looking up: closes by symbol and date, and each symbol's splits in order."""

    def __init__(self, answer: Answer, last: date) -> None:
        """Takes from `answer` nothing later than `last`, whatever the source sent."""
        self.source = answer.source
        self.basis = answer.basis
        self._closes = {
            symbol: closes if not closes or max(closes) <= last else {d: c for d, c in closes.items() if d <= last}
            for symbol, closes in answer.closes.items()
        }
        self._splits = {
            symbol: sorted(
                (day, factor)
                for day, close in closes.items()
                if (factor := self._checked(symbol, day, close.split_factor)) != ONE
            )
            for symbol, closes in self._closes.items()
        }

    def _checked(self, symbol: str, day: date, number: Decimal) -> Decimal:
        """`number` if it can be a price or a factor. Raises MalformedError: nothing else is ever computed with."""
        if not is_price(number):
            raise MalformedError(
                f"{self.source} gave a number for {symbol} on {day} that is no price: {str(number)[:40]!r}.",
                "The day is tried again; if it lasts, use another price source.",
            )
        return number

    def close(self, symbol: str, day: date) -> Decimal | None:
        """The close of `symbol` on `day`, as the source sent it. Raises MalformedError."""
        close = self._closes.get(symbol, NO_CLOSES).get(day)
        return self._checked(symbol, day, close.price) if close else None

    def split_factor(self, symbol: str, after: date, until: date) -> Decimal:
        """The product of the split factors after one day up to and including another."""
        product = ONE
        for day, factor in self._splits.get(symbol, ()):
            if after < day <= until:
                product = metrics.CONTEXT.multiply(product, factor)
        return product

    def trace(self, symbol: str, baseline_date: date, day: date) -> "TracedClose | None":
        """Both ends of a return of `symbol`, None where either has no close. Raises MalformedError."""
        baseline, close = self.close(symbol, baseline_date), self.close(symbol, day)
        if baseline is None or close is None:
            return None
        return TracedClose(baseline, close, self.split_factor(symbol, baseline_date, day))

    def has_close_from(self, symbol: str, day: date) -> bool:
        """Whether there is a close of `symbol` on `day` or later."""
        return any(known >= day for known in self._closes.get(symbol, NO_CLOSES))

    def has_close_after(self, symbol: str, day: date) -> bool:
        """Whether there is a close of `symbol` later than `day`."""
        return any(known > day for known in self._closes.get(symbol, NO_CLOSES))


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
class TracedClose:
    """Where a stored price came from: both raw closes, and the split factor between them."""

    baseline: Decimal
    close: Decimal
    split_factor: Decimal


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
    """The metrics of a session, with both ends of every return from the same answer, or the symbols that lack one."""
    traces: dict[str, TracedClose] = {}
    missing: list[str] = []
    for symbol in (batch.benchmark_symbol, *(pick.ticker for pick in picks)):
        if (trace := history.trace(symbol, baseline_date, day)) is None:
            missing.append(symbol)
        else:
            traces[symbol] = trace
    if missing:
        return MissingCloses(day, tuple(missing))

    benchmark_price, benchmark_return = _value(batch.benchmark_initial_price, traces[batch.benchmark_symbol])
    checkpoint = Checkpoint(
        id=uuid7(),
        batch_id=batch.id,
        checkpoint_date=day,
        status=CheckpointStatus.COMPUTED,
        benchmark_price=metrics.stored_price(benchmark_price),
        benchmark_return_pct=metrics.rounded(benchmark_return),
    )
    rows = []
    for pick in picks:
        price, absolute_return = _value(pick.initial_price, traces[pick.ticker])
        rows.append(
            PickCheckpointMetric(
                id=uuid7(),
                checkpoint_id=checkpoint.id,
                pick_id=pick.id,
                current_price=metrics.stored_price(price),
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


def _value(initial: Decimal, trace: TracedClose) -> tuple[Decimal, Decimal]:
    price = metrics.current_price(initial, trace.baseline, trace.close, trace.split_factor)
    return price, metrics.return_pct(initial, price)


def _rebasings(batch: Batch, picks: Iterable[Pick], traces: Mapping[str, TracedClose]) -> Iterable[Rebasing]:
    stored = {batch.benchmark_symbol: batch.benchmark_initial_price}
    stored.update((pick.ticker, pick.initial_price) for pick in picks)
    for symbol, price in stored.items():
        answered = traces[symbol].baseline
        if answered != price and not metrics.is_same_close(price, answered):
            split = metrics.explained_by_split(price, answered)
            yield Rebasing(symbol, price, answered, f"{split.numerator}:{split.denominator}" if split else None)
