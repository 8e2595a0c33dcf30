"""One week's work: what is known of it, what each answer adds, and what follows when every source was asked.

The rules are those for writing, waiting and giving up; nothing here does I/O.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from core.moves import Move, standing_moves, without_accepted
from core.picks.source import Account, PickDraft
from core.price_history import History
from core.prices.source import PriceSourceError, RateLimitedError, is_price
from core.rules import Delay, Rules, SkippedDay, SkipReason, WaitCause
from core.tickers import is_ticker
from core.trading_calendar import TradingCalendar, batch_days
from core.valuation import ComputedDay, MissingCloses, Opening, open_week, value_day
from db.records import ActiveBatch, Batch, Pick

CLOSES_SINCE_STOPPED = 3
# In sessions: from 11 to 14 September 2001, the longest since 1933.
LONGEST_CLOSURE = 4


@dataclass(slots=True)
class Week:
    """A week's due work, from an active batch or from picks still to be opened, filled in answer by answer.

    `open_before` is when the week may no longer be opened; None where an operator opens it late.
    `tried` holds, for days that were tried before, the symbols that had no close when the answers were looked at last.
    `opens_by_itself` has the move into its baseline checked; an operator who opens a week has looked at it.
    `baseline_candidates` are the last sessions before a week that is to be opened, the newest first, as the calendar
    has them; `closures_seen` those that a response of before showed as closed, `closures_to_confirm` those that only
    this one did.
    `accepted` are the moves of its symbols that an operator took at their word, `account` how its picks came to be.
    `written_prices` are those of the batch's computed days by symbol; only renamed symbols are compared with them.
    """

    run_date: date
    baseline_date: date
    benchmark: str
    days: tuple[date, ...]
    drafts: tuple[PickDraft, ...] = ()
    pick_source: str = ""
    batch: Batch | None = None
    picks: tuple[Pick, ...] = ()
    basis: str | None = None
    opening: Opening | None = None
    computed: dict[date, ComputedDay] = field(default_factory=dict)
    skipped: dict[date, SkippedDay] = field(default_factory=dict)
    waiting: dict[date, Delay] = field(default_factory=dict)
    unopened: Delay | None = None
    open_before: datetime | None = None
    tried: Mapping[date, frozenset[str]] = field(default_factory=dict)
    opens_by_itself: bool = False
    baseline_candidates: tuple[date, ...] = ()
    closures_seen: frozenset[date] = frozenset()
    closures_to_confirm: frozenset[date] = frozenset()
    accepted: tuple[Move, ...] = ()
    account: Account | None = None
    written_prices: Mapping[str, Mapping[date, Decimal]] = field(default_factory=dict)
    _doubtful: dict[date, tuple[Move, ...]] = field(default_factory=dict)
    _histories: list[History] = field(default_factory=list)

    @classmethod
    def of_active(
        cls, active: ActiveBatch, picks: Sequence[Pick], days: Sequence[date], calendar: TradingCalendar
    ) -> "Week":
        """The due days of a batch that exists."""
        week = cls(
            run_date=active.batch.run_date,
            baseline_date=active.baseline_date or calendar.previous_session(active.batch.run_date),
            benchmark=active.batch.benchmark_symbol,
            days=tuple(days),
            batch=active.batch,
            picks=tuple(picks),
            basis=active.basis,
        )
        week._skip_closed_days(calendar)
        return week

    @classmethod
    def to_open(
        cls,
        run_date: date,
        drafts: Sequence[PickDraft],
        pick_source: str,
        rules: Rules,
        calendar: TradingCalendar,
        now: datetime,
        *,
        with_days: bool,
    ) -> "Week":
        """A week that is to be opened with `drafts`, and the days of it that are due by `now` if wanted."""
        days = batch_days(run_date) if with_days else []
        if days and rules.due_at(calendar, days[-1]) > now:  # of a week long past every day is due
            days = [day for day in days if rules.due_at(calendar, day) <= now]
        candidates = _sessions_before(run_date, calendar)
        week = cls(
            run_date=run_date,
            baseline_date=candidates[0],
            baseline_candidates=candidates,
            benchmark=rules.benchmark,
            days=tuple(days),
            drafts=tuple(drafts),
            pick_source=pick_source,
        )
        week._skip_closed_days(calendar)
        return week

    def _skip_closed_days(self, calendar: TradingCalendar) -> None:
        for day in self.days:
            if not calendar.is_session(day):
                self.skipped[day] = SkippedDay(day, SkipReason.MARKET_CLOSED)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The benchmark and the tickers, in the order of the picks."""
        return (self.benchmark, *(p.ticker for p in (self.picks or self.drafts)))

    @property
    def asked_from(self) -> date:
        """The first day whose closes are asked for: what a closure is recognised by begins before the baseline."""
        return self.baseline_date if self.batch is not None else self.baseline_candidates[-1]

    @property
    def stored_prices(self) -> Mapping[str, Mapping[date, Decimal]]:
        """The stored prices by symbol and day, the baseline's among them; none of a week that is still to be opened."""
        if self.batch is None:
            return {}
        initial = {pick.ticker: pick.initial_price for pick in self.picks}
        initial[self.batch.benchmark_symbol] = self.batch.benchmark_initial_price
        return {
            symbol: {**self.written_prices.get(symbol, {}), self.baseline_date: price}
            for symbol, price in initial.items()
        }

    @property
    def open_days(self) -> list[date]:
        """Due days that are neither computed nor skipped."""
        return [day for day in self.days if day not in self.computed and day not in self.skipped]

    @property
    def is_settled(self) -> bool:
        """Whether no answer can add anything."""
        return self.batch is not None and not self.open_days

    @property
    def fault(self) -> Delay | None:
        """Why no source can value the batch: rows that another program wrote and this one never would."""
        if self.batch is None:
            return None
        remedy = f"alpha-monday fail {self.run_date} --reason TEXT closes the batch"
        if not self.picks:
            return Delay(WaitCause.BATCH_MALFORMED, f"the batch has no picks; {remedy}")
        for symbol, prices in self.stored_prices.items():
            if not is_ticker(symbol):
                return Delay(WaitCause.BATCH_MALFORMED, f"{symbol[:40]!r} is not a ticker; {remedy}")
            if not all(map(is_price, prices.values())):
                return Delay(WaitCause.BATCH_MALFORMED, f"a stored price of {symbol} is out of bounds; {remedy}")
        return None

    def consult(self, history: History, now: datetime) -> None:
        """Takes from one source's answer what it gives: the opening, then every open day."""
        if self.batch is None:
            baseline_date, closed = self._baseline_in(history)
            if closed and not history.is_complete:
                self.unopened = Delay(
                    WaitCause.CLOSE_MISSING, f"{history.source} may be unfinished and has no close on {_dates(closed)}"
                )
                self._histories.append(history)
                return
            if not history.is_taken_at_its_word and (unconfirmed := closed - self.closures_seen):
                self.closures_to_confirm |= unconfirmed
                self.unopened = Delay(
                    WaitCause.CLOSE_MISSING,
                    f"no close on {_dates(unconfirmed)} for {', '.join(self.symbols)} from {history.source}, but later "
                    "ones; if another response some minutes later shows the same, the exchange was closed",
                )
                self._histories.append(history)
                return
            if moves := self._doubtful_baseline(history, baseline_date):
                self.unopened = Delay(
                    WaitCause.DOUBTFUL_MOVE,
                    f"{'; '.join(move.words for move in moves)}; "
                    f"alpha-monday open {self.run_date} --picks FILE takes it at its word",
                    moves=moves,
                )
                self._histories.append(history)
                return
            opened = open_week(
                history,
                run_date=self.run_date,
                drafts=self.drafts,
                pick_source=self.pick_source,
                benchmark=self.benchmark,
                baseline_date=baseline_date,
                created_at=now,
            )
            if isinstance(opened, MissingCloses):
                is_unknown = len(opened.symbols) == len(self.symbols)
                hint = "; if the exchange was closed, its next close will show that" if is_unknown else ""
                self.unopened = Delay(
                    WaitCause.CLOSE_MISSING,
                    f"no close on {baseline_date} for {', '.join(opened.symbols)} from {history.source}{hint}",
                )
                self._histories.append(history)
                return
            self._histories.clear()  # of sources that did not open it, perhaps on another basis
            self.opening, self.unopened, self.baseline_date = opened, None, baseline_date
            self.batch, self.picks, self.basis = opened.batch, opened.picks, opened.basis
        if history.basis != self.basis:
            return
        self._histories.append(history)
        for day in self.open_days:
            valued = value_day(history, self.batch, self.picks, self.baseline_date, day)
            if isinstance(valued, ComputedDay):
                # A move on the way to a day is in that day's return, whatever the closes after it did.
                if doubtful := self._doubtful_on_the_way(history, day):
                    self._doubtful[day] = (*self._doubtful.get(day, ()), *doubtful)
                else:
                    self.computed[day] = valued

    def _doubtful_on_the_way(self, history: History, day: date) -> tuple[Move, ...]:
        """The moves up to `day` that nobody accepted, without those of a symbol that undo each other."""
        return tuple(
            move
            for symbol in self.symbols
            for move in standing_moves(without_accepted(history.moves(symbol, self.baseline_date, day), self.accepted))
        )

    def _baseline_in(self, history: History) -> tuple[date, frozenset[date]]:
        """The last session before the week as `history` shows it, and the later days that it shows as closed."""
        closed: set[date] = set()
        for day in self.baseline_candidates:
            if not history.shows_closure(day, self.benchmark, self.symbols):
                return day, frozenset(closed)
            closed.add(day)
        return self.baseline_date, frozenset()

    def _doubtful_baseline(self, history: History, baseline_date: date) -> tuple[Move, ...]:
        """The moves into the baseline of a week that opens by itself."""
        if not self.opens_by_itself:
            return ()
        return tuple(
            move
            for symbol in self.symbols
            for move in history.moves(symbol, date.min, baseline_date)
            if move.session == baseline_date
        )

    def delay(self, why: Delay) -> None:
        """Leaves the whole week for later."""
        if self.batch is None or self.opening is not None:
            self.batch, self.opening, self.unopened = None, None, why
        else:
            self.waiting = dict.fromkeys(self.days, why)
        self.computed, self.skipped = {}, {}

    def conclude(
        self, failures: Sequence[PriceSourceError], rules: Rules, calendar: TradingCalendar, now: datetime
    ) -> None:
        """Decides every open day once all sources were asked: skipped with evidence, or left waiting."""
        if self.batch is None:
            failure = _failure(failures)
            if self.unopened is not None and self.unopened.moves:
                # An operator has to see the move, whatever became of the sources after it.
                self.unopened = replace(self.unopened, retry_after=failure.retry_after if failure else None)
            else:
                self.unopened = failure or self.unopened or Delay(WaitCause.CLOSE_MISSING, "no source was asked")
            return
        for day in self.open_days:
            # An outage, limit or refusal proves nothing about the day, whatever the other sources said.
            decided = (
                self.fault or self._doubt(day, failures) or _failure(failures) or self._judge(day, rules, calendar, now)
            )
            if isinstance(decided, SkippedDay):
                self.skipped[day] = decided
            else:
                rests = [decided.retry_after or timedelta(0), *(history.least_rest for history in self._histories)]
                self.waiting[day] = replace(decided, retry_after=max(rests) or None)

    def _doubt(self, day: date, failures: Sequence[PriceSourceError]) -> Delay | None:
        """What an operator is to look at: no source had an answer for the day that can be believed without a word."""
        if not (moves := self._doubtful.get(day)):
            return None
        words = "; ".join(move.words for move in moves)
        return Delay(
            WaitCause.DOUBTFUL_MOVE,
            f"{words}; alpha-monday accept {self.run_date} takes it at its word",
            failure.retry_after if (failure := _failure(failures)) else None,
            moves,
        )

    def _judge(self, day: date, rules: Rules, calendar: TradingCalendar, now: datetime) -> SkippedDay | Delay:
        if not self._histories:
            return Delay(
                WaitCause.OTHER_BASIS,
                f"the batch is priced on the basis {self.basis}; no source of the chain is",
            )
        sources = tuple(history.source for history in self._histories)
        # An answer whose beginning is cut off proves nothing by what else it lacks.
        whole = [history for history in self._histories if history.has_close(self.benchmark, self.baseline_date)]
        if not whole:
            return Delay(
                WaitCause.BASELINE_MISSING,
                f"{', '.join(sources)} has no {self.benchmark} close on the baseline {self.baseline_date}",
            )
        lacking = [tuple(symbol for symbol in self.symbols if not history.has_close(symbol, day)) for history in whole]
        missing = min(lacking, key=len)
        if not missing:
            # The day has its closes; that nobody compares them with the baseline now proves nothing about the day.
            return Delay(
                WaitCause.BASELINE_MISSING,
                f"{', '.join(sources)} has closes on {day} but not all of the baseline {self.baseline_date}",
            )
        # A provider may send half an answer once; what is written for ever takes a second look at the same symbols.
        is_seen_before = frozenset(missing) <= self.tried.get(day, frozenset())
        is_complete = all(history.is_complete for history in whole)
        may_skip = is_complete and (is_seen_before or all(history.is_taken_at_its_word for history in whole))
        is_closed = any(history.shows_closure(day, self.benchmark, self.symbols) for history in whole)
        if may_skip and is_closed and len(missing) == len(self.symbols):
            return SkippedDay(day, SkipReason.BENCHMARK_HAS_NO_CLOSE, self.symbols, sources)
        if not any(history.has_close_from(self.benchmark, day) for history in whole):
            return Delay(WaitCause.SOURCE_BEHIND, f"{', '.join(sources)} has no {self.benchmark} close from {day} on")
        next_session_due = rules.due_at(calendar, calendar.next_session(day))
        if may_skip and now >= max(rules.due_at(calendar, day) + rules.give_up_after, next_session_due):
            if stopped := self._stopped(day, missing, whole):
                return SkippedDay(day, SkipReason.STOPPED_TRADING, missing, sources, stopped)
            return SkippedDay(day, SkipReason.PRICE_MISSING, missing, sources)
        detail = f"no close on {day} for {', '.join(missing)} from {', '.join(sources)}"
        if not is_complete:
            return Delay(WaitCause.CLOSE_MISSING, f"{detail}, which may be unfinished")
        return Delay(WaitCause.CLOSE_MISSING, detail, missing=missing)

    def _stopped(self, day: date, missing: Sequence[str], histories: Sequence[History]) -> dict[str, date]:
        """The last session of every symbol in `missing`, if all of them trade no more; nothing otherwise.

        A symbol trades no more when each answer has closes of it, none on `day` or later, three of the benchmark since
        its last one, and one of the benchmark after `day`: on the day itself an answer may merely be late.
        """
        stopped: dict[str, date] = {}
        for symbol in missing:
            for history in histories:
                last = history.last_session(symbol)
                if (
                    last is None
                    or last >= day
                    or not history.has_close_after(self.benchmark, day)
                    or history.closes_after(self.benchmark, last) < CLOSES_SINCE_STOPPED
                ):
                    return {}
                stopped[symbol] = max(last, stopped.get(symbol, last))
        return stopped


def _sessions_before(run_date: date, calendar: TradingCalendar) -> tuple[date, ...]:
    """The last sessions before a week by the calendar, the newest first, as far as it goes."""
    found = [calendar.previous_session(run_date)]
    while len(found) <= LONGEST_CLOSURE:
        try:
            found.append(calendar.previous_session(found[-1]))
        except ValueError:
            break  # the calendar begins here
    return tuple(found)


def _dates(days: Iterable[date]) -> str:
    return ", ".join(day.isoformat() for day in sorted(days))


def _failure(failures: Sequence[PriceSourceError]) -> Delay | None:
    if not failures:
        return None
    asked_for = [
        failure.retry_after for failure in failures if isinstance(failure, RateLimitedError) and failure.retry_after
    ]
    return Delay(failures[0].code, failures[0].message, max(asked_for, default=None), is_failure=True)
