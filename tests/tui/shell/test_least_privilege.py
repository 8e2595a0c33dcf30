"""The program as an operator runs it who has only the rights of a writer, or of a reader, of db/roles.sql."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from os import kill, waitpid
from pathlib import Path
from signal import SIGKILL
from typing import Any

import psycopg
import pytest

from db.roles import roles_sql
from tests.databases import as_onlooker, as_owner
from tests.tui.shell.conftest import PROGRAM, WEEKS, CommandLine, Market, everything
from tests.tui.test_run import LEAVES_BY_KEY, Terminal


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, with the environment as it stands."""
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60)


def done(*arguments: str, code: int = 0) -> Any:
    finished = run(*arguments, "--json")
    assert finished.returncode == code, finished.stdout + finished.stderr
    return json.loads(finished.stdout)


@pytest.fixture
def reading(market: Market, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> Market:
    """The market with its weeks written by a writer, for a reader to look at."""
    done("backfill", "--picks", str(market.picks))
    monkeypatch.setenv("DATABASE_URL", as_onlooker(conninfo))
    return market


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Terminals with programs; whatever still runs at the end is ended."""
    started: list[Terminal] = []
    yield started
    for terminal in started:
        with suppress(ChildProcessError, ProcessLookupError):
            kill(terminal.pid, SIGKILL)
            waitpid(terminal.pid, 0)


def test_a_writer_does_all_that_the_service_does(market: Market, conninfo: str) -> None:
    first, second, third = (week.isoformat() for week in WEEKS)
    assert done("--headless", "--once", "--as-of", f"{first}T09:10")["opened"] == 1
    assert done("--headless", "--once", "--as-of", f"{first}T17:00")["computed"] == 1
    market.write_prices(without=[("AAA", WEEKS[1])])
    assert done("backfill", "--picks", str(market.picks), "--as-of", f"{second}T17:00", code=3)["opened"] == 1
    done("fail", second, "--reason", "On purpose.")
    assert done("open", third, "--late")["opened"] == 1
    done("pause", "--reason", "Over lunch.")
    done("resume")
    market.write_prices()  # what a file that was changed just now lacks would keep its day waiting
    assert done("--headless", "--once", "--as-of", "2020-02-09T18:00")["computed"] > 1
    rows = everything(conninfo)
    assert [row.rsplit(",", 1)[1] for (row,) in rows["batches"]].count("completed)") == 2
    for program, written in (("db up", "applied"), ("db status", "migrations")):
        assert written in done(*program.split())


def test_a_writers_terminal_leads(market: Market, conninfo: str, terminals: list[Terminal]) -> None:
    terminals.append(Terminal.start(PROGRAM))
    terminals[0].read_until(b"leading")
    terminals[0].send(LEAVES_BY_KEY)
    assert terminals[0].end() == 0
    facts = [row for (row,) in everything(conninfo)["scheduler_state"]]
    assert facts, "it noted that it led"


def test_a_reader_reads_everything(reading: Market, tmp_path: Path) -> None:
    first = WEEKS[0].isoformat()
    assert done("latest")["batch"]["run_date"] == WEEKS[-1].isoformat()
    assert len(done("batches")["batches"]) == len(WEEKS)
    assert len(done("show", first)["checkpoints"]) == 14
    assert done("events")["events"]
    found = done("doctor", code=1)["checks"]
    wrong = {check["name"] for check in found if not check["ok"]}
    assert wrong - {"opening"} == {"price source csv"}, "the market's prices, and its weeks, are of 2020"
    done("db", "status")
    assert "worker" not in done("db", "url")["url"]
    assert run("health", "--json").returncode in {0, 1}
    done("db", "backup", str(tmp_path / "backup"))
    assert (tmp_path / "backup").stat().st_size > 0


def test_a_readers_terminal_shows_the_weeks(reading: Market, terminals: list[Terminal]) -> None:
    terminals.append(Terminal.start([*PROGRAM, "--read-only"]))
    terminals[0].read_until(WEEKS[-1].isoformat().encode())
    for keys, words in (
        (b"\r", b"Picks"),
        (b"q", b"Week"),
        (b"2", b"Batting"),
        (b"3", b"Jobs"),
        (b"4", b"Exchange time"),
    ):
        terminals[0].written.clear()
        terminals[0].send(keys)
        terminals[0].read_until(words)
    terminals[0].send(LEAVES_BY_KEY)
    assert terminals[0].end() == 0


@pytest.mark.parametrize(
    "command",
    [
        ("open", "2020-01-27", "--late"),
        ("backfill", "--picks", "picks.csv"),
        ("fail", "2020-01-06", "--reason", "x"),
        ("pause",),
        ("--headless", "--once"),
    ],
    ids=lambda command: command[0],
)
def test_a_reader_is_told_that_it_may_not_write(reading: Market, conninfo: str, command: tuple[str, ...]) -> None:
    reading.write_picks([*WEEKS, date(2020, 1, 27)])
    before = everything(conninfo)
    error = done(*command, code=1)["error"]
    assert error["code"] == "database_refused"
    assert "lacks a right: permission denied" in error["message"]
    assert "owner" in error["remedy"]
    assert everything(conninfo) == before


def test_the_command_prints_what_the_owner_runs(alpha_monday: CommandLine, conninfo: str) -> None:
    outcome = alpha_monday("db", "roles")
    assert (outcome.code, outcome.out, outcome.err) == (0, roles_sql(), "")
    assert alpha_monday("db", "roles", "--json").json == {"sql": roles_sql()}
    with psycopg.connect(as_owner(conninfo), autocommit=True) as connection:
        connection.execute(outcome.out.encode())
