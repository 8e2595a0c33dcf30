"""What went wrong in one line: how many, since when, in brief, and the key; whatever stands in it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from core.pausing import Pause
from core.problems import Problem, ProblemKind
from core.schedule_view import WhoSchedules
from tests.tui.history import NOW
from tests.tui.test_literal import HOSTILE
from tui.command_list import COMMANDS
from tui.mode import Mode
from tui.problem_words import in_brief, in_full, problems_line
from tui.status import Status

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
HERE = Status(Mode.SCHEDULER)
READ_ONLY = Status(Mode.READ_ONLY)
PAUSED = Status(Mode.SCHEDULER, who_schedules=WhoSchedules(None, Pause("ann", NOW)))
ALL = (MISSED, WAITING, SKIPPED, REVISED, OUTAGE, STOPPED, DOUBTFUL, REFUSED)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (MISSED, "week of 4 Nov missed"),
        (replace(MISSED, run_date=date(2023, 11, 6)), "week of 6 Nov 2023 missed"),
        (WAITING, "TSLA 19 Nov no close yet, retry 17:05"),
        (SKIPPED, "TSLA XOM 19 Nov skipped, no close"),
        (REVISED, "KO baseline revised"),
        (OUTAGE, "source's limit reached, 3 days wait, retry 17:05"),
        (STOPPED, "TWTR stopped trading, last close 19 Nov"),
        (DOUBTFUL, "AAPL 19 Nov doubtful move, 4 days wait for a word"),
        (replace(DOUBTFUL, count=1), "AAPL 19 Nov doubtful move, waits for a word"),
        (REFUSED, "week of 18 Nov picks refused"),
    ],
)
def test_each_kind_in_brief(problem: Problem, words: str) -> None:
    assert in_brief(problem, NOW, is_paused=False).plain == words


def test_a_fold_of_mondays_counts_them_all() -> None:
    line = problems_line([replace(MISSED, count=7), WAITING], None, NOW, "!", 120, is_paused=False).plain
    assert line.startswith("! 8 problems noted since 7 Nov: 7 weeks missed, the last of 4 Nov · TSLA 19 Nov")


def test_the_line_says_that_its_date_is_when_problems_were_noted_and_that_what_stands_is_open() -> None:
    monday = date(2024, 7, 15)
    late = replace(MISSED, run_date=monday)

    def line(problems: list[Problem], width: int = 120) -> str:
        return problems_line(problems, NOW - timedelta(days=3), NOW, "!", width, is_paused=False).plain

    assert line([late]).startswith("! 1 problem noted since 18 Nov: week of 15 Jul missed  ")
    standing = replace(WAITING, at=NOW - timedelta(days=9))
    assert line([late, standing]).startswith("! 2 problems open or noted since 18 Nov: week of 15 Jul missed · TSLA")
    assert line([late, WAITING], 80).startswith("! 2 noted since 18 Nov: week of 15 Jul missed · TSLA 19 Nov")


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=40), st.integers(40, 200))
def test_the_line_is_as_wide_as_there_is_room_and_ends_with_the_key(problems: list[Problem], width: int) -> None:
    line = problems_line(problems, NOW - timedelta(days=3), NOW, "!", width, is_paused=False)
    assert line.cell_len == width
    assert line.plain.endswith("  ! show")
    count = sum(problem.count for problem in problems)
    things = "" if width < 100 else " problem" if count == 1 else " problems"
    assert line.plain.startswith(f"! {count}{things} noted since 18 Nov: ")


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: str(problem.kind))
def test_the_list_says_what_helps(problem: Problem) -> None:
    words = in_full(problem, NOW, COMMANDS, HERE).plain
    assert len(words.splitlines()) >= 2
    assert words.rstrip().endswith(".")


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: str(problem.kind))
def test_while_paused_no_next_try_is_promised(problem: Problem) -> None:
    told = in_full(problem, NOW, COMMANDS, PAUSED).plain
    line = problems_line([problem], None, NOW, "!", 200, is_paused=True).plain
    assert "17:05" not in told + line
    assert "by itself" not in told


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: str(problem.kind))
def test_read_only_names_no_key_that_writes(problem: Problem) -> None:
    keys = COMMANDS.with_keys({"open_batch": "œ", "run_job": "ø", "new_batch": "ŋ", "accept_told": "ł"})
    told = in_full(problem, NOW, keys, READ_ONLY).plain
    assert not set("œøŋł") & set(told)
    assert in_full(problem, NOW, keys, HERE).plain != told or problem.kind in {
        ProblemKind.NO_CLOSE, ProblemKind.STOPPED_TRADING, ProblemKind.BASELINE_REVISED, ProblemKind.OUTAGE,
    }  # fmt: skip


def test_what_waits_for_a_word_names_the_key_that_helps_whatever_it_is() -> None:
    keys = COMMANDS.with_keys({"accept_told": "o"})
    assert "  a shows it" in in_full(DOUBTFUL, NOW, COMMANDS, HERE).plain
    assert "  o shows it" in in_full(DOUBTFUL, NOW, keys, HERE).plain


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_words_from_outside_are_shown_and_bounded(text: str) -> None:
    for kind in ProblemKind:
        hostile = Problem(kind, NOW, None, None, (text,), text, text * 100)
        line = problems_line([hostile], None, NOW, "!", 80, is_paused=False)
        for words in (line, in_full(hostile, NOW, COMMANDS, HERE)):
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(words.plain)
        assert cell_len(in_full(hostile, NOW, COMMANDS, HERE).plain) < 1_000
