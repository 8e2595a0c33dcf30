"""The tries at opening a week that failed: what is kept of the last one, and when the next is made."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from core.back_off import back_off
from core.facts import count_in, instant_in, text_in
from core.picks.source import PicksGivenUpError, PicksNotYetError
from core.rules import Delay, WaitCause
from db.records import SchedulerFact

OPENING_FACT = "opening"
NO_PICK_SOURCE = "no_pick_source"
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=5)  # several tries fit into the half hour in which a week can be opened
LAST_CALL = timedelta(minutes=1)
# Nothing was asked that a rest would spare, or the answer may be there at the next tick.
_WITHOUT_REST = frozenset({PicksNotYetError.code, NO_PICK_SOURCE, WaitCause.TOO_LATE.value, WaitCause.PAUSED.value})
_MOST_ATTEMPTS = 10_000


@dataclass(frozen=True, slots=True)
class OpeningTry:
    """The last failed try at opening the week of `run_date`: why and when it failed, and how many failures it follows.

    `next_try_at` is None where the next tick tries again.
    """

    run_date: date
    delay: Delay
    attempts: int
    next_try_at: datetime | None
    tried_at: datetime | None = None
    pick_source: str = ""

    def rests_until(self, run_date: date, now: datetime) -> datetime | None:
        """When the week of `run_date` is tried again, if that is not yet.

        Nobody rests for a try that is still to come: a clock that ran ahead has made it.
        """
        if self.run_date != run_date or self.tried_at is None or self.next_try_at is None:
            return None
        return self.next_try_at if self.tried_at <= now < self.next_try_at else None

    def fact(self) -> Mapping[str, Any]:
        """How it is noted for whatever process makes the next try, or tells why a week was missed."""
        return {
            "run_date": self.run_date.isoformat(),
            "cause": self.delay.cause,
            "detail": self.delay.detail[:500],
            "attempts": self.attempts,
            "next_try_at": self.next_try_at.isoformat() if self.next_try_at else None,
            "tried_at": self.tried_at.isoformat() if self.tried_at else None,
            "pick_source": self.pick_source,
        }


def opening_fact(as_of: datetime | None) -> str:
    """The name of the fact that holds the last failed try: of the live opening, or of one `as_of` another moment."""
    return OPENING_FACT if as_of is None else f"{OPENING_FACT}:as_of"


def opening_try_in(fact: SchedulerFact | None) -> OpeningTry | None:
    """The last failed try; None where there was none, or where it is noted in an unknown form."""
    if fact is None:
        return None
    try:
        run_date = date.fromisoformat(text_in(fact.value, "run_date") or "")
    except ValueError:
        return None  # of another version's form: the week is tried at the next tick, as if nothing were known
    return OpeningTry(
        run_date,
        Delay(text_in(fact.value, "cause") or "unknown", text_in(fact.value, "detail") or ""),
        min(max(count_in(fact.value, "attempts") or 0, 0), _MOST_ATTEMPTS),
        instant_in(fact.value, "next_try_at"),
        instant_in(fact.value, "tried_at"),
        text_in(fact.value, "pick_source") or "",
    )


def failed_try(
    before: OpeningTry | None,
    run_date: date,
    delay: Delay,
    *,
    now: datetime,
    until: datetime,
    draw: random.Random,
    pick_source: str = "",
) -> OpeningTry:
    """A try that failed at `now` with `delay`, after `before`; the opening ends at `until`.

    The rest doubles from 30 s to 5 min. It ends a minute before the opening does, and is short from then on, so that
    the opening's last moments are used, unless the source itself asked for a longer rest.
    """
    if delay.cause in _WITHOUT_REST:
        return OpeningTry(run_date, delay, 0, None, now, pick_source)
    if delay.cause == PicksGivenUpError.code:
        return OpeningTry(run_date, delay, 1, until, now, pick_source)  # an operator can still have it run
    before_now = before.attempts if before is not None and before.run_date == run_date else 0
    attempts = min(1 + before_now, _MOST_ATTEMPTS)
    last_call = until - LAST_CALL
    if now < last_call:
        next_try_at = min(now + back_off(attempts, FIRST_REST, LONGEST_REST, draw), last_call)
    else:
        next_try_at = now + back_off(1, FIRST_REST, LONGEST_REST, draw)
    next_try_at = max(next_try_at, now + (delay.retry_after or timedelta(0)))
    return OpeningTry(run_date, delay, attempts, next_try_at, now, pick_source)
