"""Alpha Vantage, played by a provider on loopback from the scenarios beside this file."""

import json
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.plugins import MissingSettingError
from core.prices import http
from core.prices.alpha_vantage import AlphaVantagePrices
from core.prices.alpha_vantage_answers import CLOSES, COMPACT, COMPACT_POINTS, FULL, SPLITS, Asked, Numbers
from core.prices.http import Patience, Reply
from core.prices.registry import make_price_source
from core.prices.source import (
    Basis,
    Close,
    MalformedError,
    PriceOptions,
    PriceSource,
    PriceSourceError,
    RateLimitedError,
    UnavailableError,
    is_price,
)
from core.prices.split_factors import exact_factor
from core.settings import SettingsError
from core.trading_calendar import TradingCalendar
from tests.core.prices.reading import told
from tests.fakes import FixedClock, exchange
from tests.loopback import Answer, Loopback, Request, json_reply, reply, serving

KEY = "0f9e-marker-key/+=4711"
FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)
CALENDAR = TradingCalendar()
SCENARIOS = json.loads((Path(__file__).parent / "scenarios" / "alpha_vantage.json").read_text(encoding="utf-8"))
NO_LIMIT = "none"
LIMIT_OF_A_DAY = {
    "Information": "We have detected your API key and our standard API rate limit is 25 requests per day."
}
Scenario = dict[str, Any]


def series(rows: object, symbol: object = "SPY", **meta: object) -> dict[str, object]:
    """What TIME_SERIES_DAILY says of closes by date; `meta` goes in the place of what it says about them."""
    about = {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": symbol,
        "3. Last Refreshed": "2024-01-05",
        "4. Output Size": "Compact",
        "5. Time Zone": "US/Eastern",
        **meta,
    }
    if isinstance(rows, dict):
        rows = {day: {"1. open": "7.7777", "4. close": close, "5. volume": "38"} for day, close in rows.items()}
    return {"Meta Data": about, "Time Series (Daily)": rows}


def splits(rows: object = (), symbol: object = "SPY") -> dict[str, object]:
    """What SPLITS says of pairs of a date and a factor."""
    assert isinstance(rows, list | tuple)
    return {"symbol": symbol, "data": [{"effective_date": day, "split_factor": factor} for day, factor in rows]}


def played(part: Mapping[str, Any]) -> bytes:
    """The bytes that one part of a scenario says; KEY stands for the key, which the provider sends as it came."""
    if "raw" in part:
        return str(part["raw"]).replace("KEY", KEY).encode()
    text = json.dumps(part["json"]) if "json" in part else part.get("body", "")
    text = {"DEEP": "[" * 100_000, "LONG": "{" + " " * http.LARGEST_BODY + "}"}.get(text, text)
    body = text.replace("KEY", KEY).encode(part.get("encoding", "utf-8"))
    headers = {name: value.replace("KEY", quote(KEY, safe="")) for name, value in part.get("headers", {}).items()}
    return reply(part.get("status", 200), body, headers, length=part.get("length", -1))


def answer_of(scenario: Scenario) -> Answer:
    """How the provider answers in a scenario, both questions."""
    rows, meta = scenario.get("rows", {}), scenario.get("meta", {})
    daily = series(rows, **meta)
    if "daily_row" in scenario:
        daily["Time Series (Daily)"] = {"2024-01-03": scenario["daily_row"]}
    parts = {
        CLOSES: scenario.get("both") or scenario.get("daily") or {"json": daily},
        SPLITS: scenario.get("both") or scenario.get("splits") or {"json": splits(scenario.get("split_rows", []))},
    }
    return lambda request: played(parts[request.query["function"]])


def source_at(
    url: str, *, patience: Patience | None = None, limit: str | None = NO_LIMIT, now: str = "2024-01-05"
) -> AlphaVantagePrices:
    return AlphaVantagePrices(KEY, CALENDAR, url, patience, limit, FixedClock(exchange(now, "20:00")))


@pytest.fixture
def provider() -> Iterator[Loopback]:
    with serving(well) as provider:
        yield provider


def well(request: Request) -> bytes:
    """One close of whichever symbol, and no splits."""
    symbol = request.query["symbol"]
    is_series = request.query["function"] == CLOSES
    return json_reply(series({"2024-01-03": "1.5000"}, symbol) if is_series else splits([], symbol))


def check_no_key(error: PriceSourceError) -> None:
    assert KEY not in told(error)
    assert "marker" not in told(error)
    assert KEY[:8] not in told(error)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
async def test_every_answer_means_one_thing(provider: Loopback, scenario: Scenario) -> None:
    provider.answer = answer_of(scenario)
    source = source_at(provider.url)
    if "error" in scenario:
        with pytest.raises(PriceSourceError) as caught:
            await source.closes(["SPY"], FIRST, LAST)
        assert caught.value.code == scenario["error"]
        assert isinstance(caught.value, RateLimitedError) or "retry_after" not in scenario
        wait = getattr(caught.value, "retry_after", None)
        assert (None if wait is None else wait.total_seconds()) == scenario.get("retry_after")
        check_no_key(caught.value)
        assert len(caught.value.message) < 400
        assert caught.value.message.startswith("alpha_vantage ")
        assert scenario.get("says", "") in caught.value.message
        assert caught.value.remedy
        asked = [(request.path, request.query["function"]) for request in provider.requests]
        assert set(asked) <= {("/query", CLOSES), ("/query", SPLITS)}
        assert len(set(asked)) == len(asked), "nothing is asked twice, and no redirect is followed"
        return
    answer = await source.closes(["SPY"], FIRST, LAST)
    assert (answer.source, answer.basis) == ("alpha_vantage", Basis.PRICE)
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
        return json_reply({}) if request.query["symbol"] == "ZZZ" else well(request)

    provider.answer = answer
    source: PriceSource = source_at(f"{provider.url}/proxy/")
    answered = await source.closes(iter(["SPY", "BRK.B", "ZZZ", "SPY"]), FIRST, LAST)
    assert answered.closes == {symbol: {date(2024, 1, 3): Close(Decimal("1.5000"))} for symbol in ("SPY", "BRK.B")}
    assert answered.unknown == {"ZZZ"}
    assert sorted((request.query["symbol"], request.query["function"]) for request in provider.requests) == [
        ("BRK-B", SPLITS), ("BRK-B", CLOSES), ("SPY", SPLITS), ("SPY", CLOSES), ("ZZZ", SPLITS), ("ZZZ", CLOSES)
    ]  # fmt: skip
    for request in provider.requests:
        asked = dict(request.query)
        assert (request.method, request.path) == ("GET", "/proxy/query")
        assert asked.pop("apikey") == KEY
        assert asked.pop("outputsize", None) == (COMPACT if asked["function"] == CLOSES else None)
        assert asked.keys() == {"function", "symbol"}
        assert KEY not in str(request.headers)
    assert (source.name, source.basis, source.settle_delay) == ("alpha_vantage", Basis.PRICE, timedelta(hours=4))


@pytest.mark.parametrize("today", ["2024-01-05", "2024-01-06", "2024-01-15"], ids=["session", "Saturday", "holiday"])
async def test_the_newest_hundred_sessions_take_no_premium_key(provider: Loopback, today: str) -> None:
    sessions = list(CALENDAR.sessions(date(2023, 6, 1), date.fromisoformat(today)))
    oldest = sessions[-COMPACT_POINTS]
    before = sessions[-COMPACT_POINTS - 1]
    for first, size in ((oldest, COMPACT), (before, FULL), (date(1990, 1, 2), FULL), (LAST, COMPACT)):
        provider.requests.clear()
        await source_at(provider.url, now=today).closes(["SPY"], first, LAST)
        [asked] = [request.query["outputsize"] for request in provider.requests if "outputsize" in request.query]
        assert asked == size, first


@pytest.mark.parametrize(
    ("days_behind", "first", "is_whole"),
    [(0, 0, True), (0, 30, True), (60, 30, False), (60, 60, True)],
    ids=["all", "some", "cut off by a clock that is behind", "late enough for a clock that is behind"],
)
async def test_what_a_compact_answer_has_cut_off_is_no_missing_close(
    provider: Loopback, days_behind: int, first: int, is_whole: bool
) -> None:
    sessions = list(CALENDAR.sessions(date(2023, 1, 3), LAST))
    newest = {str(day): "1.5" for day in sessions[-COMPACT_POINTS:]}
    asked_from = sessions[-COMPACT_POINTS - days_behind + first]
    clock_says = sessions[-1 - days_behind]

    def answer(request: Request) -> bytes:
        return json_reply(series(newest) if request.query["function"] == CLOSES else splits())

    provider.answer = answer
    asking = source_at(provider.url, now=str(clock_says)).closes(["SPY"], asked_from, LAST)
    if is_whole:
        assert min((await asking).closes["SPY"]) == asked_from
    else:
        with pytest.raises(MalformedError, match="the newest 100 closes go back to"):
            await asking


async def test_a_symbol_that_is_new_has_no_hundred_closes(provider: Loopback) -> None:
    answered = await source_at(provider.url).closes(["SPY"], date(2023, 12, 1), LAST)
    assert list(answered.closes["SPY"]) == [date(2024, 1, 3)]


@dataclass(slots=True)
class LimitedAtTheEnd:
    """A provider whose limit is reached by one question, after the answers to `others` were read."""

    source: AlphaVantagePrices
    others: int
    newest: str = "2024-01-04"
    is_limited: bool = True
    read: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, request: Request) -> bytes:
        symbol, is_series = request.query["symbol"], request.query["function"] == CLOSES
        if self.is_limited and (symbol, is_series) == ("ZZZ", False):
            for _ in range(self.others):
                assert self.read.acquire(timeout=10)
            return json_reply(LIMIT_OF_A_DAY)
        return json_reply(series({self.newest: "1.5"}, symbol) if is_series else splits([], symbol))

    def reading(self, asked: Asked, reply: Reply) -> Numbers | None:
        try:
            return AlphaVantagePrices._read(self.source, asked, reply)
        finally:
            self.read.release()


@pytest.fixture
def limited(provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> LimitedAtTheEnd:
    limited = LimitedAtTheEnd(source_at(provider.url), others=3)
    monkeypatch.setattr(limited.source, "_read", limited.reading)
    provider.answer = limited
    return limited


async def test_what_was_answered_before_a_failure_is_not_asked_again(
    provider: Loopback, limited: LimitedAtTheEnd
) -> None:
    with pytest.raises(RateLimitedError):
        await limited.source.closes(["SPY", "ZZZ"], FIRST, LAST)
    assert len(provider.requests) == 4
    limited.is_limited = False
    provider.requests.clear()
    answered = await limited.source.closes(["SPY", "ZZZ"], FIRST, LAST)
    assert answered.closes.keys() == {"SPY", "ZZZ"}
    assert [(request.query["symbol"], request.query["function"]) for request in provider.requests] == [("ZZZ", SPLITS)]


async def test_what_was_answered_yesterday_is_asked_again(limited: LimitedAtTheEnd) -> None:
    with pytest.raises(RateLimitedError):
        await limited.source.closes(["SPY", "ZZZ"], FIRST, date(2024, 1, 4))
    limited.is_limited, limited.newest = False, "2024-01-05"
    answered = await limited.source.closes(["SPY", "ZZZ"], FIRST, LAST)
    assert [list(closes) for closes in answered.closes.values()] == [[LAST], [LAST]]


async def test_a_free_key_has_its_limits_kept(provider: Loopback) -> None:
    source = source_at(provider.url, limit=None)
    assert source.quota_left == 25
    since = time.monotonic()
    await source.closes(["SPY"], FIRST, LAST)
    assert time.monotonic() - since >= 1.9, "one question a second, with room for the network"
    assert source.quota_left == 23
    assert source_at(provider.url, limit="75/minute").quota_left is None


@pytest.mark.parametrize(
    ("patience", "words"),
    [(Patience(read=0.05), "nothing was heard for 0.05 s"), (Patience(whole=0.05), "took longer than 0.05 s")],
    ids=["between two pieces", "for all of it"],
)
@pytest.mark.parametrize("started", ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_a_provider_that_keeps_silent_is_unavailable(
    provider: Loopback, patience: Patience, words: str, started: str
) -> None:
    provider.answer, provider.started = lambda _: None, started.encode()
    since = time.monotonic()
    with pytest.raises(UnavailableError, match=r"alpha_vantage at 127\.0\.0\.1 cannot be reached") as caught:
        await source_at(provider.url, patience=patience).closes(["SPY"], FIRST, LAST)
    assert words in caught.value.message
    assert time.monotonic() - since < 5
    check_no_key(caught.value)


async def test_nobody_there() -> None:
    with serving(lambda _: None) as gone:
        address = gone.url
    with pytest.raises(UnavailableError, match="cannot be reached: ConnectError") as caught:
        await source_at(address).closes(["SPY"], FIRST, LAST)
    check_no_key(caught.value)


def test_it_is_made_from_its_settings_alone() -> None:
    options = PriceOptions(calendar=CALENDAR, benchmark="SPY", key=KEY, limit="3/day")
    source = make_price_source("alpha_vantage", options)
    assert isinstance(source, AlphaVantagePrices)
    assert source.quota_left == 3
    with pytest.raises(MissingSettingError) as missing:
        make_price_source("alpha_vantage", PriceOptions(calendar=CALENDAR, benchmark="SPY"))
    assert "ALPHA_MONDAY_ALPHA_VANTAGE_KEY" in missing.value.remedy


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"key": "two words"}, "ALPHA_MONDAY_ALPHA_VANTAGE_KEY"),
        ({"url": "https://api.test/?apikey=geheim"}, "ALPHA_MONDAY_ALPHA_VANTAGE_URL"),
        ({"limit": "often"}, "ALPHA_MONDAY_ALPHA_VANTAGE_LIMIT"),
    ],
)
def test_a_setting_that_can_be_none_is_refused(options: dict[str, str], setting: str) -> None:
    with pytest.raises(SettingsError, match=setting) as caught:
        make_price_source("alpha_vantage", PriceOptions(CALENDAR, "SPY", **{"key": KEY, **options}))  # type: ignore[arg-type]
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


def _joined(daily: bytes, split: bytes) -> dict[date, Close] | None:
    """What two answers mean together; None if one of them says that there is no such symbol."""
    source = AlphaVantagePrices(KEY, CALENDAR)
    about = partial(Asked, ("query",), symbol="SPY", first=FIRST, last=LAST)
    closes = source._read(about(query={"function": CLOSES, "outputsize": COMPACT}), Reply(200, daily))
    factors = source._read(about(query={"function": SPLITS}), Reply(200, split))
    return None if closes is None or factors is None else source._joined("SPY", closes, factors)


def _check(daily: bytes, split: bytes) -> None:
    """Either an error of a price source, or closes that are prices written in `daily` and factors out of `split`."""
    try:
        closes = _joined(daily, split)
    except PriceSourceError:
        return
    factors = {Decimal(1), *(exact_factor(number) for number in _quoted(split) if is_price(number))}
    for day, close in (closes or {}).items():
        assert FIRST <= day <= LAST
        assert is_price(close.price)
        assert is_price(close.split_factor)
        assert close.price in _quoted(daily)
        assert close.split_factor in {one * other for one in factors for other in factors}


def _quoted(body: bytes) -> set[Decimal]:
    """Every decimal that stands in quotes in `body`."""
    return {number for text in body.decode().split('"') if (number := _spelt(text)) is not None}


def _spelt(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


@given(st.binary(), st.binary())
def test_arbitrary_bytes_never_give_a_close_that_is_not_written_there(daily: bytes, split: bytes) -> None:
    _check(daily, split)


numbers: st.SearchStrategy[object] = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.from_regex(r"\A-?[0-9]{1,14}(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,3})?\Z"),
    st.sampled_from(["", " 1.5", "1.5\n", "+1", "1_000", "1,5", "٣", None, 1.5, True, {}, ["1"]]),
)
prices = st.decimals("0.0001", 9999, places=4).map(str)
dates = st.sampled_from(["2024-01-02", "2024-01-03", "2024-01-05", "2024-01-08", "2023-12-29"])
any_date = dates | st.sampled_from(["2024-1-3", "2024-01-03 16:00:00", "20240103", "", "2024-02-30"])


@given(st.dictionaries(any_date, numbers, max_size=4), st.lists(st.tuples(any_date, numbers), max_size=3))
def test_rows_of_any_numbers_give_what_they_say_or_an_error(rows: dict[str, object], factors: list[object]) -> None:
    _check(json.dumps(series(rows)).encode(), json.dumps(splits(factors)).encode())


@example({"2024-01-02": "0.0001"}, [("2024-01-02", "0.0082")])
@example({"2024-01-02": "0.0001"}, [("2024-01-02", "0.0082"), ("2024-01-02", "0.1667")])
@given(st.dictionaries(dates, prices, max_size=4), st.lists(st.tuples(dates, prices), max_size=2))
def test_rows_of_prices_give_what_they_say(rows: dict[str, object], factors: list[object]) -> None:
    _check(json.dumps(series(rows)).encode(), json.dumps(splits(factors)).encode())


@given(
    st.decimals(min_value="0.000000000001", max_value="999999999999", places=12)
    | st.decimals(min_value="0.01", max_value=99999, places=4)
)
def test_every_price_comes_back_digit_for_digit(price: Decimal) -> None:
    daily, split = series({"2024-01-03": f"{price:f}"}), splits([("2024-01-03", f"{price:f}")])
    closes = _joined(json.dumps(daily).encode(), json.dumps(split).encode())
    assert closes is not None
    assert f"{closes[date(2024, 1, 3)].price:f}" == f"{price:f}"
    assert f"{closes[date(2024, 1, 3)].split_factor:f}" == f"{exact_factor(price):f}"


@given(
    st.dictionaries(st.dates(FIRST, LAST), st.integers(1, 9), min_size=1),
    st.dictionaries(st.dates(FIRST, LAST), st.integers(2, 9)),
)
def test_no_split_is_lost_between_the_first_close_and_the_last(rows: dict[date, int], factors: dict[date, int]) -> None:
    daily = series({str(day): str(price) for day, price in rows.items()})
    split = splits([(str(day), str(factor)) for day, factor in factors.items()])
    closes = _joined(json.dumps(daily).encode(), json.dumps(split).encode())
    assert closes is not None
    for start in rows:
        told_after, due_after = 1, 1
        for day, close in closes.items():
            told_after *= int(close.split_factor) if day > start else 1
        for day, factor in factors.items():
            due_after *= factor if start < day <= max(rows) else 1
        assert told_after == due_after


@given(st.text(), st.sampled_from(["Note", "Information", "Error Message", "message"]), st.sampled_from([200, 404]))
def test_words_never_become_closes(words: str, name: str, status: int) -> None:
    source = AlphaVantagePrices(KEY, CALENDAR)
    asked = Asked(("query",), {"function": CLOSES, "outputsize": COMPACT}, "SPY", FIRST, LAST)
    body = json.dumps({name: words, **series({"2024-01-03": "1.5"})}).encode()
    try:
        closes = source._read(asked, Reply(status, body))
    except PriceSourceError:
        return
    assert status == 200
    assert closes is None or name == "message" or not words


def test_the_clock_that_counts_is_the_exchanges() -> None:
    late = FixedClock(exchange("2024-01-05", "23:30").astimezone(UTC))
    assert late.instant.date() == date(2024, 1, 6)
    assert (
        AlphaVantagePrices(KEY, CALENDAR, clock=late)._compact_from()
        == (list(CALENDAR.sessions(date(2023, 6, 1), LAST))[-COMPACT_POINTS])
    )
