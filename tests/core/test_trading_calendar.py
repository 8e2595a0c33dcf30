import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.trading_calendar import EXCHANGE_ZONE, TradingCalendar, batch_days, longest_settle_delay, monday_of

calendar = TradingCalendar()
FIRST = date(1990, 1, 1)
LAST = date(2027, 12, 31)
SETTLE_DELAY = timedelta(minutes=30)
covered_days = st.dates(date(1901, 1, 1), date(2099, 12, 31))


# A snow storm ended this session at 14:30: an ad-hoc closing time, not one of the exchange's calendar.
SNOW_STORM = date(1994, 2, 11)


@dataclass(frozen=True)
class Oracle:
    """What exchange_calendars, an independent work, says of New York."""

    closes: dict[date, datetime]
    half_days: set[date]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    with warnings.catch_warnings():
        # exchange_calendars calls what the newest pandas deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import exchange_calendars

        theirs = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat())
        return Oracle(
            closes={session.date(): close.to_pydatetime() for session, close in theirs.closes.items()},
            half_days={session.date() for session in theirs.early_closes},
        )


def test_the_sessions_are_those_of_exchange_calendars(oracle: Oracle) -> None:
    assert len(oracle.closes) > 9_500
    assert list(calendar.sessions(FIRST, LAST)) == list(oracle.closes)


def test_the_half_days_are_those_of_exchange_calendars(oracle: Oracle) -> None:
    ours = {day for day in calendar.sessions(FIRST, LAST) if calendar.is_half_day(day)}
    assert oracle.half_days ^ ours == {SNOW_STORM}


def test_the_closing_times_are_those_of_exchange_calendars(oracle: Oracle) -> None:
    different = {day for day, close in oracle.closes.items() if calendar.close_of(day) != close}
    # Until 1992 the exchange's half days ended at 14:00, an hour later than those of today.
    assert different == {SNOW_STORM, *(day for day in oracle.half_days if day.year < 1993)}


@pytest.mark.parametrize(
    ("day", "utc_hour"),
    [
        (date(2026, 3, 6), 21),  # the last Friday of winter time
        (date(2026, 3, 8), 20),  # the clock went forward that morning
        (date(2026, 3, 9), 20),
        (date(2026, 10, 30), 20),  # the last Friday of summer time
        (date(2026, 11, 1), 21),  # the clock went back that morning
        (date(2026, 11, 2), 21),
    ],
)
def test_a_day_is_due_by_the_exchange_clock_across_clock_changes(day: date, utc_hour: int) -> None:
    due = calendar.due_at(day, SETTLE_DELAY)
    assert due.astimezone(UTC) == datetime(day.year, day.month, day.day, utc_hour, 30, tzinfo=UTC)
    assert due.timetz().replace(tzinfo=None) == time(16, 30)
    assert due.tzinfo is EXCHANGE_ZONE


@pytest.mark.parametrize(("saturday", "hour"), [(date(2026, 3, 7), 5), (date(2026, 10, 31), 3)])
def test_a_long_settle_delay_is_elapsed_time_over_a_clock_change(saturday: date, hour: int) -> None:
    due = calendar.due_at(saturday, timedelta(hours=12))
    assert due == calendar.at(saturday + timedelta(days=1), time(hour))
    assert due - calendar.close_of(saturday).astimezone(UTC) == timedelta(hours=12)


MONDAYS = st.integers(0, 52 * 140).map(lambda week: date(1953, 1, 5) + timedelta(weeks=week))
ENDS = st.integers(1, 24 * 60 - 1).map(lambda minutes: time(minutes // 60, minutes % 60))


@settings(deadline=None)  # a year that is new to the calendar takes long to compute
@given(MONDAYS, ENDS, st.floats(0, 1, exclude_max=True))
def test_every_monday_can_be_opened_with_a_settle_delay_below_the_longest(
    monday: date, open_until: time, share: float
) -> None:
    delay = longest_settle_delay(open_until) * share
    assert calendar.due_at(calendar.previous_session(monday), delay) < calendar.at(monday, open_until)


def test_the_longest_settle_delay_is_that_of_the_weekend_on_which_clocks_go_forward() -> None:
    monday, open_until = date(2026, 3, 9), time(9, 30)
    longest = longest_settle_delay(open_until)
    assert longest == timedelta(hours=64.5)
    assert calendar.due_at(calendar.previous_session(monday), longest) == calendar.at(monday, open_until)


def test_a_half_day_is_due_after_its_early_close() -> None:
    day_after_thanksgiving = date(2025, 11, 28)
    assert calendar.is_half_day(day_after_thanksgiving)
    assert calendar.due_at(day_after_thanksgiving, SETTLE_DELAY) == calendar.at(day_after_thanksgiving, time(13, 30))


def test_hurricane_sandy_closed_a_monday_and_a_tuesday() -> None:
    monday = date(2012, 10, 29)
    week = [monday + timedelta(days=offset) for offset in range(5)]
    assert [calendar.is_session(day) for day in week] == [False, False, True, True, True]
    assert calendar.previous_session(monday) == date(2012, 10, 26)
    assert calendar.next_session(monday) == date(2012, 10, 31)
    assert calendar.due_at(monday, SETTLE_DELAY) == calendar.at(monday, time(16, 30))


def test_the_exchange_date_is_the_one_in_new_york() -> None:
    assert calendar.exchange_date(datetime(2026, 7, 1, 3, 59, tzinfo=UTC)) == date(2026, 6, 30)
    assert calendar.exchange_date(datetime(2026, 7, 1, 4, 0, tzinfo=UTC)) == date(2026, 7, 1)


@given(covered_days)
def test_neighbouring_sessions_enclose_a_day_and_nothing_between(day: date) -> None:
    before, after = calendar.previous_session(day), calendar.next_session(day)
    assert before < day < after
    between = [before] + ([day] if calendar.is_session(day) else []) + [after]
    assert list(calendar.sessions(before, after)) == between


@given(covered_days)
def test_a_half_day_is_a_session(day: date) -> None:
    if calendar.is_half_day(day):
        assert calendar.is_session(day)
    assert calendar.close_of(day).astimezone(EXCHANGE_ZONE).date() == day


@pytest.mark.parametrize("day", [date(1899, 12, 29), date(2101, 1, 3)])
def test_days_beyond_the_calendar_are_refused(day: date) -> None:
    with pytest.raises(ValueError, match=day.isoformat()):
        calendar.is_session(day)


@given(covered_days)
def test_a_batch_covers_two_weeks_from_its_monday(day: date) -> None:
    monday = monday_of(day)
    assert monday.weekday() == 0
    assert timedelta(0) <= day - monday < timedelta(days=7)
    days = batch_days(monday)
    assert len(days) == 14
    assert [(later - monday).days for later in days] == list(range(14))
