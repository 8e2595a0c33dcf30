"""What is written, what waits, what is given up: the rules, without a database."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import cast
from uuid import uuid4

import pytest

from core.price_history import History
from core.prices.source import (
    Answer,
    Basis,
    Close,
    MalformedError,
    PriceSourceError,
    RateLimitedError,
    UnavailableError,
)
from core.rules import Rules, SkipReason, WaitCause
from core.trading_calendar import TradingCalendar, batch_days
from core.weeks import Week
from db.records import Action, ActiveBatch, Batch, BatchStatus, Pick
from tests.fakes import exchange

CALENDAR = TradingCalendar()
RULES = Rules(
    open_at=exchange("2026-11-16", "09:00").time(),
    open_until=exchange("2026-11-16", "09:30").time(),
    settle_delay=timedelta(minutes=30),
    give_up_after=timedelta(hours=48),
    benchmark="SPY",
)
MONDAY = date(2026, 11, 16)
BASELINE = date(2026, 11, 13)
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + timedelta(days=n) for n in (1, 2, 3))
SYMBOLS = ("SPY", "AAA", "BBB", "CCC")


def active_batch(run_date: date = MONDAY) -> tuple[ActiveBatch, tuple[Pick, ...]]:
    batch = Batch(uuid4(), exchange("2026-11-16", "09:01"), run_date, "SPY", Decimal(100), BatchStatus.ACTIVE)
    picks = tuple(Pick(uuid4(), batch.id, ticker, Action.BUY, "because", Decimal(100)) for ticker in SYMBOLS[1:])
    return ActiveBatch(batch, frozenset(), "scripted", "price"), picks


def week_of(*days: date) -> Week:
    """A week whose due days were tried before."""
    active, picks = active_batch()
    week = Week.of_active(active, picks, days, CALENDAR)
    week.tried = dict.fromkeys(days, frozenset(SYMBOLS))
    return week


def history(
    missing: dict[str, set[date]] | None = None,
    last: date = THURSDAY,
    *,
    basis: Basis = Basis.PRICE,
    source: str = "scripted",
    is_taken_at_its_word: bool = False,
) -> History:
    """Closes of 100 for every session from the baseline to `last`, less what is `missing`."""
    sessions = [BASELINE, *CALENDAR.sessions(MONDAY, last)]
    closes = {
        symbol: {day: Close(Decimal(100)) for day in sessions if day not in (missing or {}).get(symbol, set())}
        for symbol in SYMBOLS
    }
    return History(Answer(source, basis, closes), last, is_taken_at_its_word=is_taken_at_its_word)


def concluded(
    week: Week, *histories: History, now: str, failures: tuple[PriceSourceError, ...] = (), clock_time: str = "17:00"
) -> Week:
    instant = exchange(now, clock_time)
    for one in histories:
        week.consult(one, instant)
    week.conclude(failures, RULES, CALENDAR, instant)
    return week


def test_a_session_with_all_closes_is_computed() -> None:
    week = concluded(week_of(MONDAY), history(), now="2026-11-16")
    assert set(week.computed) == {MONDAY}
    assert not week.skipped
    assert not week.waiting


def test_a_day_without_trading_is_skipped_without_asking() -> None:
    saturday = date(2026, 11, 21)
    week = week_of(saturday)
    assert week.is_settled
    assert week.skipped[saturday].reason is SkipReason.MARKET_CLOSED


@pytest.mark.parametrize("lacking", SYMBOLS)
def test_a_missing_close_leaves_the_day_due(lacking: str) -> None:
    week = concluded(week_of(TUESDAY), history({lacking: {TUESDAY}}, last=TUESDAY), now="2026-11-17")
    assert not week.skipped
    expected = WaitCause.SOURCE_BEHIND if lacking == "SPY" else WaitCause.CLOSE_MISSING
    assert week.waiting[TUESDAY].cause == expected


def test_a_day_is_given_up_once_all_of_it_holds() -> None:
    lacking = history({"BBB": {TUESDAY}})
    given_up_at = "16:30"  # Tuesday's close is due at 16:30, and 48 hours later it is Thursday
    week = concluded(week_of(TUESDAY), lacking, now="2026-11-19", clock_time=given_up_at)
    assert week.skipped[TUESDAY].reason is SkipReason.PRICE_MISSING
    assert week.skipped[TUESDAY].symbols == ("BBB",)
    assert week.skipped[TUESDAY].sources == ("scripted",)
    week = concluded(week_of(TUESDAY), lacking, now="2026-11-19", clock_time="16:29")
    assert week.waiting[TUESDAY].cause == WaitCause.CLOSE_MISSING


@pytest.mark.parametrize("give_up_after", [timedelta(0), timedelta(hours=48), timedelta(days=10)])
def test_a_symbol_without_closes_has_not_stopped_trading_before_the_day_may_be_given_up(
    give_up_after: timedelta,
) -> None:
    """A provider that is late with one ticker must not cost its days: they wait as long as the operator allows."""
    rules = replace(RULES, give_up_after=give_up_after)
    lacking = history({"BBB": set(CALENDAR.sessions(TUESDAY, date(2026, 12, 4)))}, last=date(2026, 12, 4))
    may_be_given_up_at = max(rules.due_at(CALENDAR, TUESDAY) + give_up_after, rules.due_at(CALENDAR, WEDNESDAY))
    for instant, is_skipped in ((may_be_given_up_at - timedelta(seconds=1), False), (may_be_given_up_at, True)):
        week = week_of(TUESDAY)
        week.consult(lacking, instant)
        week.conclude((), rules, CALENDAR, instant)
        assert (TUESDAY in week.skipped) is is_skipped
        if is_skipped:
            assert week.skipped[TUESDAY].reason is SkipReason.STOPPED_TRADING
            assert week.skipped[TUESDAY].stopped == {"BBB": MONDAY}
        else:
            assert week.waiting[TUESDAY].cause == WaitCause.CLOSE_MISSING


def test_what_a_provider_lacks_takes_a_second_look_and_what_a_file_lacks_does_not() -> None:
    week = week_of(TUESDAY)
    week.tried = {}
    assert concluded(week, history({"BBB": {TUESDAY}}), now="2026-11-20").waiting[TUESDAY].cause == "close_missing"
    week = week_of(TUESDAY)
    week.tried = {}
    lacking = history({"BBB": {TUESDAY}}, is_taken_at_its_word=True)
    assert concluded(week, lacking, now="2026-11-20").skipped[TUESDAY].reason is SkipReason.PRICE_MISSING


def test_a_day_is_not_given_up_before_the_next_session_has_passed() -> None:
    """Friday's 48 hours end on Sunday, but the next session is Monday."""
    friday = date(2026, 11, 20)
    lacking = history({"BBB": {friday}}, last=friday)
    assert friday in concluded(week_of(friday), lacking, now="2026-11-22", clock_time="23:59").waiting
    lacking = history({"BBB": {friday}}, last=date(2026, 11, 23))
    assert friday in concluded(week_of(friday), lacking, now="2026-11-23", clock_time="16:29").waiting
    assert friday in concluded(week_of(friday), lacking, now="2026-11-23", clock_time="16:30").skipped


def test_a_source_that_is_behind_is_never_given_up_on() -> None:
    stopped = history(last=MONDAY)
    week = concluded(week_of(TUESDAY), stopped, now="2026-11-27")
    assert week.waiting[TUESDAY].cause == WaitCause.SOURCE_BEHIND


@pytest.mark.parametrize(
    "failure",
    [
        RateLimitedError("limit", "wait", timedelta(minutes=7)),
        UnavailableError("down", "wait"),
        MalformedError("nonsense", "report"),
    ],
)
def test_a_failure_is_never_a_reason_to_skip(failure: PriceSourceError) -> None:
    week = concluded(week_of(TUESDAY), now="2027-06-01", failures=(failure,))
    assert week.waiting[TUESDAY].cause == failure.code
    expected = failure.retry_after if isinstance(failure, RateLimitedError) else None
    assert week.waiting[TUESDAY].retry_after == expected


def test_a_failure_of_one_source_keeps_the_day_due_though_another_lacks_the_close() -> None:
    down = UnavailableError("down", "wait")
    week = concluded(week_of(TUESDAY), history({"BBB": {TUESDAY}}), now="2027-06-01", failures=(down,))
    assert TUESDAY in week.waiting


def test_a_day_that_nobody_traded_is_skipped_at_once() -> None:
    """The benchmark has later closes, and nobody one for the day: the calendar did not know of the closure."""
    closure = history({symbol: {TUESDAY} for symbol in SYMBOLS}, last=WEDNESDAY)
    week = concluded(week_of(TUESDAY), closure, now="2026-11-18")
    assert week.skipped[TUESDAY].reason is SkipReason.BENCHMARK_HAS_NO_CLOSE


def test_a_day_that_one_pick_traded_was_a_session() -> None:
    odd = history({symbol: {TUESDAY} for symbol in SYMBOLS if symbol != "AAA"}, last=WEDNESDAY)
    week = concluded(week_of(TUESDAY), odd, now="2026-11-18")
    assert TUESDAY in week.waiting


def test_a_missing_close_holds_up_nothing_else() -> None:
    week = concluded(week_of(MONDAY, TUESDAY, WEDNESDAY), history({"BBB": {TUESDAY}}), now="2026-11-18")
    assert set(week.computed) == {MONDAY, WEDNESDAY}
    assert set(week.waiting) == {TUESDAY}


def test_the_next_source_fills_the_whole_day() -> None:
    """Both ends of every return and all symbols of a day come from one answer."""
    first = history({"BBB": {TUESDAY}}, source="first")
    second = history(source="second")
    week = concluded(week_of(MONDAY, TUESDAY), first, second, now="2026-11-18")
    assert week.computed[MONDAY].source == "first"
    assert week.computed[TUESDAY].source == "second"


def test_a_source_on_another_basis_does_not_serve_the_batch() -> None:
    week = concluded(week_of(TUESDAY), history(basis=Basis.TOTAL), now="2027-06-01")
    assert week.waiting[TUESDAY].cause == WaitCause.OTHER_BASIS


def test_an_answer_without_the_baseline_cannot_measure() -> None:
    week = concluded(week_of(TUESDAY), history({"CCC": {BASELINE}}), now="2026-11-17")
    assert TUESDAY in week.waiting


def test_a_baseline_that_is_out_of_reach_proves_nothing_about_the_day() -> None:
    """A file that was cut short at its beginning: every day's own close is there, and no return can be measured."""
    week = concluded(week_of(TUESDAY), history({symbol: {BASELINE} for symbol in SYMBOLS}), now="2027-06-01")
    assert not week.skipped
    assert week.waiting[TUESDAY].cause == WaitCause.BASELINE_MISSING


@pytest.mark.parametrize(
    "price",
    [Decimal(-5), Decimal(0), Decimal("NaN"), Decimal("Infinity"), Decimal("1e12"), Decimal("1e-13"), 1.5, None],
)
def test_a_number_that_is_no_price_is_never_computed_with(price: object) -> None:
    closes = {symbol: {BASELINE: Close(Decimal(100)), MONDAY: Close(Decimal(100))} for symbol in SYMBOLS}
    closes["BBB"][MONDAY] = Close(cast("Decimal", price))
    with pytest.raises(MalformedError, match="BBB on 2026-11-16"):
        week_of(MONDAY).consult(History(Answer("scripted", Basis.PRICE, closes), MONDAY), exchange("2026-11-16"))


def test_nothing_later_than_allowed_is_seen() -> None:
    answer = Answer(
        "scripted",
        Basis.PRICE,
        {
            symbol: {
                BASELINE: Close(Decimal(100)),
                TUESDAY: Close(Decimal(100)),
                WEDNESDAY: Close(Decimal(50), Decimal(2)),
            }
            for symbol in SYMBOLS
        },
    )
    seen = History(answer, TUESDAY)
    assert seen.close("AAA", WEDNESDAY) is None
    assert seen.split_factor("AAA", BASELINE, WEDNESDAY) == 1
    assert not seen.has_close_after("SPY", TUESDAY)


def test_a_changed_baseline_is_told_and_the_ratio_applied() -> None:
    active, picks = active_batch()
    revised = {symbol: {BASELINE: Close(Decimal(100)), MONDAY: Close(Decimal(110))} for symbol in SYMBOLS}
    revised["AAA"] = {BASELINE: Close(Decimal(50)), MONDAY: Close(Decimal(55))}
    revised["BBB"] = {BASELINE: Close(Decimal(99)), MONDAY: Close(Decimal("108.9"))}
    week = Week.of_active(active, picks, [MONDAY], CALENDAR)
    week.consult(History(Answer("scripted", Basis.PRICE, revised), MONDAY), exchange("2026-11-16"))
    day = week.computed[MONDAY]
    assert [metric.absolute_return_pct for metric in day.metrics] == [Decimal(10)] * 3
    assert {(told.symbol, told.split) for told in day.rebasings} == {("AAA", "2:1"), ("BBB", None)}


def test_a_half_day_is_due_after_its_own_close() -> None:
    half_day = date(2026, 11, 27)
    assert CALENDAR.is_half_day(half_day)
    assert RULES.due_at(CALENDAR, half_day) == exchange("2026-11-27", "13:30")
    assert RULES.due_at(CALENDAR, date(2026, 11, 28)) == exchange("2026-11-28", "16:30")
    assert RULES.last_due_session(CALENDAR, exchange("2026-11-27", "13:29")) == date(2026, 11, 25)
    assert RULES.last_due_session(CALENDAR, exchange("2026-11-27", "13:30")) == half_day


def test_a_slow_source_moves_the_opening_behind_the_baseline() -> None:
    slow = replace(RULES, settle_delay=timedelta(hours=65))
    assert RULES.opens_at(CALENDAR, MONDAY) == exchange("2026-11-16", "09:00")
    assert slow.opens_at(CALENDAR, MONDAY) == exchange("2026-11-16", "09:00")
    slower = replace(RULES, settle_delay=timedelta(hours=66))
    assert slower.opens_at(CALENDAR, MONDAY) == exchange("2026-11-16", "10:00")


def test_all_days_of_a_batch_are_two_calendar_weeks() -> None:
    days = batch_days(MONDAY)
    assert (days[0], days[-1], len(days)) == (MONDAY, date(2026, 11, 29), 14)
