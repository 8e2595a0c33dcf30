"""What is wrong with a batch to be, and what can be done with it, told without a screen."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.picks.check import REASONING_LIMIT, check_picks
from core.picks.source import PickDraft, PicksMalformedError
from core.services import Services
from core.settings import Settings
from core.trading_calendar import EXCHANGE_ZONE
from db.database import Database
from db.records import Action
from tests.core.world import CALENDAR, PICKS, RULES
from tests.fakes import FixedClock, ScriptedPrices, exchange
from tui.batch_draft import (
    EMPTY_PICK,
    Doing,
    Outlook,
    Problem,
    WeekStanding,
    outlook,
    problems_of,
    suggested_week,
    week_beside,
    week_of,
)

MONDAY = date(2024, 11, 18)
TICKERS = st.sampled_from(["AAA", " aaa ", "BBB", "brk.b", "SPY", "spy", "", "  ", "1X", "TOOLONGTICKER", "A\u200bA"])
REASONS = st.sampled_from(["Because.", "", " \n", "x" * REASONING_LIMIT, "x" * (REASONING_LIMIT + 1), "\0", "\ud800"])
DRAFTS = st.builds(PickDraft, TICKERS, st.sampled_from(Action), REASONS)


def services(now: datetime, *, has_prices: bool = True, picks_file: Path | None = None) -> Services:
    """Services without a database: nothing here asks one."""

    class Writable:
        read_only = False

    settings = Settings(pick_source="file", picks_file=picks_file) if picks_file else Settings()
    sources = (ScriptedPrices({}),) if has_prices else ()
    return Services(settings, FixedClock(now), CALENDAR, RULES, cast("Database", Writable()), sources, None)


def outlook_at(
    now: datetime,
    *,
    standing: WeekStanding | None = None,
    has_prices: bool = True,
    picks_file: Path | None = Path("picks.csv"),
) -> Outlook:
    return outlook(services(now, has_prices=has_prices, picks_file=picks_file), MONDAY, standing, now, EXCHANGE_ZONE)


@given(st.tuples(DRAFTS, DRAFTS, DRAFTS))
def test_nothing_is_wrong_exactly_where_the_core_accepts(drafts: tuple[PickDraft, ...]) -> None:
    try:
        check_picks(drafts, "SPY")
    except PicksMalformedError:
        accepted = False
    else:
        accepted = True
    assert (problems_of(drafts, "SPY") == (None, None, None)) is accepted


def test_each_problem_names_its_field() -> None:
    ok = PICKS[0]
    for pick, problem in (
        (EMPTY_PICK, Problem("ticker", "ticker missing", is_gap=True)),
        (replace(ok, ticker="1X"), Problem("ticker", "no ticker: up to 10 of A-Z 0-9 . -")),
        (replace(ok, ticker="spy"), Problem("ticker", "the benchmark cannot be picked")),
        (ok, Problem("ticker", "picked twice")),
        (replace(ok, ticker="X", reasoning=" "), Problem("reasoning", "reasoning missing", is_gap=True)),
        (replace(ok, ticker="X", reasoning="x" * 4_001), Problem("reasoning", "4,001 characters, at most 4,000")),
    ):
        assert problems_of([ok, pick], "SPY") == (None, problem)


def test_a_week_is_a_monday_of_the_calendar() -> None:
    assert week_of(" 2024-11-18 ") == MONDAY
    for text, words in (
        ("2024-11-21", "2024-11-21 is a Thursday; a batch begins on a Monday. The Monday of that week is 2024-11-18."),
        ("18.11.2024", "not a date (YYYY-MM-DD): '18.11.2024'"),
        ("2100-12-27", "The trading calendar does not cover the batch of 2100-12-27."),
    ):
        with pytest.raises(ValueError, match="2") as caught:
            week_of(text)
        assert str(caught.value).startswith(words)


def test_the_weeks_beside_a_day() -> None:
    assert week_beside("2024-11-18", 1, MONDAY) == date(2024, 11, 25)
    assert week_beside("2024-11-18", -1, MONDAY) == date(2024, 11, 11)
    assert week_beside("2024-11-21", 1, MONDAY) == date(2024, 11, 25)
    assert week_beside("2024-11-21", -1, MONDAY) == date(2024, 11, 18)
    assert week_beside("soon", 1, MONDAY) == MONDAY


@given(st.dates(date(1900, 2, 1), date(2100, 11, 1)))
def test_the_weeks_beside_any_day_are_the_nearest_mondays(day: date) -> None:
    earlier, later = (week_beside(day.isoformat(), step, MONDAY) for step in (-1, 1))
    assert earlier.weekday() == later.weekday() == 0
    assert earlier < day < later
    assert day - earlier <= timedelta(days=7) >= later - day


def test_the_present_week_is_suggested_even_on_its_sunday() -> None:
    assert suggested_week(services(exchange("2024-11-24")), exchange("2024-11-24")) == MONDAY
    assert suggested_week(services(exchange("2024-11-25", "00:00")), exchange("2024-11-25", "00:00")) > MONDAY


@pytest.mark.parametrize(
    ("now", "doing", "words"),
    [
        (exchange("2024-11-15"), Doing.STAGE, "Stages: Monday's job opens it, Mon 09:00 ET."),
        (exchange("2024-11-18", "08:59"), Doing.STAGE, "Stages: Monday's job opens it, Mon 09:00 ET."),
        (exchange("2024-11-18", "09:00"), Doing.OPEN, "Opens now: the opening lasts until Mon 09:30 ET."),
        (exchange("2024-11-18", "09:30"), Doing.OPEN_LATE, "Opens late: the opening ended Mon 09:30 ET."),
        (exchange("2024-11-24"), Doing.OPEN_LATE, "Opens late: the opening ended Mon 18 Nov 09:30 ET."),
        (exchange("2024-11-25"), Doing.OPEN_LATE, "Opens late, backfilled: the opening ended Mon 18 Nov 09:30 ET."),
    ],
)
def test_the_clock_decides_what_is_done(now: datetime, doing: Doing, words: str) -> None:
    assert outlook_at(now) == Outlook(doing, words)


def test_what_keeps_a_week_from_being_written_is_said() -> None:
    before, after = exchange("2024-11-15"), exchange("2024-11-18", "12:00")
    assert "has a batch already" in outlook_at(after, standing=WeekStanding(MONDAY, has_batch=True)).words
    assert "no price source" in outlook_at(after, has_prices=False).words
    nowhere = outlook_at(before, picks_file=None)
    assert nowhere.doing is Doing.NOTHING
    assert nowhere.words.startswith("Cannot be opened before Mon 09:00 ET, nor staged: Monday's job takes its picks")
    broken = WeekStanding(MONDAY, has_batch=False, staging_problem="picks.csv, line 3: not CSV")
    assert outlook_at(before, standing=broken).words.endswith("nor staged: picks.csv, line 3: not CSV")
    there = outlook_at(before, standing=WeekStanding(MONDAY, has_batch=False, is_staged=True))
    assert there.words.endswith("Replaces the picks staged already.")


@pytest.mark.parametrize(("one", "other"), [("BRK.B", "brk-b"), ("BRK/B", "BRK.B"), ("brk-b", " BRK/B ")])
def test_the_form_knows_one_share_in_two_spellings(one: str, other: str) -> None:
    drafts = [replace(PICKS[0], ticker=one), replace(PICKS[1], ticker=other), PICKS[2]]
    assert problems_of(drafts, "SPY") == (None, Problem("ticker", "picked twice"), None)
    assert problems_of(drafts[:1], other.strip().upper()) == (Problem("ticker", "the benchmark cannot be picked"),)
