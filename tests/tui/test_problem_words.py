"""What went wrong in one line: how many, since when, in brief, and the key; whatever stands in it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from core.problems import Problem, ProblemKind
from tests.tui.history import NOW
from tests.tui.test_literal import HOSTILE
from tui.command_list import COMMANDS
from tui.problem_words import in_brief, in_full, problems_line

DAY = date(2024, 11, 19)
MISSED = Problem(ProblemKind.MISSED, NOW, date(2024, 11, 4), None, (), "not_running", "")
WAITING = Problem(
    ProblemKind.WAITING, NOW, date(2024, 11, 18), DAY, ("TSLA",), "close_missing", "no close on 2024-11-19 for TSLA",
    next_try_at=NOW + timedelta(minutes=5),
)  # fmt: skip
SKIPPED = Problem(ProblemKind.NO_CLOSE, NOW, date(2024, 11, 18), DAY, ("TSLA", "XOM"), "price_missing", "no close")
REVISED = Problem(ProblemKind.BASELINE_REVISED, NOW, date(2024, 11, 18), None, ("KO",), "baseline_revised", "2 and 3")
OUTAGE = Problem(
    ProblemKind.OUTAGE, NOW, None, None, (), "rate_limited", "tiingo: hourly limit", count=3,
    next_try_at=NOW + timedelta(minutes=5),
)  # fmt: skip
STOPPED = Problem(
    ProblemKind.STOPPED_TRADING, NOW, date(2024, 11, 18), DAY, ("TWTR",), "symbol_stopped", "the last close of TWTR"
)  # fmt: skip
DOUBTFUL = Problem(
    ProblemKind.DOUBTFUL_MOVE, NOW, date(2024, 11, 18), DAY, ("AAPL",), "doubtful_move", "AAPL moved -85.47 %", count=4,
    next_try_at=NOW + timedelta(minutes=5),
)  # fmt: skip
REFUSED = Problem(ProblemKind.PICKS_REFUSED, NOW, date(2024, 11, 18), None, (), "picks_answered", "llm: no tickers")
ALL = (MISSED, WAITING, SKIPPED, REVISED, OUTAGE, STOPPED, DOUBTFUL, REFUSED)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (MISSED, "4 Nov missed"),
        (WAITING, "TSLA 19 Nov no close yet, retry 17:05"),
        (SKIPPED, "TSLA XOM 19 Nov skipped, no close"),
        (REVISED, "KO baseline revised"),
        (OUTAGE, "source's limit reached, 3 days wait, retry 17:05"),
        (STOPPED, "TWTR stopped trading, last close 19 Nov"),
        (DOUBTFUL, "AAPL 19 Nov doubtful move, 4 days wait for a word"),
        (replace(DOUBTFUL, count=1), "AAPL 19 Nov doubtful move, waits for a word"),
        (REFUSED, "18 Nov picks refused"),
    ],
)
def test_each_kind_in_brief(problem: Problem, words: str) -> None:
    assert in_brief(problem, NOW).plain == words


def test_a_fold_of_mondays_counts_them_all() -> None:
    line = problems_line([replace(MISSED, count=7), WAITING], None, NOW, "!", 100).plain
    assert line.startswith("! 8 since 7 Nov: 7 Mondays missed, the last 4 Nov · TSLA 19 Nov")


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=40), st.integers(40, 200))
def test_the_line_is_as_wide_as_there_is_room_and_ends_with_the_key(problems: list[Problem], width: int) -> None:
    line = problems_line(problems, NOW - timedelta(days=3), NOW, "!", width)
    assert line.cell_len == width
    assert line.plain.endswith("  ! show")
    assert line.plain.startswith(f"! {sum(problem.count for problem in problems)} since 18 Nov: ")


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: str(problem.kind))
def test_the_list_says_what_helps(problem: Problem) -> None:
    words = in_full(problem, NOW, COMMANDS).plain
    assert len(words.splitlines()) >= 2
    assert words.rstrip().endswith(".")


def test_what_waits_for_a_word_names_the_key_that_helps_whatever_it_is() -> None:
    keys = COMMANDS.with_keys({"accept_told": "o"})
    assert "  a shows it" in in_full(DOUBTFUL, NOW, COMMANDS).plain
    assert "  o shows it" in in_full(DOUBTFUL, NOW, keys).plain


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_words_from_outside_are_shown_and_bounded(text: str) -> None:
    for kind in ProblemKind:
        hostile = Problem(kind, NOW, None, None, (text,), text, text * 100)
        for words in (problems_line([hostile], None, NOW, "!", 80), in_full(hostile, NOW, COMMANDS)):
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(words.plain)
        assert cell_len(in_full(hostile, NOW, COMMANDS).plain) < 1_000
