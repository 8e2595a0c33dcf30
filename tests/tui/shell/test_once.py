"""`--headless --once`: a close that is missing holds up its own day and nothing else, until it comes or is given up."""

from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.trading_calendar import EXCHANGE_ZONE
from tests.fakes import FixedClock
from tests.tui.shell.conftest import CommandLine, Market, Outcome, counts, instant

MONDAY, TUESDAY, WEDNESDAY = date(2020, 1, 6), date(2020, 1, 7), date(2020, 1, 8)


def once(alpha_monday: CommandLine, as_of: str) -> Outcome:
    return alpha_monday("--headless", "--once", "--json", "--as-of", as_of)


def days(alpha_monday: CommandLine) -> dict[str, str]:
    """The first batch's written days, and the reason or status of each."""
    shown = alpha_monday("show", MONDAY.isoformat(), "--json").json["checkpoints"]
    return {day["checkpoint_date"][-2:]: day.get("reason", day["status"]) for day in shown}


def waiting(conninfo: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "select checkpoint_date, cause, attempts, next_try_at - last_tried_at from waiting_days order by 1"
        ).fetchall()


@pytest.fixture
def opened(market: Market, alpha_monday: CommandLine) -> Market:
    """The first week, opened on its Monday, with a close of BBB that does not come on Tuesday."""
    market.write_prices(without=[("BBB", TUESDAY)])
    assert once(alpha_monday, instant(MONDAY, clock_time="08:59")).json == counts()
    assert once(alpha_monday, instant(MONDAY, clock_time="09:00")).json == counts(opened=1)
    assert once(alpha_monday, instant(MONDAY, clock_time="16:29")).json == counts()
    assert once(alpha_monday, instant(MONDAY, clock_time="16:30")).json == counts(computed=1)
    return market


def test_a_missing_close_waits_and_is_filled_when_it_comes(
    opened: Market, conninfo: str, alpha_monday: CommandLine
) -> None:
    outcome = once(alpha_monday, instant(TUESDAY))
    assert (outcome.code, outcome.json) == (3, counts(waiting=1))
    [line] = outcome.log
    assert line["event"] == "day_waits"
    assert "no close on 2020-01-07 for BBB from csv" in line["message"]
    assert [row[:3] for row in waiting(conninfo)] == [(TUESDAY, "close_missing", 1)]

    later = once(alpha_monday, instant(WEDNESDAY))
    assert (later.code, later.json) == (3, counts(computed=1, waiting=1)), "Wednesday is not held up"
    assert days(alpha_monday) == {"06": "computed", "08": "computed"}

    opened.write_prices()
    assert once(alpha_monday, instant(WEDNESDAY, clock_time="18:00")).json == counts(computed=1)
    assert days(alpha_monday) == {"06": "computed", "07": "computed", "08": "computed"}
    assert waiting(conninfo) == []


def test_a_missing_close_is_given_up_after_its_time(opened: Market, conninfo: str, alpha_monday: CommandLine) -> None:
    """Due on Tuesday at 16:30, given up on Thursday at 16:30: not a minute before."""
    assert once(alpha_monday, instant(TUESDAY, 2, "16:29")).json == counts(computed=1, waiting=1)
    outcome = once(alpha_monday, instant(TUESDAY, 2, "16:30"))
    assert (outcome.code, outcome.json) == (0, counts(computed=1, skipped=1))
    assert days(alpha_monday)["07"] == "price_missing"
    [event] = alpha_monday("events", "--type", "checkpoint_skipped", "--json").json["events"]
    assert event["payload"] == {
        "checkpoint_date": "2020-01-07",
        "reason": "price_missing",
        "symbols": ["BBB"],
        "sources": ["csv"],
        "as_of": "2020-01-09T16:30:00-05:00",
    }
    assert waiting(conninfo) == []
    opened.write_prices()
    assert once(alpha_monday, instant(TUESDAY, 2)).json == counts(), "what was skipped stays skipped"


def test_the_time_to_give_up_can_be_set(opened: Market, alpha_monday: CommandLine) -> None:
    typed = ("--headless", "--once", "--json", "--give-up-after", "1 min", "--as-of")
    assert alpha_monday(*typed, instant(TUESDAY)).json == counts(waiting=1), "the next session has not passed"
    assert alpha_monday(*typed, instant(WEDNESDAY)).json == counts(computed=1, skipped=1)


def test_a_source_that_is_behind_skips_nothing(opened: Market, conninfo: str, alpha_monday: CommandLine) -> None:
    opened.write_prices(until=MONDAY)
    outcome = once(alpha_monday, instant(MONDAY, 5))
    assert (outcome.code, outcome.json) == (3, counts(skipped=1, waiting=4)), "the Saturday alone is known"
    assert {row[1] for row in waiting(conninfo)} == {"source_behind"}
    opened.prices.unlink()
    outcome = once(alpha_monday, instant(MONDAY, 13))
    assert (outcome.code, outcome.json["waiting"]) == (3, 9)
    assert {row[1] for row in waiting(conninfo)} == {"unavailable"}
    opened.write_prices()
    assert once(alpha_monday, instant(MONDAY, 13)).json == counts(computed=9)
    assert waiting(conninfo) == []


def test_a_day_on_which_nobody_traded_is_skipped_at_once(opened: Market, alpha_monday: CommandLine) -> None:
    opened.write_prices(without=[(symbol, TUESDAY) for symbol in ("SPY", "AAA", "BBB", "CCC")])
    assert once(alpha_monday, instant(TUESDAY)).json == counts(waiting=1), "no later close says that it is known"
    assert once(alpha_monday, instant(WEDNESDAY)).json == counts(computed=1, skipped=1)
    assert days(alpha_monday)["07"] == "benchmark_has_no_close"


def test_attempts_count_and_pauses_grow_for_the_present_alone(
    opened: Market, conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FixedClock(datetime(2020, 1, 7, 17, 0, tzinfo=EXCHANGE_ZONE))
    monkeypatch.setattr("core.services.SystemClock", lambda: clock)
    typed = ("--headless", "--once", "--json")
    for attempt, minutes in enumerate((5, 10, 20, 40), 1):
        assert alpha_monday(*typed).json == counts(waiting=1)
        [(_, cause, attempts, rest)] = waiting(conninfo)
        assert (cause, attempts) == ("close_missing", attempt)
        assert timedelta(minutes=minutes) / 2 <= rest < timedelta(minutes=minutes), "half of it is drawn"
        clock.instant += rest - timedelta(seconds=1)
        resting = alpha_monday(*typed)
        assert (resting.code, resting.json) == (3, counts(waiting=1)), "it rests, and is still due"
        assert waiting(conninfo)[0][2] == attempt, "nobody was asked"
        clock.instant += timedelta(seconds=1)

    alpha_monday(*typed)
    [(_, _, attempts, rest)] = waiting(conninfo)
    assert (attempts, timedelta(minutes=40) <= rest < timedelta(minutes=80)) == (5, True)
    for attempt in range(6, 12):
        assert alpha_monday(*typed, "--as-of", instant(TUESDAY)).code == 3, "--as-of does not rest"
        [(_, _, attempts, rest)] = waiting(conninfo)
        assert (attempts, timedelta(hours=1) <= rest < timedelta(hours=2)) == (attempt, True), "a rest is bounded"


def test_the_days_of_one_transaction_come_back_together_and_those_of_others_do_not(
    opened: Market, conninfo: str, alpha_monday: CommandLine
) -> None:
    """A source is asked once for all of them, and processes do not ask it all at the same moment."""
    opened.prices.unlink()
    rests = set()
    for _ in range(4):
        once(alpha_monday, instant(MONDAY, 3))
        rows = waiting(conninfo)
        assert len(rows) == 3
        spread = [row[3] for row in rows]
        assert max(spread) - min(spread) < timedelta(milliseconds=1)
        rests.add(round(rows[0][3] / timedelta(minutes=5) / 2 ** (rows[0][2] - 1), 6))
    assert len(rests) == 4


def test_a_passed_monday_is_missed_once_and_says_why(opened: Market, alpha_monday: CommandLine) -> None:
    opened.write_picks([MONDAY])
    next_monday = MONDAY + timedelta(days=7)
    waits = once(alpha_monday, instant(next_monday, clock_time="09:10"))
    assert waits.code == 3
    assert waits.log[-1]["event"] in {"week_unopened", "day_waits"}
    assert any("no picks for the week of 2020-01-13" in line["message"] for line in waits.log)
    for _ in range(2):
        once(alpha_monday, instant(next_monday, 7, "12:00"))
    missed = alpha_monday("events", "--type", "batch_missed", "--json").json["events"]
    told = {event["payload"]["run_date"]: event["payload"] for event in missed}
    assert len(missed) == 2
    assert told["2020-01-13"]["cause"] == "picks_not_yet"
    assert "no picks for the week of 2020-01-13" in told["2020-01-13"]["detail"]
    assert told["2020-01-20"]["cause"] == "not_running"

    opened.write_picks([next_monday])
    assert alpha_monday("open", next_monday.isoformat(), "--late", "--json").json == counts(opened=1)


@pytest.mark.parametrize(
    ("missing", "said"), [("ALPHA_MONDAY_PRICE_SOURCE", "price source"), ("ALPHA_MONDAY_PICK_SOURCE", "pick source")]
)
def test_without_sources_it_fails_and_says_what_to_do(
    market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, missing: str, said: str
) -> None:
    monkeypatch.delenv(missing)
    outcome = alpha_monday("--headless", "--once")
    assert (outcome.code, outcome.out) == (1, "")
    [line] = outcome.log
    assert (line["event"], line["level"], line["code"]) == ("failed", "error", "settings")
    assert said in line["message"]
    assert "alpha-monday setup" in line["remedy"]
    assert missing in line["remedy"]
    told = alpha_monday("--headless", "--once", "--json")
    assert (told.code, told.err) == (1, "")
    assert told.error["remedy"] == line["remedy"]
