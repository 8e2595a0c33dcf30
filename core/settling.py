"""Valuing weeks from the chain of price sources, and handing them on to be written, whole weeks at a time."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.price_history import History
from core.prices.query import query_each
from core.prices.source import (
    PriceSource,
    PriceSourceError,
    SourceDefectError,
    UnavailableError,
    is_taken_at_its_word,
    least_rest,
)
from core.rules import Rules
from core.source_calls import log_defect
from core.source_health import HealthLog, SourceKind
from core.symbol_changes import NO_CHANGES, SymbolChange, SymbolChanges, names_of
from core.trading_calendar import EXCHANGE_ZONE, TradingCalendar
from core.weeks import Week

WEEKS_IN_A_TRANSACTION = 20
# Later closes are evidence that a missing one will not come; the longest closure since 1933 was six days.
_EVIDENCE_SPAN = timedelta(days=60)

Record = Callable[[Sequence[Week]], Awaitable[None]]


@dataclass(slots=True)
class _Asking:
    """One source, and what it is asked as of; `has_answered` says that it did so itself, and not a cache for it."""

    source: PriceSource
    calendar: TradingCalendar
    rules: Rules
    now: datetime
    changes: SymbolChanges
    has_answered: bool = False

    async def history(self, weeks: Sequence[Week]) -> History:
        """The source's closes for all of `weeks`; symbols without a usable response are marked as failed.

        Raises a PriceSourceError if the source fails for every symbol.
        """
        symbols = {
            name
            for week in weeks
            for changed in [self.changes_of(week)]
            for symbol in week.symbols
            for name in names_of(symbol, changed)
        }
        newest = max(max(week.open_days, default=week.baseline_date) for week in weeks)
        first = min(week.asked_from for week in weeks)
        last = min(self.rules.last_due_session(self.calendar, self.now), newest + _EVIDENCE_SPAN)
        answer = await query_each(self.source, sorted(symbols), {week.benchmark for week in weeks}, first, last)
        self.has_answered |= not answer.is_cached
        with self._defects():
            return History(
                answer,
                last,
                is_taken_at_its_word=is_taken_at_its_word(self.source),
                least_rest=least_rest(self.source),
            )

    @contextmanager
    def _defects(self) -> Iterator[None]:
        """Turns a response that nothing can be made of into a failure of its source."""
        try:
            yield
        except PriceSourceError:
            raise
        except Exception as exc:
            log_defect(self.source.name, exc)
            raise SourceDefectError(
                f"The response of the price source {self.source.name} cannot be used: {type(exc).__name__}.",
                "The log has the details; update or replace it.",
            ) from exc

    def changes_of(self, week: Week) -> Mapping[str, tuple[SymbolChange, ...]]:
        """What became of the week's renamed symbols between its baseline and the exchange's date now."""
        if not self.changes:
            return {}
        until = self.now.astimezone(EXCHANGE_ZONE).date()
        found = {symbol: self.changes.of(symbol, week.baseline_date, until) for symbol in week.symbols}
        return {symbol: since for symbol, since in found.items() if since}

    def consult(self, week: Week, history: History) -> None:
        """Lets `week` take what the answer gives. Raises a PriceSourceError, whatever was wrong with it."""
        changes = self.changes_of(week)
        if changes and not history.is_complete:
            # Which of two names a company's closes stand under is read from closes that are not there, too.
            raise UnavailableError(
                f"{history.source} may be unfinished, and {', '.join(changes)} was renamed.",
                "It is used when it has been unchanged for minutes.",
            )
        with self._defects():
            week.consult(history.renamed(changes, week.baseline_date, week.stored_prices), self.now)


@dataclass(slots=True)
class _Failures:
    """What failed, by week: a source's failure counts for the weeks that it was asked about and for no other."""

    health: HealthLog | None
    _of: dict[int, list[PriceSourceError]] = field(default_factory=dict)

    def add(self, week: Week, source: PriceSource, failure: PriceSourceError) -> None:
        self._of.setdefault(id(week), []).append(failure)
        if self.health is not None:
            self.health.raised(SourceKind.PRICES, source, failure)

    def of(self, week: Week) -> Sequence[PriceSourceError]:
        return self._of.get(id(week), ())


async def settle(
    weeks: Sequence[Week],
    sources: Iterable[PriceSource],
    calendar: TradingCalendar,
    rules: Rules,
    now: datetime,
    record: Record,
    stopping: Callable[[], bool] = lambda: False,
    health: HealthLog | None = None,
    changes: SymbolChanges = NO_CHANGES,
) -> None:
    """Values `weeks` and hands them to `record` at most 20 at a time, each week once and whole.

    Sources are asked in turn, each only for the weeks that the ones before left open. A source's failure leaves
    its weeks waiting. When `stopping` says so, the rest is left for another time. `health` is told how the sources
    fare; `changes` tells under which names they are to be asked.
    """
    left = list(weeks)
    failures = _Failures(health)
    for source in sources:
        open_weeks = [week for week in left if not week.is_settled and week.fault is None]
        if not open_weeks:
            break
        asking = _Asking(source, calendar, rules, now, changes)
        try:
            history = await asking.history(open_weeks)
        except PriceSourceError as failure:
            for week in open_weeks:
                failures.add(week, source, failure)
            continue
        if health is not None and asking.has_answered:
            health.succeeded(SourceKind.PRICES, source)
        still_open: list[Week] = []
        for some in _chunks(left):
            if stopping():
                return
            for week in (week for week in some if not week.is_settled and week.fault is None):
                try:
                    asking.consult(week, history)
                except PriceSourceError as failure:
                    failures.add(week, source, failure)
            still_open += [week for week in some if not week.is_settled]
            if settled := [week for week in some if week.is_settled]:
                await record(settled)
        left = still_open
    for some in _chunks(left):
        if stopping():
            return
        for week in some:
            week.conclude(failures.of(week), rules, calendar, now)
        await record(some)


def _chunks(weeks: Sequence[Week]) -> Iterator[Sequence[Week]]:
    for start in range(0, len(weeks), WEEKS_IN_A_TRANSACTION):
        yield weeks[start : start + WEEKS_IN_A_TRANSACTION]
