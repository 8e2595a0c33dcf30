"""Batches to draw, made up without a database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

from core import metrics
from core.batches import Origin
from core.reading import BatchDetail, Day
from core.trading_calendar import TradingCalendar
from db.records import (
    Action,
    Batch,
    BatchStatus,
    Checkpoint,
    CheckpointStatus,
    Pick,
    PickCheckpointMetric,
    WaitingDay,
)
from tui.batch_view import BatchView

RUN_DATE = date(2024, 11, 18)
_EVENING = datetime(2024, 11, 18, 23, tzinfo=UTC)
_ONE = Decimal(1)


@dataclass(frozen=True)
class Returns:
    """A computed day: the benchmark's return and each pick's, in percent."""

    benchmark: Decimal
    picks: tuple[Decimal, ...]


@dataclass(frozen=True)
class _Rules:
    due_hours: int = 23

    def due_at(self, _: TradingCalendar, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, self.due_hours, tzinfo=UTC)


def returns(benchmark: str, *picks: str) -> Returns:
    """A computed day in short."""
    return Returns(Decimal(benchmark), tuple(Decimal(pick) for pick in picks))


def view(
    days: Sequence[Returns | str | None],
    picks: Sequence[tuple[str, Action]] = (("NVDA", Action.BUY), ("TSLA", Action.SELL), ("BRK.B", Action.BUY)),
    *,
    day_date: date | None = None,
) -> BatchView:
    """A batch whose day n is `days[n-1]`: returns, the reason of a skip, "waiting", or None for a day to come."""
    batch_id = uuid4()
    rows = tuple(Pick(uuid4(), batch_id, ticker, action, "because", Decimal(100)) for ticker, action in picks)
    written: list[Day] = []
    waiting: list[WaitingDay] = []
    for number, told in enumerate(days):
        day = RUN_DATE + timedelta(days=number)
        if told == "waiting":
            waiting.append(WaitingDay(batch_id, day, "close_missing", "", 1, _EVENING, _EVENING, _EVENING, ()))
        elif told is not None:
            written.append(_day(batch_id, day, told, rows))
    batch = Batch(batch_id, _EVENING, RUN_DATE, "SPY", Decimal(500), BatchStatus.ACTIVE)
    detail = BatchDetail(
        batch, Origin.LIVE, "csv", "price", RUN_DATE - timedelta(days=3), 10, rows, tuple(written), tuple(waiting), ()
    )
    services = SimpleNamespace(rules=_Rules(), calendar=TradingCalendar())
    return BatchView(detail, cast("Any", services), _EVENING - timedelta(days=1), day_date)


def _day(batch_id: UUID, day: date, told: Returns | str, picks: Sequence[Pick]) -> Day:
    if isinstance(told, str):
        skipped = Checkpoint(uuid4(), batch_id, day, CheckpointStatus.SKIPPED, None, None)
        return Day(skipped, {}, told, (), None, None, {})
    checkpoint = Checkpoint(uuid4(), batch_id, day, CheckpointStatus.COMPUTED, _ONE, told.benchmark)
    found = {
        pick.id: PickCheckpointMetric(
            uuid4(), checkpoint.id, pick.id, _ONE, value, metrics.CONTEXT.subtract(value, told.benchmark)
        )
        for pick, value in zip(picks, told.picks, strict=True)
    }
    return Day(checkpoint, found, None, (), "csv", "price", {})


CLOSED = "market_closed"
NO_CLOSE = "price_missing"
# A second week that is still under way, with a missing close in the first.
USUAL: tuple[Returns | str | None, ...] = (
    returns("0.1", "1.4", "-1.2", "0.8"),
    returns("0.2", "1.6", "1.1", "0.6"),
    NO_CLOSE,
    returns("0.1", "2.5", "2.6", "0.5"),
    returns("0.4", "2.1", "2.2", "-0.6"),
    CLOSED,
    CLOSED,
    returns("0.2", "0.6", "0.1", "-1.4"),
    returns("0.1", "0.5", "0.1", "-3.1"),
    returns("0.1", "1.0", "1.1", "-4.2"),
    "waiting",
)
