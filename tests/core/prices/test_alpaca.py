"""Alpaca, played by a provider on loopback from the scenarios beside this file."""

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.plugins import MissingSettingError
from core.prices import alpaca_bars, http
from core.prices.alpaca import MOST_SYMBOLS, AlpacaPrices, _wait_asked_for
from core.prices.http import Patience
from core.prices.registry import make_price_source
from core.prices.source import (
    Basis,
    MalformedError,
    PriceOptions,
    PriceSource,
    PriceSourceError,
    RateLimitedError,
    UnavailableError,
)
from core.settings import SettingsError
from core.trading_calendar import TradingCalendar
from tests.core.prices.reading import told
from tests.fakes import FixedClock, exchange
from tests.loopback import Loopback, Request, json_reply, reply, serving

KEY_ID, SECRET = "PK0F9Emarker4711", "s3cr3t-marker/+=0815"
KEY = f"{KEY_ID}:{SECRET}"
FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)
NOW = datetime(2024, 1, 8, 12, tzinfo=UTC)
SCENARIOS = json.loads((Path(__file__).parent / "scenarios" / "alpaca.json").read_text(encoding="utf-8"))
NOTHING: dict[str, object] = {"bars": {}, "next_page_token": None}
Scenario = dict[str, Any]


def with_key(text: str) -> str:
    return text.replace("KEY", KEY_ID).replace("SECRET", SECRET)


def played(scenario: Scenario) -> bytes:
    """The bytes that a scenario says; KEY and SECRET stand for the halves of the key."""
    if "raw" in scenario:
        return with_key(scenario["raw"]).encode()
    text = json.dumps(scenario["json"]) if "json" in scenario else scenario.get("body", "")
    text = {"DEEP": "[" * 100_000, "LONG": "[" + " " * http.LARGEST_BODY + "]"}.get(text, text)
    body = with_key(text).encode(scenario.get("encoding", "utf-8"))
    headers = {name: with_key(value) for name, value in scenario.get("headers", {}).items()}
    return reply(scenario.get("status", 200), body, headers, length=scenario.get("length", -1))


def one_after_the_other(pages: list[Scenario]) -> Callable[[Request], bytes]:
    following = iter(pages)
    return lambda _: played(next(following))


def bars(symbol: str, **closes: object) -> dict[str, list[dict[str, object]]]:
    """Bars of days in January 2024, such as d3=1.5 for the third."""
    return {symbol: [{"t": f"2024-01-{int(day[1:]):02}T05:00:00Z", "c": close} for day, close in closes.items()]}


def saying_left(remaining: str, _: Request) -> bytes:
    return reply(200, json.dumps(NOTHING).encode(), {"X-RateLimit-Remaining": remaining})


@pytest.fixture
def provider() -> Iterator[Loopback]:
    with serving(lambda _: json_reply(NOTHING)) as provider:
        yield provider


def source_at(provider: Loopback, now: datetime = NOW, **more: Any) -> AlpacaPrices:
    return AlpacaPrices(KEY, provider.url, clock=FixedClock(now), **more)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
async def test_every_answer_means_one_thing(provider: Loopback, scenario: Scenario) -> None:
    provider.answer = one_after_the_other(scenario["pages"]) if "pages" in scenario else lambda _: played(scenario)
    source = source_at(provider)
    symbols = scenario.get("symbols", ["SPY"])
    first = date.fromisoformat(scenario.get("first", str(FIRST)))
    last = date.fromisoformat(scenario.get("last", str(LAST)))
    if "error" in scenario:
        with pytest.raises(PriceSourceError) as caught:
            await source.closes(symbols, first, last)
        assert caught.value.code == scenario["error"]
        wait = getattr(caught.value, "retry_after", None)
        assert (None if wait is None else wait.total_seconds()) == scenario.get("retry_after")
        assert "marker" not in told(caught.value)
        assert len(caught.value.message) < 400
        assert caught.value.message.startswith("alpaca ")
        assert scenario.get("says", "") in caught.value.message
        assert caught.value.remedy
    else:
        answer = await source.closes(symbols, first, last)
        assert (answer.source, answer.basis) == ("alpaca", Basis.PRICE)
        assert answer.unknown == set(scenario.get("unknown", []))
        found = {
            symbol: {str(day): str(close.price) for day, close in closes.items()}
            for symbol, closes in answer.closes.items()
        }
        assert found == scenario.get("closes", {})
        for symbol, closes in found.items():
            assert list(closes) == list(scenario["closes"][symbol]), "in order of time"
        assert {close.split_factor for closes in answer.closes.values() for close in closes.values()} <= {Decimal(1)}
    assert len(provider.requests) == scenario.get("asks", 1), "nothing is asked twice, and no redirect is followed"


async def test_what_is_asked_for(provider: Loopback) -> None:
    source: PriceSource = AlpacaPrices(KEY, f"{provider.url}/proxy/", clock=FixedClock(NOW))
    answered = await source.closes(iter(["SPY", "BRK.B", "SPY"]), FIRST, LAST)
    assert answered.closes == {"BRK.B": {}, "SPY": {}}
    [request] = provider.requests
    assert (request.method, request.path) == ("GET", "/proxy/v2/stocks/bars")
    assert request.query == {
        "symbols": "BRK.B,SPY",
        "timeframe": "1Day",
        "start": "2024-01-02T05:00:00Z",
        "end": "2024-01-06T04:59:59Z",
        "adjustment": "split,spin-off",
        "asof": "-",
        "feed": "sip",
        "limit": "10000",
        "sort": "asc",
    }
    assert request.headers["apca-api-key-id"] == KEY_ID
    assert request.headers["apca-api-secret-key"] == SECRET
    assert request.headers["accept-encoding"] == "identity"
    assert "marker" not in request.target
    assert (source.name, source.basis, source.settle_delay) == ("alpaca", Basis.PRICE, timedelta(minutes=45))


@pytest.mark.parametrize(
    ("last", "now", "end"),
    [
        (date(2024, 1, 5), exchange("2024-01-05", "16:45"), "2024-01-05T21:25:00Z"),
        (date(2023, 11, 24), exchange("2023-11-24", "13:45"), "2023-11-24T18:25:00Z"),
        (date(2024, 7, 5), exchange("2024-07-06", "00:19:59"), "2024-07-06T03:59:59Z"),
        (date(2024, 7, 5), exchange("2024-07-06", "00:19:58"), "2024-07-06T03:59:58Z"),
        (date(2024, 7, 5), exchange("2024-07-08", "12:00"), "2024-07-06T03:59:59Z"),
    ],
)
async def test_no_question_reaches_into_what_a_free_account_is_refused(
    provider: Loopback, last: date, now: datetime, end: str
) -> None:
    """At the end of the settle delay the closing auction, on a half day too, is before the end that is asked for."""
    await source_at(provider, now).closes(["SPY"], last - timedelta(days=4), last)
    assert provider.requests[0].query["end"] == end


async def test_the_pages_are_of_one_question(provider: Loopback) -> None:
    def answer(request: Request) -> bytes:
        token = request.query.get("page_token")
        following = {None: "a+b/c==", "a+b/c==": "second&third", "second&third": None}[token]
        return json_reply({"bars": {}, "next_page_token": following})

    provider.answer = answer
    await source_at(provider).closes(["QQQ", "SPY"], FIRST, LAST)
    first, *others = [dict(request.query) for request in provider.requests]
    assert [other.pop("page_token") for other in others] == ["a+b/c==", "second&third"]
    assert others == [first, first]


async def test_symbols_are_asked_for_in_hundreds(provider: Loopback) -> None:
    def answer(request: Request) -> bytes:
        asked = request.query["symbols"].split(",")
        if "page_token" in request.query:
            return json_reply({"bars": bars(asked[-1], d4=2), "next_page_token": None})
        if "S0150" in asked:
            return json_reply({"message": "invalid symbol: S0150"}, 400)
        return json_reply({"bars": bars(asked[0], d3=1), "next_page_token": "more"})

    provider.answer = answer
    symbols = [f"S{number:04}" for number in range(2 * MOST_SYMBOLS + 1)]
    answered = await source_at(provider).closes(reversed(symbols), FIRST, LAST)
    assert answered.unknown == {"S0150"}
    assert answered.closes.keys() == set(symbols) - {"S0150"}
    third, fourth = date(2024, 1, 3), date(2024, 1, 4)
    assert {symbol: set(closes) for symbol, closes in answered.closes.items() if closes} == {
        "S0000": {third}, "S0099": {fourth}, "S0100": {third}, "S0199": {fourth}, "S0200": {third, fourth},
    }  # fmt: skip
    assert len(provider.requests) == 7
    assert max(len(request.query["symbols"].split(",")) for request in provider.requests) == MOST_SYMBOLS


async def test_nothing_is_asked_about_nothing(provider: Loopback) -> None:
    assert (await source_at(provider).closes([], FIRST, LAST)).closes == {}
    assert not provider.requests


async def test_ever_new_pages_come_to_an_end(provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_bars, "MOST_PAGES", 5)
    numbers = iter(range(20))
    provider.answer = lambda _: json_reply({"bars": {}, "next_page_token": f"t{next(numbers)}"})
    with pytest.raises(MalformedError, match="pages without an end"):
        await source_at(provider).closes(["SPY"], FIRST, LAST)
    assert len(provider.requests) == 5


async def test_a_page_of_an_earlier_try_is_never_added_to(provider: Loopback) -> None:
    """Between two tries a split may have put every earlier close on another share basis."""
    tries = iter([4, 1])
    basis = next(tries)

    def answer(request: Request) -> bytes:
        if "page_token" in request.query:
            return json_reply({"bars": bars("SPY", d4=basis), "next_page_token": None})
        if request.query["symbols"] == "SPY":
            return json_reply({"bars": bars("SPY", d3=basis), "next_page_token": "more"})
        if basis == 4:
            threading.Event().wait(0.2)  # the other page is read meanwhile
            return reply(503)
        return json_reply(NOTHING)

    provider.answer = answer
    source = source_at(provider)
    symbols = [f"A{number:03}" for number in range(MOST_SYMBOLS)] + ["SPY"]
    with pytest.raises(UnavailableError):
        await source.closes(symbols, FIRST, LAST)
    basis = next(tries)
    answered = await source.closes(symbols, FIRST, LAST)
    assert [close.price for close in answered.closes["SPY"].values()] == [Decimal(1), Decimal(1)]


async def test_how_many_questions_are_left(provider: Loopback) -> None:
    source = source_at(provider, limit="5/day, 200/minute")
    assert source.quota_left == 5
    for remaining, left in [("199", 4), ("2", 2), ("nonsense", 2), ("-1", 1)]:
        provider.answer = partial(saying_left, remaining)
        await source.closes(["SPY"], FIRST, LAST)
        assert source.quota_left == left


async def test_how_many_questions_are_left_is_what_was_said_last(provider: Loopback) -> None:
    source = source_at(provider)
    left = [source.quota_left]
    provider.answer = lambda _: reply(429, b"", {"X-RateLimit-Remaining": "0"})
    with pytest.raises(RateLimitedError):
        await source.closes(["SPY"], FIRST, LAST)
    left.append(source.quota_left)
    provider.answer = lambda _: json_reply(NOTHING)
    await source.closes(["SPY"], FIRST, LAST)
    assert [*left, source.quota_left] == [None, 0, None]


async def test_the_limit_holds_over_all_calls_and_pages(provider: Loopback) -> None:
    source = source_at(provider, limit="3/day")
    tokens = iter(["more", None, "more"])
    provider.answer = lambda _: json_reply({"bars": {}, "next_page_token": next(tokens)})
    await source.closes(["SPY"], FIRST, LAST)
    with pytest.raises(RateLimitedError) as caught:
        await source.closes(["SPY"], FIRST, LAST)
    assert "ALPHA_MONDAY_ALPACA_LIMIT" in caught.value.remedy
    assert len(provider.requests) == 3


@pytest.mark.parametrize(
    ("patience", "words"),
    [(Patience(read=0.05), "nothing was heard for 0.05 s"), (Patience(whole=0.05), "took longer than 0.05 s")],
    ids=["between two pieces", "for all of it"],
)
@pytest.mark.parametrize("started", ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_a_provider_that_keeps_silent_is_unavailable(
    provider: Loopback, patience: Patience, words: str, started: str
) -> None:
    provider.answer, provider.started = lambda _: None, started.encode()
    since = time.monotonic()
    with pytest.raises(UnavailableError, match=r"alpaca at 127\.0\.0\.1 cannot be reached") as caught:
        await source_at(provider, patience=patience).closes(["SPY"], FIRST, LAST)
    assert words in caught.value.message
    assert time.monotonic() - since < 5


def test_it_is_made_from_its_settings_alone() -> None:
    options = PriceOptions(calendar=TradingCalendar(), benchmark="SPY", key=KEY)
    made = make_price_source("alpaca", options)
    assert isinstance(made, AlpacaPrices)
    assert "marker" not in repr(made)
    with pytest.raises(MissingSettingError) as missing:
        make_price_source("alpaca", PriceOptions(calendar=TradingCalendar(), benchmark="SPY"))
    assert "ALPHA_MONDAY_ALPACA_KEY" in missing.value.remedy


@pytest.mark.parametrize("key", ["", "geheim", ":", "geheim:", ":geheim", "ge:he:im", "id :geheim", "id:gehéim"])
def test_a_key_that_is_not_two_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(SettingsError, match="ALPHA_MONDAY_ALPACA_KEY") as caught:
        AlpacaPrices(key)
    assert "geh" not in "".join(traceback.format_exception_only(caught.value)) + caught.value.remedy
    assert caught.value.remedy


@pytest.mark.parametrize("address", ["https://me:geheim@api.test", "https://api.test/?token=geheim", "https://"])
def test_an_address_that_holds_more_than_an_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="ALPHA_MONDAY_ALPACA_URL") as caught:
        AlpacaPrices(KEY, address)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


@given(st.text() | st.integers().map(str), st.text() | st.integers().map(str))
def test_whatever_is_to_be_waited_for_is_bounded(after: str, reset: str) -> None:
    wait = _wait_asked_for({"Retry-After": after, "X-RateLimit-Reset": reset}, NOW)
    assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


async def test_a_class_is_asked_for_as_alpaca_spells_it(provider: Loopback) -> None:
    content = {"bars": bars("BRK.B", d3=1.5), "next_page_token": None}
    provider.answer = lambda _: reply(200, json.dumps(content).encode())
    answer = await source_at(provider).closes(["BRK/B", "BRK-B", "BRK.B"], FIRST, LAST)
    assert answer.closes.keys() == {"BRK.B", "BRK-B", "BRK/B"}
    assert answer.unknown == frozenset()
    assert [request.query["symbols"] for request in provider.requests] == ["BRK.B"]
