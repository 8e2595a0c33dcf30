"""The leader's lock and the facts, as PostgreSQL keeps them."""

import asyncio
import json
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import fencing, leadership, migrate


async def test_the_lock_is_seen_from_every_session_of_this_database(
    conninfo: str, bare_conninfo: str, connection: psycopg.AsyncConnection
) -> None:
    migrate.up(bare_conninfo)
    assert not (await leadership.lead(connection)).is_held
    async with await psycopg.AsyncConnection.connect(bare_conninfo, autocommit=True) as elsewhere:
        assert await leadership.take_lead(elsewhere)
        assert not (await leadership.lead(connection)).is_held, "another database has a leader of its own"
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as leader:
        await leader.execute("begin; lock table week_openings in exclusive mode")
        assert not (await leadership.lead(connection)).is_held, "another lock is not the leader's"
        await leader.execute("rollback")
        assert await leadership.take_lead(leader) == leader.info.backend_pid
        seen = await leadership.lead(connection)
        assert (seen.is_held, seen.is_replica) == (True, False)
        assert await leadership.take_lead(connection) is None


async def test_two_that_take_the_lead_at_the_same_moment_do_not_both_get_it(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw that nobody led; the one that is refused can go on with its connection."""
    monkeypatch.setitem(fencing._SQL, "is_lead_taken", b"select false")
    async with (
        await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as first,
        await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as second,
    ):
        assert await leadership.take_lead(first) == first.info.backend_pid
        assert await leadership.take_lead(second) is None
        await leadership.note(second, "a", {})
        assert await leadership.fact(second, "a")


async def test_merging_adds_keys_and_renews(connection: psycopg.AsyncConnection) -> None:
    await leadership.merge(connection, {"b": {"x": 1, "y": 2}, "a": {"x": 1}})
    await connection.execute("update scheduler_state set updated_at = now() - interval '1 h'")
    await leadership.merge(connection, {"b": {"y": None, "z": 3}})
    facts = await leadership.facts(connection)
    assert (facts["a"].value, facts["b"].value) == ({"x": 1}, {"x": 1, "y": None, "z": 3})
    assert facts["b"].updated_at > facts["a"].updated_at
    assert await leadership.fact(connection, "b") == facts["b"]
    assert await leadership.fact(connection, "c") is None


async def test_the_first_note_stands_until_it_is_forgotten(connection: psycopg.AsyncConnection) -> None:
    await leadership.note_first(connection, "a", {"who": "first"})
    await leadership.note_first(connection, "a", {"who": "second"})
    assert (await leadership.facts(connection))["a"].value == {"who": "first"}
    await leadership.forget(connection, "a")
    assert await leadership.facts(connection) == {}


async def test_only_the_silent_of_one_kind_are_forgotten(connection: psycopg.AsyncConnection) -> None:
    for name in ("old:1", "old:2", "older"):
        await leadership.note(connection, name, {})
    await connection.execute("update scheduler_state set updated_at = now() - interval '1 min' where name <> 'old:2'")
    await leadership.forget_silent(connection, "old:", timedelta(seconds=30))
    assert set(await leadership.facts(connection)) == {"old:2", "older"}


async def test_a_fact_of_another_form_is_an_empty_one(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("insert into scheduler_state (name, value) values ('a', '[1]'), ('b', '\"text\"')")
    assert {fact.name: fact.value for fact in (await leadership.facts(connection)).values()} == {"a": {}, "b": {}}


async def test_writers_of_the_same_facts_in_another_order_do_not_deadlock(conninfo: str) -> None:
    """Each notes all of them in one statement, many times over, the others in the opposite order."""
    names = [f"fact {number}" for number in range(20)]

    async def write(order: list[str]) -> None:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            for turn in range(50):
                await leadership.merge(connection, {name: {"turn": turn} for name in order})

    await asyncio.gather(write(names), write(names[::-1]), write(names), write(names[::-1]))


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udfff\0"])
async def test_what_jsonb_refuses_is_replaced(connection: psycopg.AsyncConnection, text: str) -> None:
    with pytest.raises(psycopg.DataError):
        await connection.execute("select %s::jsonb", (json.dumps(text),))
    await leadership.note(connection, "a", {"said": text})
    assert "\0" not in (await leadership.facts(connection))["a"].value["said"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.text(st.characters(codec=None, categories=None)))
async def test_any_text_can_be_noted(connection: psycopg.AsyncConnection, said: str) -> None:
    await leadership.merge(connection, {"a": {"said": said}})
    stored = (await leadership.facts(connection))["a"].value["said"]
    assert len(stored) == len(said)
    assert all(
        kept == sent or sent == "\0" or "\ud800" <= sent <= "\udfff" for kept, sent in zip(stored, said, strict=True)
    )
