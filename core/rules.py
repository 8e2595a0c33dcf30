"""When things fall due and are given up, and what becomes of a day without prices: skipped, or delayed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from core.moves import Move
from core.trading_calendar import TradingCalendar


class SkipReason(StrEnum):
    """Why a day was skipped."""

    MARKET_CLOSED = "market_closed"
    PRICE_MISSING = "price_missing"
    BENCHMARK_HAS_NO_CLOSE = "benchmark_has_no_close"
    STOPPED_TRADING = "stopped_trading"


class WaitCause(StrEnum):
    """Why a due day or week waits, when no source failed (then the cause is the failure's code)."""

    CLOSE_MISSING = "close_missing"
    SOURCE_BEHIND = "source_behind"
    OTHER_BASIS = "other_basis"
    BASELINE_MISSING = "baseline_missing"
    DOUBTFUL_MOVE = "doubtful_move"
    BATCH_MALFORMED = "batch_malformed"
    TOO_LATE = "too_late"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Rules:
    """When things fall due and when they are given up. Clock times are exchange time."""

    open_at: time
    open_until: time
    settle_delay: timedelta
    give_up_after: timedelta
    benchmark: str

    def opens_at(self, calendar: TradingCalendar, run_date: date) -> datetime:
        """When the week can be opened: from `open_at`, and not before the baseline's close is due."""
        baseline_due = calendar.due_at(calendar.previous_session(run_date), self.settle_delay)
        return max(calendar.at(run_date, self.open_at), baseline_due)

    def opens_until(self, calendar: TradingCalendar, run_date: date) -> datetime:
        """When an unopened week counts as missed."""
        return calendar.at(run_date, self.open_until)

    def due_at(self, calendar: TradingCalendar, day: date) -> datetime:
        """When the checkpoint of `day` falls due."""
        return calendar.due_at(day, self.settle_delay)

    def last_due_session(self, calendar: TradingCalendar, now: datetime) -> date:
        """The newest session whose close may be seen at `now`."""
        day = calendar.exchange_date(now)
        if calendar.is_session(day) and self.due_at(calendar, day) <= now:
            return day
        day = calendar.previous_session(day)
        while self.due_at(calendar, day) > now:
            day = calendar.previous_session(day)
        return day


@dataclass(frozen=True, slots=True)
class SkippedDay:
    """A day that will have no prices, and why; `stopped` holds the last session of each symbol that trades no more."""

    checkpoint_date: date
    reason: SkipReason
    symbols: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    stopped: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delay:
    """Why something due could not be done, and how long a source asked to be left alone.

    `moves` are those that wait for an operator's word, `missing` the symbols without a close;
    `is_failure` says that a source could not answer, so that nothing was seen.
    """

    cause: str
    detail: str
    retry_after: timedelta | None = None
    moves: tuple[Move, ...] = ()
    missing: tuple[str, ...] = ()
    is_failure: bool = False
