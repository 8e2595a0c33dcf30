"""What stands is told once when it has begun, and once when it is over."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.digest import digest_day
from core.alerts.message import Message
from core.alerts.standing import doubts_told, reminder_told, source_told, without_former
from core.alerts.told import Told, told_in
from core.moves import Move
from core.opening_tries import OpeningTry
from core.rules import Delay
from core.source_health import SourceHealth, SourceKind
from core.trading_calendar import TradingCalendar
from db.records import SchedulerFact
from tests.fakes import exchange

NOW = exchange("2026-11-20", "16:31")
AFTER = timedelta(hours=6)
HOUR = timedelta(hours=1)
CALENDAR = TradingCalendar()


class Source:
    """A source whose answers are noted as they are in the database, and what a channel is told of it."""

    def __init__(self) -> None:
        self.health = SourceHealth(SourceKind.PRICES, "tiingo")
        self.told = Told(NOW)
        self.messages: list[Message] = []

    def fails(self, at: datetime) -> None:
        self.health = replace(self.health, is_failing=True, failed_at=at, failure="away")
        self.look()

    def answers(self, at: datetime, *, look: bool = True) -> None:
        self.health = replace(self.health, is_failing=False, succeeded_at=at)
        if look:
            self.look()

    def look(self) -> None:
        self.told, message = source_told(self.told, self.health, AFTER)
        if message is not None:
            self.messages.append(message)

    @property
    def titles(self) -> list[str]:
        return [message.title.removeprefix("Alpha Monday: prices source tiingo ") for message in self.messages]


def test_an_outage_is_told_after_its_time_once_and_its_end() -> None:
    source = Source()
    for hours in range(10):
        source.fails(NOW + hours * HOUR)
        assert len(source.messages) == (hours >= 6)
    source.answers(NOW + 10 * HOUR)
    source.answers(NOW + 11 * HOUR)
    assert source.titles == ["is failing", "works again"]
    assert "it had failed for 10 h, since Fri 20 Nov 16:31" in source.messages[1].body


def test_failing_once_and_not_being_asked_again_is_no_outage() -> None:
    source = Source()
    source.fails(NOW)
    for _ in range(100):
        source.look()
    assert source.titles == []


def test_a_success_between_two_looks_begins_the_outage_anew() -> None:
    source = Source()
    source.fails(NOW)
    source.answers(NOW + 5 * HOUR, look=False)
    source.fails(NOW + 7 * HOUR)
    assert source.titles == []
    source.fails(NOW + 12 * HOUR)
    source.fails(NOW + 13 * HOUR)
    assert source.titles == ["is failing"]


def test_a_long_rest_before_the_first_failure_is_no_outage() -> None:
    source = Source()
    source.answers(NOW - timedelta(days=3))
    source.fails(NOW)
    assert source.titles == []


def test_an_end_that_was_followed_by_another_outage_is_told_before_it() -> None:
    source = Source()
    for hours in (0, 7):
        source.fails(NOW + hours * HOUR)
    source.answers(NOW + 8 * HOUR, look=False)
    for hours in (9, 16):
        source.fails(NOW + hours * HOUR)
    assert source.titles == ["is failing", "works again", "is failing"]


def test_what_is_no_source_any_more_is_forgotten() -> None:
    source = Source()
    source.fails(NOW)
    other = SourceHealth(SourceKind.PRICES, "yahoo")
    assert list(without_former(source.told, [other, source.health]).outages) == ["prices:tiingo"]
    assert without_former(source.told, [other]).outages == {}


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=30))
def test_failing_and_working_take_turns(steps: list[tuple[bool, int]]) -> None:
    source, now = Source(), NOW
    for fails, hours in steps:
        now += hours * HOUR
        if fails:
            source.fails(now)
        else:
            source.answers(now)
    assert source.titles == [("is failing", "works again")[turn % 2] for turn in range(len(source.titles))]


OPENS, UNTIL = exchange("2026-11-23", "09:00"), exchange("2026-11-23", "09:30")


def opening(cause: str, tried_at: datetime = OPENS, run_date: date = date(2026, 11, 23)) -> OpeningTry:
    return OpeningTry(run_date, Delay(cause, "as <it> is"), 0, None, tried_at)


@pytest.mark.parametrize(
    ("cause", "takes_staged", "clock_time", "is_told"),
    [
        ("picks_not_yet", False, "08:59", False),
        ("picks_not_yet", False, "09:00", True),
        ("picks_not_yet", True, "09:29", True),
        ("picks_not_yet", True, "09:30", False),
        ("picks_given_up", False, "09:00", True),
        ("picks_malformed", True, "09:00", True),
        ("picks_malformed", False, "09:00", False),
        ("unavailable", True, "09:00", False),
        ("unavailable", True, "09:14", False),
        ("unavailable", True, "09:15", True),
    ],
)
def test_an_opening_that_waits_is_told_while_it_is_on(
    cause: str, takes_staged: bool, clock_time: str, is_told: bool
) -> None:
    now = exchange("2026-11-23", clock_time)
    told, message = reminder_told(Told(NOW), opening(cause), OPENS, UNTIL, now, takes_staged=takes_staged)
    assert (message is not None) == is_told
    if message is not None:
        assert ("Stage three picks" in message.body) == (takes_staged and cause.startswith("picks"))
        assert "as ‹it› is" in message.body
        again = reminder_told(told, opening(cause), OPENS, UNTIL, now, takes_staged=takes_staged)
        assert again == (told, None)


def test_a_try_of_another_time_is_no_reason_to_remind() -> None:
    now = exchange("2026-11-23", "09:10")
    early = opening("picks_not_yet", OPENS - HOUR)
    assert reminder_told(Told(NOW), early, OPENS, UNTIL, now, takes_staged=True)[1] is None
    assert reminder_told(Told(NOW), None, OPENS, UNTIL, now, takes_staged=True)[1] is None


@pytest.mark.parametrize(
    ("day", "clock_time", "saturday"),
    [
        ("2026-11-20", "23:00", "2026-11-14"),
        ("2026-11-21", "08:59", "2026-11-14"),
        ("2026-11-21", "09:00", "2026-11-21"),
        ("2026-11-22", "03:00", "2026-11-21"),
        ("2026-11-23", "09:00", "2026-11-21"),
        ("2026-11-27", "09:00", "2026-11-21"),
        ("2027-03-13", "08:59", "2027-03-06"),
        ("2027-03-14", "09:00", "2027-03-13"),
    ],
)
def test_the_digest_is_that_of_the_last_saturday_at_nine(day: str, clock_time: str, saturday: str) -> None:
    assert digest_day(exchange(day, clock_time), CALENDAR) == date.fromisoformat(saturday)


def test_a_move_that_waits_is_told_once_for_each_batch_and_again_when_it_comes_back() -> None:
    week, later = date(2026, 11, 9), date(2026, 11, 16)
    move = Move("TSLA", "tiingo", date(2026, 11, 18), date(2026, 11, 19), Decimal(400), Decimal(100))
    told, message = doubts_told(Told(NOW), [(week, move), (week, move)])
    assert message is not None
    assert message.title == "Alpha Monday: TSLA: a close waits for your word"
    assert "2026-11-09: TSLA moved -75.00 % from 400 on 2026-11-18 to 100 on 2026-11-19" in message.body
    assert message.body.count("alpha-monday accept 2026-11-09") == 1
    kept = told_in(SchedulerFact("alerts:json 1", told.fact(), NOW))
    assert kept == told
    told, message = doubts_told(told, [(week, move), (later, move)])
    assert message is not None
    assert "2026-11-09" not in message.body
    told, message = doubts_told(told, [(week, move), (later, move)])
    assert message is None
    told, message = doubts_told(told, [])
    assert message is None
    assert doubts_told(told, [(week, move)])[1] is not None
