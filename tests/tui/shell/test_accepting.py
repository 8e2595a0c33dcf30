"""accept as an operator and a script meet it: what waits, what was taken at its word, and what was not."""

import asyncio
import getpass
import socket
from pathlib import Path

import psycopg
import pytest

from tests.tui import troubles
from tests.tui.shell.conftest import CommandLine, everything
from tests.tui.troubles import DOUBTFUL_WEEK, RENAMED_WEEK, STOPPED_WEEK

ACCEPT = ("accept", str(DOUBTFUL_WEEK))
MOVE = {
    "symbol": "AMZN", "source": "yahoo", "previous_session": "2022-06-03", "session": "2022-06-06",
    "previous": "2302.93", "close": "114.28", "split_factor": "1",
}  # fmt: skip


@pytest.fixture
def troubled(conninfo: str, anywhere: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database in which a batch waits for a word; settings lead to it."""
    settings = troubles.troubled_settings(conninfo, anywhere)
    asyncio.run(troubles.fill(settings))
    monkeypatch.setenv("DATABASE_URL", conninfo)
    return conninfo


def test_a_dry_run_lists_what_waits_and_writes_nothing(troubled: str, alpha_monday: CommandLine) -> None:
    before = everything(troubled)
    told = alpha_monday(*ACCEPT, "--dry-run", "--json")
    assert (told.code, told.json) == (0, {"accepted": [], "waiting": [MOVE]})
    plain = alpha_monday(*ACCEPT, "--dry-run")
    assert plain.out == (
        "Would be accepted: AMZN moved -95.04 % from 2302.93 on 2022-06-03 to 114.28 on 2022-06-06 "
        "without a split at yahoo.\n"
    )
    assert everything(troubled) == before
    waits = "2022-06-06 waits: AMZN moved -95.04 % from 2302.93"
    assert waits in alpha_monday("show", str(DOUBTFUL_WEEK)).out, "where the remedy of a refusal leads"


def test_what_is_accepted_is_told_logged_with_who_and_why_and_tried_again(
    troubled: str, alpha_monday: CommandLine
) -> None:
    told = alpha_monday(*ACCEPT, "--symbol", "amzn", "--reason", "the split of 20:1", "--json")
    assert (told.code, told.json, told.err) == (0, {"accepted": [MOVE]}, "")
    [event] = alpha_monday("events", "--type", "move_accepted", "--json").json["events"]
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert event["payload"] == {**MOVE, "successor": None, "who": who, "reason": "the split of 20:1"}
    with psycopg.connect(troubled) as connection:
        [(waiting,)] = connection.execute(
            "select count(*) from waiting_days where cause = 'doubtful_move' and next_try_at > now()"
        ).fetchall()
    assert waiting == 0
    for again in (ACCEPT, (*ACCEPT, "--dry-run")):
        refused = alpha_monday(*again, "--json")
        assert (refused.code, refused.error["code"]) == (1, "not_possible")
        assert "No move waits for a word in the batch of 2022-05-30." in refused.error["message"]
    assert alpha_monday(*ACCEPT).code == 1


def test_it_says_what_happens_next(troubled: str, alpha_monday: CommandLine) -> None:
    told = alpha_monday(*ACCEPT)
    assert told.code == 0
    first, second = told.out.splitlines()
    assert first.startswith("Accepted: AMZN moved -95.04 % from 2302.93")
    assert "--headless --once" in second


def test_during_a_pause_it_says_that_too(troubled: str, alpha_monday: CommandLine) -> None:
    alpha_monday("pause", "--reason", "moving house")
    told = alpha_monday(*ACCEPT)
    assert told.code == 0
    assert "The schedulers are paused" in told.err


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (("accept", str(RENAMED_WEEK)), "not_possible", "completed already"),
        (("accept", str(STOPPED_WEEK)), "not_possible", "No move waits"),
        (("accept", "2022-07-04"), "not_found", "2022-07-04"),
        ((*ACCEPT, "--symbol", "AMZN", "MSFT"), "not_possible", "No move of MSFT waits"),
        ((*ACCEPT, "--reason", "x" * 501), "not_possible", "500"),
    ],
)
def test_where_there_is_nothing_to_accept_it_exits_1_and_writes_nothing(
    troubled: str, alpha_monday: CommandLine, typed: tuple[str, ...], code: str, words: str
) -> None:
    before = everything(troubled)
    refused = alpha_monday(*typed, "--json")
    assert (refused.code, refused.error["code"]) == (1, code)
    assert words in refused.error["message"]
    assert refused.error["remedy"]
    assert alpha_monday(*typed).code == 1
    assert everything(troubled) == before


def test_show_tells_who_stopped_and_who_served(troubled: str, alpha_monday: CommandLine) -> None:
    told = alpha_monday("show", str(STOPPED_WEEK), "--json").json
    assert told["stopped"] == [{"symbol": "CERN", "last_session": "2022-06-07"}]
    plain = alpha_monday("show", str(STOPPED_WEEK)).out
    assert "CERN stopped trading, last close Tue 7 Jun\n" in plain
    renamed = alpha_monday("show", str(RENAMED_WEEK), "--json").json
    assert renamed["stopped"] == []
    assert "tiingo, yahoo from 1 Jun, price return" in alpha_monday("show", str(RENAMED_WEEK)).out


def test_while_paused_no_next_tick_is_promised(troubled: str, alpha_monday: CommandLine) -> None:
    assert alpha_monday("pause").code == 0
    told = alpha_monday(*ACCEPT)
    assert told.code == 0
    assert told.out.splitlines()[-1] == "The day is tried again once the schedulers are resumed."
    assert "next tick" not in told.out
