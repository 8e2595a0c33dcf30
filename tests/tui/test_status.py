"""The status line never lies: every state has its words."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from core.catch_up import DueKind, NextDue, Report
from core.leading import LeaderView, unconfirmed_lead
from core.pausing import Pause
from core.reminder import Reminder
from core.rules import Delay
from core.schedule_view import WhoSchedules
from core.scheduler_state import Phase, SchedulerState
from core.trading_calendar import EXCHANGE_ZONE
from db.errors import AlphaMondayError, DatabaseUnavailableError
from tests.tui.history import NOW
from tui.command_list import COMMANDS
from tui.mode import Mode
from tui.status import Link, Source, Status, next_words, notices, scheduler_words, source_words
from tui.widgets.status_line import state_words

TIINGO = Source("tiingo", "price")
LEADING = SchedulerState(
    Phase.LEADING, leader="here:1", since=NOW, next_due=NextDue(DueKind.OPEN, NOW + timedelta(days=3, hours=16))
)
STANDING_BY = replace(LEADING, phase=Phase.STANDING_BY, leader="other:7")
OPEN = Status(Mode.SCHEDULER, database="main", link=Link.OPEN, answered_at=NOW, sources=(TIINGO,), scheduler=LEADING)
PAUSED = WhoSchedules(None, Pause("ann", NOW))
LED = WhoSchedules(LeaderView("other:7", NOW, is_alive=True, heartbeat_age=timedelta(0)), None)
UNCONFIRMED = WhoSchedules(LeaderView("other:7", NOW, is_alive=True, heartbeat_age=timedelta(minutes=2)), None)
DEAD = WhoSchedules(LeaderView("other:7", NOW, is_alive=False, heartbeat_age=timedelta(hours=1)), None)
LOST = replace(OPEN, link=Link.LOST, problem=DatabaseUnavailableError("No answer.", "It is tried again."))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status(Mode.SCHEDULER), "… opening the database"),
        (OPEN, "● leading"),
        (replace(OPEN, scheduler=None), "… starting"),
        (replace(OPEN, scheduler=STANDING_BY), "○ standing by, other:7 leads"),
        (replace(OPEN, scheduler=replace(LEADING, phase=Phase.NOT_RUNNING)), "… not running"),
        (replace(OPEN, who_schedules=PAUSED), "‖ paused"),
        (replace(OPEN, scheduler=STANDING_BY, who_schedules=PAUSED), "‖ paused"),
        (replace(OPEN, scheduler=replace(LEADING, phase=Phase.PAUSED, paused=PAUSED.paused)), "‖ paused"),
        (replace(OPEN, scheduler=replace(LEADING, phase=Phase.PAUSED), who_schedules=LED), "● leading"),
        (replace(OPEN, mode=Mode.NO_SCHEDULER), "no scheduler"),
        (replace(OPEN, mode=Mode.NO_SCHEDULER, who_schedules=LED), "no scheduler, other:7 leads"),
        (replace(OPEN, scheduler=replace(LEADING, problem=unconfirmed_lead(timedelta(seconds=3)))),
         "● leading, not confirmed"),
        (replace(OPEN, mode=Mode.NO_SCHEDULER, who_schedules=UNCONFIRMED),
         "no scheduler, other:7 leads, not confirmed"),
        (replace(OPEN, scheduler=STANDING_BY, who_schedules=UNCONFIRMED),
         "○ standing by, other:7 leads, not confirmed"),
        (replace(OPEN, mode=Mode.NO_SCHEDULER, who_schedules=PAUSED), "no scheduler, ‖ paused"),
        (replace(OPEN, mode=Mode.READ_ONLY, who_schedules=DEAD), "read-only, nobody schedules"),
        (replace(OPEN, sources=(), who_schedules=DEAD), "✗ not scheduling, nobody schedules"),
        (replace(OPEN, mode=Mode.READ_ONLY), "read-only"),
        (replace(OPEN, sources=()), "✗ not scheduling"),
        (replace(OPEN, link=Link.PREPARING), "… filling the demo"),
        (LOST, "✗ database lost, retrying"),
        (replace(OPEN, link=Link.FAILED), "✗ no database, retrying"),
    ],
)  # fmt: skip
def test_the_scheduler(status: Status, words: str) -> None:
    assert scheduler_words(status).plain == words


def test_what_is_next_is_told_in_exchange_time_and_not_while_nobody_knows() -> None:
    assert next_words(OPEN, NOW, EXCHANGE_ZONE).plain == "next open Mon 09:00 ET (3 d)"
    assert next_words(OPEN, NOW + timedelta(days=4), EXCHANGE_ZONE).plain == "next open Mon 09:00 ET (now)"
    assert next_words(LOST, NOW, EXCHANGE_ZONE).plain == ""
    assert next_words(replace(OPEN, who_schedules=PAUSED), NOW, EXCHANGE_ZONE).plain == "", "nothing is opened then"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (OPEN, "tiingo · price return"),
        (replace(OPEN, sources=(TIINGO, Source("csv", "price"))), "tiingo → csv · price return"),
        (replace(OPEN, sources=()), "no price source"),
        (replace(OPEN, sources=(Source("simulated", "price"),)), " SIMULATED PRICES "),
        (replace(OPEN, simulated_batches=True), " SIMULATED PRICES "),
        (Status(Mode.SCHEDULER), ""),
    ],
)
def test_the_sources(status: Status, words: str) -> None:
    assert source_words(status).plain == words


def test_a_failing_source_is_marked_and_named_with_its_cause() -> None:
    report = Report(delays=[Delay("rate_limited", "tiingo: hourly limit reached")])
    failing = replace(OPEN, scheduler=replace(LEADING, last_report=report))
    assert source_words(failing).plain.endswith("✗")
    assert [each.plain for each in notices(failing, NOW, COMMANDS)] == ["! tiingo: hourly limit reached"]
    waiting = replace(OPEN, scheduler=replace(LEADING, last_report=Report(delays=[Delay("close_missing", "no close")])))
    assert notices(waiting, NOW, COMMANDS) == []


def test_a_lost_database_tells_the_age_of_what_is_shown() -> None:
    [notice] = notices(LOST, NOW + timedelta(minutes=12), COMMANDS)
    assert notice.plain == "! What is shown was read 12 min ago. No answer. It is tried again."


def test_no_source_is_told_only_to_who_can_change_it() -> None:
    without = replace(OPEN, sources=(), scheduler=None)
    assert "Press u to set one up." in notices(without, NOW, COMMANDS)[0].plain
    assert notices(replace(without, mode=Mode.READ_ONLY), NOW, COMMANDS) == []
    broken = replace(without, source_problem=AlphaMondayError("No such source.", "Name another."))
    assert [each.plain for each in notices(broken, NOW, COMMANDS)] == ["! No such source. Name another."]


def test_a_week_that_was_not_opened_is_told_with_the_key_that_opens_it() -> None:
    told = notices(replace(OPEN, who_schedules=replace(LED, missed=date(2024, 11, 18))), NOW, COMMANDS)
    assert [line.plain for line in told] == [
        "! The week of 2024-11-18 was not opened. n opens it late, if its picks were made in time."
    ]
    looking = replace(OPEN, mode=Mode.READ_ONLY, who_schedules=replace(LED, missed=date(2024, 11, 18)))
    assert [line.plain for line in notices(looking, NOW, COMMANDS)] == ["! The week of 2024-11-18 was not opened."]


def test_a_week_without_picks_is_told_quietly_before_its_opening_and_loudly_while_it_is_on() -> None:
    monday = date(2024, 11, 25)
    opens, ends = (datetime(2024, 11, 25, 9, minute, tzinfo=EXCHANGE_ZONE) for minute in (0, 30))
    reminded = replace(OPEN, who_schedules=replace(LED, reminder=Reminder(monday, opens, ends)))
    told = {
        moment: [line.plain for line in notices(reminded, moment, COMMANDS)]
        for moment in (opens - timedelta(days=1), opens, ends - timedelta(seconds=1), ends)
    }
    before = "Nothing is staged for the week of 2024-11-25, which opens Mon 09:00 ET. n opens the form."
    on = "! Nothing is staged for the week of 2024-11-25. n opens the form, until 09:30 ET."
    assert list(told.values()) == [[before], [on], [on], []]
    paused = replace(reminded, who_schedules=replace(PAUSED, reminder=Reminder(monday, opens, ends)))
    [line] = notices(paused, opens - timedelta(days=1), COMMANDS)
    assert "which opens Mon 09:00 ET if resumed by then." in line.plain
    [looking] = notices(replace(reminded, mode=Mode.READ_ONLY), opens, COMMANDS)
    assert looking.plain == "! Nothing is staged for the week of 2024-11-25.", "a key that writes would be of no use"
    assert notices(replace(reminded, link=Link.LOST), opens, COMMANDS) == [], "nobody knows whether it is so still"


def test_picks_that_cannot_be_opened_are_told_literally_and_before_the_opening() -> None:
    opens = datetime(2024, 11, 25, 9, 0, tzinfo=EXCHANGE_ZONE)
    problem = "picks.csv, line 2: not BUY or SELL: '[b]\x1b[2J'. Mend it."
    found = Reminder(date(2024, 11, 25), opens, opens + timedelta(minutes=30), problem)
    for moment in (opens - timedelta(days=1), opens):
        [told] = notices(replace(OPEN, who_schedules=replace(LED, reminder=found)), moment, COMMANDS)
        assert told.plain == (
            "! The picks for 2024-11-25 cannot be opened: picks.csv, line 2: not BUY or SELL: '[b]␛[2J'. Mend it."
        )


def test_a_connection_that_may_be_unencrypted_is_told_literally() -> None:
    told = notices(replace(OPEN, transport_problem="[b]db.example\x1b[2J may be"), NOW, COMMANDS)
    assert [line.plain for line in told] == ["! [b]db.example␛[2J may be"]


def test_the_line_leaves_out_what_is_only_convenient() -> None:
    wide, narrow = (state_words(OPEN, NOW, None, width).plain for width in (140, 72))
    assert "price return" in wide
    assert "price return" not in narrow
    assert "next open Mon 09:00 ET" in narrow
    assert narrow.rstrip().endswith("tiingo")
