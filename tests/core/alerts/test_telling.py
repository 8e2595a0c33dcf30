"""News in one message: what is folded, what stands in the title, how grave it is."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.message import Message, Severity
from core.alerts.news import MOST_KEPT, News, _price_note
from core.alerts.telling import BatchResult, Figures, PickResult, tell
from core.settings import ALERTS
from db.events import EventType
from db.records import LoggedEvent

TODAY = date(2026, 11, 21)
WEEK = date(2026, 11, 16)


def event(event_type: str, run_date: date | None = WEEK, **payload: Any) -> LoggedEvent:
    return LoggedEvent(UUID(int=0), datetime(2026, 11, 21, tzinfo=UTC), None, event_type, payload, run_date)


def news_of(*events: LoggedEvent) -> News:
    news = News(TODAY)
    for each in events:
        news.add(each)
    return news


def told(*events: LoggedEvent, figures: Figures | None = None, on: tuple[str, ...] = ALERTS) -> Message:
    message = tell(news_of(*events), figures or Figures(), on)
    assert message is not None
    return message


def day(checkpoint_date: date, run_date: date = WEEK, reason: str = "", **payload: Any) -> LoggedEvent:
    event_type = "checkpoint_skipped" if reason else "checkpoint_computed"
    return event(event_type, run_date, checkpoint_date=checkpoint_date.isoformat(), reason=reason, **payload)


def test_one_day_of_several_batches_is_one_section() -> None:
    friday, before = date(2026, 11, 20), WEEK - timedelta(days=7)
    figures = Figures(excess={(WEEK, friday): Decimal("0.425"), (before, friday): Decimal("-1.2")})
    message = told(day(friday, before), day(friday), figures=figures)
    assert message.title == "Alpha Monday: Fri 20 Nov 2 batches computed"
    assert message.body.splitlines() == [
        "Fri 20 Nov: 2 batches computed",
        "  2026-11-16 day 5 of 14: excess +0.42 pp",
        "  2026-11-09 day 12 of 14: excess -1.20 pp",
    ]
    assert message.severity is Severity.INFO


def test_a_day_without_a_close_is_grave_and_names_the_symbols() -> None:
    message = told(day(date(2026, 11, 20), reason="price_missing", symbols=["TSLA", "<b>"]))
    assert message.title == "Alpha Monday: Fri 20 Nov skipped, no close"
    assert "day 5 of 14: skipped, no close for TSLA, ‹b›" in message.body
    assert message.severity is Severity.WARNING
    assert told(day(TODAY, reason="market_closed")).severity is Severity.INFO


def test_many_days_are_counted_and_what_is_missing_among_them_named() -> None:
    days = [day(WEEK + timedelta(days=number)) for number in range(7)]
    message = told(*days, day(date(2026, 11, 20), WEEK - timedelta(days=7), "price_missing", symbols=["A"]))
    assert message.body.splitlines() == [
        "Caught up from Mon 16 Nov to Sun 22 Nov: 7 days computed, 1 skipped",
        "Fri 20 Nov batch of 2026-11-09: skipped, no close for A",
    ]


def test_a_completion_tells_each_picks_excess_and_that_prices_are_simulated() -> None:
    picks = (PickResult("BUY", "AAA", Decimal("2.1")), PickResult("SELL", "BBB", Decimal("-0.3")))
    figures = Figures(results={WEEK: BatchResult(Decimal("0.9"), picks, is_simulated=True)})
    message = told(event("batch_completed"), figures=figures)
    assert message.title == "Alpha Monday: batch of 2026-11-16 completed, excess +0.90 pp"
    assert message.body == (
        "Batch of 2026-11-16 completed: excess +0.90 pp: BUY AAA +2.10 pp, SELL BBB -0.30 pp (simulated prices)"
    )
    without = told(event("batch_completed"), figures=Figures(results={WEEK: BatchResult(None)}))
    assert without.body == "Batch of 2026-11-16 completed: no computed day"


def test_many_of_a_kind_are_counted() -> None:
    weeks = [WEEK - timedelta(weeks=number) for number in range(9, -1, -1)]
    events = [event("batch_failed", week, reason="because") for week in weeks]
    assert "5 more batches marked failed" in told(*events).body
    opened = told(*(event("batch_opened", WEEK + timedelta(weeks=number)) for number in range(6)))
    assert opened.body == "6 weeks opened, from 2026-11-16 to 2026-12-21"
    completed = told(*(event("batch_completed", WEEK + timedelta(weeks=number)) for number in range(6)))
    assert completed.body == "6 batches completed, from 2026-11-16 to 2026-12-21"
    missed = told(*(event("batch_missed", WEEK + timedelta(weeks=number), cause="paused") for number in range(7)))
    assert missed.title == "Alpha Monday: 7 Mondays passed unopened"
    assert missed.body.count("was not opened") == 5
    assert "alpha-monday resume ends a pause." in missed.body


def test_the_gravest_comes_first_and_colours_the_message() -> None:
    message = told(event("batch_opened"), event("batch_missed", cause="not_running"))
    assert message.title.startswith("Alpha Monday: week of 2026-11-16 not opened; week of 2026-11-16 opened")
    assert message.severity is Severity.FAILURE


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            event("price_rebased", symbol="AAPL", stored="700", answered="100", split="7", source="tiingo"),
            "AAPL in the batch of 2026-11-16: tiingo quotes the baseline on another share basis, 700 as 100 (7)",
        ),
        (
            event("baseline_revised", symbol="AAPL", stored="700", answered="701", source="tiingo"),
            "AAPL in the batch of 2026-11-16: tiingo now has 701 for the baseline close stored as 700",
        ),
        (
            event("move_accepted", symbol="AAPL", session="2026-11-20", who="ann"),
            "AAPL in the batch of 2026-11-16: ann accepted the move of 2026-11-20",
        ),
        (
            event("symbol_stopped", symbol="AAPL", last_session="2026-11-19"),
            "AAPL in the batch of 2026-11-16 has stopped trading; its last session was 2026-11-19",
        ),
        (event("symbol_renamed", symbol="FB", successor="META"), "FB in the batch of 2026-11-16 goes on as META"),
    ],
    ids=lambda value: value.event_type if isinstance(value, LoggedEvent) else "",
)
def test_what_happens_to_prices_is_told_with_the_days(found: LoggedEvent, words: str) -> None:
    assert told(found, on=("checkpoint",)).body == words
    assert tell(news_of(found), Figures(), [name for name in ALERTS if name != "checkpoint"]) is None


def test_what_was_written_long_after_its_day_or_as_of_another_is_summed_up() -> None:
    old = date(2026, 11, 13)
    message = told(
        event("batch_opened", WEEK - timedelta(weeks=2)),
        event("batch_opened", WEEK, as_of="2026-11-16T09:00:00-05:00"),
        day(old, WEEK - timedelta(weeks=1)),
    )
    assert message.body.splitlines() == [
        "Summed up, from 2026-11-02 to 2026-11-16:",
        "  2 weeks opened",
        "  1 day computed",
    ]


def test_every_type_of_event_is_told_or_left_out_on_purpose() -> None:
    silent = {
        each
        for each in EventType
        if tell(news_of(event(each.value, checkpoint_date=TODAY.isoformat(), reason="x")), Figures(), ALERTS) is None
    }
    assert silent == {EventType.PICKS_ANSWERED}


def test_only_what_is_known_of_prices_and_symbols_has_a_sentence() -> None:
    """An event of a type that has none is not told as a renamed symbol."""
    worded = {each for each in EventType if _price_note(each, {"symbol": "KO", "successor": "PEP"}, WEEK) is not None}
    assert worded == {
        EventType.PRICE_REBASED,
        EventType.BASELINE_REVISED,
        EventType.MOVE_ACCEPTED,
        EventType.SYMBOL_STOPPED,
        EventType.SYMBOL_RENAMED,
    }


HOSTILE = st.one_of(st.none(), st.integers(), st.text(st.characters(categories=None), max_size=50), st.lists(st.text()))
KEYS = ("reason", "detail", "cause", "symbols", "symbol", "who", "checkpoint_date", "as_of", "source", "last_session")


@given(
    events=st.lists(
        st.builds(
            lambda event_type, run_date, payload: event(event_type, run_date, **payload),
            st.sampled_from([*EventType, "nonsense"]).map(str),
            st.one_of(st.none(), st.dates(date(2026, 10, 1), date(2026, 12, 1))),
            st.dictionaries(st.sampled_from(KEYS), HOSTILE),
        ),
        max_size=30,
    )
)
def test_whatever_the_log_holds_makes_a_message_within_bounds_or_none(events: list[LoggedEvent]) -> None:
    message = tell(news_of(*events), Figures(), ALERTS)
    if message is not None:
        assert not set("<>@`*[]|~\x1b\u202e") & set(message.title + message.body)
        (message.title + message.body).encode()


def test_news_keeps_no_more_than_it_can_tell() -> None:
    news = news_of(*(event("batch_failed", WEEK, reason="x") for _ in range(MOST_KEPT + 50)))
    assert len(news.failed) == MOST_KEPT
    assert news.history[EventType.BATCH_FAILED] == 50
