"""Weeks that are valued from a chain: what one source's failure, defect or nonsense does to them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from core.prices.day_cache import DayCache
from core.prices.source import Answer, Basis, Close, MalformedError, RateLimitedError, UnavailableError
from core.settling import settle
from core.source_health import HealthLog
from core.weeks import Week
from tests.core.test_weeks import BASELINE, CALENDAR, MONDAY, RULES, SYMBOLS, week_of
from tests.fakes import FixedClock, ScriptedPrices, exchange

NOW = exchange("2026-11-16", "17:00")
PRICES = {day: Close(Decimal(100)) for day in (BASELINE, MONDAY)}


async def unrecorded(_: Sequence[Week]) -> None:
    """Nothing is written."""


def week_with(ticker: str) -> Week:
    week = week_of(MONDAY)
    week.picks = (replace(week.picks[0], ticker=ticker), *week.picks[1:])
    return week


class Failing:
    """A source that fails whenever it is asked about one of the `symbols`, or always."""

    name = "failing"
    basis = Basis.PRICE
    settle_delay = timedelta(0)

    def __init__(self, failure: Exception, *symbols: str) -> None:
        self.failure, self.symbols = failure, frozenset(symbols)
        self.asked: list[frozenset[str]] = []

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        wanted = frozenset(symbols)
        self.asked.append(wanted)
        if not self.symbols or wanted & self.symbols:
            raise self.failure
        return Answer(self.name, self.basis, dict.fromkeys(wanted, PRICES))


async def test_one_symbol_s_nonsense_holds_up_no_other_week() -> None:
    bad, weeks = week_with("BAD"), [week_of(MONDAY) for _ in range(4)]
    source = Failing(MalformedError("nonsense", "Wait."), "BAD")
    await settle([weeks[0], bad, *weeks[1:]], [source], CALENDAR, RULES, NOW, unrecorded)
    assert [set(week.computed) for week in weeks] == [{MONDAY}] * 4
    assert bad.waiting[MONDAY].cause == "malformed"


@pytest.mark.parametrize("failure", [MalformedError("nonsense", "Wait."), KeyError("BAD1")])
async def test_malformed_symbols_hold_up_none_of_many_other_weeks(failure: Exception) -> None:
    """More weeks than halving them a few times could tell apart."""
    weeks = [week_with(f"T{number}") for number in range(60)]
    bad = [week_with("BAD1"), week_with("BAD1"), week_with("BAD2")]
    source = Failing(failure, "BAD1", "BAD2")
    await settle([*bad[:1], *weeks, *bad[1:]], [source], CALENDAR, RULES, NOW, unrecorded)
    assert [set(week.computed) for week in weeks] == [{MONDAY}] * 60
    assert {week.waiting[MONDAY].cause for week in bad} <= {"malformed", "unavailable"}
    assert len(source.asked) <= 30


async def test_a_limit_that_is_reached_while_malformed_symbols_are_looked_for_ends_the_queries() -> None:
    class Limited(Failing):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            if len(self.asked) == 2:
                self.asked.append(frozenset(symbols))
                raise RateLimitedError("slow", "Wait.", timedelta(minutes=7))
            return await super().closes(symbols, first, last)

    weeks = [week_with(f"T{number}") for number in range(8)]
    source = Limited(MalformedError("nonsense", "Wait."), "T3")
    await settle(weeks, [source], CALENDAR, RULES, NOW, unrecorded)
    assert len(source.asked) == 3
    assert {week.waiting[MONDAY].cause for week in weeks} == {"rate_limited"}


async def test_a_provider_of_nothing_but_nonsense_is_not_asked_about_each_week() -> None:
    weeks = [week_of(MONDAY) for _ in range(16)]
    source = Failing(MalformedError("nonsense", "Wait."))
    await settle(weeks, [source], CALENDAR, RULES, NOW, unrecorded)
    assert {week.waiting[MONDAY].cause for week in weeks} == {"malformed"}
    assert len(source.asked) == 2


async def test_a_cache_that_answers_is_no_success_of_its_source() -> None:
    source = ScriptedPrices(dict.fromkeys(SYMBOLS, PRICES))
    clock = FixedClock(NOW)
    cache = DayCache(source, CALENDAR, clock)
    first, second = HealthLog(clock, tuple), HealthLog(clock, tuple)
    await settle([week_of(MONDAY)], [cache], CALENDAR, RULES, NOW, unrecorded, health=first)
    await settle([week_of(MONDAY)], [cache], CALENDAR, RULES, NOW, unrecorded, health=second)
    assert len(source.questions) == 1
    assert (len(first.pending()), len(second.pending())) == (1, 0)


async def test_an_outage_is_not_asked_about_twice() -> None:
    weeks = [week_of(MONDAY), week_of(MONDAY)]
    source = Failing(UnavailableError("down", "Wait."))
    await settle(weeks, [source], CALENDAR, RULES, NOW, unrecorded)
    assert len(source.asked) == 1
    assert {week.waiting[MONDAY].cause for week in weeks} == {"unavailable"}


async def test_the_next_source_is_asked_for_the_weeks_that_are_open_only() -> None:
    bad, good = week_with("BAD"), week_of(MONDAY)
    first = Failing(MalformedError("nonsense", "Wait."), "BAD")
    second = ScriptedPrices({**dict.fromkeys(SYMBOLS, PRICES), "BAD": PRICES}, name="second")
    await settle([bad, good], [first, second], CALENDAR, RULES, NOW, unrecorded)
    assert (bad.computed[MONDAY].source, good.computed[MONDAY].source) == ("second", "failing")
    assert [symbols for symbols, _, _ in second.questions] == [frozenset(bad.symbols)]


class DefectiveSource:
    """A source with a defect of its own, which repeats its key."""

    name = "defective"
    basis = Basis.PRICE
    settle_delay = timedelta(0)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        raise KeyError("s3cret")


async def test_a_defect_of_one_source_neither_stops_the_next_nor_tells_its_text() -> None:
    prices = {day: Close(Decimal(100)) for day in (BASELINE, MONDAY)}
    sound = ScriptedPrices(dict.fromkeys(SYMBOLS, prices))
    recorded: list[Week] = []

    async def record(weeks: Sequence[Week]) -> None:
        recorded.extend(weeks)

    now = exchange("2026-11-16", "17:00")
    await settle([week_of(MONDAY)], [DefectiveSource(), sound], CALENDAR, RULES, now, record)
    await settle([week_of(MONDAY)], [DefectiveSource()], CALENDAR, RULES, now, record)
    with_another, alone = recorded
    assert with_another.computed[MONDAY].source == "scripted"
    assert alone.waiting[MONDAY].cause == "unavailable"
    assert alone.waiting[MONDAY].detail == "The price source defective failed: KeyError."


async def test_a_malformed_number_leaves_its_week_waiting_and_no_other() -> None:
    prices = {day: Close(Decimal(100)) for day in (BASELINE, MONDAY)}
    answer = ScriptedPrices({**dict.fromkeys(SYMBOLS, prices), "BAD": {**prices, MONDAY: Close(Decimal(-5))}})
    bad = week_of(MONDAY)
    bad.picks = (replace(bad.picks[0], ticker="BAD"), *bad.picks[1:])
    good = week_of(MONDAY)

    async def record(weeks: Sequence[Week]) -> None:
        return

    await settle([bad, good], [answer], CALENDAR, RULES, exchange("2026-11-16", "17:00"), record)
    assert set(good.computed) == {MONDAY}
    assert bad.waiting[MONDAY].cause == "malformed"
