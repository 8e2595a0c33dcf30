"""Text from outside is shown as it stands, whatever it would do to a terminal, in every command that meets it."""

import csv
import io
from datetime import date
from pathlib import Path

import pytest

from tests.tui.shell.conftest import CommandLine, Market, write_csv

HOSTILE = {
    "markup": "[/x] and [bold]bold[/bold]",
    "an action": "[@click=app.quit]press[/]",
    "a clipboard": "\x1b]52;c;aGk=\x07",
    "a title": "\x1b]0;owned\x07\x1b[2J",
    "an 8-bit escape": "\x9b31mred",
    "a bidi override": "abc\u202edrowssap",
    "emoji": "🚀👩‍👩‍👧‍👦",
    "CJK": "日本語の理由",
    "lines": "one\ntwo\r\nthree\x0b\x0c\u2028four",
    "combining": "a" + "\u0301" * 50,
    "backspaces": "good\b\b\b\bbad",
}
SHOWN = {
    "markup": "[/x] and [bold]bold[/bold]",
    "an action": "[@click=app.quit]press[/]",
    "a clipboard": "␛]52;c;aGk=␇",
    "a title": "␛]0;owned␇␛[2J",
    "an 8-bit escape": "\N{REPLACEMENT CHARACTER}31mred",
    "a bidi override": "abc\N{REPLACEMENT CHARACTER}drowssap",
    "emoji": "🚀👩",
    "CJK": "日本語の理由",
    "lines": "one⏎two⏎three␋␌",
    "combining": "a\u0301\u0301\N{REPLACEMENT CHARACTER}",
    "backspaces": "good␈␈␈␈bad",
}
WEEK = date(2020, 1, 6)


def picks_with(reasoning: str) -> list[tuple[str, ...]]:
    return [(WEEK.isoformat(), ticker, "BUY", reasoning) for ticker in ("AAA", "BBB", "CCC")]


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_reasoning_is_kept_and_shown_literally(market: Market, alpha_monday: CommandLine, kind: str) -> None:
    """`alpha_monday` itself looks for escapes in whatever is printed."""
    reasoning = HOSTILE[kind]
    write_csv(market.picks, ("run_date", "ticker", "action", "reasoning"), picks_with(reasoning))
    assert alpha_monday("backfill", "--picks", str(market.picks)).code == 0
    shown = alpha_monday("show", WEEK.isoformat())
    assert SHOWN[kind] in shown.out
    told = alpha_monday("show", WEEK.isoformat(), "--json")
    assert told.out.isascii()
    assert [pick["reasoning"] for pick in told.json["picks"]] == [reasoning] * 3
    for command in (("latest",), ("batches",), ("events",), ("latest", "--json"), ("events", "--json")):
        assert alpha_monday(*command).code == 0


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_ticker_is_refused_and_shown_literally(market: Market, alpha_monday: CommandLine, kind: str) -> None:
    rows = [(WEEK.isoformat(), HOSTILE[kind], "BUY", "x")]
    write_csv(market.picks, ("run_date", "ticker", "action", "reasoning"), rows)
    for json in ((), ("--json",)):
        outcome = alpha_monday("backfill", "--picks", str(market.picks), *json)
        assert outcome.code == 1
        assert "not a ticker" in outcome.out + outcome.err


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if "/" not in HOSTILE[kind]])
def test_a_file_name_is_shown_literally(
    market: Market, tmp_path: Path, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = tmp_path / f"{HOSTILE[kind]}.csv"
    missing = alpha_monday("backfill", "--picks", str(file))
    assert missing.code == 1
    assert "No such file" in missing.err
    file.write_text("ticker\n")
    for command in (
        ("backfill", "--picks", str(file)),
        ("open", WEEK.isoformat(), "--late", "--picks", str(file)),
        ("open", WEEK.isoformat(), "--late", "--source", "momentum", "--universe", str(file)),
        ("--headless", "--once", "--as-of", "2020-01-06T09:10", "--price-file", str(file)),
        ("--headless", "--once", "--as-of", "2020-01-06T09:10", "--picks-file", str(file)),
        ("config", "--price-file", str(file)),
        ("doctor", "--price-file", str(file)),
        ("doctor", "--data-dir", str(file)),
        ("latest", "--env-file", str(file) + "x"),
        ("db", "restore", str(file)),
        ("db", "backup", str(file)),
        ("backfill", "--picks", str(file), "--debug"),
    ):
        outcome = alpha_monday(*command)
        assert outcome.code == (0 if command[0] == "config" else 3 if command[0] == "--headless" else 1), command
        told = alpha_monday(*command, "--json")
        assert told.out.isascii()
        assert isinstance(told.json, dict)


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_argument_is_shown_literally(market: Market, alpha_monday: CommandLine, kind: str) -> None:
    text = HOSTILE[kind]
    for command in (
        (text,),
        ("latest", f"--{text}"),
        ("latest", text),
        ("show", text),
        ("events", "--type", text),
        ("open", "--source", text),
        ("batches", "--status", text),
        ("latest", "--benchmark", text),
        ("latest", "--open-at", text),
        ("open", WEEK.isoformat(), "--late", "--price-source", text),
    ):
        for json in ((), ("--json",)):
            assert alpha_monday(*command, *json).code in {1, 2}


def test_ten_thousand_characters_are_cut(market: Market, alpha_monday: CommandLine) -> None:
    text = "x" * 10_000
    for command in (
        ("show", text),
        ("latest", text),
        (text,),
        ("open", "--source", text),
        ("backfill", "--picks", text),
        ("fail", WEEK.isoformat(), "--reason", text),
    ):
        outcome = alpha_monday(*command)
        assert outcome.code in {1, 2}
        assert len(outcome.err) < 6_000


def test_a_reason_is_kept_and_shown_literally(market: Market, alpha_monday: CommandLine) -> None:
    reason = "".join(HOSTILE.values())
    alpha_monday("backfill", "--picks", str(market.picks), "--as-of", "2020-01-06T17:00")
    assert alpha_monday("fail", WEEK.isoformat(), "--reason", reason).code == 0
    assert "␛]52" in alpha_monday("events").out
    [event] = alpha_monday("events", "--type", "batch_failed", "--json").json["events"]
    assert event["payload"]["reason"] == reason


def test_a_reasoning_with_quotes_and_commas_stays_whole(market: Market, alpha_monday: CommandLine) -> None:
    reasoning = "He said \"buy\", twice;\nsee 'notes', \\n and %s"
    stream = io.StringIO()
    csv.writer(stream).writerows([("run_date", "ticker", "action", "reasoning"), *picks_with(reasoning)])
    assert alpha_monday("backfill", "--picks", "-", stdin=stream.getvalue().encode()).code == 0
    assert alpha_monday("latest", "--json").json["picks"][0]["reasoning"] == reasoning
