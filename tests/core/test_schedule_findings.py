"""What doctor finds about the schedulers: each finding in each of its states."""

from datetime import timedelta
from typing import Any

import pytest

from core.finding import Finding
from core.health import Backlog
from core.leading import LEADER_FACT, TICKS_FACT
from core.pausing import PAUSE_FACT
from core.schedule_findings import (
    days_finding,
    leader_finding,
    locks_finding,
    looks_finding,
    opening_finding,
    pause_finding,
)
from db.leadership import Lead
from db.lock_holders import BACKFILLS, LEAD, OPENINGS, LockHolder
from db.records import SchedulerFact
from tests.fakes import exchange

NOW = exchange("2026-11-24", "12:00")
NOBODY = Lead(is_held=False, is_replica=False, server_time=NOW)
SOMEBODY = Lead(is_held=True, is_replica=False, server_time=NOW)
TICK = timedelta(minutes=1)


def fact(name: str, age: timedelta = timedelta(0), **value: Any) -> dict[str, SchedulerFact]:
    return {name: SchedulerFact(name, value, NOW - age)}


def ticks(age: timedelta) -> dict[str, SchedulerFact]:
    return fact(TICKS_FACT, age, last_at=(NOW - age).isoformat(), idle=0)


def led(since: timedelta, heartbeat_age: timedelta) -> dict[str, SchedulerFact]:
    return fact(LEADER_FACT, heartbeat_age, who="one:1", since=(NOW - since).isoformat())


def test_a_pause_is_a_problem_and_says_how_it_ends() -> None:
    assert pause_finding({}).ok
    found = pause_finding(fact(PAUSE_FACT, who="ann", since=NOW.isoformat(), reason="moving"))
    assert not found.ok
    assert found.message == "the schedulers are paused by ann since 2026-11-24 12:00 exchange time: moving"
    assert "alpha-monday resume" in found.remedy


@pytest.mark.parametrize(
    ("age", "is_held", "ok", "said"),
    [
        (None, False, True, "none has ever run"),
        (0, True, True, "one:1 leads since 2026-11-24 12:00"),
        (179, True, True, "179 s old"),
        (180, True, False, "leads and hangs"),
        (7200, False, True, "none leads; one:1 led last"),
    ],
)
def test_the_scheduler(age: int | None, is_held: bool, ok: bool, said: str) -> None:
    told = {} if age is None else fact(LEADER_FACT, timedelta(seconds=age), who="one:1", since=NOW.isoformat())
    found = leader_finding(told, Lead(is_held, is_replica=False, server_time=NOW))
    assert (found.ok, said in found.message) == (ok, True), found
    assert bool(found.remedy) == (not ok or age is None)


def test_a_timer_that_works_without_a_leader_is_told_by_its_last_look() -> None:
    found = leader_finding(fact(TICKS_FACT, last_at=NOW.isoformat(), idle=3), Lead(False, False, NOW))
    assert found == Finding("scheduler", True, "none leads; the last look for work was 2026-11-24 12:00 exchange time")


@pytest.mark.parametrize(
    ("facts", "lead", "minutes", "ok"),
    [
        (led(timedelta(days=9), timedelta(minutes=5)) | ticks(timedelta(minutes=5)), NOBODY, 1, True),
        (led(timedelta(days=9), timedelta(minutes=6)) | ticks(timedelta(minutes=6)), NOBODY, 1, False),
        (led(timedelta(days=9), timedelta(minutes=6)) | ticks(timedelta(minutes=6)), NOBODY, 2, True),
        (led(timedelta(days=9), timedelta(0)) | ticks(timedelta(minutes=6)), SOMEBODY, 1, False),
        (led(timedelta(minutes=5), timedelta(0)) | ticks(timedelta(days=9)), SOMEBODY, 1, True),
        (ticks(timedelta(hours=25)), NOBODY, 1, True),
        (ticks(timedelta(hours=25, seconds=1)), NOBODY, 1, False),
        (led(timedelta(days=9), timedelta(days=8)) | ticks(timedelta(hours=25)), NOBODY, 1, True),
        (led(timedelta(days=9), timedelta(days=8)) | ticks(timedelta(hours=26)), NOBODY, 1, False),
        ({}, NOBODY, 1, False),
        (ticks(-timedelta(days=365)), NOBODY, 1, False),
        (led(-timedelta(days=365), timedelta(0)) | ticks(timedelta(minutes=6)), SOMEBODY, 1, False),
        (led(-timedelta(days=365), timedelta(0)) | ticks(-timedelta(days=365)), SOMEBODY, 1, False),
        (ticks(-timedelta(minutes=1)), NOBODY, 1, True),
    ],
    ids=[
        *("led just now", "died", "looks rarely", "all looks fail", "leads only just"),
        *("daily timer", "timer that stopped", "timer after a leader", "that stopped too", "never any"),
        *("look from the future", "leader from the future", "both from the future", "clocks that agree"),
    ],
)
def test_looks_for_work(facts: dict[str, SchedulerFact], lead: Lead, minutes: int, ok: bool) -> None:
    found = looks_finding(facts, lead, NOW, minutes * TICK, has_active=True)
    assert (found.ok, bool(found.remedy)) == (ok, not ok), found
    assert looks_finding(facts, lead, NOW, minutes * TICK, has_active=False).ok
    paused = facts | fact(PAUSE_FACT, who="ann")
    assert looks_finding(paused, lead, NOW, minutes * TICK, has_active=True).ok


@pytest.mark.parametrize(
    ("overdue", "ok", "said"),
    [
        (0, True, "none is overdue; due and still to be written: 9"),
        (1, False, "1 day is overdue; it fell due 2026-11-24 12:00 exchange time"),
        (1_234, False, "1,234 days are overdue; the oldest fell due 2026-11-24 12:00 exchange time"),
    ],
)
def test_overdue_days(overdue: int, ok: bool, said: str) -> None:
    behind = Backlog(9, overdue, NOW, opening_missed=False, oldest_overdue_at=NOW if overdue else None)
    found = days_finding(behind)
    assert (found.ok, found.message, bool(found.remedy)) == (ok, said, not ok)


def test_a_missed_opening_is_a_problem_and_says_how_it_is_made_good() -> None:
    assert opening_finding(Backlog(0, 0, None, opening_missed=False)) == Finding(
        "opening", True, "this week's was not missed"
    )
    found = opening_finding(Backlog(0, 0, None, opening_missed=True))
    assert (found.ok, "alpha-monday open --late" in found.remedy) == (False, True)


def holder(*locks: str, age: timedelta | None = timedelta(seconds=1), blocks: int = 0, pid: int = 71) -> LockHolder:
    return LockHolder(pid, list(locks), blocks, "ann", "psql", "10.0.0.7", None if age is None else NOW - age)


LEADS = led(timedelta(hours=1), timedelta(seconds=5))
ENDING = "Otherwise end it, as its user or as a superuser: select pg_terminate_backend(71);"


def test_that_no_lock_is_held_or_that_they_are_held_as_usual_is_no_problem() -> None:
    assert locks_finding([], {}, NOBODY) == Finding("locks", True, "none is held")
    found = locks_finding([holder(LEAD, age=timedelta(days=90)), holder(OPENINGS, pid=72)], LEADS, SOMEBODY)
    assert found.ok
    assert found.message == (
        "process 71 (user 'ann', application 'psql', from 10.0.0.7, since 2026-08-26 16:00:00 UTC) holds the lead; "
        "process 72 (user 'ann', application 'psql', from 10.0.0.7, since 2026-11-24 16:59:59 UTC) holds the lock on "
        "openings"
    )
    assert locks_finding([holder(BACKFILLS, age=timedelta(hours=5))], {}, NOBODY).ok


@pytest.mark.parametrize(
    ("held", "facts", "said"),
    [
        (holder(LEAD), {}, "holds the lead"),
        (holder(LEAD), led(timedelta(hours=1), timedelta(seconds=180)), "holds the lead"),
        (holder(OPENINGS, age=timedelta(seconds=11)), LEADS, "holds the lock on openings"),
        (holder(OPENINGS, blocks=2), LEADS, "holds the lock on openings and blocks 2 other sessions"),
        (holder(blocks=1), LEADS, "blocks 1 other session"),
        (holder(LEAD, OPENINGS, BACKFILLS), {}, "holds the lead and the lock on openings and the announcement of a"),
    ],
)
def test_whoever_is_in_the_way_is_named_with_what_ends_it(
    held: LockHolder, facts: dict[str, SchedulerFact], said: str
) -> None:
    found = locks_finding([held], facts, SOMEBODY)
    assert not found.ok
    assert said in found.message
    assert found.message.startswith("process 71 (user 'ann', application 'psql', from 10.0.0.7, since 2026-11-24 16:5")
    assert ENDING in found.remedy


def test_what_a_reader_may_not_see_is_left_out_and_said() -> None:
    held = LockHolder(71, [LEAD], 0, "ann", "", None, None)
    found = locks_finding([held], {}, SOMEBODY)
    assert found.message == "process 71 (user 'ann') holds the lead"
    assert "This user may not see since when" in found.remedy
    assert "This user may not see" not in locks_finding([holder(LEAD)], {}, SOMEBODY).remedy


def test_a_prepared_transaction_is_no_process_that_could_be_ended() -> None:
    found = locks_finding([LockHolder(0, [LEAD], 1, None, None, None, None)], {}, NOBODY)
    assert found.message == "a prepared transaction holds the lead and blocks 1 other session"
    assert "pg_prepared_xacts" in found.remedy
    assert "pg_terminate_backend" not in found.remedy


def test_names_that_sessions_gave_themselves_are_text() -> None:
    held = LockHolder(71, [LEAD], 0, "a\x1b[31mnn", "x" * 300, None, None)
    message = locks_finding([held], {}, SOMEBODY).message
    assert message == f"process 71 (user 'a\\x1b[31mnn', application '{'x' * 64}') holds the lead"
