"""The day's cache: what it answers by itself, what it asks for again, and when it forgets."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prices.day_cache import DayCache
from core.prices.source import Answer, Basis, Close, UnavailableError, is_taken_at_its_word
from core.trading_calendar import TradingCalendar
from tests.fakes import FixedClock, ScriptedPrices, exchange

CALENDAR = TradingCalendar()
MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2020, 1, day) for day in (6, 7, 8, 9))
SUNDAY = date(2020, 1, 12)


@dataclass
class Place:
    """A cache, what it asks, and the time there."""

    source: ScriptedPrices
    clock: FixedClock
    cache: DayCache

    def asked(self) -> list[tuple[list[str], date, date]]:
        """The questions since the last call."""
        found = [(sorted(symbols), first, last) for symbols, first, last in self.source.questions]
        self.source.questions.clear()
        return found


@dataclass
class Taken(ScriptedPrices):
    """A source with more to it than the protocol asks for."""

    is_taken_at_its_word: bool = True
    quota_left: int = 7


def place(source: ScriptedPrices | None = None) -> Place:
    source = source or ScriptedPrices(
        {
            symbol: {day: Close(Decimal(row + day.day)) for day in CALENDAR.sessions(MONDAY, date(2020, 1, 17))}
            for row, symbol in enumerate(("SPY", "AAA", "BBB"), start=100)
        }
    )
    clock = FixedClock(exchange("2020-01-08", "17:30"))
    return Place(source, clock, DayCache(source, CALENDAR, clock))


@pytest.fixture
def here() -> Place:
    return place()


async def test_a_day_asks_once(here: Place) -> None:
    first = await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    assert here.asked() == [(["AAA", "SPY"], MONDAY, WEDNESDAY)]
    here.clock.instant = exchange("2020-01-08", "23:59")
    assert await here.cache.closes(iter(["AAA", "SPY"]), MONDAY, WEDNESDAY) == first
    assert here.asked() == []
    here.clock.instant = exchange("2020-01-09", "00:00")
    assert await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY) == first
    assert here.asked() == [(["AAA", "SPY"], MONDAY, WEDNESDAY)]


async def test_only_new_symbols_are_asked_for(here: Place) -> None:
    await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    answer = await here.cache.closes(["SPY", "BBB"], MONDAY, WEDNESDAY)
    assert here.asked()[1:] == [(["BBB"], MONDAY, WEDNESDAY)]
    assert answer.closes.keys() == {"SPY", "BBB"}
    assert (answer.source, answer.basis) == ("scripted", Basis.PRICE)


@pytest.mark.parametrize(("first", "last"), [(date(2020, 1, 3), WEDNESDAY), (MONDAY, THURSDAY)])
async def test_a_longer_span_is_asked_for(here: Place, first: date, last: date) -> None:
    await here.cache.closes(["SPY"], MONDAY, WEDNESDAY)
    await here.cache.closes(["SPY"], first, last)
    assert here.asked()[1:] == [(["SPY"], first, last)]


async def test_a_part_of_the_span_is_cut_out(here: Place) -> None:
    await here.cache.closes(["SPY"], MONDAY, WEDNESDAY)
    answer = await here.cache.closes(["SPY"], TUESDAY, TUESDAY)
    assert list(answer.closes["SPY"]) == [TUESDAY]
    assert len(here.asked()) == 1


async def test_what_lacks_the_last_session_is_asked_for_again(here: Place) -> None:
    closes = dict(here.source.closes_by_symbol)
    here.source.closes_by_symbol = {**closes, "AAA": {MONDAY: Close(Decimal(1))}}
    assert (await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)).closes["AAA"].keys() == {MONDAY}
    here.source.closes_by_symbol = closes
    answer = await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    assert here.asked()[1:] == [(["AAA"], MONDAY, WEDNESDAY)]
    assert answer.closes["AAA"].keys() == {MONDAY, TUESDAY, WEDNESDAY}
    await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    assert not here.asked()


async def test_a_span_that_ends_on_a_sunday_ends_with_friday(here: Place) -> None:
    here.clock.instant = exchange("2020-01-12")
    await here.cache.closes(["SPY"], MONDAY, SUNDAY)
    await here.cache.closes(["SPY"], MONDAY, SUNDAY)
    assert len(here.asked()) == 1


async def test_an_unknown_symbol_is_asked_for_again(here: Place) -> None:
    for _ in range(2):
        answer = await here.cache.closes(["SPY", "ZZZ"], MONDAY, WEDNESDAY)
        assert answer.unknown == {"ZZZ"}
        assert answer.closes.keys() == {"SPY"}
    assert here.asked()[1:] == [(["ZZZ"], MONDAY, WEDNESDAY)]


DOUBTFUL: dict[str, object] = {
    "an unlikely first close": Close(Decimal(13)),
    "an unlikely split": Close(Decimal(100), Decimal(7)),
    "a negative close": Close(Decimal(-1)),
    "a close that is not finite": Close(Decimal("NaN")),
    "a malformed factor": Close(Decimal(100), Decimal(0)),
    "a close of another form": "100",
    "no close": None,
}


@pytest.mark.parametrize("wrong", DOUBTFUL.values(), ids=DOUBTFUL)
@pytest.mark.parametrize("day", [MONDAY, TUESDAY, WEDNESDAY])
async def test_what_may_be_corrected_is_asked_for_again(here: Place, day: date, wrong: Any) -> None:
    right = here.source.closes_by_symbol
    series = {date: close for date, close in {**right["AAA"], day: wrong}.items() if close is not None}
    here.source.closes_by_symbol = {**right, "AAA": series}
    for _ in range(2):
        await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    here.source.closes_by_symbol = right
    answer = await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    repeated = [(["AAA"], MONDAY, WEDNESDAY)]
    # A split on the first day is before any close that it could be compared with.
    is_kept = day == MONDAY and wrong == DOUBTFUL["an unlikely split"]
    assert here.asked()[1:] == (repeated * 2 if not is_kept else [])
    assert is_kept or answer.closes["AAA"][day] == right["AAA"][day]
    await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    assert not here.asked()


async def test_an_answer_says_whether_it_was_kept(here: Place) -> None:
    assert not (await here.cache.closes(["SPY"], MONDAY, WEDNESDAY)).is_cached
    assert (await here.cache.closes(["SPY"], MONDAY, WEDNESDAY)).is_cached
    assert not (await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)).is_cached


async def test_a_failure_is_let_through_and_costs_nothing_that_was_kept(here: Place) -> None:
    await here.cache.closes(["SPY"], MONDAY, WEDNESDAY)
    here.source.failure = UnavailableError("down", "wait")
    with pytest.raises(UnavailableError):
        await here.cache.closes(["SPY", "AAA"], MONDAY, WEDNESDAY)
    assert (await here.cache.closes(["SPY"], MONDAY, WEDNESDAY)).closes["SPY"]
    assert len(here.asked()) == 2


def test_it_is_what_it_asks_in_all_else() -> None:
    cache = place(Taken({})).cache
    assert (cache.name, cache.basis, cache.settle_delay) == ("scripted", Basis.PRICE, Taken({}).settle_delay)
    assert cache.quota_left == 7
    assert is_taken_at_its_word(cache)
    assert not is_taken_at_its_word(place().cache)


@dataclass
class Growing(ScriptedPrices):
    """A source in which every answer is its own: its closes say which question they belong to."""

    number: int = 0
    told: dict[int, frozenset[str]] = field(default_factory=dict)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        self.number += 1
        asked = frozenset(symbols)
        self.told[self.number] = asked
        self.closes_by_symbol = {
            symbol: {day: Close(Decimal(self.number)) for day in CALENDAR.sessions(first, last)} for symbol in asked
        }
        return await super().closes(asked, first, last)


spans = st.tuples(st.integers(6, 10), st.integers(0, 4)).map(lambda pair: (pair[0], min(pair[0] + pair[1], 10)))


@given(st.lists(st.tuples(st.sets(st.sampled_from(["SPY", "AAA", "BBB"]), min_size=1), spans), max_size=8))
async def test_all_closes_of_a_symbol_are_of_one_question(questions: list[tuple[set[str], tuple[int, int]]]) -> None:
    source = Growing({})
    cache = place(source).cache
    for symbols, (first, last) in questions:
        answer = await cache.closes(symbols, date(2020, 1, first), date(2020, 1, last))
        assert answer.closes.keys() == symbols
        for symbol, closes in answer.closes.items():
            assert list(closes) == list(CALENDAR.sessions(date(2020, 1, first), date(2020, 1, last)))
            [number] = {close.price for close in closes.values()}
            assert symbol in source.told[int(number)]
