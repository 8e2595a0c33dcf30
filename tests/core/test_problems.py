"""What an operator is told after having been away: all that stands, what was noted, each thing once."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import batches
from core import problems as module
from core.accepting import accept, doubtful_moves
from core.backfill import backfill
from core.batch_log import StoppedSymbol
from core.due_work import run_due_work
from core.pick_accounts import record_refused_picks
from core.picks.source import Account, PicksGivenUpError
from core.prices.source import Close, RateLimitedError, UnavailableError
from core.problems import Problem, ProblemKind, fold_missed, problems, standing_problems
from core.reading import batch_detail
from core.services import Services
from db.records import BatchWaitingDay, LoggedEvent
from tests.core.world import FIRST, PICKS, SECOND, SYMBOLS, THIRD, World, all_closes
from tests.fakes import ScriptedPrices, exchange

NOW = exchange("2020-02-03", "17:00")
LONG_AGO = datetime.fromisoformat("2000-01-01T00:00+00:00")
WEEK = timedelta(days=7)


def only(found: tuple[Problem, ...], kind: ProblemKind) -> list[Problem]:
    return [problem for problem in found if problem.kind is kind]


async def test_nothing_is_told_where_nothing_is_wrong(world: World, services: Services) -> None:
    assert await problems(services, None) == ()
    world.clock.instant = NOW
    await backfill(services, {FIRST: PICKS, SECOND: PICKS})
    assert await problems(services, LONG_AGO) == (), "weekends and holidays are no problem"


async def test_a_missing_close_waits_and_is_then_given_up(world: World, services: Services) -> None:
    closes = all_closes()
    del closes["BBB"][date(2020, 1, 8)]
    world.prices.closes_by_symbol = closes
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-08")
    await run_due_work(services)
    for since in (None, LONG_AGO, datetime.fromisoformat("2100-01-01T00:00+00:00")):
        [waiting] = await problems(services, since)
        assert (waiting.kind, waiting.cause, waiting.count) == (ProblemKind.WAITING, "close_missing", 1)
        assert (waiting.run_date, waiting.checkpoint_date, waiting.symbols) == (FIRST, date(2020, 1, 8), ("BBB",))
        assert waiting.at == world.clock.instant
        assert waiting.next_try_at is not None
        assert timedelta(minutes=2.5) <= waiting.next_try_at - waiting.at < timedelta(minutes=5)
    world.clock.instant = exchange("2020-01-10")
    await run_due_work(services)
    [skipped] = await problems(services, LONG_AGO)
    assert (skipped.kind, skipped.cause) == (ProblemKind.NO_CLOSE, "price_missing")
    assert (skipped.run_date, skipped.checkpoint_date, skipped.symbols) == (FIRST, date(2020, 1, 8), ("BBB",))
    assert skipped.detail == "no close for BBB from scripted"
    assert skipped.next_try_at is None
    assert await problems(services, skipped.at) == (), "only what was noted after the last look"
    assert await problems(services, skipped.at - timedelta(microseconds=1)) == (skipped,)


async def test_a_closure_that_the_calendar_does_not_know_is_told(world: World, services: Services) -> None:
    closes = all_closes()
    for symbol in SYMBOLS:
        del closes[symbol][date(2020, 1, 9)]
    world.prices.closes_by_symbol = closes
    world.clock.instant = NOW
    await backfill(services, {FIRST: PICKS})
    [waiting] = await problems(services, LONG_AGO)
    assert (waiting.kind, waiting.cause) == (ProblemKind.WAITING, "close_missing")
    await backfill(services, {FIRST: PICKS})
    [closed] = await problems(services, LONG_AGO)
    assert (closed.kind, closed.cause) == (ProblemKind.NO_CLOSE, "benchmark_has_no_close")
    assert (closed.checkpoint_date, closed.symbols) == (date(2020, 1, 9), SYMBOLS)


async def test_a_changed_baseline_is_told_with_both_values(world: World, services: Services) -> None:
    await run_due_work(services)
    closes = all_closes()
    baseline = date(2020, 1, 3)
    stored = closes["CCC"][baseline].price
    closes["CCC"][baseline] = Close(stored + Decimal("1.5"))
    world.prices.closes_by_symbol = closes
    world.clock.instant = exchange("2020-01-06", "17:00")
    await run_due_work(services)
    [revised] = await problems(services, LONG_AGO)
    assert (revised.kind, revised.run_date, revised.symbols) == (ProblemKind.BASELINE_REVISED, FIRST, ("CCC",))
    told = f"scripted now has {stored + Decimal('1.5')} for the baseline close stored as {stored}"
    assert revised.detail == told


async def test_an_outage_is_one_problem_however_many_days_it_holds_up(world: World, services: Services) -> None:
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-13", "09:00")
    await run_due_work(services)
    assert await problems(services, LONG_AGO) == ()
    world.prices.failure = UnavailableError("The provider is down.", "Wait.")
    world.clock.instant = began = exchange("2020-01-13", "17:00")
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-15", "17:00")
    await run_due_work(services)
    [outage] = await problems(services, datetime.fromisoformat("2100-01-01T00:00+00:00"))
    assert (outage.kind, outage.cause, outage.detail) == (ProblemKind.OUTAGE, "unavailable", "The provider is down.")
    assert (outage.count, outage.at) == (6, began)
    assert (outage.run_date, outage.checkpoint_date) == (None, None), "two batches, three days"
    assert outage.next_try_at is not None
    assert outage.next_try_at > world.clock.instant
    world.prices.failure = RateLimitedError("25 a day are spent.", "Wait.", timedelta(hours=7))
    world.clock.instant = exchange("2020-01-15", "19:30")
    await run_due_work(services)
    assert [problem.cause for problem in await problems(services, None)] == ["rate_limited"]
    await batches.fail(services, FIRST, "On purpose.")
    [of_one_batch] = await problems(services, None)
    assert (of_one_batch.count, of_one_batch.run_date) == (3, SECOND)
    world.prices.failure = None
    world.clock.instant = exchange("2020-01-17", "16:45")
    await run_due_work(services)
    assert await problems(services, None) == (), "what is over stands no more"


async def test_an_unlikely_move_is_one_problem_until_somebody_has_said_a_word(world: World, services: Services) -> None:
    closes = all_closes()
    moved = {day: Close(close.price * 5) for day, close in closes["BBB"].items() if day >= date(2020, 1, 8)}
    world.prices.closes_by_symbol = {**closes, "BBB": {**closes["BBB"], **moved}}
    await run_due_work(services)
    for day in ("2020-01-08", "2020-01-09"):
        world.clock.instant = exchange(day)
        await run_due_work(services)
    [doubt] = await problems(services, datetime.fromisoformat("2100-01-01T00:00+00:00"))
    assert (doubt.kind, doubt.cause, doubt.count) == (ProblemKind.DOUBTFUL_MOVE, "doubtful_move", 2)
    assert (doubt.run_date, doubt.checkpoint_date, doubt.symbols) == (FIRST, date(2020, 1, 8), ("BBB",))
    assert doubt.at == exchange("2020-01-08")
    assert "alpha-monday accept 2020-01-06" in doubt.detail
    assert [move.symbol for move in await doubtful_moves(services, FIRST)] == ["BBB"]
    await accept(services, FIRST, "ann@host")
    assert await doubtful_moves(services, FIRST) == (), "what was accepted waits for no word"
    await run_due_work(services)
    assert await problems(services, LONG_AGO) == (), "a move that was accepted is no problem"


async def test_a_symbol_that_stopped_is_told_once_and_not_its_days(world: World, services: Services) -> None:
    closes = all_closes()
    world.prices.closes_by_symbol = {
        **closes, "CCC": {day: close for day, close in closes["CCC"].items() if day <= date(2020, 1, 7)}
    }  # fmt: skip
    world.clock.instant = NOW
    await backfill(services, {FIRST: PICKS})
    world.clock.instant += timedelta(hours=2)
    await run_due_work(services)
    [stopped] = only(await problems(services, LONG_AGO), ProblemKind.STOPPED_TRADING)
    assert only(await problems(services, LONG_AGO), ProblemKind.NO_CLOSE) == []
    assert stopped.symbols == ("CCC",)
    assert (stopped.run_date, stopped.checkpoint_date) == (FIRST, date(2020, 1, 7))
    assert stopped.detail == "the last close of CCC is that of 2020-01-07, from scripted"
    assert only(await problems(services, stopped.at), ProblemKind.STOPPED_TRADING) == []
    detail = await batch_detail(services, FIRST)
    assert detail is not None
    assert detail.stopped == (StoppedSymbol("CCC", date(2020, 1, 7)),)


async def test_refused_picks_are_told_until_the_week_is_opened_after_all(world: World, services: Services) -> None:
    account = Account("a model", "0" * 64, 3, ("nonsense",))
    problem = PicksGivenUpError("no three tickers", "Open it by hand.", account)
    await record_refused_picks(services, SECOND, "llm", problem, None)
    with psycopg.connect(world.conninfo) as connection:
        connection.execute(
            "insert into events (id, event_type, payload) values (%s, 'picks_answered', %s)",
            (uuid4(), json.dumps({"run_date": str(THIRD), "outcome": "accepted"})),
        )
    [refused] = await problems(services, LONG_AGO)
    assert (refused.kind, refused.run_date, refused.checkpoint_date) == (ProblemKind.PICKS_REFUSED, SECOND, None)
    assert refused.detail == "llm: no three tickers"
    world.clock.instant = NOW
    await backfill(services, {SECOND: PICKS})
    assert only(await problems(services, LONG_AGO), ProblemKind.PICKS_REFUSED) == []


async def test_missed_mondays_fold_until_one_is_opened_after_all(world: World, services: Services) -> None:
    world.picks.weeks = {FIRST}
    await run_due_work(services)
    world.clock.instant = exchange("2020-02-03", "17:00")
    await run_due_work(services)
    assert await problems(services, datetime.fromisoformat("2100-01-01T00:00+00:00")) == ()
    [missed] = only(await problems(services, None), ProblemKind.MISSED)
    assert (missed.run_date, missed.count, missed.cause) == (date(2020, 2, 3), 4, "not_running")
    await backfill(services, {THIRD: PICKS})
    newer, older = only(await problems(services, None), ProblemKind.MISSED)
    assert (newer.run_date, newer.count) == (date(2020, 2, 3), 2)
    assert (older.run_date, older.count) == (SECOND, 1)


async def test_what_stands_is_told_even_where_more_went_wrong_than_is_shown(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes = all_closes()
    for day in (7, 8, 9, 10, 13, 14, 15):
        del closes["AAA"][date(2020, 1, day)]
    world.prices.closes_by_symbol = closes
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-15")
    await run_due_work(services)
    everything = await problems(services, LONG_AGO)
    assert len(only(everything, ProblemKind.WAITING)) < len(everything)
    assert list(everything) == sorted(everything, key=lambda problem: problem.at, reverse=True)
    for most in range(len(everything)):
        monkeypatch.setattr(module, "MOST", most)
        found = await problems(services, LONG_AGO)
        assert len(found) == most
        standing = len(only(everything, ProblemKind.WAITING))
        assert len(only(found, ProblemKind.WAITING)) == min(most, standing)


def missed_event(week: int, cause: str) -> LoggedEvent:
    payload = {"run_date": str(FIRST + week * WEEK), "cause": cause, "detail": f"week {week}"}
    return LoggedEvent(uuid4(), NOW, None, "batch_missed", payload, FIRST + week * WEEK)


@given(st.dictionaries(st.integers(0, 12), st.sampled_from(["not_running", "too_late"])))
def test_folds_of_missed_mondays_unfold_to_what_was_missed(missed: dict[int, str]) -> None:
    folds = list(fold_missed([missed_event(week, missed[week]) for week in sorted(missed, reverse=True)]))
    unfolded = {}
    for fold in folds:
        assert fold.run_date is not None
        newest = (fold.run_date - FIRST) // WEEK
        assert fold.detail == f"week {newest}"
        assert missed.get(newest + 1) != fold.cause, "a fold is as long as it can be"
        unfolded.update(dict.fromkeys(range(newest - fold.count + 1, newest + 1), fold.cause))
    assert unfolded == missed
    assert sum(fold.count for fold in folds) == len(missed)


BATCHES = (uuid4(), uuid4())


def waiting_day(offset: int, cause: str, detail: str, batch: int = 0) -> BatchWaitingDay:
    tried = NOW + timedelta(hours=offset)
    day = FIRST + timedelta(days=offset)
    return BatchWaitingDay(BATCHES[batch], day, cause, detail, 1, tried, tried, tried, (), FIRST, ())


@given(
    st.lists(
        st.builds(
            waiting_day,
            st.integers(0, 13),
            st.sampled_from(["close_missing", "rate_limited", "malformed", "doubtful_move"]),
            st.sampled_from(["one", "another"]),
            st.integers(0, 1),
        )
    )
)
def test_every_waiting_day_is_in_one_problem(days: list[BatchWaitingDay]) -> None:
    found = list(standing_problems(days))
    assert sum(problem.count for problem in found) == len(days)
    outages = [problem for problem in found if problem.kind is ProblemKind.OUTAGE]
    assert {(problem.cause, problem.detail) for problem in outages} == {
        (day.cause, day.detail) for day in days if day.cause in {"rate_limited", "malformed"}
    }
    doubts = [problem for problem in found if problem.kind is ProblemKind.DOUBTFUL_MOVE]
    doubtful = [day for day in days if day.cause == "doubtful_move"]
    assert len(doubts) == len({(day.batch_id, day.detail) for day in doubtful}), "one for each batch and move"
    assert sum(problem.count for problem in doubts) == len(doubtful)
    if doubts:
        assert min(problem.at for problem in doubts) == min(day.first_tried_at for day in doubtful)
    assert len(outages) == len({(problem.cause, problem.detail) for problem in outages})
    for outage in outages:
        held_up = [day for day in days if (day.cause, day.detail) == (outage.cause, outage.detail)]
        assert outage.at == min(day.first_tried_at for day in held_up)
        assert outage.next_try_at == min(day.next_try_at for day in held_up)


async def test_symbols_come_from_the_evidence_and_not_from_the_sentence(world: World) -> None:
    """Prose may name what no day waits for: a source called like a ticker, a word that is one."""
    closes = all_closes()
    del closes["BBB"][date(2020, 1, 8)]
    world.prices = ScriptedPrices(closes, name="CCC")
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-08")
        await run_due_work(services)
        [waiting] = await problems(services, LONG_AGO)
    assert "from CCC" in waiting.detail
    assert waiting.symbols == ("BBB",)
