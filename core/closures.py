"""Days on which the exchange was closed without the calendar's knowledge, as far as earlier responses showed them.

One response may lack a day by a fault of the provider. So a week is opened on an earlier baseline only if a response
before showed the same: that of a checkpoint of the day, or that of an opening some minutes ago.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from core.clock import require_agreement
from core.facts import instant_in
from core.picks.check import PICKS_PER_BATCH
from core.services import Services
from core.weeks import Week
from db import checkpoints, events, leadership

CLOSURES_FACT = "closures"
SECOND_RESPONSE_AFTER = timedelta(minutes=2)


async def load_closures(services: Services, weeks: Iterable[Week]) -> None:
    """Gives each week that is to be opened the closures that earlier responses showed.

    Raises ClockError while this machine's clock and the database's do not agree, as `note_closures` does.
    """
    opening = [week for week in weeks if week.batch is None]
    if not opening:
        return
    days = sorted({day for week in opening for day in week.baseline_candidates})
    async with services.database.connection() as connection:
        now = require_agreement(services.clock, await events.clock_time(connection))
        sessions, closures = await checkpoints.closures(connection, days, 1 + PICKS_PER_BATCH)
        noted = await leadership.fact(connection, CLOSURES_FACT)
    for day in days:
        at = instant_in(noted.value, day.isoformat()) if noted is not None else None
        if at is not None and at + SECOND_RESPONSE_AFTER <= now:
            closures |= {day}
    for week in opening:
        week.closures_seen = closures - sessions  # a close that is stored outweighs a response without it


async def note_closures(services: Services, weeks: Sequence[Week]) -> None:
    """Keeps when a response first showed the closures that `weeks` wait to see confirmed."""
    days = {day.isoformat() for week in weeks for day in week.closures_to_confirm}
    if not days:
        return
    async with services.database.transaction() as connection:
        now = require_agreement(services.clock, await events.clock_time(connection))
        noted = await leadership.fact(connection, CLOSURES_FACT)
        for day in sorted(days):
            at = instant_in(noted.value, day) if noted is not None else None
            if at is None or at > now:  # an instant that is still to come was noted by a clock that ran ahead
                await leadership.merge(connection, {CLOSURES_FACT: {day: now.isoformat()}})
