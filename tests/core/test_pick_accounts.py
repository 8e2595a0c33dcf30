"""How picks came to be: what is kept of it, whether they were taken or refused."""

import json
from datetime import date, datetime

import psycopg
import pytest

from core.pick_accounts import Outcome, account_of, answered_payload, record_refused_picks
from core.picks.source import Account, AccountedPicks, PicksGivenUpError
from db.events import PAYLOAD_KEYS, EventType
from tests.core.world import FIRST, PICKS, World
from tests.fakes import exchange

ACCOUNT = Account("openai:gpt", "0" * 64, 2, ("HOLD AAPL", "<b>BUY</b> AAPL"))
KEYS = set(PAYLOAD_KEYS[EventType.PICKS_ANSWERED])


def told(conninfo: str) -> list[tuple[object, dict[str, object]]]:
    with psycopg.connect(conninfo) as connection:
        query = b"select batch_id, payload from events where event_type = 'picks_answered' order by id"
        return connection.execute(query).fetchall()


def test_an_account_goes_with_the_picks_it_came_with() -> None:
    assert account_of(PICKS) is None
    assert account_of(list(PICKS)) is None
    accounted = AccountedPicks(PICKS, ACCOUNT)
    assert account_of(accounted) is ACCOUNT
    assert accounted == PICKS


def test_a_payload_has_the_keys_that_are_documented() -> None:
    payload = answered_payload(date(2020, 1, 6), "llm", Outcome.ACCEPTED, "", ACCOUNT)
    assert payload.keys() | {"as_of"} == KEYS
    assert json.loads(json.dumps(payload))["answers"] == list(ACCOUNT.answers)
    assert (payload["outcome"], payload["run_date"]) == ("accepted", "2020-01-06")


@pytest.mark.parametrize("as_of", [None, exchange("2020-01-06", "09:10")])
async def test_refused_picks_are_an_event_of_no_batch(conninfo: str, as_of: datetime | None) -> None:
    problem = PicksGivenUpError("Three picks were asked for; HOLD is none.", "Pick by hand.", ACCOUNT)
    with psycopg.connect(conninfo, autocommit=True) as listening:
        listening.execute("listen alpha_monday")
        async with World(conninfo).services() as services:
            await record_refused_picks(services, FIRST, "llm", problem, as_of)
        assert [note.payload for note in listening.notifies(timeout=5, stop_after=1)] == ['["2020-01-06"]']
    [(batch_id, payload)] = told(conninfo)
    assert batch_id is None
    assert payload.keys() == KEYS
    assert payload["outcome"] == "refused"
    assert payload["detail"] == problem.message
    assert payload["answers"] == list(ACCOUNT.answers)
    assert payload["as_of"] == (as_of.isoformat() if as_of else None)


async def test_a_refusal_without_an_account_says_so(conninfo: str) -> None:
    async with World(conninfo).services() as services:
        await record_refused_picks(services, FIRST, "llm", PicksGivenUpError("No answer.", "Wait."), None)
    [(_, payload)] = told(conninfo)
    assert (payload["model"], payload["attempts"], payload["answers"]) == ("", 0, [])
