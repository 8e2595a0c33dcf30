"""The plan: what should exist by now, less what exists."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catch_up import DueKind, Existing, Plan, plan
from core.trading_calendar import batch_days
from db.records import ActiveBatch, WaitingDay
from tests.core.test_weeks import CALENDAR, MONDAY, RULES, active_batch
from tests.fakes import exchange

NOTHING = Existing(active=(), waiting=(), first_run_date=None, this_week_opened=False, unopened=())


def planned(existing: Existing, now: datetime, *, rest: bool = True) -> Plan:
    return plan(existing, CALENDAR, RULES, now, rest_until=now if rest else None)


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        (exchange("2026-11-16", "08:59"), None),
        (exchange("2026-11-16", "09:00"), MONDAY),
        (exchange("2026-11-16", "09:29"), MONDAY),
        (exchange("2026-11-16", "09:30"), None),
        (exchange("2026-11-17", "09:15"), None),
    ],
)
def test_a_week_is_opened_on_its_monday_before_trading_starts(now: datetime, opening: date | None) -> None:
    assert planned(NOTHING, now).opening == opening
    assert planned(replace(NOTHING, this_week_opened=True), now).opening is None


def test_a_holiday_monday_is_opened_all_the_same() -> None:
    labor_day = exchange("2026-09-07", "09:10")
    assert not CALENDAR.is_session(labor_day.date())
    assert planned(NOTHING, labor_day).opening == labor_day.date()


def test_only_mondays_after_the_first_batch_are_missed() -> None:
    first = MONDAY - timedelta(days=14)
    existing = replace(NOTHING, first_run_date=first, unopened=[first + timedelta(days=7), MONDAY])
    assert planned(existing, exchange("2026-11-16", "09:29")).missed == (first + timedelta(days=7),)
    assert planned(existing, exchange("2026-11-16", "09:30")).missed == (first + timedelta(days=7), MONDAY)


@given(st.sets(st.integers(0, 13)), st.integers(0, 20 * 24 * 60))
def test_due_is_what_has_fallen_due_less_what_is_written(written: set[int], minutes: int) -> None:
    days = batch_days(MONDAY)
    active = active_batch()[0]
    existing = replace(
        NOTHING,
        active=[ActiveBatch(active.batch, frozenset(days[n] for n in written), "scripted", "price")],
        this_week_opened=True,
    )
    now = exchange("2026-11-16", "00:00") + timedelta(minutes=minutes)
    result = planned(existing, now)
    expected = [day for n, day in enumerate(days) if n not in written and RULES.due_at(CALENDAR, day) <= now]
    assert [day for due in result.due for day in due.days] == expected
    assert result.next_due.at > now


def waiting(batch_id: UUID, day: date, next_try_at: datetime) -> WaitingDay:
    tried_at = next_try_at - timedelta(minutes=6)
    return WaitingDay(batch_id, day, "close_missing", "", 1, tried_at, tried_at, next_try_at, ())


def test_nobody_rests_for_a_try_that_a_clock_ahead_has_made() -> None:
    active, now = active_batch()[0], exchange("2026-11-16", "18:00")
    ahead = waiting(active.batch.id, MONDAY, now + timedelta(days=7))
    existing = replace(NOTHING, active=[active], waiting=[ahead], this_week_opened=True)
    assert [due.days for due in planned(existing, now).due] == [(MONDAY,)]


def test_a_resting_day_is_left_to_rest_unless_the_rest_has_to_be_asked_anyway() -> None:
    active = active_batch()[0]
    monday, tuesday, *_ = batch_days(MONDAY)
    now = exchange("2026-11-16", "18:00")
    existing = replace(
        NOTHING,
        active=[active],
        waiting=[waiting(active.batch.id, monday, now + timedelta(minutes=5))],
        this_week_opened=True,
    )
    resting = planned(existing, now)
    assert (resting.due, resting.resting) == ((), 1)
    assert (resting.next_due.kind, resting.next_due.at) == (DueKind.RETRY, now + timedelta(minutes=5))
    assert planned(existing, now, rest=False).due[0].days == (monday,)
    later = exchange("2026-11-17", "16:30")
    existing = replace(existing, waiting=[waiting(active.batch.id, monday, later + timedelta(minutes=5))])
    assert planned(existing, later).due[0].days == (monday, tuesday)


def test_a_closed_day_is_written_without_waking_a_resting_one() -> None:
    active = active_batch()[0]
    days = batch_days(MONDAY)
    now = exchange("2026-11-21", "17:00")
    existing = replace(
        NOTHING,
        active=[ActiveBatch(active.batch, frozenset(days[:4]), "scripted", "price")],
        waiting=[waiting(active.batch.id, days[4], now + timedelta(minutes=5))],
        this_week_opened=True,
    )
    result = planned(existing, now)
    assert result.due[0].days == (days[5],)
    assert result.resting == 1


@pytest.mark.parametrize(
    ("now", "kind", "at"),
    [
        (exchange("2026-11-16", "08:00"), DueKind.OPEN, exchange("2026-11-16", "09:00")),
        (exchange("2026-11-22", "14:16"), DueKind.OPEN, exchange("2026-11-23", "09:00")),
    ],
)
def test_what_is_next_without_a_batch_is_the_next_opening(now: datetime, kind: DueKind, at: datetime) -> None:
    next_due = planned(NOTHING, now).next_due
    assert (next_due.kind, next_due.at) == (kind, at)


def test_what_is_next_with_a_batch_is_its_next_day() -> None:
    active, _ = active_batch()
    result = planned(replace(NOTHING, active=[active], this_week_opened=True), exchange("2026-11-16", "10:00"))
    assert (result.next_due.kind, result.next_due.at) == (DueKind.CHECKPOINT, exchange("2026-11-16", "16:30"))
