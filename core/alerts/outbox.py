"""What one channel is still to be told: read from the database, told in order, and kept once the service took it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from core.accepting import all_doubtful
from core.alerts.channel import Channel
from core.alerts.digest import digest_day, make_digest
from core.alerts.message import Message
from core.alerts.news import News
from core.alerts.results import read_figures
from core.alerts.standing import doubts_told, reminder_told, source_told, without_former
from core.alerts.telling import tell
from core.alerts.told import LATEST, PREFIX, Told, told_in
from core.clock import CLOCK_TOLERANCE, require_agreement
from core.logs import redacted
from core.moves import Move
from core.opening_tries import OPENING_FACT, opening_try_in
from core.picks.staged_file import takes_staged
from core.services import Services
from core.source_health import health_in
from core.trading_calendar import monday_of
from db import batches, events, leadership
from db.records import SchedulerFact

_PAGE = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    """The database at `now`, by its own clock; `told` is None for a channel that is new, `news` if there are none."""

    now: datetime
    told: Told | None
    transactions: Mapping[datetime, int]
    news: News | None
    facts: Mapping[str, SchedulerFact]
    is_opened: bool
    doubtful: Sequence[tuple[date, Move]] = ()


class Outbox:
    """Tells one channel what it was not told. At least once: what was sent and not kept is sent again.

    A channel that takes nothing is asked again after its rest; what has piled up by then is one message.
    """

    def __init__(self, services: Services, channel: Channel) -> None:
        self._services = services
        self._channel = channel
        self._fact = PREFIX + channel.name
        self._chosen = frozenset(services.settings.notify_on)

    async def tell(self) -> None:
        """One round. Raises a DatabaseError; LeadershipLostError where another process leads by now, and tells."""
        if self._channel.rest:
            return
        look = await self._look()
        if look.told is None:
            digest = digest_day(self._services.clock.now(), self._services.calendar)
            await self._keep(Told.beginning(look.now, look.transactions, digest))
            return
        told: Told | None = await self._tell_news(look, look.told)
        if told is not None:
            told = await self._tell_sources(look, told)
        if told is not None:
            told = await self._tell_opening(look, told)
        if told is not None:
            told = await self._tell_doubts(look, told)
        if told is not None:
            await self._tell_digest(look, told)

    async def _look(self) -> _Look:
        services = self._services
        async with services.database.snapshot() as connection:
            server_time = await events.server_time(connection)
            facts = await leadership.facts(connection)
            noted = told_in(facts.get(self._fact))
            now = require_agreement(services.clock, await events.clock_time(connection))
            today = services.calendar.exchange_date(now)
            told = noted and noted.looked_from(server_time, now)
            since = told.since if told else server_time - LATEST
            transactions = await events.transactions(connection, since)
            _, is_opened = await batches.weeks(connection, monday_of(today))
            doubtful = await all_doubtful(connection)
            untold = told.untold(transactions) if told else []
            news = None
            if untold:
                news = News(today, self._masked)
                async for event in events.of_transactions(connection, since, untold, limit=_PAGE):
                    news.add(event)
        return _Look(server_time, told, transactions, news, facts, is_opened, doubtful)

    async def _tell_news(self, look: _Look, told: Told) -> Told | None:
        """`told` afterwards; None if the channel did not take it, so that nothing later is told before it."""
        if look.news is None:
            is_old = look.now - told.since > 2 * LATEST
            return await self._keep(told.with_transactions(look.now, look.transactions)) if is_old else told
        message = tell(look.news, await read_figures(self._services, look.news), self._chosen)
        if message is not None and not await self._send(message):
            return None
        return await self._keep(told.with_transactions(look.now, look.transactions))

    async def _tell_sources(self, look: _Look, told: Told) -> Told | None:
        """As `_tell_news`."""
        services = self._services
        sources = health_in(look.facts, services.sources, services.pick_source, services.clock.now())
        for source in sources:
            after, message = source_told(told, source, services.settings.source_failing_after)
            if message is not None and "source" in self._chosen and not await self._send(message):
                return None
            told = await self._keep_if_new(told, after)
        return await self._keep_if_new(told, without_former(told, sources))

    async def _tell_opening(self, look: _Look, told: Told) -> Told | None:
        """As `_tell_news`."""
        services = self._services
        opening = opening_try_in(look.facts.get(OPENING_FACT))
        if opening is None or look.is_opened or "reminder" not in self._chosen:
            return told
        week = opening.run_date
        opening = replace(opening, delay=replace(opening.delay, detail=self._masked(opening.delay.detail)))
        after, message = reminder_told(
            told,
            opening,
            services.rules.opens_at(services.calendar, week),
            services.rules.opens_until(services.calendar, week),
            services.clock.now(),
            takes_staged=takes_staged(services.settings),
        )
        if message is not None and not await self._send(message):
            return None
        return await self._keep_if_new(told, after)

    async def _tell_doubts(self, look: _Look, told: Told) -> Told | None:
        """As `_tell_news`."""
        after, message = doubts_told(told, look.doubtful)
        if message is not None and "reminder" in self._chosen and not await self._send(message):
            return None
        return await self._keep_if_new(told, after)

    async def _tell_digest(self, look: _Look, told: Told) -> None:
        services = self._services
        now = services.clock.now()
        saturday = digest_day(now, services.calendar)
        if told.digest is not None and told.digest > digest_day(now + CLOCK_TOLERANCE, services.calendar):
            # A wrong clock sent it: it must not silence those until then.
            told = await self._keep(replace(told, digest=saturday))
        if told.digest is not None and told.digest >= saturday:
            return
        if "digest" in self._chosen:
            sources = health_in(look.facts, services.sources, services.pick_source, services.clock.now())
            if not await self._send(await make_digest(services, sources, told.outages)):
                return
        await self._keep(replace(told, digest=saturday))

    async def _send(self, message: Message) -> bool:
        is_taken = await self._channel.send(message)
        if is_taken:
            log.info(
                "alert sent",
                extra={"event": "alert_sent", "channel": self._channel.name, "title": message.title},
            )
        return is_taken

    async def _keep_if_new(self, before: Told, after: Told) -> Told:
        return after if after == before else await self._keep(after)

    async def _keep(self, told: Told) -> Told:
        async with self._services.database.transaction() as connection:
            await leadership.note(connection, self._fact, told.fact())
        return told

    def _masked(self, text: str) -> str:
        return redacted(text, self._services.settings.secrets()) if text else text
