"""Transactions commit in another order than they begin, with ids of clocks that disagree; each event is told.

The database is a real one, and so are the transactions, which are open at the same time.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.alerts.told import LATEST, LONGEST, PREFIX, SourceOutage, Told, told_in
from core.clock import CLOCK_TOLERANCE, is_from_future
from db import events
from db.database import Database
from db.embedded import EmbeddedServer
from db.records import SchedulerFact
from tests.core.alerts.receiving import Service, alerting, refuse, service, tell
from tests.core.world import World
from tests.databases import cloned
from tests.loopback import reply

WHO = "writer-%04d"


@pytest.fixture
def taker() -> Iterator[Service]:
    with service() as found:
        yield found


def id_at(instant: datetime, number: int) -> UUID:
    """A UUIDv7 as a process makes it whose clock shows `instant`."""
    milliseconds = int(instant.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | number)


class Writers:
    """Transactions that begin, write one event each, and commit when they are told to."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._open: dict[int, psycopg.Connection] = {}
        self.committed: set[str] = set()

    def begin(self, number: int, skew: timedelta) -> None:
        connection = psycopg.connect(self._conninfo)
        connection.execute("select now()")
        payload = {"who": WHO % number, "reason": ""}
        connection.execute(
            "insert into events (id, event_type, payload) values (%s, 'schedule_paused', %s::jsonb)",
            (id_at(datetime.now(UTC) + skew, number), json.dumps(payload)),
        )
        self._open[number] = connection

    def commit(self, number: int) -> None:
        connection = self._open.pop(number)
        connection.commit()
        connection.close()
        self.committed.add(WHO % number)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()


# A step begins a transaction, commits one that is open, or lets the channel be told.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(-23 * 60, 3 * 24 * 60)),
        st.tuples(st.just("commit"), st.integers(0, 9)),
        st.tuples(st.just("tell"), st.booleans()),
    ),
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_every_event_is_told_whatever_the_order_of_commits_and_clocks(
    server: EmbeddedServer, template: str, taker: Service, steps: list[tuple[str, int]]
) -> None:
    taker.take()
    with cloned(server, template) as conninfo:
        world, writers, begun = World(conninfo), Writers(conninfo), 0
        waiting: list[int] = []
        told: list[str] = []
        async with alerting(world, taker.url, on=("leadership",)) as services:
            await tell(services)
            for step, value in steps:
                if step == "begin":
                    writers.begin(begun, timedelta(minutes=value))
                    waiting.append(begun)
                    begun += 1
                elif step == "commit" and waiting:
                    writers.commit(waiting.pop(value % len(waiting)))
                elif step == "tell":
                    taker.answers((lambda _: reply()) if value else refuse)
                    await tell(services)
                    told += names(taker) if value else []
                    taker.take()
            for number in waiting:
                writers.commit(number)
            writers.close()
            taker.answers(lambda _: reply())
            await tell(services)
            told += names(taker)
            taker.take()
            await tell(services)
            assert names(taker) == [], "and nothing after that"
    assert set(told) == writers.committed
    assert len(told) == len(set(told)), "each once"


def names(taker: Service) -> list[str]:
    """The writers that the messages name."""
    found: list[str] = []
    for each in taker.received:
        found += [line.split()[0] for line in each.body.splitlines() if line.startswith("writer-")]
    return found


@pytest.fixture(autouse=True)
def many_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writers are told by name, however many they are."""
    monkeypatch.setattr("core.alerts.telling.FEW", 50)


async def test_what_two_transactions_of_one_microsecond_wrote_is_told_when_the_second_commits(
    conninfo: str, taker: Service
) -> None:
    world = World(conninfo)
    async with alerting(world, taker.url, on=("leadership",)) as services:
        await tell(services)
        for number in range(2):
            with psycopg.connect(conninfo) as connection:
                connection.execute(
                    "insert into events (id, created_at, event_type, payload) "
                    "values (%s, '2026-11-24 15:00:00.123456+00', 'schedule_paused', %s::jsonb)",
                    (id_at(datetime.now(UTC), number), json.dumps({"who": WHO % number})),
                )
            await tell(services)
    assert set(names(taker)) == {WHO % 0, WHO % 1}


async def test_an_id_of_the_future_hides_nothing_and_is_told_once(conninfo: str, taker: Service) -> None:
    world, writers = World(conninfo), Writers(conninfo)
    async with alerting(world, taker.url, on=("leadership",)) as services:
        await tell(services)
        for number, skew in enumerate((timedelta(days=800), timedelta(0), timedelta(hours=-20))):
            writers.begin(number, skew)
            writers.commit(number)
            await tell(services)
    assert names(taker) == [WHO % 0, WHO % 1, WHO % 2]


async def test_a_channel_that_is_dead_for_weeks_is_not_told_all_of_them(conninfo: str, taker: Service) -> None:
    world, writers = World(conninfo), Writers(conninfo)
    async with alerting(world, taker.url, on=("leadership",)) as services:
        await tell(services)
        with psycopg.connect(conninfo) as connection:
            connection.execute(
                "update scheduler_state set value = value || %s::jsonb where name = %s",
                (json.dumps({"since": (datetime.now(UTC) - timedelta(days=40)).isoformat()}), PREFIX + "json 1"),
            )
        for number, age in enumerate((LONGEST + timedelta(days=1), LONGEST - timedelta(days=1))):
            writers.begin(number, -age)
            writers.commit(number)
        await tell(services)
        await tell(services)
    assert names(taker) == [WHO % 1]


async def test_a_page_after_the_other_gives_every_event(conninfo: str) -> None:
    async with Database(conninfo) as database, database.transaction() as connection:
        for number in range(7):
            await connection.execute(
                "insert into events (id, event_type, payload) values (%s, 'x', '{\"closes\": 1, \"a\": 2}')",
                (id_at(datetime.now(UTC), number),),
            )
        since = datetime.now(UTC) - LATEST
        found = await events.transactions(connection, since)
        assert list(found.values()) == [7]
        for limit in (1, 3, 7, 8):
            read = [each async for each in events.of_transactions(connection, since, list(found), limit=limit)]
            assert [each.id for each in read] == sorted({each.id for each in read})
            assert len(read) == 7
            assert read[0].payload == {"a": 2}
        assert [each async for each in events.of_transactions(connection, since, [], limit=3)] == []


INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - strategies take naive bounds
COUNTS = st.dictionaries(INSTANTS, st.integers(1, 10_000), max_size=6)


@given(since=INSTANTS, counts=COUNTS, now=INSTANTS, later=COUNTS)
def test_what_is_kept_comes_back_and_only_what_grew_or_is_new_is_untold(
    since: datetime, counts: dict[datetime, int], now: datetime, later: dict[datetime, int]
) -> None:
    told = Told(since, counts)
    assert told_in(SchedulerFact("x", json.loads(json.dumps(told.fact())), now)) == told
    assert set(told.untold(later)) == {began for began in later if later[began] > counts.get(began, 0)}
    assert told.with_transactions(now, later).untold(later) == []
    assert told.with_transactions(now, later).since >= since
    looked = told.looked_from(now, now)
    assert now - LONGEST <= looked.since <= now
    ahead = replace(told, outages={"a": SourceOutage(since, is_told=True)}, reminded=since.date())
    looked = ahead.looked_from(now, now)
    assert bool(looked.outages) is not is_from_future(since, now)
    assert looked.reminded is None or looked.reminded <= (now + CLOCK_TOLERANCE).date()


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"since": "yesterday"},
        {"since": 5, "transactions": []},
        {"since": "2020-01-01T00:00:00"},
    ],
)
def test_another_form_counts_as_nothing(value: dict[str, object]) -> None:
    assert told_in(SchedulerFact("x", value, datetime.now(UTC))) is None


def test_parts_in_another_form_are_left_out() -> None:
    value = {
        "since": "2020-01-01T00:00:00+00:00",
        "transactions": {"x": 1, "2020-01-01T00:00:00+00:00": "2"},
        "outages": {"a": 1, "b": {"began": None}},
        "reminded": 7,
        "digest": "soon",
    }
    told = told_in(SchedulerFact("x", value, datetime.now(UTC)))
    assert told == Told(datetime(2020, 1, 1, tzinfo=UTC))
