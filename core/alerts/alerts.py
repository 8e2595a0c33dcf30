"""The alerts of a process that schedules: every channel told beside the ticks, each at its own pace."""

import asyncio
import logging
from datetime import timedelta

from core.alerts.channel import Channel, Channels
from core.alerts.outbox import Outbox
from core.services import Services
from db import leadership
from db.errors import AlphaMondayError, DatabaseError, LeadershipLostError

ONCE_WITHIN = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Alerts:
    """Tells the channels what happened, in tasks that nobody waits for. Without NOTIFY_URLS it does nothing at all."""

    def __init__(self, services: Services, channels: Channels) -> None:
        self._services = services
        self._channels = channels
        self._round: asyncio.Task[None] | None = None
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._problem: str | None = None

    def look(self) -> None:
        """Starts a round for each channel that has none under way."""
        if self._channels.are_set and (self._round is None or self._round.done()):
            self._round = asyncio.create_task(self._start_round())

    async def run_once(self) -> None:
        """One round, waited for a minute at most; none where a scheduler leads, which tells by itself."""
        if not self._channels.are_set:
            return
        try:
            async with self._services.database.connection() as connection:
                lead = await leadership.lead(connection)
        except DatabaseError as exc:
            self._judge(exc)
            return
        if lead.is_held:
            return
        await self._start_round()
        if self._telling:
            await asyncio.wait(self._telling.values(), timeout=ONCE_WITHIN.total_seconds())

    async def close(self) -> None:
        """Ends every round; a call to a service that is under way is left to its thread, and was not told."""
        tasks = [*self._telling.values(), *([self._round] if self._round else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_round(self) -> None:
        for channel in await self._channels.ready():
            under_way = self._telling.get(channel.name)
            if under_way is None or under_way.done():
                self._telling[channel.name] = asyncio.create_task(self._tell(channel))

    async def _tell(self, channel: Channel) -> None:
        try:
            await Outbox(self._services, channel).tell()
        except LeadershipLostError:
            return  # the scheduler says so, and whoever leads now tells
        except DatabaseError as exc:
            self._judge(exc)
        except Exception as exc:  # noqa: BLE001 - a defect must not end what runs beside it; the log tells where it is
            self._judge(exc)
        else:
            self._problem = None

    def _judge(self, exc: Exception) -> None:
        """Logs what kept a round from being told, once until one succeeds."""
        is_foreseen = isinstance(exc, AlphaMondayError)
        problem = exc.message if isinstance(exc, AlphaMondayError) else type(exc).__name__
        if problem != self._problem:
            self._problem = problem
            log.warning(
                "alerts could not be made",
                exc_info=None if is_foreseen else exc,
                extra={"event": "alerts_unread", "problem": problem},
            )
