"""A scheduler that lets a test wait for its turns instead of for some time."""

import asyncio
from datetime import timedelta

from core.scheduler import Scheduler
from core.scheduler_state import Phase
from core.services import Services


class Turning(Scheduler):
    """A scheduler that tells when it has come to the end of a turn in which it led, and ticked if it was to."""

    def __init__(self, services: Services, turned: asyncio.Event, number: int) -> None:
        super().__init__(services, who=f"process {number}")
        self._turned = turned

    async def _pause(self, duration: timedelta) -> bool:
        if self.state.phase in (Phase.LEADING, Phase.PAUSED):
            self._turned.set()
        return await super()._pause(duration)
