"""The example of a source of one's own, installed as its users would and asked by the program."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loopback import Request, json_reply, reply, serving

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "house-prices"
KEY = "house-marker-4711"
ASK = """
import asyncio, sys
from datetime import date
from core.prices.registry import make_price_source, price_source_names
from core.prices.source import PriceOptions, PriceSourceError
from core.trading_calendar import TradingCalendar
assert "house" in price_source_names()
options = PriceOptions(calendar=TradingCalendar(), benchmark="SPY", key=sys.argv[2], url=sys.argv[1])
source = make_price_source("house", options)
try:
    answer = asyncio.run(source.closes(sys.argv[3:], date(2026, 11, 16), date(2026, 11, 20)))
except PriceSourceError as exc:
    print(exc.code, exc.message)
else:
    for symbol, closes in sorted(answer.closes.items()):
        print(symbol, *(f"{day} {close.price} {close.split_factor}" for day, close in closes.items()))
    print("unknown:", *sorted(answer.unknown))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which the example package is installed, built from a copy so that nothing is left beside it."""
    target, copy = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("example")
    for file in EXAMPLE.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", target, copy], check=True)
    return target


def ask(installed: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(installed), str(EXAMPLE.parents[2])])
    ran = subprocess.run(
        [sys.executable, "-c", ASK, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def test_it_is_found_by_its_entry_point_and_answers(installed: Path) -> None:
    def answer(request: Request) -> bytes:
        if request.path.endswith("/ZZZ"):
            return reply(404)
        return json_reply({"2026-11-19": "171.20", "2026-11-20": "170.000001"})

    with serving(answer) as provider:
        told = ask(installed, provider.url, KEY, "AAPL", "ZZZ")
        [asked] = [request for request in provider.requests if request.path == "/closes/AAPL"]
    assert told.splitlines() == ["AAPL 2026-11-19 171.20 1 2026-11-20 170.000001 1", "unknown: ZZZ"]
    assert asked.query == {"from": "2026-11-16", "to": "2026-11-20"}
    assert asked.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (json.dumps({"2026-11-20": 171.2}), "malformed"),
        (json.dumps({"2026-11-20": "-1"}), "malformed"),
        (json.dumps({"yesterday": "171.20"}), "malformed"),
        (json.dumps(["171.20"]), "malformed"),
        (json.dumps({"2026-11-20": f"not {KEY}"}), "malformed"),
        ("<html>", "malformed"),
    ],
)
def test_nonsense_is_malformed_and_the_key_is_not_repeated(installed: Path, body: str, code: str) -> None:
    with serving(lambda _: reply(200, body.encode())) as provider:
        told = ask(installed, provider.url, KEY, "AAPL")
    assert told.startswith(f"{code} house answered nonsense: AAPL")
    assert KEY not in told


def test_a_limit_is_a_limit(installed: Path) -> None:
    with serving(lambda _: reply(429, headers={"Retry-After": "90"})) as provider:
        assert ask(installed, provider.url, KEY, "AAPL").startswith("rate_limited house has a limit")


def test_it_is_as_short_as_its_page_says() -> None:
    lines = [line for line in (EXAMPLE / "house_prices.py").read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 30 + 1  # and the line that says what it is
