"""How good the picks are, over all batches, with the number that stands behind every figure.

A figure without anything behind it is None, never zero. Batches that an operator failed are left out and counted.
"""

from dataclasses import dataclass

from core.services import Services
from core.trading_calendar import BATCH_DAYS
from db import performance as measures
from db.records import Action, BatchStatus, Batting, DayPerformance, FinalExcesses


@dataclass(frozen=True, slots=True)
class Performance:
    """Measures over many batches; excesses are action-adjusted and in percentage points, shares in percent.

    `days` holds day 1 to 14 over the active and completed batches; batting and `finals` are of completed batches on
    their last computed day, so that one completed without any computed day is in neither.
    """

    active: int
    completed: int
    failed: int
    days: tuple[DayPerformance, ...]
    all_picks: Batting
    buys: Batting
    sells: Batting
    finals: FinalExcesses


async def performance(services: Services) -> Performance:
    """Everything measured at one moment."""
    async with services.database.snapshot() as connection:
        statuses = await measures.statuses(connection)
        days = await measures.by_day(connection, BATCH_DAYS)
        batting = await measures.batting(connection)
        finals = await measures.finals(connection)
    return Performance(
        active=statuses.get(BatchStatus.ACTIVE, 0),
        completed=statuses.get(BatchStatus.COMPLETED, 0),
        failed=statuses.get(BatchStatus.FAILED, 0),
        days=tuple(days),
        all_picks=batting[None],
        buys=batting[Action.BUY],
        sells=batting[Action.SELL],
        finals=finals,
    )
