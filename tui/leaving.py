"""Whether anybody would go on with what this process does, were the operator to leave."""

import asyncio
from typing import TYPE_CHECKING

from rich.text import Text

from db.errors import AlphaMondayError
from tui.mode import Mode
from tui.status import Link
from tui.surroundings import House

if TYPE_CHECKING:
    from core.services import Services

# Leaving must not wait for a database that does not answer.
_ANSWERS_WITHIN_S = 0.3


async def is_the_only_scheduler(house: House) -> bool:
    """Whether this process leads and nobody is known to stand by."""
    state, services = house.status.scheduler, house.services
    if house.status.mode is not Mode.SCHEDULER or house.status.link is not Link.OPEN or services is None:
        return False
    if state is None or str(state.phase) not in {"leading", "paused"}:
        return False
    return not await _somebody_stands_by(services)


async def _somebody_stands_by(services: "Services") -> bool:
    from core.schedule_view import schedule_view

    asking = asyncio.ensure_future(schedule_view(services))
    # Not awaited once it is cancelled: a connection that nobody answers on takes its time to give up.
    await asyncio.wait({asking}, timeout=_ANSWERS_WITHIN_S)
    if not asking.done():
        asking.cancel()
        return False
    try:
        return bool(asking.result().standing_by)
    except AlphaMondayError:
        return False


WORDS = Text(
    "This terminal runs the scheduler, and no other process stands by: until one is started, no batch is opened and no "
    "checkpoint is written. What falls due meanwhile is caught up, but a Monday's opening is missed."
)
