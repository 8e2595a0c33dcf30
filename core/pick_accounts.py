"""How a source that was asked in words came to its picks, or to none: kept in an event either way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from core.picks.source import Account, AccountedPicks, PickDraft, PicksGivenUpError
from db import events
from db.events import EventType

if TYPE_CHECKING:
    from core.services import Services

_NO_ACCOUNT = Account(model="", prompt_sha256="", attempts=0, answers=())


class Outcome(StrEnum):
    """What became of the picks that were named."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


def account_of(picks: Sequence[PickDraft]) -> Account | None:
    """The account that goes with `picks`, if one does."""
    account = picks.account if isinstance(picks, AccountedPicks) else None
    return account if isinstance(account, Account) else None  # a third party's may be anything


def answered_payload(
    run_date: date, pick_source: str, outcome: Outcome, detail: str, account: Account
) -> Mapping[str, Any]:
    """What the event tells, without its `as_of`."""
    return {
        "run_date": run_date.isoformat(),
        "pick_source": pick_source,
        "outcome": outcome.value,
        "detail": detail,
        **asdict(account),
    }


async def record_refused_picks(
    services: "Services", run_date: date, pick_source: str, problem: PicksGivenUpError, as_of: datetime | None
) -> None:
    """Writes the event that says why a source's answers were refused and the week is left unopened."""
    account = problem.account or _NO_ACCOUNT
    payload = {
        **answered_payload(run_date, pick_source, Outcome.REFUSED, problem.message, account),
        "as_of": as_of.isoformat() if as_of else None,
    }
    async with services.database.transaction() as connection:
        await events.insert(connection, [(uuid7(), None, EventType.PICKS_ANSWERED, json.dumps(payload))])
        await events.notify(connection, [run_date])
