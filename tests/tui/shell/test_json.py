"""What programs read: the shapes of `--json`, digit for digit and page by page."""

import re
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from tests.tui.shell.conftest import WEEKS, CommandLine, Market, counts, price_of
from tui.output import print_json

BATCH = [
    *("id", "created_at", "run_date", "benchmark_symbol", "benchmark_initial_price", "status"),
    *("origin", "source", "basis", "excess_pct"),
]
PICK = ["id", "batch_id", "ticker", "action", "reasoning", "initial_price"]
CHECKPOINT = [
    *("id", "batch_id", "checkpoint_date", "status", "benchmark_price", "benchmark_return_pct"),
    *("source", "basis", "metrics"),
]
METRIC = ["id", "checkpoint_id", "pick_id", "ticker", "current_price", "absolute_return_pct", "vs_benchmark_pct"]
EVENT = ["id", "created_at", "batch_id", "event_type", "payload"]
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def decimal(text: object) -> Decimal:
    """The value of a money or percentage string: digits, never an exponent."""
    assert isinstance(text, str)
    assert _DECIMAL.fullmatch(text), text
    return Decimal(text)


def check_batch(batch: dict[str, Any]) -> None:
    assert list(batch) == BATCH
    UUID(batch["id"])
    assert datetime.fromisoformat(batch["created_at"]).utcoffset() is not None
    assert date.fromisoformat(batch["run_date"]).weekday() == 0
    assert (batch["origin"], batch["source"], batch["basis"]) == ("backfilled", "csv", "unspecified")
    decimal(batch["benchmark_initial_price"])
    exponent = decimal(batch["excess_pct"]).as_tuple().exponent
    assert exponent == -12, "percentages carry the twelve decimals that are stored"


def check_checkpoint(checkpoint: dict[str, Any]) -> None:
    if checkpoint["status"] == "skipped":
        assert list(checkpoint) == [*CHECKPOINT, "reason", "symbols"]
        assert checkpoint["reason"] == "market_closed"
        assert (checkpoint["benchmark_price"], checkpoint["metrics"]) == (None, [])
        return
    assert list(checkpoint) == CHECKPOINT
    decimal(checkpoint["benchmark_price"])
    decimal(checkpoint["benchmark_return_pct"])
    assert [metric["ticker"] for metric in checkpoint["metrics"]] == ["AAA", "BBB", "CCC"]
    for metric in checkpoint["metrics"]:
        assert list(metric) == METRIC
        assert metric["checkpoint_id"] == checkpoint["id"]
        absolute, against = decimal(metric["absolute_return_pct"]), decimal(metric["vs_benchmark_pct"])
        assert abs(absolute - decimal(checkpoint["benchmark_return_pct"]) - against) <= Decimal("2e-12")


def test_latest_without_batches(market: Market, alpha_monday: CommandLine) -> None:
    assert alpha_monday("latest", "--json").json == {"batch": None, "picks": [], "latest_checkpoint": None}
    assert alpha_monday("batches", "--json").json == {"batches": [], "next_cursor": None}
    assert alpha_monday("events", "--json").json == {"events": [], "next_cursor": None}


def test_latest(replayed: Market, alpha_monday: CommandLine) -> None:
    told = alpha_monday("latest", "--json").json
    assert list(told) == ["batch", "picks", "latest_checkpoint"]
    check_batch(told["batch"])
    assert told["batch"]["run_date"] == WEEKS[-1].isoformat()
    assert told["latest_checkpoint"]["checkpoint_date"] == "2020-02-02"
    check_checkpoint(told["latest_checkpoint"])
    assert told == {**told, "picks": alpha_monday("show", WEEKS[-1].isoformat(), "--json").json["picks"]}


def test_show(replayed: Market, alpha_monday: CommandLine) -> None:
    told = alpha_monday("show", "2020-01-06", "--json").json
    assert list(told) == ["batch", "picks", "checkpoints", "stopped"]
    assert told["stopped"] == []
    check_batch(told["batch"])
    assert told["batch"]["benchmark_initial_price"] == str(price_of("SPY", date(2020, 1, 3)))
    assert [list(pick) for pick in told["picks"]] == [PICK] * 3
    assert [(pick["ticker"], pick["action"]) for pick in told["picks"]] == [
        ("AAA", "BUY"),
        ("BBB", "SELL"),
        ("CCC", "BUY"),
    ]
    assert [pick["initial_price"] for pick in told["picks"]] == [
        str(price_of(symbol, date(2020, 1, 3))) for symbol in ("AAA", "BBB", "CCC")
    ]
    assert [checkpoint["checkpoint_date"] for checkpoint in told["checkpoints"]] == [
        f"2020-01-{day:02}" for day in range(6, 20)
    ]
    for checkpoint in told["checkpoints"]:
        check_checkpoint(checkpoint)


def test_the_batchs_excess_is_the_mean_over_its_picks_signed_by_action(
    replayed: Market, alpha_monday: CommandLine
) -> None:
    told = alpha_monday("show", "2020-01-06", "--json").json
    last = [checkpoint for checkpoint in told["checkpoints"] if checkpoint["metrics"]][-1]
    against = [Decimal(metric["vs_benchmark_pct"]) for metric in last["metrics"]]
    expected = (against[0] - against[1] + against[2]) / 3
    assert told["batch"]["excess_pct"] == f"{expected:.12f}"
    listed = alpha_monday("batches", "--json", "--cursor", "2020-01-07").json["batches"]
    assert [batch["excess_pct"] for batch in listed] == [told["batch"]["excess_pct"]]


def test_a_return_of_nothing_is_spelled_out(
    market: Market, alpha_monday: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL's 0.000000000000 is 0E-12 to Python."""
    flat = [f"{day},{symbol},7.5" for day in ("2020-01-03", "2020-01-06") for symbol in ("SPY", "AAA", "BBB", "CCC")]
    market.prices.write_text("\n".join(["date,symbol,close", *flat]))
    market.write_picks(WEEKS[:1])
    assert alpha_monday("backfill", "--picks", str(market.picks), "--as-of", "2020-01-06T17:00").code == 0
    told = alpha_monday("latest", "--json").json
    assert told["latest_checkpoint"]["benchmark_return_pct"] == "0.000000000000"
    assert told["latest_checkpoint"]["metrics"][0]["vs_benchmark_pct"] == "0.000000000000"
    assert told["batch"]["excess_pct"] == "0.000000000000"
    assert "+0.00" not in alpha_monday("latest").out
    assert "-0.00" not in alpha_monday("latest").out

    print_json({"small": Decimal("0E-12"), "large": Decimal("1E+3")})
    assert capsys.readouterr().out.split() == ["{", '"small":', '"0.000000000000",', '"large":', '"1000"', "}"]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_cursor_leads_through_every_batch_once(replayed: Market, alpha_monday: CommandLine, size: int) -> None:
    seen: list[str] = []
    cursor: list[str] = []
    while True:
        page = alpha_monday("batches", "--json", "--limit", str(size), *cursor).json
        assert list(page) == ["batches", "next_cursor"]
        for batch in page["batches"]:
            check_batch(batch)
        seen += [batch["run_date"] for batch in page["batches"]]
        if page["next_cursor"] is None:
            break
        assert page["next_cursor"] == seen[-1]
        cursor = ["--cursor", page["next_cursor"]]
    assert seen == [week.isoformat() for week in reversed(WEEKS)]


@pytest.mark.parametrize("narrowed", [(), ("--type", "checkpoint_computed"), ("--batch", "2020-01-13")])
def test_the_cursor_leads_through_every_event_once(
    replayed: Market, alpha_monday: CommandLine, narrowed: tuple[str, ...]
) -> None:
    whole = alpha_monday("events", "--json", "--limit", "500", *narrowed).json
    assert whole["next_cursor"] is None
    seen: list[dict[str, Any]] = []
    cursor: list[str] = []
    while True:
        page = alpha_monday("events", "--json", "--limit", "7", *narrowed, *cursor).json
        seen += page["events"]
        if page["next_cursor"] is None:
            break
        assert page["next_cursor"] == seen[-1]["id"]
        cursor = ["--cursor", page["next_cursor"]]
    assert seen == whole["events"]
    assert all(list(event) == EVENT for event in seen)
    assert all(newer["id"] > older["id"] for newer, older in pairwise(seen))
    if not narrowed:
        assert len(seen) == 3 + 42 + 3
    elif narrowed[0] == "--type":
        assert {event["event_type"] for event in seen} == {"checkpoint_computed"}
    else:
        assert len({event["batch_id"] for event in seen}) == 1
        assert len(seen) == 16


def test_batches_in_one_state(replayed: Market, alpha_monday: CommandLine) -> None:
    replayed.write_picks([date(2020, 1, 27), date(2020, 2, 3)])
    assert alpha_monday("backfill", "--picks", str(replayed.picks), "--as-of", "2020-02-04T18:00").code == 0
    assert alpha_monday("fail", "2020-02-03", "--reason", "A trial.").code == 0
    by_status = {
        status: [batch["run_date"] for batch in alpha_monday("batches", "--json", "--status", status).json["batches"]]
        for status in ("active", "completed", "failed")
    }
    assert by_status == {
        "active": ["2020-01-27"],
        "completed": ["2020-01-20", "2020-01-13", "2020-01-06"],
        "failed": ["2020-02-03"],
    }
    first = alpha_monday("batches", "--json", "--status", "completed", "--limit", "2").json
    rest = alpha_monday("batches", "--json", "--status", "completed", "--cursor", first["next_cursor"]).json
    assert [batch["run_date"] for batch in first["batches"] + rest["batches"]] == by_status["completed"]
    assert rest["next_cursor"] is None


def test_a_missing_batch_is_not_found(market: Market, alpha_monday: CommandLine) -> None:
    for command in (
        ("show", "2020-01-06"),
        ("fail", "2020-01-06", "--reason", "x"),
        ("events", "--batch", "2020-01-06"),
    ):
        outcome = alpha_monday(*command, "--json")
        assert (outcome.code, outcome.error["code"], outcome.err) == (1, "not_found", "")
        assert "2020-01-06" in outcome.error["message"]
        plain = alpha_monday(*command)
        assert (plain.code, plain.out) == (1, "")
        assert outcome.error["message"] in plain.err
        assert outcome.error["remedy"] in plain.err


def test_writers_report_counts(market: Market, alpha_monday: CommandLine) -> None:
    backfill = ("backfill", "--picks", str(market.picks), "--json")
    assert alpha_monday(*backfill).json == counts(opened=3, computed=10 + 9 + 9, skipped=4 + 5 + 5)
    assert alpha_monday(*backfill).json == counts(already_there=3)
    assert alpha_monday("--headless", "--once", "--json").json == counts()
    assert alpha_monday("open", "2020-01-06", "--json").json == counts(already_there=1)


def test_a_failed_batch_is_told_as_json(market: Market, alpha_monday: CommandLine) -> None:
    alpha_monday("backfill", "--picks", str(market.picks), "--as-of", "2020-01-14T17:00")
    told = alpha_monday("fail", "2020-01-13", "--reason", "A trial.", "--json").json
    assert told["batch"]["status"] == "failed"
    assert told["batch"]["run_date"] == "2020-01-13"


def test_a_batch_in_a_list_has_the_keys_of_a_batch_alone(replayed: Market, alpha_monday: CommandLine) -> None:
    listed = alpha_monday("batches", "--json", "--limit", "1").json["batches"][0]
    assert listed == alpha_monday("latest", "--json").json["batch"]
