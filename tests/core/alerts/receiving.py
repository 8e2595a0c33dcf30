"""A service on loopback that takes alerts, and services of the product that send to it."""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import apprise
from pydantic import SecretStr

from core.alerts.channel import Channels
from core.alerts.outbox import Outbox
from core.services import Services
from core.settings import ALERTS
from tests.core.world import World
from tests.loopback import Answer, Loopback, reply, serving

HIDDEN = "T0ken-9f2b7c4e1d"
WITHIN_S = 8

with warnings.catch_warnings():  # Apprise imports all of its plugins with the first one, one of them a module of yore
    warnings.simplefilter("ignore", DeprecationWarning)
    apprise.Apprise.instantiate("json://localhost")


@dataclass(frozen=True, slots=True)
class Received:
    """What the service was given."""

    title: str
    body: str
    severity: str


@dataclass(slots=True)
class Service:
    """One that takes what Apprise's plugin json:// sends, until it is told otherwise."""

    provider: Loopback

    @property
    def url(self) -> str:
        return f"{self.provider.url.replace('http://', 'json://')}/{HIDDEN}"

    def answers(self, answer: Answer) -> None:
        self.provider.answer = answer

    @property
    def received(self) -> list[Received]:
        """Everything that it was sent, taken or not."""
        found = [json.loads(request.body) for request in self.provider.requests]
        return [Received(each["title"], each["message"], each["type"]) for each in found]

    def take(self) -> list[Received]:
        """What it was sent since the last time this was asked."""
        found = self.received
        self.provider.requests.clear()
        return found


@contextmanager
def service() -> Iterator[Service]:
    with serving(lambda _: reply()) as provider:
        yield Service(provider)


def refuse(_: object) -> bytes:
    return reply(503)


@asynccontextmanager
async def alerting(
    world: World, *urls: str, on: tuple[str, ...] = ALERTS, pick_source: str = "scripted"
) -> AsyncIterator[Services]:
    """Services whose settings name `urls` as channels."""
    async with world.services() as services:
        settings = services.settings.model_copy(
            update={
                "notify_urls": SecretStr("\n".join(urls)),
                "notify_on": on,
                "pick_source": pick_source,
                "source_failing_after": timedelta(hours=6),
            }
        )
        yield replace(services, settings=settings)


async def outboxes(services: Services) -> list[Outbox]:
    """One for each channel, as a process that has just started has them."""
    return [Outbox(services, channel) for channel in await Channels(services.settings).ready()]


async def tell(services: Services) -> None:
    """One round of every channel, in a process that has just started."""
    for outbox in await outboxes(services):
        await outbox.tell()


async def until(holds: Callable[[], bool]) -> None:
    """Until something has come in another thread, which sets no event of the loop's."""
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
