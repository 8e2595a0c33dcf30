"""An operator's word on an unlikely move: what it is asked for on, what it lets through, and what it does not."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import psycopg
import pytest

from core.accepted_moves import accepted_moves
from core.accepting import accept, doubtful_days, doubtful_moves
from core.batches import NotFoundError, NotPossibleError, fail
from core.due_work import due_work, run_due_work
from core.prices.source import Close
from core.services import Services
from db import batches
from db.events import PAYLOAD_KEYS, EventType
from tests.core.world import FIRST, SECOND, World, all_closes
from tests.databases import as_superuser
from tests.fakes import ScriptedPrices, exchange

TUESDAY, WEDNESDAY = date(2020, 1, 7), date(2020, 1, 8)
CRASHED = Decimal("50.01")


def crashing(factor: str = "1") -> dict[str, dict[date, Close]]:
    """A market in which AAA falls by more than half on Tuesday."""
    closes = all_closes()
    closes["AAA"] = {
        day: replace(close, price=CRASHED * Decimal(factor)) if day >= TUESDAY else close
        for day, close in closes["AAA"].items()
    }
    return closes


@pytest.fixture
def world(conninfo: str) -> World:
    return World(conninfo, prices=ScriptedPrices(crashing()))


@pytest.fixture
async def services(world: World) -> AsyncIterator[Services]:
    """Services that have come as far as Wednesday evening, when two days wait for a word."""
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-08", "17:00")
        await run_due_work(services)
        yield services


def computed(world: World) -> list[str]:
    return [row[0] for row in world.rows("select checkpoint_date::text from checkpoints order by 1")]


def accepted(world: World) -> list[dict[str, str]]:
    return [row[0] for row in world.rows("select payload from events where event_type = 'move_accepted' order by id")]


async def test_what_waits_is_told(world: World, services: Services) -> None:
    assert computed(world) == ["2020-01-06"]
    days = await doubtful_days(services, FIRST)
    assert [day.checkpoint_date for day in days] == [TUESDAY, WEDNESDAY]
    for day in days:
        [move] = day.moves
        assert (move.symbol, move.session, move.close, move.source) == ("AAA", TUESDAY, CRASHED, "scripted")
    [(detail,), _] = world.rows("select detail from waiting_days order by checkpoint_date")
    assert "AAA moved -" in detail
    assert f"alpha-monday accept {FIRST}" in detail


async def test_a_word_lets_the_days_through_at_once(world: World, services: Services) -> None:
    assert (await due_work(services)).is_idle, "the days rest"
    [move] = await accept(services, FIRST, "an operator", reason="  It is bankrupt. ")
    assert [day for due in (await due_work(services)).due for day in due.days] == [TUESDAY, WEDNESDAY]
    await run_due_work(services)
    assert computed(world) == ["2020-01-06", "2020-01-07", "2020-01-08"]
    [payload] = accepted(world)
    assert payload.keys() == set(PAYLOAD_KEYS[EventType.MOVE_ACCEPTED])
    assert (payload["who"], payload["reason"]) == ("an operator", "It is bankrupt.")
    assert {key: payload[key] for key in move.payload()} == move.payload()
    assert world.rows("select 1 from waiting_days") == []
    world.clock.instant = exchange("2020-01-09", "17:00")
    await run_due_work(services)
    assert computed(world)[-1] == "2020-01-09", "later days need no new word"
    assert await doubtful_days(services, FIRST) == ()


async def test_a_word_on_another_symbol_is_none(world: World, services: Services) -> None:
    [move] = await doubtful_moves(services, FIRST)
    others = [replace(move, symbol="BBB"), replace(move, close=move.close * 2)]
    with pytest.raises(NotPossibleError, match="No such move waits"):
        await accept(services, FIRST, "an operator", moves=iter(others))
    with pytest.raises(NotPossibleError, match="No such move waits"):
        await accept(services, FIRST, "an operator", moves=[])
    assert not accepted(world)
    assert await accept(services, FIRST, "an operator", moves=[*others, replace(move, source="another")]) == (move,)
    assert await doubtful_moves(services, FIRST) == ()


async def test_a_move_of_another_size_waits_anew(world: World, services: Services) -> None:
    await accept(services, FIRST, "an operator")
    world.prices.closes_by_symbol = crashing("1.01")
    await run_due_work(services)
    assert computed(world) == ["2020-01-06"]
    [again] = await accept(services, FIRST, "an operator")
    assert again.close == CRASHED * Decimal("1.01")
    await run_due_work(services)
    assert computed(world)[-1] == "2020-01-08"
    assert len(accepted(world)) == 2


async def test_nothing_is_accepted_twice(world: World, services: Services) -> None:
    results = await asyncio.gather(
        *(accept(services, FIRST, f"operator {number}") for number in range(4)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["NotPossibleError"] * 3 + ["tuple"]
    assert len(accepted(world)) == 1


async def test_one_word_is_enough_for_all_sources(world: World) -> None:
    """Two sources round differently: one event is written, and either's close is let through."""
    other = ScriptedPrices(crashing("1.0001"), name="other")
    async with world.services() as services:
        both = replace(services, sources=(world.prices, other))
        await run_due_work(both)
        world.clock.instant = exchange("2020-01-07", "17:00")
        await run_due_work(both)
        [day] = await doubtful_days(both, FIRST)
        assert [move.source for move in day.moves] == ["scripted", "other"]
        assert len(await accept(both, FIRST, "an operator")) == 1
        await run_due_work(replace(services, sources=(other,)))
        assert computed(world)[-1] == "2020-01-07"


@pytest.mark.parametrize("reason", ["x" * 501, "a\0b", "\ud800"])
async def test_a_reason_that_cannot_be_kept_is_refused(world: World, services: Services, reason: str) -> None:
    with pytest.raises(NotPossibleError, match="reason"):
        await accept(services, FIRST, "an operator", reason=reason)
    assert not accepted(world)


async def test_there_is_nothing_to_accept(world: World, services: Services) -> None:
    with pytest.raises(NotFoundError):
        await accept(services, SECOND, "an operator")
    with pytest.raises(NotFoundError):
        await doubtful_days(services, SECOND)
    await accept(services, FIRST, "an operator")
    with pytest.raises(NotPossibleError, match="No move waits"):
        await accept(services, FIRST, "an operator")


async def test_a_batch_that_has_ended_takes_no_word(world: World, services: Services) -> None:
    await fail(services, FIRST, "It is over.")
    with pytest.raises(NotPossibleError, match="failed already"):
        await accept(services, FIRST, "an operator")
    assert not accepted(world)


@pytest.mark.parametrize(
    "evidence",
    [{}, [], "AAA", {"moves": 1}, {"moves": [1, None, "AAA"]}, {"moves": [{"symbol": "AAA"}]}, {"missing": "AAA"}],
)
async def test_evidence_of_another_form_is_no_move(world: World, services: Services, evidence: object) -> None:
    with psycopg.connect(as_superuser(world.conninfo)) as connection:
        connection.execute("update waiting_days set evidence = %s::jsonb", (json.dumps(evidence),))
    assert await doubtful_days(services, FIRST) == ()
    with pytest.raises(NotPossibleError, match="No move waits"):
        await accept(services, FIRST, "an operator")


async def test_an_event_of_another_form_accepts_nothing(world: World, services: Services) -> None:
    [move] = (await doubtful_days(services, FIRST))[0].moves
    with psycopg.connect(world.conninfo) as connection:
        for payload in ({**move.payload(), "close": "1e999999"}, {**move.payload(), "close": "0"}, ["AAA"], {}):
            connection.execute(
                "insert into events (id, batch_id, event_type, payload) "
                "select gen_random_uuid(), id, 'move_accepted', %s::jsonb from batches",
                (json.dumps(payload),),
            )
    async with services.database.connection() as connection:
        [found] = (await batches.by_run_dates(connection, [FIRST])).values()
        assert await accepted_moves(connection, [found.id]) == {}
    world.clock.instant = exchange("2020-01-08", "23:00")
    await run_due_work(services)
    assert computed(world) == ["2020-01-06"]
