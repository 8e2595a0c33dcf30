"""The schedulers in words, for every state and every width."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from core.catch_up import Report
from core.job_history import Job, JobRun
from core.leading import LeaderView, Standby
from core.pausing import Pause
from core.rules import Delay
from core.schedule_view import JobView, ScheduleView, WaitingView
from core.source_health import SourceHealth, SourceKind
from core.trading_calendar import EXCHANGE_ZONE
from tests.tui.history import NEWEST_WEEK, NOW
from tui.mode import Mode
from tui.schedule_words import Telling, below, idle_words, job_words, report_words, took_words
from tui.status import Link, Source, Status

CONSOLE = Console(width=80)
HERE, MINUTE = "here:1", timedelta(minutes=1)
WAITING = WaitingView(
    NEWEST_WEEK, NEWEST_WEEK + timedelta(days=2), "rate_limited", "hourly limit", 3, NOW - 9 * MINUTE, NOW + 5 * MINUTE
)
LEADER = LeaderView(HERE, NOW - 20 * MINUTE, is_alive=True, heartbeat_age=timedelta(seconds=3))
FAILING = SourceHealth(
    SourceKind.PRICES, "tiingo", is_failing=True, succeeded_at=NOW - 90 * MINUTE, failed_at=NOW - 2 * MINUTE,
    failure_code="rate_limited", failure="hourly limit reached", quota_left=0,
)  # fmt: skip
SOURCES = (FAILING, SourceHealth(SourceKind.PRICES, "csv", quota_left=1), SourceHealth(SourceKind.PICKS, "momentum"))
RETRY = JobView(Job.RETRIES, NOW + 5 * MINUTE, 0, JobRun(NOW - 9 * MINUTE, 2 * MINUTE, "1 waiting: limit", "there:2"))
VIEW = ScheduleView(
    jobs=(RETRY,), waiting=(WAITING,), leader=LEADER, standing_by=(Standby("there:2", NOW - MINUTE),), paused=None,
    sources=SOURCES, last_tick_at=NOW - MINUTE, idle_ticks=1_300,
)  # fmt: skip
STATUS = Status(Mode.SCHEDULER, link=Link.OPEN, sources=(Source("tiingo", "price"), Source("csv", "price")))
TELLING = Telling(VIEW, STATUS, NOW, EXCHANGE_ZONE, HERE)


def told(telling: Telling, width: int = 90) -> str:
    return below(telling, width, CONSOLE).plain


def with_leader(leader: LeaderView | None) -> Telling:
    return replace(TELLING, view=replace(VIEW, leader=leader))


def test_all_that_matters_is_told() -> None:
    assert told(TELLING).splitlines() == [
        "── Waiting · 1 day ───────────────────────────────────────────────────────────────────────",
        "! 2024-11-18  Wed 20 Nov  source's limit reached",
        "  next try Thu 17:05 ET (5 min), tried 3 times since Thu 16:51 ET",
        "  hourly limit",
        "",
        "── Leadership ────────────────────────────────────────────────────────────────────────────",
        "● this terminal leads since Thu 16:40 ET (20 min ago)",
        "○ there:2 stands by since Thu 16:59 ET",
        "",
        "── Sources ───────────────────────────────────────────────────────────────────────────────",
        "Prices, asked in this order",
        "  1 tiingo  ✗ fails  price return  0 questions left",
        "    no answer since Thu 15:30 ET (90 min ago)",
        "    failed last Thu 16:58 ET (2 min ago)  source's limit reached",
        "    hourly limit reached",
        "  2 csv  – not asked yet  price return  1 question left",
        "Picks",
        "  momentum  – not asked yet",
    ]


@given(st.integers(20, 240))
def test_nothing_is_wider_than_there_is_room_and_nothing_is_lost(width: int) -> None:
    lines = told(TELLING, width).splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(lines)
    for each in ("Waiting", "Leadership", "Sources", "source's", "tiingo", "momentum", "there:2"):
        assert each in words


@pytest.mark.parametrize(
    ("leader", "words"),
    [
        (replace(LEADER, who="there:3"), "● there:3 leads since"),
        (replace(LEADER, heartbeat_age=2 * MINUTE), "last sign of life 2 min ago"),
        (replace(LEADER, heartbeat_age=4 * MINUTE), "sign of life is 4 min old: it hangs, or its machine does."),
        (replace(LEADER, is_alive=False, heartbeat_age=300 * MINUTE), "led last, since Thu 16:40 ET; last sign"),
        (None, "✗ nobody schedules"),
    ],
)
def test_a_leader_in_every_state(leader: LeaderView | None, words: str) -> None:
    assert words in told(with_leader(leader))


def test_a_long_list_is_cut_and_says_so() -> None:
    weeks = tuple(replace(WAITING, run_date=NEWEST_WEEK - timedelta(days=7 * week)) for week in range(1_203))
    text = told(replace(TELLING, view=replace(VIEW, waiting=weeks)))
    assert "Waiting · 1,203 days" in text
    assert "and 1,103 more, which an export holds" in text
    assert text.count("hourly limit\n") == 100


def test_days_of_a_batch_that_wait_for_the_same_thing_are_told_once() -> None:
    days = [replace(WAITING, checkpoint_date=WAITING.checkpoint_date + timedelta(days=more)) for more in range(3)]
    other = replace(WAITING, cause="doubtful_move", detail="TSLA moved")
    text = told(replace(TELLING, view=replace(VIEW, waiting=(*days, other))))
    assert "Waiting · 4 days" in text
    assert "! 2024-11-18  Wed 20 Nov and 2 more  source's limit reached" in text
    assert "! 2024-11-18  Wed 20 Nov  doubtful move" in text
    assert text.count("hourly limit\n") == 1


def test_why_this_terminal_does_not_schedule() -> None:
    def words(status: Status) -> str:
        return told(replace(TELLING, status=status))

    assert "no price source to schedule with" in words(replace(STATUS, sources=()))
    assert "--no-scheduler" in words(replace(STATUS, mode=Mode.NO_SCHEDULER))
    assert "–" not in told(TELLING).split("Leadership")[1].split("Sources")[0]


def test_the_job_and_its_last_run() -> None:
    assert job_words(TELLING, RETRY, 90, CONSOLE).plain.splitlines()[1:] == [
        "last Thu 16:51 ET (9 min ago) by there:2, took 2 min · 1 waiting: limit"
    ]
    assert "No run is recorded yet." in job_words(TELLING, replace(RETRY, last=None), 90, CONSOLE).plain


def test_idle_looks_are_one_line() -> None:
    def words(idle: int) -> str:
        return idle_words(replace(TELLING, view=replace(VIEW, idle_ticks=idle))).plain

    assert words(1_300) == "The last 1,300 looks found nothing to do; the last Thu 16:59 ET (1 min ago)."
    assert words(1) == "The last look, Thu 16:59 ET (1 min ago), found nothing to do."
    assert words(0) == "The last look, Thu 16:59 ET (1 min ago), found work."
    nobody = replace(TELLING, view=replace(VIEW, last_tick_at=None))
    assert idle_words(nobody).plain == "No scheduler has looked for work yet."


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (Report(), "nothing was due"),
        (Report(already_there=1), "the week is open already"),
        (Report(opened=1), "1 week opened"),
        (Report(computed=2, skipped=1), "2 days computed, 1 day skipped"),
        (Report(waiting=2, delays=[Delay("x", "no close")]), "2 days wait: no close"),
        (Report(unopened={NEWEST_WEEK: Delay("x", "no picks")}), "1 week not opened yet: no picks"),
    ],
)
def test_what_a_job_did(report: Report, words: str) -> None:
    assert report_words(report) == words


def test_how_long_it_took() -> None:
    assert took_words(timedelta(milliseconds=400)) == "<1 s"
    assert took_words(timedelta(seconds=150)) == "2 min"


@pytest.mark.parametrize("width", [40, 76, 116, 200])
def test_a_pause_says_who_made_it_since_when_and_why(width: int) -> None:
    def words(reason: str) -> str:
        paused = Pause("ann@host", NOW - 20 * MINUTE, reason)
        text = told(replace(TELLING, view=replace(VIEW, leader=None, standing_by=(), paused=paused)), width)
        assert max(map(len, text.splitlines())) <= width
        return " ".join(text.split("Leadership")[1].split())

    since = "‖ paused by ann@host since Thu 16:40 ET (20 min ago)"
    if width < 100:  # in one column
        assert f"{since}: moving the database No batch is opened" in words("moving the database")
        assert f"{since} No batch is opened" in words("")
    hostile = words("\x1b]0;gotcha\x07[bold]\u202e" + "very " * 400)
    assert "[bold]" in hostile
    assert hostile.isprintable()
    assert hostile.count("very") < 60
