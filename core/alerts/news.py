"""News: events folded, one by one, into what a single message can say of them. Pure.

Whatever was written long after its day, by a replay or a backfill, is history: it is counted and never told one by one.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from core.alerts.words import plain
from core.trading_calendar import BATCH_DAYS
from db.events import EventType
from db.records import LoggedEvent

HISTORY_AFTER = timedelta(days=7)
MOST_KEPT = 200  # of each kind; whatever is beyond is counted with the history
_LAST_DAY = timedelta(days=BATCH_DAYS - 1)


@dataclass(frozen=True, slots=True)
class DayNews:
    """What became of one batch's day: computed where `reason` is empty, skipped otherwise."""

    run_date: date
    reason: str = ""
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissedNews:
    """A Monday that passed unopened, and why."""

    run_date: date
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something else that happened to the prices or the schedule, in words."""

    text: str
    is_grave: bool = False


@dataclass(slots=True)
class News:
    """What happened, the oldest first in each list, days by date; `history` counts events by type.

    `mask` takes what is secret out of sentences that a source may have said.
    """

    today: date
    mask: Callable[[str], str] = str
    opened: list[date] = field(default_factory=list)
    completed: list[date] = field(default_factory=list)
    failed: list[tuple[date, str]] = field(default_factory=list)
    missed: list[MissedNews] = field(default_factory=list)
    days: dict[date, list[DayNews]] = field(default_factory=dict)
    prices: list[Note] = field(default_factory=list)
    pauses: list[Note] = field(default_factory=list)
    history: Counter[EventType] = field(default_factory=Counter)
    history_span: tuple[date, date] | None = None

    def add(self, event: LoggedEvent) -> None:
        """Takes one event in; one of an unknown type, or of another form, says nothing."""
        try:
            event_type = EventType(event.event_type)
        except ValueError:
            return  # of another version, or another program
        day = _day_of(event_type, event)
        if event_type in _PAUSES:
            self.pauses.append(Note(self._pause_words(event_type, event.payload)))
        elif day is None or event_type is EventType.PICKS_ANSWERED:
            return
        elif self._is_history(event, day) or self._is_full(event_type, day):
            self.history[event_type] += 1
            first, last = self.history_span or (day, day)
            self.history_span = min(first, day), max(last, day)
        else:
            self._keep(event_type, event, day)

    def _is_history(self, event: LoggedEvent, day: date) -> bool:
        if event.event_type == EventType.BATCH_FAILED:
            return False  # an operator has just done it, whatever the week
        return day < self.today - HISTORY_AFTER or event.payload.get("as_of") is not None

    def _is_full(self, event_type: EventType, day: date) -> bool:
        kept: Mapping[EventType, list[Any]] = {
            EventType.BATCH_OPENED: self.opened,
            EventType.BATCH_COMPLETED: self.completed,
            EventType.BATCH_FAILED: self.failed,
            EventType.BATCH_MISSED: self.missed,
            EventType.CHECKPOINT_COMPUTED: self.days.get(day, []),
            EventType.CHECKPOINT_SKIPPED: self.days.get(day, []),
        }
        return len(kept.get(event_type, self.prices)) >= MOST_KEPT

    def _keep(self, event_type: EventType, event: LoggedEvent, day: date) -> None:
        payload, run_date = event.payload, event.run_date
        assert run_date is not None  # `_day_of` has found one
        match event_type:
            case EventType.BATCH_OPENED:
                self.opened.append(run_date)
            case EventType.BATCH_COMPLETED:
                self.completed.append(run_date)
            case EventType.BATCH_FAILED:
                self.failed.append((run_date, self._said(payload, "reason")))
            case EventType.BATCH_MISSED:
                self.missed.append(MissedNews(run_date, _text(payload, "cause"), self._said(payload, "detail")))
            case EventType.CHECKPOINT_COMPUTED:
                self.days.setdefault(day, []).append(DayNews(run_date))
            case EventType.CHECKPOINT_SKIPPED:
                symbols = payload.get("symbols")
                named = tuple(map(str, symbols)) if isinstance(symbols, list) else ()
                reason = _text(payload, "reason") or "unknown"
                self.days.setdefault(day, []).append(DayNews(run_date, reason, named))
            case _:
                if note := _price_note(event_type, payload, run_date):
                    self.prices.append(note)

    def _pause_words(self, event_type: EventType, payload: Mapping[str, Any]) -> str:
        who, reason = plain(_text(payload, "who"), limit=60), self._said(payload, "reason")
        if event_type is EventType.SCHEDULE_PAUSED:
            return f"{who} paused the schedulers" + (f": {reason}" if reason else "")
        return f"{who} let the schedulers go on"

    def _said(self, payload: Mapping[str, Any], key: str) -> str:
        return plain(self.mask(_text(payload, key)))


_PAUSES = frozenset({EventType.SCHEDULE_PAUSED, EventType.SCHEDULE_RESUMED})
_DAYS = frozenset({EventType.CHECKPOINT_COMPUTED, EventType.CHECKPOINT_SKIPPED})


def _day_of(event_type: EventType, event: LoggedEvent) -> date | None:
    """The day that an event is about: its checkpoint's, the Monday of an opening, or the last day of its batch."""
    if event.run_date is None:
        return None
    if event_type in _DAYS:
        try:
            return date.fromisoformat(_text(event.payload, "checkpoint_date"))
        except ValueError:
            return None
    if event_type in (EventType.BATCH_OPENED, EventType.BATCH_MISSED):
        return event.run_date
    return event.run_date + _LAST_DAY


def _price_note(event_type: EventType, payload: Mapping[str, Any], run_date: date) -> Note | None:
    """A sentence for an event about prices or symbols; None for any other."""
    symbol = plain(_text(payload, "symbol"), limit=12)
    source = plain(_text(payload, "source"), limit=20)
    stored, answered = (plain(_text(payload, key), limit=30) for key in ("stored", "answered"))
    week = f"{symbol} in the batch of {run_date}"
    match event_type:
        case EventType.PRICE_REBASED:
            split = plain(_text(payload, "split"), limit=12)
            return Note(
                f"{week}: {source} quotes the baseline on another share basis, {stored} as {answered} ({split})"
            )
        case EventType.BASELINE_REVISED:
            return Note(f"{week}: {source} now has {answered} for the baseline close stored as {stored}", is_grave=True)
        case EventType.MOVE_ACCEPTED:
            who, session = plain(_text(payload, "who"), limit=60), plain(_text(payload, "session"), limit=10)
            return Note(f"{week}: {who} accepted the move of {session}")
        case EventType.SYMBOL_STOPPED:
            last = plain(_text(payload, "last_session"), limit=10)
            return Note(f"{week} has stopped trading; its last session was {last}", is_grave=True)
        case EventType.SYMBOL_RENAMED:
            successor = plain(_text(payload, "successor"), limit=12)
            return Note(f"{week} goes on as {successor}")
        case _:
            return None


def _text(payload: Mapping[str, Any], key: str) -> str:
    return str(payload.get(key) or "")
