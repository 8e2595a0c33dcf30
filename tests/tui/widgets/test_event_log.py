"""Events on one line: a pause and its end in words, whatever a program wrote."""

import unicodedata
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.events import EventType
from db.records import Event
from tests.fakes import exchange
from tui.widgets.event_log import payload_words, summary

WRITTEN = exchange("2026-11-24", "12:00")
ENDED = {"who": "root@vm", "paused_by": "ann@host", "paused_since": "2026-11-23T14:00:00+00:00", "reason": "moving"}


def said(event_type: str, payload: dict[str, Any], after: timedelta = timedelta(0)) -> str:
    return summary(Event(uuid4(), WRITTEN + after, None, event_type, payload)).plain


@pytest.mark.parametrize(
    ("event_type", "payload", "words"),
    [
        ("schedule_paused", {"who": "root@vm", "reason": "moving the database"}, "by root@vm: moving the database"),
        ("schedule_paused", {"who": "root@vm", "reason": "paused"}, "by root@vm: paused"),
        ("schedule_paused", {"who": "root@vm", "reason": ""}, "by root@vm"),
        ("schedule_resumed", ENDED, "by root@vm, paused since Mon 09:00 ET by ann@host: moving"),
        ("schedule_resumed", {**ENDED, "reason": ""}, "by root@vm, paused since Mon 09:00 ET by ann@host"),
        ("schedule_resumed", {**ENDED, "paused_since": "soon"}, "by root@vm, paused by ann@host: moving"),
        ("schedule_resumed", {}, "by unknown, paused by unknown"),
        ("schedule_paused", {"who": 7, "reason": ["x"]}, "by unknown"),
    ],
)
def test_a_pause_and_its_end(event_type: str, payload: dict[str, Any], words: str) -> None:
    assert said(event_type, payload) == words


MOVED = {
    "symbol": "AAPL", "source": "tiingo", "previous_session": "2014-06-06", "session": "2014-06-09",
    "previous": "645.57", "close": "93.70", "split_factor": "1", "who": "ann@host", "reason": "a split of 7:1",
}  # fmt: skip
AAPL_WORDS = "AAPL -85.49 % on Mon 9 Jun, 645.57 → 93.70 at tiingo · by "
STOPPED = {"symbol": "TWTR", "last_session": "2022-10-27", "sources": ["tiingo", "yahoo"], "as_of": None}
RENAMED = {"symbol": "FB", "successor": "META", "source": "tiingo", "as_of": None}
ANSWERED = {
    "run_date": "2026-11-23", "pick_source": "llm", "outcome": "refused", "detail": "no tickers", "model": "gpt-5.1",
    "prompt_sha256": "e3b0", "attempts": 3, "answers": ["\x1b]0;gotcha\x07[bold]\u202e", "HOLD"], "as_of": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("event_type", "payload", "words"),
    [
        ("move_accepted", MOVED, AAPL_WORDS + "ann@host: a split of 7:1"),
        (
            "move_accepted",
            {**MOVED, "reason": ""},
            "AAPL -85.49 % on Mon 9 Jun, 645.57 → 93.70 at tiingo · by ann@host",
        ),
        ("move_accepted", {**MOVED, "close": "1E+999999999"}, "AAPL · by ann@host: a split of 7:1"),
        ("move_accepted", {**MOVED, "previous": "1e-999999"}, "AAPL · by ann@host: a split of 7:1"),
        ("move_accepted", {}, "unknown · by unknown"),
        ("symbol_stopped", STOPPED, "TWTR · last close 2022-10-27 · tiingo, yahoo"),
        ("symbol_stopped", {"symbol": 7}, "unknown · last close unknown"),
        ("symbol_renamed", RENAMED, "FB → META · tiingo"),
        ("symbol_renamed", {}, "unknown → unknown"),
        ("picks_answered", ANSWERED, "2026-11-23 · refused · llm · gpt-5.1 · 3 attempts · no tickers"),
        (
            "picks_answered",
            {**ANSWERED, "attempts": 1, "detail": ""},
            "2026-11-23 · refused · llm · gpt-5.1 · 1 attempt",
        ),
        ("picks_answered", {"outcome": ["x"]}, ""),
    ],
)
def test_what_happened_to_symbols_and_picks(event_type: str, payload: dict[str, Any], words: str) -> None:
    assert said(event_type, payload) == words


def test_what_a_model_answered_is_shown_literally() -> None:
    shown = payload_words(Event(uuid4(), WRITTEN, None, "picks_answered", ANSWERED)).plain
    assert "[bold]" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert list(ANSWERED) == [line.split('"')[1] for line in shown.splitlines() if line.startswith('  "')]


def test_a_pause_that_began_long_before_is_told_with_its_date() -> None:
    assert "paused since Mon 23 Nov 09:00 ET by ann@host" in said("schedule_resumed", ENDED, timedelta(days=60))


@given(
    st.dictionaries(
        st.sampled_from(sorted({*ENDED, *MOVED, *STOPPED, *RENAMED, *ANSWERED})),
        st.text() | st.integers() | st.none() | st.lists(st.text()) | st.sampled_from([*MOVED.values(), "1E+999999"]),
    )
)
def test_any_payload_is_told_in_one_bounded_line(payload: dict[str, Any]) -> None:
    for event_type in EventType:
        words = said(event_type, payload)
        assert not {unicodedata.category(character) for character in words} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert not event_type.startswith("schedule_") or words.startswith("by ")
        assert len(words) <= 160
