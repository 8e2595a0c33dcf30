"""Events on one line: a pause and its end in words, whatever a program wrote."""

import unicodedata
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.records import Event
from tests.fakes import exchange
from tui.widgets.event_log import summary

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


def test_a_pause_that_began_long_before_is_told_with_its_date() -> None:
    assert "paused since Mon 23 Nov 09:00 ET by ann@host" in said("schedule_resumed", ENDED, timedelta(days=60))


@given(st.dictionaries(st.sampled_from(sorted(ENDED)), st.text() | st.integers() | st.none()))
def test_any_payload_is_told_in_one_bounded_line(payload: dict[str, Any]) -> None:
    for event_type in ("schedule_paused", "schedule_resumed"):
        words = said(event_type, payload)
        assert not {unicodedata.category(character) for character in words} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert words.startswith("by ")
        assert len(words) <= 160
