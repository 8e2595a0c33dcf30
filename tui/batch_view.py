"""One batch as screens show it: its days with their states, its picks with their figures on a day. Pure."""

from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from core import metrics
from core.trading_calendar import BATCH_DAYS, TradingCalendar, batch_days
from db.records import BatchStatus, CheckpointStatus, Pick, WaitingDay

if TYPE_CHECKING:
    from core.reading import BatchDetail, Day
    from core.rules import Rules
    from core.services import Services


class DayState(StrEnum):
    """What can be said of a day of a batch."""

    COMPUTED = "computed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    DUE = "due"
    TO_COME = "to come"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class BatchDay:
    """Day `number` (1 to 14) of a batch, whatever is known of it."""

    number: int
    date: date
    state: DayState
    day: "Day | None"
    waiting: WaitingDay | None
    due_at: datetime
    excess_pct: Decimal | None
    is_session: bool = True


@dataclass(frozen=True, slots=True)
class PickFigures:
    """A pick on one day: returns in percent, the excess over the benchmark signed by the action."""

    pick: Pick
    current_price: Decimal | None
    absolute_return_pct: Decimal | None
    vs_benchmark_pct: Decimal | None
    excess_pct: Decimal | None
    excess_by_day: tuple[tuple[date, Decimal], ...]

    @property
    def trend(self) -> tuple[Decimal, ...]:
        """The excess of every computed day so far."""
        return tuple(value for _, value in self.excess_by_day)


def day_number(run_date: date, today: date) -> int:
    """Which of a batch's 14 days `today` is, the last one from then on."""
    return min(max((today - run_date).days + 1, 1), BATCH_DAYS)


def days_of(detail: "BatchDetail", rules: "Rules", calendar: TradingCalendar, now: datetime) -> tuple[BatchDay, ...]:
    """The 14 days of a batch."""
    written = {day.checkpoint.checkpoint_date: day for day in detail.days}
    waiting = {each.checkpoint_date: each for each in detail.waiting}
    found = []
    for number, day_date in enumerate(batch_days(detail.batch.run_date), 1):
        due_at = rules.due_at(calendar, day_date)
        day = written.get(day_date)
        if day is not None:
            state = DayState.COMPUTED if day.checkpoint.status is CheckpointStatus.COMPUTED else DayState.SKIPPED
        elif detail.batch.status is BatchStatus.FAILED:
            state = DayState.NEVER
        elif day_date in waiting:
            state = DayState.WAITING
        else:
            state = DayState.DUE if due_at <= now else DayState.TO_COME
        excess = detail.excess_pct(day) if day else None
        found.append(
            BatchDay(number, day_date, state, day, waiting.get(day_date), due_at, excess, calendar.is_session(day_date))
        )
    return tuple(found)


def excess_of(pick: Pick, day: "Day") -> Decimal | None:
    """A pick's excess on a day, None where it has no metrics."""
    found = day.metrics.get(pick.id)
    return None if found is None else metrics.excess_pct(pick.action, found.vs_benchmark_pct)


def figures(detail: "BatchDetail", day: "Day | None") -> list[PickFigures]:
    """Every pick on `day`, with its history up to it."""
    until = day.checkpoint.checkpoint_date if day else date.min
    shown = []
    for pick in detail.picks:
        found = day.metrics.get(pick.id) if day else None
        history = tuple(
            (each.checkpoint.checkpoint_date, value)
            for each in detail.days
            if each.checkpoint.checkpoint_date <= until and (value := excess_of(pick, each)) is not None
        )
        shown.append(
            PickFigures(
                pick,
                found.current_price if found else None,
                found.absolute_return_pct if found else None,
                found.vs_benchmark_pct if found else None,
                excess_of(pick, day) if day else None,
                history,
            )
        )
    return shown


class BatchView:
    """A batch at a moment, with the computed day that is looked at: `day_date` or the newest, None without any.

    `is_paused` says that no scheduler works for it at that moment.
    """

    def __init__(
        self,
        detail: "BatchDetail",
        services: "Services",
        now: datetime,
        day_date: date | None = None,
        *,
        is_paused: bool = False,
    ) -> None:
        self.detail = detail
        self.now = now
        self.is_paused = is_paused
        self.today = services.calendar.exchange_date(now)
        self.days = days_of(detail, services.rules, services.calendar, now)
        self.computed = [day for day in self.days if day.state is DayState.COMPUTED]
        self.day: BatchDay | None = None
        self._look_at(day_date)

    def _look_at(self, day_date: date | None) -> None:
        newest = self.computed[-1] if self.computed else None
        self.day = next((day for day in self.computed if day.date == day_date), newest)
        self.picks = figures(self.detail, self.day.day if self.day else None)

    def on_day(self, day_date: date | None) -> "BatchView":
        """The same batch, looked at on another day."""
        other = copy(self)
        other._look_at(day_date)  # noqa: SLF001 - its own copy
        return other

    def while_paused(self, is_paused: bool) -> "BatchView":
        """The same batch, with the schedulers paused or not."""
        other = copy(self)
        other.is_paused = is_paused
        return other

    def neighbour(self, step: int) -> date | None:
        """The date of the computed day `step` further on, within bounds."""
        if self.day is None:
            return None
        index = self.computed.index(self.day) + step
        return self.computed[max(0, min(index, len(self.computed) - 1))].date
