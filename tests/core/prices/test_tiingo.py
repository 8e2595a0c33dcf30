"""Tiingo, played by a provider on loopback from the scenarios beside this file."""

import json
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.plugins import MissingSettingError
from core.prices import http
from core.prices.http import Patience, Reply
from core.prices.provider_errors import retry_delay
from core.prices.registry import make_price_source
from core.prices.source import (
    Basis,
    Close,
    MalformedError,
    PriceOptions,
    PriceSource,
    PriceSourceError,
    RateLimitedError,
    UnauthorisedError,
    UnavailableError,
    is_price,
)
from core.prices.tiingo import TiingoPrices
from core.settings import SettingsError
from core.trading_calendar import TradingCalendar
from tests.core.prices.reading import numbers_in, told
from tests.loopback import Loopback, Request, json_reply, reply, serving

KEY = "0f9e-marker-key/+=4711"
FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)
NOW = datetime(2024, 1, 5, 12, tzinfo=UTC)
SCENARIOS = json.loads((Path(__file__).parent / "scenarios" / "tiingo.json").read_text(encoding="utf-8"))
ROW = {"date": "2024-01-03T00:00:00.000Z", "close": 5, "splitFactor": 1.0}
Scenario = dict[str, Any]


def played(scenario: Scenario) -> bytes:
    """The bytes that a scenario says; KEY stands for the key."""
    if "raw" in scenario:
        return str(scenario["raw"]).replace("KEY", KEY).encode()
    text = json.dumps(scenario["json"]) if "json" in scenario else scenario.get("body", "")
    text = {"DEEP": "[" * 100_000, "LONG": "[" + " " * http.LARGEST_BODY + "]"}.get(text, text)
    body = text.replace("KEY", KEY).encode(scenario.get("encoding", "utf-8"))
    headers = {name: value.replace("KEY", KEY) for name, value in scenario.get("headers", {}).items()}
    return reply(scenario.get("status", 200), body, headers, length=scenario.get("length", -1))


@pytest.fixture
def provider() -> Iterator[Loopback]:
    with serving(lambda _: reply(200, b"[]")) as provider:
        yield provider


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
async def test_every_answer_means_one_thing(provider: Loopback, scenario: Scenario) -> None:
    provider.answer = lambda _: played(scenario)
    source = TiingoPrices(KEY, provider.url)
    if "error" in scenario:
        with pytest.raises(PriceSourceError) as caught:
            await source.closes(["SPY"], FIRST, LAST)
        assert caught.value.code == scenario["error"]
        assert isinstance(caught.value, RateLimitedError) or "retry_after" not in scenario
        wait = getattr(caught.value, "retry_after", None)
        assert (None if wait is None else wait.total_seconds()) == scenario.get("retry_after")
        assert KEY not in told(caught.value)
        assert "marker" not in told(caught.value)
        assert len(caught.value.message) < 400
        assert caught.value.message.startswith("tiingo ")
        assert scenario.get("says", "") in caught.value.message
        assert caught.value.remedy
        assert len(provider.requests) == 1, "nothing is asked twice, and no redirect is followed"
        return
    answer = await source.closes(["SPY"], FIRST, LAST)
    assert (answer.source, answer.basis) == ("tiingo", Basis.PRICE)
    if scenario["closes"] is None:
        assert not answer.closes
        assert answer.unknown == {"SPY"}
    else:
        assert answer.unknown == frozenset()
        found = {str(day): [str(c.price), str(c.split_factor)] for day, c in answer.closes["SPY"].items()}
        assert found == scenario["closes"]
        assert list(found) == list(scenario["closes"]), "in order of time"


async def test_what_is_asked_for_each_symbol(provider: Loopback) -> None:
    def answer(request: Request) -> bytes:
        if request.path.endswith("/ZZZ/prices"):
            return json_reply({"detail": "Error: Ticker 'ZZZ' not found"}, 404)
        return json_reply([{**ROW, "close": len(request.path)}])

    provider.answer = answer
    source: PriceSource = TiingoPrices(KEY, f"{provider.url}/proxy/")
    answered = await source.closes(iter(["SPY", "BRK.B", "ZZZ", "SPY"]), FIRST, LAST)
    assert answered.closes.keys() == {"SPY", "BRK.B"}
    assert answered.unknown == {"ZZZ"}
    assert answered.closes["SPY"] == {date(2024, 1, 3): Close(Decimal(30))}
    assert sorted(request.path for request in provider.requests) == [
        "/proxy/tiingo/daily/BRK-B/prices", "/proxy/tiingo/daily/SPY/prices", "/proxy/tiingo/daily/ZZZ/prices"
    ]  # fmt: skip
    for request in provider.requests:
        assert request.method == "GET"
        assert request.query == {"startDate": "2024-01-02", "endDate": "2024-01-05", "format": "json"}
        assert request.headers["authorization"] == f"Token {KEY}"
        assert request.headers["accept-encoding"] == "identity"
        assert KEY not in request.target
    assert (source.name, source.basis, source.settle_delay) == ("tiingo", Basis.PRICE, timedelta(minutes=90))


async def test_few_questions_are_under_way_at_once(provider: Loopback) -> None:
    together = threading.Barrier(http.AT_ONCE)

    def answer_together(_: Request) -> bytes:
        together.wait(10)
        threading.Event().wait(0.02)  # a fifth that is under way arrives meanwhile
        return reply(200, b"[]")

    provider.answer = answer_together
    symbols = [f"S{number}" for number in range(6 * http.AT_ONCE)]
    answer = await TiingoPrices(KEY, provider.url).closes(symbols, FIRST, LAST)
    assert answer.closes == {symbol: {} for symbol in symbols}
    assert provider.most_at_once == http.AT_ONCE


async def test_one_failure_ends_the_others(provider: Loopback) -> None:
    provider.answer = lambda request: None if "/AAA/" in request.path else reply(503)
    with pytest.raises(UnavailableError):
        await TiingoPrices(KEY, provider.url).closes(["AAA", "BBB"], FIRST, LAST)


@pytest.mark.parametrize(
    ("patience", "words"),
    [(Patience(read=0.05), "nothing was heard for 0.05 s"), (Patience(whole=0.05), "took longer than 0.05 s")],
    ids=["between two pieces", "for all of it"],
)
@pytest.mark.parametrize("started", ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{"])
async def test_a_provider_that_keeps_silent_is_unavailable(
    provider: Loopback, patience: Patience, words: str, started: str
) -> None:
    provider.answer, provider.started = lambda _: None, started.encode()
    since = time.monotonic()
    with pytest.raises(UnavailableError, match=r"tiingo at 127\.0\.0\.1 cannot be reached") as caught:
        await TiingoPrices(KEY, provider.url, patience).closes(["SPY"], FIRST, LAST)
    assert words in caught.value.message
    assert time.monotonic() - since < 5


async def test_nobody_there() -> None:
    with serving(lambda _: None) as gone:
        address = gone.url
    with pytest.raises(UnavailableError, match="cannot be reached: ConnectError"):
        await TiingoPrices(KEY, address).closes(["SPY"], FIRST, LAST)


async def test_a_proxy_is_not_shown_the_key_over_plain_http(
    provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: reply(200, b"[]")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await TiingoPrices(KEY, provider.url).closes(["SPY"], FIRST, LAST)
        assert not proxy.requests


async def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://127.0.0.1:1")
    with pytest.raises(UnavailableError) as caught:
        await TiingoPrices(KEY, "https://127.0.0.1:1").closes(["SPY"], FIRST, LAST)
    assert "HTTPS_PROXY" in caught.value.remedy


def test_it_is_made_from_its_settings_alone() -> None:
    options = PriceOptions(calendar=TradingCalendar(), benchmark="SPY", key=KEY)
    assert isinstance(make_price_source("tiingo", options), TiingoPrices)
    with pytest.raises(MissingSettingError) as missing:
        make_price_source("tiingo", PriceOptions(calendar=TradingCalendar(), benchmark="SPY"))
    assert "ALPHA_MONDAY_TIINGO_KEY" in missing.value.remedy


@pytest.mark.parametrize("key", ["two words", "line\r\nX-Evil: 1", "schlüssel", "\x1b[2J", ""])
def test_a_key_that_can_be_none_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(SettingsError, match="ALPHA_MONDAY_TIINGO_KEY") as caught:
        TiingoPrices(key)
    assert not key or key not in told(PriceSourceError(caught.value.message, caught.value.remedy))


@pytest.mark.parametrize(
    "address", ["https://me:geheim@api.test", "https://api.test/?token=geheim", "https://", "https://api.test:geheim"]
)
def test_an_address_that_holds_more_than_an_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="ALPHA_MONDAY_TIINGO_URL") as caught:
        TiingoPrices(KEY, address)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


@given(st.text() | st.integers().map(str) | st.datetimes().map(lambda d: d.strftime("%a, %d %b %Y %H:%M:%S GMT")))
def test_whatever_is_to_be_waited_for_is_bounded(header: str) -> None:
    wait = retry_delay(header, NOW)
    assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


def test_a_wait_until_a_date() -> None:
    assert retry_delay("Fri, 05 Jan 2024 12:05:00 GMT", NOW) == timedelta(minutes=5)
    assert retry_delay("Fri, 05 Jan 2024 12:05:00 -0000", NOW) == timedelta(minutes=5)
    assert retry_delay("0", NOW) == timedelta(0)
    assert retry_delay(None, NOW) is None


def _read(body: bytes, status: int = 200) -> dict[date, Close] | None:
    return TiingoPrices(KEY)._read("SPY", Reply(status, body), FIRST, LAST)


def _check(body: bytes, status: int = 200) -> None:
    """Either an error of a price source, or closes that are prices written in `body`."""
    try:
        closes = _read(body, status)
    except PriceSourceError:
        return
    for day, close in (closes or {}).items():
        assert FIRST <= day <= LAST
        for number in (close.price, close.split_factor):
            assert is_price(number)
            assert any(number == Decimal(text) for text in numbers_in(body.decode())), number


@given(st.binary(), st.sampled_from([200, 404]))
def test_arbitrary_bytes_never_give_a_close_that_is_not_written_there(body: bytes, status: int) -> None:
    _check(body, status)


numbers = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.from_regex(r"\A-?[0-9]{1,14}(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,3})?\Z"),
    st.sampled_from(["null", "true", '"1.5"', "{}", "[1]"]),
)
rows = st.builds(
    lambda day, close, factor, more: f'{{"date": "{day}", "close": {close}, "splitFactor": {factor}{more}}}',
    st.sampled_from(["2024-01-02", "2024-01-03T00:00:00.000Z", "2024-01-05", "2024-01-06", "2024-01-03T05:00:00Z"]),
    numbers,
    st.just("1.0") | numbers,
    st.sampled_from(["", ', "adjClose": 9.75', ', "close": 2']),
)


@given(st.lists(rows, max_size=4).map(lambda found: f"[{', '.join(found)}]".encode()))
def test_rows_of_any_numbers_give_what_they_say_or_an_error(body: bytes) -> None:
    _check(body)


@given(
    st.decimals(min_value="0.000000000001", max_value="999999999999", places=12)
    | st.decimals(min_value="0.01", max_value=99999, places=2)
)
def test_every_price_comes_back_digit_for_digit(price: Decimal) -> None:
    body = f'[{{"date": "2024-01-03", "close": {price:f}, "splitFactor": 1.0}}]'.encode()
    closes = _read(body)
    assert closes is not None
    assert f"{closes[date(2024, 1, 3)].price:f}" == f"{price:f}"


@given(st.text(), st.sampled_from([200, 404]))
def test_words_never_become_closes(words: str, status: int) -> None:
    body = json.dumps({"detail": words}).encode()
    try:
        assert _read(body, status) is None
    except PriceSourceError:
        return
    assert status == 404
    assert "not found" in words.lower()


def test_a_ticker_that_sounds_like_a_limit() -> None:
    source = TiingoPrices(KEY)
    body = b'{"detail": "Error: Ticker \'LIMIT-A\' not found"}'
    assert source._read("LIMIT.A", Reply(404, body), FIRST, LAST) is None
    with pytest.raises(MalformedError):
        source._read("LIMIT.A", Reply(200, body), FIRST, LAST)


def test_only_the_choice_of_a_source_over_http_imports_the_client() -> None:
    code = "import sys, core.services, core.setup, core.prices.csv_file; print('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == [b"False"]


async def test_a_refusal_of_one_ticker_is_its_own(provider: Loopback) -> None:
    def answer(request: Request) -> bytes:
        if "/BAD/" in request.path:
            return json_reply({"detail": f"You do not have permission to access BAD, {KEY}"}, 403)
        if "/WEB/" in request.path:
            return reply(403, b"<html>403 Forbidden</html>")
        return json_reply([ROW])

    provider.answer = answer
    answered = await TiingoPrices(KEY, provider.url).closes(["BAD", "SPY", "WEB"], FIRST, LAST)
    assert answered.closes.keys() == {"SPY"}
    assert answered.unknown == frozenset()
    assert {symbol: error.code for symbol, error in answered.failed.items()} == dict.fromkeys(
        ["BAD", "WEB"], "unauthorised"
    )
    assert all(symbol in error.message for symbol, error in answered.failed.items())
    assert not any(KEY in error.message for error in answered.failed.values())


async def test_a_key_that_is_refused_for_every_ticker_fails_all(provider: Loopback) -> None:
    provider.answer = lambda _: reply(403, b"")
    with pytest.raises(UnauthorisedError):
        await TiingoPrices(KEY, provider.url).closes(["AAA", "SPY"], FIRST, LAST)


@pytest.mark.parametrize("spelled", ["BRK.B", "BRK-B", "BRK/B"])
async def test_a_class_is_asked_for_as_tiingo_spells_it(provider: Loopback, spelled: str) -> None:
    provider.answer = lambda _: json_reply([ROW])
    assert (await TiingoPrices(KEY, provider.url).closes([spelled], FIRST, LAST)).closes.keys() == {spelled}
    assert [request.path for request in provider.requests] == ["/tiingo/daily/BRK-B/prices"]
