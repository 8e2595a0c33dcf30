"""The operators' pause: one fact that holds for the schedulers of every process, until somebody ends it."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from core.facts import instant_in, text_in
from core.services import Services
from core.trading_calendar import EXCHANGE_ZONE
from db import events, leadership
from db.errors import AlphaMondayError
from db.events import EventType
from db.records import SchedulerFact
from db.text import storable

PAUSE_FACT = "pause"
LONGEST_REASON = 300
_WHO_LIMIT = 100

log = logging.getLogger(__name__)


class ReasonError(AlphaMondayError):
    """What was given as a reason cannot be kept."""

    code = "not_possible"


@dataclass(frozen=True, slots=True)
class Pause:
    """Who told the schedulers to do nothing, since when, and why, if that was said."""

    who: str
    since: datetime
    reason: str = ""

    @property
    def words(self) -> str:
        """`by ann@host since 2026-11-16 08:00 exchange time: moving house`."""
        words = f"by {self.who} since {self.since.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M} exchange time"
        return f"{words}: {self.reason}" if self.reason else words


@dataclass(frozen=True, slots=True)
class PauseSpan:
    """A pause from its beginning to its end; `until` is None while it is in force."""

    pause: Pause
    until: datetime | None

    def holds_at(self, instant: datetime) -> bool:
        """Whether the pause was in force at `instant`."""
        return self.pause.since <= instant and (self.until is None or instant < self.until)

    def overlaps(self, first: datetime, last: datetime) -> bool:
        """Whether the pause was in force at some instant from `first` to before `last`."""
        return self.pause.since < last and (self.until is None or first < self.until)


def pause_in(fact: SchedulerFact | None) -> Pause | None:
    """The pause that `fact` tells of. One that is noted in an unknown form holds all the same."""
    if fact is None:
        return None
    since = min(instant_in(fact.value, "since") or fact.updated_at, fact.updated_at)
    return Pause(text_in(fact.value, "who") or "unknown", since, text_in(fact.value, "reason") or "")


async def read_pause(connection: AsyncConnection[Any]) -> Pause | None:
    """The pause in force."""
    return pause_in(await leadership.fact(connection, PAUSE_FACT))


async def pause_spans(connection: AsyncConnection[Any]) -> tuple[PauseSpan, ...]:
    """The pause in force and the newest of those that have ended, as the log tells them."""
    found = await read_pause(connection)
    spans = [] if found is None else [PauseSpan(found, None)]
    for payload in await events.resumptions(connection):
        since, until = instant_in(payload, "paused_since"), instant_in(payload, "resumed_at")
        if since is not None and until is not None:
            who, reason = text_in(payload, "paused_by") or "unknown", text_in(payload, "reason") or ""
            spans.append(PauseSpan(Pause(who, since, reason), until))
    return tuple(spans)


def pause_over(spans: Iterable[PauseSpan], first: datetime, last: datetime) -> PauseSpan | None:
    """The pause that was in force from `first` to `last` or part of that time; one that held at `last` comes first."""
    found = [span for span in spans if span.overlaps(first, last)]
    return next((span for span in found if span.holds_at(last)), found[0] if found else None)


async def pause(services: Services, who: str, reason: str = "") -> Pause:
    """Tells every scheduler to do nothing by itself, and gives the pause in force: an earlier one stands.

    Operators' own commands go on working. Raises what `begin_pause` raises.
    """
    found, _ = await begin_pause(services, who, reason)
    return found


async def begin_pause(services: Services, who: str, reason: str = "") -> tuple[Pause, bool]:
    """The pause in force, and whether it is this one, which begins now.

    Raises ReasonError for a reason beyond 300 characters or one that no text can hold, and DatabaseReadOnlyError in a
    read-only session.
    """
    given = Pause(storable(who)[:_WHO_LIMIT], services.clock.now(), _checked(reason))
    value = {"who": given.who, "since": given.since.isoformat(), "reason": given.reason}
    async with services.database.transaction() as connection:
        await events.serialise_openings(connection)  # so that a missed week finds the pause begun, ended or neither
        found = await read_pause(connection)
        await leadership.note_first(connection, PAUSE_FACT, value)
        if found is not None:
            return found, False
        payload = {"who": given.who, "reason": given.reason}
        await events.insert(connection, [(uuid7(), None, EventType.SCHEDULE_PAUSED, json.dumps(payload))])
        await events.notify_schedule(connection)
    log.info("schedule paused", extra={"event": "schedule_paused", "who": given.who, "reason": given.reason})
    return given, True


async def resume(services: Services, who: str) -> Pause | None:
    """Ends the pause and gives it; None if there was none. Raises DatabaseReadOnlyError in a read-only session."""
    who = storable(who)[:_WHO_LIMIT]
    async with services.database.transaction() as connection:
        await events.serialise_openings(connection)
        ended = await read_pause(connection)
        await leadership.forget(connection, PAUSE_FACT)
        if ended is None:
            return None
        payload = {
            "who": who,
            "paused_by": ended.who,
            "paused_since": ended.since.isoformat(),
            "reason": ended.reason,
            "resumed_at": services.clock.now().isoformat(),
        }
        await events.insert(connection, [(uuid7(), None, EventType.SCHEDULE_RESUMED, json.dumps(payload))])
        await events.notify_schedule(connection)
    log.info("schedule resumed", extra={"event": "schedule_resumed", "who": who, "paused_by": ended.who})
    return ended


def _checked(reason: str) -> str:
    reason = reason.strip()
    if len(reason) > LONGEST_REASON or reason != storable(reason):
        raise ReasonError(
            f"A reason has at most {LONGEST_REASON} characters in UTF-8.", "Say shortly why the schedulers pause."
        )
    return reason
