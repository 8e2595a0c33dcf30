"""Wrong usage: exit 2, said where it was asked for, and nothing touched."""

import re
import subprocess
from pathlib import Path

import pytest

from db.events import EventType
from tests.tui.shell.conftest import PROGRAM, CommandLine, Market, everything

WRONG = [
    (("nonsense",), "nonsense"),
    (("latest", "--nonsense"), "--nonsense"),
    (("latest", "--headles"), "--headles"),
    (("batches", "--limit", "0"), "'0'"),
    (("batches", "--limit", "501"), "'501'"),
    (("batches", "--limit", "-1"), "-1"),
    (("batches", "--limit", "1.5"), "'1.5'"),
    (("batches", "--limit", "0000001000"), "'0000001000'"),
    (("batches", "--limit", "9" * 10_000), "999"),
    (("batches", "--limit", "٣"), "'٣'"),
    (("batches", "--limit", ""), "''"),
    (("batches", "--cursor", "2020-13-01"), "no such date: '2020-13-01'"),
    (("batches", "--cursor", "20200106"), "'20200106'"),
    (("batches", "--status", "ended"), "'ended'"),
    (("show",), "RUN_DATE"),
    (("show", "monday"), "'monday'"),
    (("show", "2020-02-30"), "no such date: '2020-02-30'"),
    (("show", "2020-W02-1"), "'2020-W02-1'"),
    (("show", "0001-01-01"), "from 1900 to 2100"),
    (("show", "9999-12-31"), "from 1900 to 2100"),
    (("show", "x" * 10_000), "'xxx"),
    (("events", "--cursor", "1"), "'1'"),
    (("events", "--type", "batch_open"), "'batch_open'"),
    (("events", "--type", ""), "''"),
    (("events", "--batch", "today"), "'today'"),
    (("open", "tomorrow"), "'tomorrow'"),
    (("open", "--picks", "a.csv", "--source", "file"), "--source"),
    (("backfill",), "--picks"),
    (("backfill", "--picks", "p.csv", "--from", "2020-1-6"), "'2020-1-6'"),
    (("backfill", "--picks", "p.csv", "--from", "2020-01-13", "--to", "2020-01-06"), "2020-01-13 is later than"),
    (("backfill", "--picks", "p.csv", "--as-of", "noon"), "'noon'"),
    (("backfill", "--picks", "p.csv", "--as-of", ""), "''"),
    (("backfill", "--picks", "p.csv", "--as-of", "2999-01-01"), "in the future"),
    (("backfill", "--picks", "p.csv", "--as-of", "9999-12-31T23:59-23:59"), "in the future"),
    (("backfill", "--picks", "p.csv", "--as-of", "0001-01-01T00:00+23:59"), "before the trading calendar"),
    (("backfill", "--picks", "p.csv", "--as-of", "1900-01-08"), "before the trading calendar"),
    (("fail", "2020-01-06"), "--reason"),
    (("accept",), "RUN_DATE"),
    (("accept", "2020-01-06", "--symbol"), "--symbol"),
    (("accept", "2020-01-06", "--symbol", "A B"), "'A B'"),
    (("accept", "--symbol", "AAA", "2020-01-06"), "'2020-01-06'"),
    (("notify",), "--test"),
    (("db",), "ACTION"),
    (("db", "drop"), "'drop'"),
    (("db", "backup"), "FILE"),
    (("--headless", "--as-of", "2020-01-06"), "--as-of goes with --once"),
    (("--headless", "--as-of", ""), "--as-of goes with --once"),
    (("--as-of", "2020-01-06"), "--headless"),
    (("--once",), "--headless"),
    (("--headless", "--read-only"), "--read-only"),
    (("--headless", "--no-scheduler"), "--no-scheduler"),
    (("--once", "latest"), "does not go with"),
    (("--read-only", "latest"), "does not go with"),
    (("--headless", "--once", "--as-of", "2020-01-06T25:00"), "'2020-01-06T25:00'"),
]


@pytest.mark.parametrize(("typed", "said"), WRONG)
def test_wrong_usage(alpha_monday: CommandLine, typed: tuple[str, ...], said: str) -> None:
    plain = alpha_monday(*typed)
    assert (plain.code, plain.out) == (2, "")
    assert said in plain.err
    assert "--help" in plain.err
    assert len(plain.err) < 1_000 or len(max(typed, key=len)) > 1_000
    assert len(plain.err) < 6_000

    told = alpha_monday(*typed, "--json")
    assert (told.code, told.err) == (2, "")
    assert told.error["code"] == "usage"
    assert said in told.error["message"]


def test_json_of_the_tui_and_of_an_endless_scheduler_is_wrong(alpha_monday: CommandLine) -> None:
    for typed in (("--json",), ("--json", "--headless"), ("--json", "--read-only")):
        assert (alpha_monday(*typed).code, alpha_monday(*typed).error["code"]) == (2, "usage")


def test_wrong_usage_touches_nothing(market: Market, conninfo: str, alpha_monday: CommandLine) -> None:
    before = everything(conninfo)
    for typed, _ in WRONG:
        assert alpha_monday(*typed).code == 2
    assert everything(conninfo) == before
    assert not (market.directory / "data").exists()


def test_options_may_stand_before_and_after_the_command(market: Market, alpha_monday: CommandLine) -> None:
    before, after = alpha_monday("--json", "latest"), alpha_monday("latest", "--json")
    assert before == after
    assert before.code == 0


def test_the_types_of_events_are_listed_where_one_is_wrong(alpha_monday: CommandLine) -> None:
    said = alpha_monday("events", "--type", "nonsense").err
    assert all(event_type in said for event_type in EventType)


def test_help_and_version_answer(alpha_monday: CommandLine) -> None:
    for typed in (("--help",), ("backfill", "--help"), ("db", "restore", "--help"), ("--version",)):
        outcome = alpha_monday(*typed)
        assert (outcome.code, outcome.err) == (0, "")
        assert "alpha-monday" in outcome.out
    assert re.fullmatch(r"alpha-monday \d+\.\d+\S*\n", alpha_monday("--version").out)


@pytest.mark.parametrize("typed", [("latest",), ("config",), ("db", "status"), ("db", "url")])
def test_a_key_of_no_installed_source_is_refused_by_every_command(
    market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...]
) -> None:
    assert alpha_monday("config").code == 0
    monkeypatch.setenv("ALPHA_MONDAY_TINGO_KEY", "geheimnis")
    told = alpha_monday(*typed, "--json")
    assert (told.code, told.error["code"]) == (1, "settings")
    assert "ALPHA_MONDAY_TINGO_KEY" in told.error["message"]
    assert "geheimnis" not in told.out + told.err


def test_the_doctor_tells_of_such_a_key_as_a_finding(
    market: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_MONDAY_TINGO_KEY", "geheimnis")
    told = alpha_monday("doctor", "--json")
    [check] = told.json["checks"]
    assert (told.code, check["name"], check["ok"]) == (1, "settings", False)
    assert "ALPHA_MONDAY_TINGO_KEY" in check["message"]
    assert "geheimnis" not in told.out + told.err


@pytest.fixture(params=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing write is met at the end, or where it happens."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1" if request.param == "unbuffered" else "")


@pytest.mark.usefixtures("buffering")
def test_what_cannot_be_printed_fails(market: Market) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run([*PROGRAM, "batches", "--json"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 1
    assert "alpha-monday: The output cannot be written: No space left on device." in process.stderr
    assert "Traceback" not in process.stderr
    assert "Exception ignored" not in process.stderr


@pytest.mark.usefixtures("buffering")
def test_a_reader_that_leaves_ends_it_quietly(market: Market) -> None:
    process = subprocess.Popen([*PROGRAM, "config"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert said == ""


def test_a_terminal_without_the_letters_is_served_all_the_same(
    replayed: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = subprocess.run([*PROGRAM, "latest"], capture_output=True, check=False)
    assert (process.returncode, process.stderr) == (0, b"")
    assert b"2020-01-20" in process.stdout
    assert process.stdout.isascii()
