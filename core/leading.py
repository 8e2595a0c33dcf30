"""What schedulers tell each other and every screen: who leads, who stands by, and how often there was nothing to do."""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from core.facts import count_in, instant_in, text_in
from db import leadership
from db.errors import LeadershipUnconfirmedError
from db.leadership import Lead
from db.records import SchedulerFact

LEADER_FACT = "leader"
TICKS_FACT = "ticks"
STANDBY_PREFIX = "standby:"
STANDBY_SHOWN_FOR = timedelta(seconds=30)
HEARTBEAT_EVERY = timedelta(minutes=1)
CONFIRM_EVERY = timedelta(seconds=10)  # the leader has the database confirm a write so often
CONFIRMS_WITHIN = timedelta(seconds=3)
_MISSED_HEARTBEATS = 3
# A leader of an earlier version gives a sign of life once a minute.
_UNCONFIRMED_AFTER = 1.5 * HEARTBEAT_EVERY
_WHO_LIMIT = 100


@dataclass(frozen=True, slots=True)
class LeaderView:
    """Who leads or led last, since when, and how old its last sign of life is.

    `is_alive` says that the leader's lock is held. One that is alive with an old heartbeat hangs, or its machine does.
    """

    who: str
    since: datetime
    is_alive: bool
    heartbeat_age: timedelta

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the lock is held, and the database has confirmed no write of the leader's for long."""
        return self.is_alive and self.heartbeat_age >= _UNCONFIRMED_AFTER


@dataclass(frozen=True, slots=True)
class Standby:
    """A process that waits to take the lead over, and since when."""

    who: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Ticks:
    """When the leader looked for work last, and how many looks in a row found nothing to do."""

    last_at: datetime
    idle: int


def process_name() -> str:
    """How this process calls itself to the others."""
    return f"{socket.gethostname()}:{os.getpid()}"[:_WHO_LIMIT]


async def note_leader(connection: AsyncConnection[Any], who: str, since: datetime) -> None:
    """Says that `who` leads; said again, it is a sign of life."""
    await leadership.note(connection, LEADER_FACT, {"who": who, "since": since.isoformat()})


async def note_standby(connection: AsyncConnection[Any], standby: Standby) -> None:
    """Says that a process stands by; what is not said again soon is not believed any more."""
    value = {"who": standby.who, "since": standby.since.isoformat()}
    await leadership.note(connection, STANDBY_PREFIX + standby.who, value)


async def leave_standby(connection: AsyncConnection[Any], who: str) -> None:
    """Says that `who` stands by no longer."""
    await leadership.forget(connection, STANDBY_PREFIX + who)


async def beat(connection: AsyncConnection[Any], who: str, since: datetime, ticks: Ticks | None) -> None:
    """The leader's sign of life. Processes that have ended without a word are removed from those that stand by."""
    await note_leader(connection, who, since)
    if ticks is not None:
        value = {"last_at": ticks.last_at.isoformat(), "idle": ticks.idle}
        await leadership.note(connection, TICKS_FACT, value)
    await leadership.forget_silent(connection, STANDBY_PREFIX, STANDBY_SHOWN_FOR)


def unconfirmed_lead(silence: timedelta) -> LeadershipUnconfirmedError:
    """What is wrong while the database has confirmed no write of the leader's for `silence`."""
    return LeadershipUnconfirmedError(
        f"Leadership cannot be confirmed: no write was confirmed for {silence.total_seconds():g} s.",
        "Another process may lead on another server of the cluster. Look whether the standby can be reached.",
    )


def told_leader(fact: SchedulerFact | None) -> tuple[str | None, datetime | None]:
    """Who leads, and since when, as far as that is known."""
    if fact is None:
        return None, None
    return text_in(fact.value, "who"), instant_in(fact.value, "since") or fact.updated_at


def leader_in(facts: Mapping[str, SchedulerFact], lead: Lead) -> LeaderView | None:
    """The leader, alive or not; None if there never was one."""
    fact = facts.get(LEADER_FACT)
    who, since = told_leader(fact)
    if fact is None or since is None:
        return None
    age = abs(lead.server_time - fact.updated_at)  # a sign of life from the future is as little worth as an old one
    alive = age < _MISSED_HEARTBEATS * HEARTBEAT_EVERY if lead.is_replica else lead.is_held
    return LeaderView(who or "unknown", since, alive, age)


def standing_by_in(facts: Iterable[SchedulerFact], lead: Lead) -> tuple[Standby, ...]:
    """Those that stand by, the longest first, without those that have fallen silent."""
    found = [
        Standby(text_in(fact.value, "who") or "unknown", instant_in(fact.value, "since") or fact.updated_at)
        for fact in facts
        if fact.name.startswith(STANDBY_PREFIX) and abs(lead.server_time - fact.updated_at) <= STANDBY_SHOWN_FOR
    ]
    return tuple(sorted(found, key=lambda standby: (standby.since, standby.who)))


def ticks_in(fact: SchedulerFact | None) -> Ticks | None:
    """What the leader told of its ticks at its last sign of life."""
    if fact is None or (last_at := instant_in(fact.value, "last_at")) is None:
        return None
    return Ticks(last_at, count_in(fact.value, "idle") or 0)
