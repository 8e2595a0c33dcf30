"""Messages that need no database: kept in this process until each service has taken them."""

import asyncio
import logging

from core.alerts.channel import Channel, Channels
from core.alerts.message import Message

log = logging.getLogger(__name__)


class Post:
    """Sends one message at a time over every channel, in the background; the next replaces what was not taken yet."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._sending: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Makes the channels ready while there is a network, and says now what is wrong with them."""
        if self._channels.are_set and self._sending is None:
            self._sending = asyncio.create_task(self._prepare())

    def send(self, message: Message) -> None:
        """Begins to send `message`."""
        self._sending = asyncio.create_task(self._deliver(message, self._sending))

    async def close(self) -> None:
        """Ends what is still being sent."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None

    async def _prepare(self) -> None:
        await self._channels.ready()

    async def _deliver(self, message: Message, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            earlier.cancel()
            await asyncio.gather(earlier, return_exceptions=True)
        channels = await self._channels.ready()
        await asyncio.gather(*(self._until_taken(channel, message) for channel in channels))

    async def _until_taken(self, channel: Channel, message: Message) -> None:
        is_taken = False
        while not is_taken:
            await asyncio.sleep(channel.rest.total_seconds())
            is_taken = await channel.send(message)
        log.info("alert sent", extra={"event": "alert_sent", "channel": channel.name, "title": message.title})
