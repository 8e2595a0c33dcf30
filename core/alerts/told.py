"""What one channel was told, kept in `scheduler_state` for whatever process tells it next. Pure.

Events have ids made by the clocks of many processes, and transactions commit in another order than they begin: below
the newest event seen, another may appear. So nobody reads on from a newest one. What is kept is which transactions
were told, by when the server says each began and how many events it wrote, for as far back as ids may be late; an
event is committed with its whole transaction, so that one of which the number grew, or that is new, is still to be
told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from core.clock import CLOCK_TOLERANCE, is_from_future
from core.facts import count_in, instant_in, text_in
from core.trading_calendar import EXCHANGE_ZONE
from db.records import SchedulerFact

PREFIX = "alerts:"
# How late an id may be: longer than any transaction, and than the clock of any host that is looked after is slow.
LATEST = timedelta(days=1)
# What a channel that is dead for longer has missed is not told any more.
LONGEST = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class SourceOutage:
    """A source that fails: its first failure since it answered, and whether the channel was told."""

    began: datetime
    is_told: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Ids made before `since` are not looked at any more; `transactions` are those told since.

    `reminded` is the week of the last reminder, `doubted` the moves that wait for a word, `digest` the Saturday of the
    last digest.
    """

    since: datetime
    transactions: Mapping[datetime, int] = field(default_factory=dict)
    outages: Mapping[str, SourceOutage] = field(default_factory=dict)
    reminded: date | None = None
    doubted: frozenset[str] = frozenset()
    digest: date | None = None

    @classmethod
    def beginning(cls, now: datetime, transactions: Mapping[datetime, int], digest: date) -> "Told":
        """For a channel that is new at `now`, by the server's clock: what is written already is history."""
        return cls(now - LATEST, dict(transactions), digest=digest)

    def looked_from(self, server_time: datetime, now: datetime) -> "Told":
        """Itself as of `now`, `server_time` by the server's clock: no further back than two weeks, nothing ahead of it.

        What is dated in the future would keep back every alert of its kind until then.
        """
        since = max(self.since, server_time - LONGEST)
        today = (now + CLOCK_TOLERANCE).astimezone(EXCHANGE_ZONE).date()
        return replace(
            self,
            since=since if since <= server_time else server_time - LATEST,
            outages={name: outage for name, outage in self.outages.items() if not is_from_future(outage.began, now)},
            reminded=self.reminded if self.reminded is None or self.reminded <= today else None,
        )

    def untold(self, transactions: Mapping[datetime, int]) -> list[datetime]:
        """Those of `transactions`, the oldest first, of which an event was not told."""
        return sorted(began for began, written in transactions.items() if written > self.transactions.get(began, 0))

    def with_transactions(self, now: datetime, transactions: Mapping[datetime, int]) -> "Told":
        """Itself when all of `transactions`, which are those since `since`, were told."""
        return replace(self, since=max(self.since, now - LATEST), transactions=dict(transactions))

    def fact(self) -> Mapping[str, Any]:
        """How it is noted."""
        return {
            "since": self.since.isoformat(),
            "transactions": {began.isoformat(): written for began, written in self.transactions.items()},
            "outages": {
                name: {"began": outage.began.isoformat(), "is_told": outage.is_told}
                for name, outage in self.outages.items()
            },
            "reminded": self.reminded and self.reminded.isoformat(),
            "doubted": sorted(self.doubted),
            "digest": self.digest and self.digest.isoformat(),
        }


def told_in(fact: SchedulerFact | None) -> Told | None:
    """What is noted; None where nothing is, or where it is in an unknown form: the channel counts as new then."""
    if fact is None or (since := instant_in(fact.value, "since")) is None:
        return None
    transactions = _mapping(fact.value, "transactions")
    outages = _mapping(fact.value, "outages")
    return Told(
        since=since,
        transactions={
            began: written
            for key in transactions
            if (began := instant_in({"": key}, "")) and (written := count_in(transactions, key)) is not None
        },
        outages={
            name: SourceOutage(began, value.get("is_told") is True)
            for name, value in outages.items()
            if isinstance(value, dict) and (began := instant_in(value, "began")) is not None
        },
        reminded=_date(fact.value, "reminded"),
        doubted=_texts(fact.value, "doubted"),
        digest=_date(fact.value, "digest"),
    )


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _texts(value: Mapping[str, Any], key: str) -> frozenset[str]:
    found = value.get(key)
    return frozenset(text for text in found if isinstance(text, str)) if isinstance(found, list) else frozenset()


def _date(value: Mapping[str, Any], key: str) -> date | None:
    try:
        return date.fromisoformat(text_in(value, key) or "")
    except ValueError:
        return None
