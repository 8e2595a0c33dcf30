"""One bad input delays its own week, with a cause; it neither stops a tick nor passes for a lost database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.checkpoints import Recorder
from core.due_work import run_due_work
from core.picks.source import (
    Account,
    AccountedPicks,
    PickDraft,
    PicksGivenUpError,
    PicksTimedOutError,
    PicksUnavailableError,
)
from core.prices.source import (
    Answer,
    MalformedError,
    PriceSourceError,
    RateLimitedError,
    UnauthorisedError,
    UnavailableError,
)
from db.database import Database
from db.driver_errors import translate, translated
from db.errors import AlphaMondayError, DatabaseError, DatabaseUnavailableError, RowRefusedError
from db.text import storable
from tests.core.world import FIRST, PICKS, SECOND, World
from tests.fakes import ScriptedPrices, exchange

NASTY = "bad \0 answer \ud800 half " + "x" * 100_000
DAY = timedelta(days=1)


class ForeignError(PriceSourceError):
    """A third party's error that skips the initialiser."""

    code = NASTY

    def __init__(self) -> None:
        self.args = (NASTY,)


class ForeignLimitError(RateLimitedError):
    """A third party's error with attributes of its own."""

    code = "\0"

    def __init__(self, retry_after: Any) -> None:
        super().__init__("slow", "Wait.")
        self.retry_after = retry_after
        self.message = NASTY


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (UnavailableError(NASTY, NASTY), "unavailable"),
        (MalformedError(NASTY, NASTY), "malformed"),
        (UnauthorisedError("\udfff", ""), "unauthorised"),
        (RateLimitedError(NASTY, NASTY, timedelta.max), "rate_limited"),
        (RateLimitedError("slow", "Wait.", timedelta.min), "rate_limited"),
        (ForeignError(), "unavailable"),
        (ForeignLimitError(timedelta(days=3650)), "rate_limited"),
        (ForeignLimitError(12), "rate_limited"),
    ],
    ids=range(8),
)
async def test_whatever_a_price_source_raises_is_a_cause(world: World, failure: PriceSourceError, cause: str) -> None:
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-12")
        world.prices.failure = failure
        report, _ = await run_due_work(services)
    assert (report.skipped, report.waiting) == (2, 5)
    assert set(world.rows("select cause from waiting_days")) == {(cause,)}
    [(longest, latest)] = world.rows("select max(length(detail)), max(next_try_at - last_tried_at) from waiting_days")
    assert longest <= 1000
    assert latest <= DAY


async def test_an_unreadable_name_in_a_response_is_storable(world: World) -> None:
    class Nameless(ScriptedPrices):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            return replace(await super().closes(symbols, first, last), source=NASTY)

    async with world.services(Nameless(world.prices.closes_by_symbol)) as services:
        assert (await run_due_work(services))[0].opened == 1
        world.clock.instant = exchange("2020-01-06")
        assert (await run_due_work(services))[0].computed == 1


@pytest.mark.parametrize("answer", [None, "", 7, Answer("x", "\0", {}), Answer("x", "price", None)])  # type: ignore[arg-type]  # as a defective source
async def test_a_response_of_another_form_is_a_defect_of_its_source(world: World, answer: Any) -> None:
    class Odd(ScriptedPrices):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            return answer  # type: ignore[no-any-return]  # as above

    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-06")
        report, _ = await run_due_work(replace(services, sources=(Odd({}), world.prices)))
    assert report.computed == 1


@dataclass
class Picking:
    """A pick source that raises or returns one thing."""

    outcome: Any
    name: str = "picking"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome  # type: ignore[no-any-return]  # as a defective source


NASTY_ACCOUNT = Account(NASTY, NASTY, 2, (NASTY, NASTY))


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (PicksUnavailableError(NASTY, NASTY, timedelta.max), "picks_unavailable"),
        (PicksGivenUpError(NASTY, NASTY, NASTY_ACCOUNT), "picks_given_up"),
        (PicksGivenUpError(NASTY, NASTY, "an account"), "picks_given_up"),  # type: ignore[arg-type]  # as above
        (AlphaMondayError(NASTY, NASTY), "picks_unavailable"),
        (KeyError(NASTY), "picks_unavailable"),
        (None, "picks_unavailable"),
        ([1, 2, 3], "picks_unavailable"),
        ([replace(draft, reasoning="half \ud800") for draft in PICKS], "picks_malformed"),
    ],
    ids=range(8),
)
async def test_whatever_a_pick_source_does_costs_its_week_alone(world: World, outcome: Any, cause: str) -> None:
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-13", "09:00")
        report, _ = await run_due_work(replace(services, pick_source=Picking(outcome)))
        assert report.computed == 5
        assert report.unopened[SECOND].cause == cause
        world.clock.instant = exchange("2020-01-13", "09:29")
        report, _ = await run_due_work(services)
    assert report.opened == 1


async def test_an_account_that_cannot_be_stored_is_made_storable(world: World) -> None:
    async with world.services() as services:
        picking = Picking(AccountedPicks(PICKS, NASTY_ACCOUNT))
        report, _ = await run_due_work(replace(services, pick_source=picking))
    assert report.opened == 1
    [(answers,)] = world.rows("select payload -> 'answers' from events where event_type = 'picks_answered'")
    assert [len(answer) for answer in answers] == [4000, 4000]


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_storable_text_is_what_it_was_where_it_could_be_stored(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert "\0" not in kept
    assert len(kept) == len(text)
    assert storable(kept) == kept
    if "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text):
        assert kept == text


async def test_a_value_that_the_database_refuses_delays_its_own_week(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond all checks: a defect of this program's own writes a value for one week that a constraint refuses."""
    collect = Recorder._collect

    async def spoilt(self: Recorder, connection: Any, weeks: Iterable[Any], rows: Any) -> None:
        await collect(self, connection, weeks, rows)
        first = {week.batch.id for week in weeks if week.run_date == FIRST}
        rows.checkpoints[:] = [
            replace(day, benchmark_price=-day.benchmark_price) if day.batch_id in first and day.benchmark_price else day
            for day in rows.checkpoints
        ]

    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-12")
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-13", "09:00")
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-13")
        with monkeypatch.context() as spoiling:
            spoiling.setattr(Recorder, "_collect", spoilt)
            report, _ = await run_due_work(services)
        assert (report.computed, report.waiting) == (1, 1)
        assert world.rows("select cause, run_date::text from waiting_days join batches on batches.id = batch_id") == [
            ("row_refused", FIRST.isoformat())
        ]
        world.clock.instant = exchange("2020-01-13", "23:00")
        report, _ = await run_due_work(services)
    assert (report.computed, report.waiting) == (1, 0)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("select %s::text", "\0"),
        ("select %s::text", "\ud800"),
        ("select now() + %s::interval", timedelta.max),
        ("select %s::jsonb", '"\\u0000"'),
        ("select %s::date", "yesterday or so"),
        ("select %s::numeric(3)", 10_000),
        ("select 1 / %s", 0),
        ("select %s", object()),
    ],
)
async def test_a_data_error_is_no_lost_database(conninfo: str, statement: str, value: object) -> None:
    async with Database(conninfo) as database:
        with pytest.raises(DatabaseError) as caught:
            async with database.connection() as connection:
                await connection.execute(statement.encode(), [value])
        assert not isinstance(caught.value, DatabaseUnavailableError)
        assert await database.answers()


@pytest.mark.parametrize("error", [psycopg.DataError("a NUL"), psycopg.errors.ProgramLimitExceeded("too long")])
def test_a_value_that_is_refused_is_said_to_be(error: psycopg.Error) -> None:
    assert type(translate(error)) is RowRefusedError


def test_a_connection_that_breaks_is_a_lost_database() -> None:
    for error in (psycopg.OperationalError("gone"), psycopg.InterfaceError("closed"), psycopg.Error("gone")):
        with pytest.raises(DatabaseUnavailableError), translated():
            raise error


def test_a_timeout_is_an_outage_of_its_own() -> None:
    assert issubclass(PicksTimedOutError, PicksUnavailableError)
    assert RateLimitedError("slow", "Wait.", timedelta(days=9)).retry_after == DAY
