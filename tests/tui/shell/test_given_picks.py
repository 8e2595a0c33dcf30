"""Picks from standard input, and those that are staged: what the source manual lives on, without a screen."""

import os
import pty
import subprocess
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import psycopg
import pytest

from core.picks.source import Account, PickDraft, PicksGivenUpError
from core.trading_calendar import EXCHANGE_ZONE
from tests.fakes import FixedClock
from tests.tui.shell.conftest import PROGRAM, CommandLine, Market, counts, everything, instant, usual_picks
from tui.shell import given_picks

MONDAY = date(2020, 1, 13)
HEADER = "run_date,ticker,action,reasoning\n"
PATIENCE_S = 60


def picks_of(week: date) -> str:
    return HEADER + "".join(f"{week},{','.join(pick)}\n" for pick in usual_picks())


def sources(conninfo: str) -> list[tuple[str, str]]:
    """By week, the pick source that its event tells of."""
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "select payload->>'run_date', payload->>'pick_source' from events where event_type = 'batch_opened'"
            " order by 1"
        ).fetchall()


@pytest.fixture
def in_the_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands in the half hour in which the week of MONDAY is opened."""
    clock = FixedClock(datetime(2020, 1, 13, 9, 10, tzinfo=EXCHANGE_ZONE))
    monkeypatch.setattr("core.services.SystemClock", lambda: clock)


@pytest.fixture
def manual(market: Market, anywhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The market with the pick source manual; gives the file of its own."""
    monkeypatch.setenv("ALPHA_MONDAY_PICK_SOURCE", "manual")
    monkeypatch.delenv("ALPHA_MONDAY_PICKS_FILE")
    (anywhere / "data").mkdir()
    return anywhere / "data" / "staged.csv"


class TestStandardInput:
    def test_opens_the_week_as_stated_by_hand(
        self, market: Market, conninfo: str, in_the_opening: None, alpha_monday: CommandLine
    ) -> None:
        given = picks_of(MONDAY).encode()
        before = everything(conninfo)
        assert alpha_monday("open", "--picks", "-", "--dry-run", "--json", stdin=given).json == counts(opened=1)
        assert everything(conninfo) == before
        assert alpha_monday("open", "--picks", "-", "--json", stdin=given).json == counts(opened=1)
        assert alpha_monday("open", "--picks", "-", "--json", stdin=given).json == counts(already_there=1)
        assert sources(conninfo) == [("2020-01-13", "manual")]

    def test_a_file_is_told_as_a_file(self, market: Market, conninfo: str, alpha_monday: CommandLine) -> None:
        assert alpha_monday("open", "2020-01-06", "--late", "--picks", str(market.picks)).code == 0
        assert sources(conninfo) == [("2020-01-06", "file")]

    def test_without_the_week_it_says_so(self, market: Market, in_the_opening: None, alpha_monday: CommandLine) -> None:
        outcome = alpha_monday("open", "--picks", "-", "--json", stdin=picks_of(date(2020, 1, 6)).encode())
        assert (outcome.code, outcome.error["code"]) == (1, "not_found")
        assert outcome.error["message"] == "standard input has no picks for the week of 2020-01-13."

    @pytest.mark.parametrize("command", [("open", "2020-01-06", "--late"), ("backfill",)])
    def test_more_than_picks_can_be_is_refused(
        self, market: Market, conninfo: str, alpha_monday: CommandLine, command: tuple[str, ...],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        given = picks_of(date(2020, 1, 6)).encode()
        before = everything(conninfo)
        monkeypatch.setattr(given_picks, "STANDARD_INPUT_LIMIT", len(given) - 1)
        outcome = alpha_monday(*command, "--picks", "-", "--json", stdin=given)
        assert (outcome.code, outcome.error["code"]) == (1, "file")
        assert "standard input: larger than" in outcome.error["message"]
        assert everything(conninfo) == before
        monkeypatch.setattr(given_picks, "STANDARD_INPUT_LIMIT", len(given))
        assert alpha_monday(*command, "--picks", "-", "--json", stdin=given).json["opened"] == 1

    @pytest.mark.parametrize("command", [("open", "--dry-run"), ("backfill",)])
    def test_a_terminal_is_not_waited_for(self, market: Market, command: tuple[str, ...]) -> None:
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                [*PROGRAM, *command, "--picks", "-"],
                stdin=theirs, capture_output=True, text=True, timeout=PATIENCE_S, env=os.environ, check=False,
            )  # fmt: skip
        finally:
            os.close(ours)
            os.close(theirs)
        assert done.returncode == 1
        assert "standard input is a terminal; picks are expected on it" in done.stderr
        assert "< FILE or through a pipe, headed run_date,ticker,action,reasoning" in done.stderr

    def test_a_closed_one_is_told(self, market: Market) -> None:
        command = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM, "backfill", "--picks", "-"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=os.environ, check=False)
        assert done.returncode == 1
        assert "standard input is closed; picks are expected on it" in done.stderr


class TestManual:
    def test_opens_what_is_staged(
        self, manual: Path, conninfo: str, in_the_opening: None, alpha_monday: CommandLine
    ) -> None:
        nothing = alpha_monday("open", "--json")
        assert (nothing.code, nothing.error["code"]) == (1, "picks_not_yet")
        assert "alpha-monday open --picks FILE" in nothing.error["message"]
        manual.write_text(picks_of(MONDAY))
        assert alpha_monday("open", "--json").json == counts(opened=1)
        assert sources(conninfo) == [("2020-01-13", "manual")]

    def test_reminds_in_the_log_while_nothing_is_staged(self, manual: Path, alpha_monday: CommandLine) -> None:
        once = ("--headless", "--once", "--json", "--as-of", instant(MONDAY, clock_time="09:10"))
        waits = alpha_monday(*once)
        assert (waits.code, waits.json) == (3, counts())
        [told] = [line for line in waits.log if line["event"] == "week_unopened"]
        assert (told["level"], told["run_date"], told["cause"]) == ("warning", "2020-01-13", "picks_not_yet")
        assert told["detail"].startswith("nothing is staged for the week of 2020-01-13; n in the TUI, or alpha-monday")
        manual.write_text(picks_of(MONDAY))
        assert alpha_monday(*once).json == counts(opened=1)


class GivingUp:
    """A model that had no valid answer."""

    name = "llm"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        raise PicksGivenUpError("no valid picks", "Look.", Account("a-model", "0" * 64, 3, ("HOLD",)))


def test_what_a_model_said_that_was_asked_by_hand_is_kept_too(
    market: Market,
    conninfo: str,
    in_the_opening: None,
    alpha_monday: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.shell.writing.pick_source_called", lambda *_: GivingUp())
    query = "select payload->>'outcome', payload->>'model', payload->'answers'->>0 from events where event_type = %s"
    for typed, kept in ((("--dry-run",), []), ((), [("refused", "a-model", "HOLD")])):
        told = alpha_monday("open", "--source", "llm", "--json", *typed)
        assert (told.code, told.json["error"]["code"]) == (1, "picks_given_up")
        with psycopg.connect(conninfo) as connection:
            assert connection.execute(query, ("picks_answered",)).fetchall() == kept
