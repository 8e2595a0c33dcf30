"""Yahoo, played by a provider on loopback from the scenarios beside this file, asked through yfinance itself."""

import asyncio
import json
import math
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from curl_cffi import CurlOpt, ffi, lib
from curl_cffi.requests import Response, Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.plugins import MissingExtraError
from core.prices import http
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
from core.prices.yahoo import YahooPrices
from core.prices.yahoo_chart import YahooChart, exact
from core.prices.yahoo_transport import Transport, YahooErrors
from core.settings import SettingsError
from core.trading_calendar import EXCHANGE_ZONE, TradingCalendar
from tests.core.prices.reading import numbers_in
from tests.db.conftest import make_certificate
from tests.loopback import Loopback, Request, reply, serving

FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)
SCENARIOS = json.loads((Path(__file__).parent / "scenarios" / "yahoo.json").read_text(encoding="utf-8"))
CHART = "/v8/finance/chart/"
UNLIMITED = "none"
NOT_FOUND = (
    '{"chart": {"result": null, "error": {"code": "Not Found", "description": "No data found, symbol may be d"}}}'
)
Scenario = dict[str, Any]


def moment(text: str) -> int:
    """The second of a time at the exchange."""
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=EXCHANGE_ZONE).timestamp())


def chart(scenario: Scenario, symbol: str = "SPY") -> str:
    """What Yahoo sends for rows of time, close and, where it differs, close adjusted for dividends."""
    meta = {
        "currency": "USD", "symbol": symbol, "exchangeName": "PCX", "instrumentType": "ETF",
        "firstTradeDate": 728317800, "regularMarketTime": 1704488402, "gmtoffset": -18000, "timezone": "EST",
        "exchangeTimezoneName": "America/New_York", "regularMarketPrice": 467.92, "priceHint": 2,
        "dataGranularity": "1d", "range": "", "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "max"],
    }  # fmt: skip
    result: dict[str, Any] = {"meta": meta | scenario.get("meta", {}), "indicators": {"quote": [{}], "adjclose": [{}]}}
    if (rows := scenario.get("rows")) is not None:
        closes = [row[1] for row in rows]
        names = ("open", "high", "low", "close")
        result["timestamp"] = [moment(row[0]) for row in rows]
        result["indicators"] = {
            "quote": [{**dict.fromkeys(names, closes), "volume": [None if close is None else 7 for close in closes]}],
            "adjclose": [{"adjclose": [row[-1] for row in rows]}],
        }
    result |= {"events": scenario["events"]} if "events" in scenario else {}
    return json.dumps({"chart": {"result": [result | scenario.get("more", {})], "error": None}})


def played(scenario: Scenario, symbol: str = "SPY") -> bytes:
    """The bytes that a scenario says."""
    if "raw" in scenario:
        return str(scenario["raw"]).encode()
    if "rows" in scenario or "meta" in scenario:
        text = chart(scenario, symbol).replace('"HUGE"', "1e999").replace('"NAN"', "NaN")
        text = text.replace('"ENDLESS"', "1e999999999")
    else:
        text = json.dumps(scenario["json"]) if "json" in scenario else scenario.get("body", "")
    text = {"DEEP": "[" * 100_000, "LONG": "[" + " " * http.LARGEST_BODY + "]"}.get(text, text)
    return reply(scenario.get("status", 200), text.encode(), scenario.get("headers"), length=scenario.get("length", -1))


def yahoo(charts: Callable[[Request], bytes | None]) -> Callable[[Request], bytes | None]:
    """Yahoo's hosts in one: its cookies, its crumbs, and what `charts` answers."""

    def answer(request: Request) -> bytes | None:
        if request.path.startswith(CHART):
            return charts(request)
        if request.path == "/v1/test/getcrumb":
            return reply(200, b"a/Crumb.1")
        return reply(404, b"", {"Set-Cookie": "A3=d=AQABBK; Path=/; Expires=Wed, 01 Jan 2031 00:00:00 GMT"})

    return answer


def asked(provider: Loopback) -> list[str]:
    """The symbols that the chart service was asked for, in order."""
    return [request.path.removeprefix(CHART) for request in provider.requests if request.path.startswith(CHART)]


@pytest.fixture(autouse=True)
def _a_fresh_yfinance() -> None:
    """Without the cookie and crumb of the test before."""
    from yfinance.data import SingletonMeta  # type: ignore[import-untyped]

    SingletonMeta._instances.clear()


@pytest.fixture
def provider() -> Iterator[Loopback]:
    with serving(yahoo(lambda _: played({"rows": []}))) as provider:
        yield provider


@pytest.fixture
def source(provider: Loopback) -> YahooPrices:
    return YahooPrices(provider.url, limit=UNLIMITED)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
async def test_every_answer_means_one_thing(provider: Loopback, source: YahooPrices, scenario: Scenario) -> None:
    provider.answer = yahoo(lambda _: played(scenario))
    if "error" in scenario:
        with pytest.raises(PriceSourceError) as caught:
            await source.closes(["SPY"], FIRST, LAST)
        assert caught.value.code == scenario["error"], caught.value.message
        assert isinstance(caught.value, RateLimitedError) or "retry_after" not in scenario
        wait = getattr(caught.value, "retry_after", None)
        assert (None if wait is None else wait.total_seconds()) == scenario.get("retry_after")
        assert len(caught.value.message) < 400
        assert caught.value.message.startswith("yahoo ")
        assert scenario.get("says", "") in caught.value.message
        assert caught.value.remedy
        assert len(asked(provider)) == scenario.get("asks", 2 if scenario["error"] == "unauthorised" else 1)
        return
    answer = await source.closes(["SPY"], FIRST, LAST)
    assert (answer.source, answer.basis) == ("yahoo", Basis.PRICE)
    if scenario["closes"] is None:
        assert not answer.closes
        assert answer.unknown == {"SPY"}
    else:
        assert answer.unknown == frozenset()
        found = answer.closes["SPY"]
        assert {str(day): str(close.price) for day, close in found.items()} == scenario["closes"]
        assert list(found) == sorted(found)
        assert all(close.split_factor == 1 for close in found.values())
    assert asked(provider) == ["SPY"]


async def test_what_is_asked_for_each_symbol(provider: Loopback) -> None:
    def charts(request: Request) -> bytes:
        symbol = request.path.removeprefix(CHART)
        if symbol == "ZZZ":
            return reply(404, NOT_FOUND.encode())
        return played({"rows": [["2024-01-03 09:30", len(symbol)]]}, symbol)

    provider.answer = yahoo(charts)
    source: PriceSource = YahooPrices(f"{provider.url}/relay/", limit=UNLIMITED)
    provider.answer = lambda request: yahoo(charts)(Request("GET", request.target.removeprefix("/relay"), {}))
    answered = await source.closes(iter(["SPY", "BRK.B", "ZZZ", "SPY"]), FIRST, LAST)
    assert answered.closes == {
        "BRK.B": {date(2024, 1, 3): Close(Decimal(5))},
        "SPY": {date(2024, 1, 3): Close(Decimal(3))},
    }
    assert answered.unknown == {"ZZZ"}
    charted = [request for request in provider.requests if CHART in request.path]
    assert [request.path.rpartition("/")[2] for request in charted] == ["BRK-B", "SPY", "ZZZ"]
    for request in charted:
        assert request.query == {
            "period1": str(moment("2024-01-02 00:00")), "period2": str(moment("2024-01-06 00:00")),
            "interval": "1d", "includePrePost": "false", "events": "div,splits,capitalGains", "crumb": "a/Crumb.1",
        }  # fmt: skip
        assert "Chrome" in request.headers["user-agent"]
    others = [request.path for request in provider.requests if CHART not in request.path]
    assert others == ["/relay", "/relay/v1/test/getcrumb"], "one cookie and one crumb for all"
    assert (source.name, source.basis, source.settle_delay) == ("yahoo", Basis.PRICE, timedelta(minutes=60))


async def test_a_stale_crumb_is_fetched_anew(provider: Loopback, source: YahooPrices) -> None:
    answers = iter([reply(401, b'{"finance": {"error": {"description": "Invalid Crumb"}}}')])
    provider.answer = yahoo(lambda _: next(answers, None) or played({"rows": [["2024-01-03 09:30", 5.5]]}))
    answer = await source.closes(["SPY"], FIRST, LAST)
    assert answer.closes["SPY"] == {date(2024, 1, 3): Close(Decimal("5.5"))}
    assert asked(provider) == ["SPY", "SPY"]


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """What a server needs to be asked over https."""
    directory = tmp_path_factory.mktemp("certificate")
    if (certificate := make_certificate(directory)) is None:
        pytest.skip("no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, directory / "server.key")
    return context


@pytest.fixture
def internet(encrypted: ssl.SSLContext) -> Iterator[Loopback]:
    """Every host there is, on loopback."""
    with serving(lambda _: reply(404), encrypted) as internet:
        yield internet


def browser(internet: Loopback, address: str | None = None) -> Transport:
    """What yfinance asks with, led to `internet` whichever host it asks but `address`."""
    transport = Transport(address, YahooErrors("yahoo", "host", []))
    transport.verify = False
    place = f"{':' if address is None else 'fc.yahoo.com:443'}:127.0.0.1:{urlsplit(internet.url).port}".encode()
    transport.curl_options[CurlOpt.CONNECT_TO] = lib.curl_slist_append(ffi.NULL, place)
    transport.begin("SPY", timedelta(seconds=20))
    return transport


def hosts(internet: Loopback) -> list[str]:
    return [request.headers["host"] for request in internet.requests]


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "//evil.example/",
        "https://yahoo.com.evil.example/",
        "https://evilyahoo.com/",
        "https://fc.yahoo.com@evil.example/",
        "https://evil.example\\@fc.yahoo.com/",
        "https://fc.yahoo.com:444/",
        "http://fc.yahoo.com/",
        "ftp://fc.yahoo.com/",
        "https://[",
        "/%20 \x01",
    ],
)
def test_a_redirect_to_another_host_is_not_followed(internet: Loopback, place: str) -> None:
    internet.answer = lambda request: reply(302, headers={"Location": place, "Set-Cookie": "A3=1"})
    response = browser(internet).request("GET", "https://fc.yahoo.com", allow_redirects=True)
    assert response.status_code == 302
    assert hosts(internet) == ["fc.yahoo.com"]


def test_consent_pages_are_followed_on_yahoos_own_hosts(internet: Loopback) -> None:
    places = {"guce.yahoo.com": "https://consent.yahoo.com/v2?session=1", "consent.yahoo.com": "/v3/%22done"}

    def answer(request: Request) -> bytes:
        if request.path == "/v3/%22done":
            return reply(200, b"a page")
        return reply(302, headers={"Location": places[request.headers["host"]]})

    internet.answer = answer
    response = browser(internet).request("POST", "https://guce.yahoo.com/consent", data={"a": "b"})
    assert response.text == "a page"
    assert [(request.method, request.headers["host"], request.target) for request in internet.requests] == [
        ("POST", "guce.yahoo.com", "/consent"),
        ("GET", "consent.yahoo.com", "/v2?session=1"),
        ("GET", "consent.yahoo.com", "/v3/%22done"),
    ]
    assert [request.body for request in internet.requests] == [b"a=b", b"", b""]


def test_redirects_have_an_end(internet: Loopback) -> None:
    internet.answer = lambda request: reply(302, headers={"Location": "https://fc.yahoo.com/"})
    assert browser(internet).request("GET", "https://fc.yahoo.com").status_code == 302
    assert 1 < len(internet.requests) < 20


def test_a_form_that_leads_to_another_host_is_not_sent(internet: Loopback) -> None:
    with pytest.raises(ConnectionError):
        browser(internet).request("POST", "https://evil.example/collect", data={"csrf": "token"})
    assert internet.requests == []


def test_no_redirect_is_followed_where_an_address_is_set(internet: Loopback, provider: Loopback) -> None:
    provider.answer = lambda _: reply(302, headers={"Location": "https://fc.yahoo.com/"})
    assert browser(internet, provider.url).request("GET", "https://fc.yahoo.com").status_code == 302
    assert internet.requests == []
    assert len(provider.requests) == 1


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_cookies_and_crumbs_are_dispensable(provider: Loopback, source: YahooPrices, status: int) -> None:
    provider.answer = lambda request: (
        played({"rows": [["2024-01-03 09:30", 5.5]]}) if request.path.startswith(CHART) else reply(status, b"<html>")
    )
    assert (await source.closes(["SPY"], FIRST, LAST)).closes["SPY"]


async def test_a_refusal_stays_one_when_the_page_for_a_new_cookie_is_nonsense(
    provider: Loopback, source: YahooPrices
) -> None:
    page = b'<form><input name="csrfToken"></form>'
    provider.answer = lambda request: reply(403) if request.path.startswith(CHART) else reply(200, page)
    with pytest.raises(UnauthorisedError, match="HTTP 403"):
        await source.closes(["SPY"], FIRST, LAST)


async def test_nothing_is_answered_from_memory(provider: Loopback, source: YahooPrices) -> None:
    """yfinance keeps what it was told of days past, so a failure would last and a split would never be seen."""
    for body, expected in ((b"<html>", None), (b"", None), (b"before", "350"), (b"after", "50")):
        rows = [["2024-01-03 09:30", int(expected or 0)]]
        content = played({"rows": rows}) if expected else reply(200, body)
        provider.answer = yahoo(lambda _, content=content: content)  # type: ignore[misc]
        if expected is None:
            with pytest.raises(PriceSourceError):
                await source.closes(["SPY"], FIRST, LAST)
        else:
            answer = await source.closes(["SPY"], FIRST, LAST)
            assert answer.closes["SPY"] == {date(2024, 1, 3): Close(Decimal(expected))}


async def test_an_answer_to_an_earlier_question_is_refused(
    provider: Loopback, source: YahooPrices, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.answer = yahoo(lambda _: played({"rows": [["2024-01-03 09:30", 5.5]]}))
    await source.closes(["SPY"], FIRST, LAST)
    monkeypatch.setattr("yfinance.data.YfData.cache_get.cache_clear", lambda: None)
    with pytest.raises(MalformedError, match="did not come from the chart service"):
        await source.closes(["SPY"], FIRST, LAST)
    assert asked(provider) == ["SPY"]


@pytest.mark.parametrize("zone", [None, "America/New_York", "UTC"])
def test_a_row_that_is_not_a_day_of_the_exchange_is_refused(source: YahooPrices, zone: str | None) -> None:
    hour = 9 if zone == "America/New_York" else 0
    stamp = pd.Timestamp(2024, 1, 3, hour, tz=zone)
    with pytest.raises(MalformedError, match="not midnight at the exchange"):
        source._chart._read("SPY", pd.DataFrame({"Close": [5.5]}, index=[stamp]), FIRST, LAST)


@pytest.mark.parametrize("started", ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{"])
@pytest.mark.parametrize("silent", ["charts", "everything"])
async def test_a_provider_that_keeps_silent_is_unavailable(provider: Loopback, started: str, silent: str) -> None:
    provider.answer = yahoo(lambda _: None) if silent == "charts" else lambda _: None
    provider.started = started.encode()
    source = YahooPrices(provider.url, timedelta(seconds=0.3), UNLIMITED)
    since = time.monotonic()
    for _ in range(2):
        with pytest.raises(UnavailableError, match=r"yahoo at 127\.0\.0\.1 cannot be reached: SPY: Time"):
            await source.closes(["SPY"], FIRST, LAST)
    assert time.monotonic() - since < 5


async def test_silence_about_cookies_leaves_time_for_the_question(
    provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.prices.yahoo_transport._COOKIE_PATIENCE_S", 0.1)
    provider.answer = lambda request: (
        played({"rows": [["2024-01-03 09:30", 5.5]]}) if request.path.startswith(CHART) else None
    )
    assert (await YahooPrices(provider.url, limit=UNLIMITED).closes(["SPY"], FIRST, LAST)).closes["SPY"]


async def test_a_library_that_outlasts_its_deadline_is_given_up(
    provider: Loopback, source: YahooPrices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.prices.yahoo._GRACE", timedelta(seconds=0.1))
    monkeypatch.setattr(source, "_within", timedelta(0))
    monkeypatch.setattr(source._chart, "closes", lambda *_: time.sleep(1))
    with pytest.raises(UnavailableError, match=r"did not come back within 0\.1 s"):
        await source.closes(["SPY"], FIRST, LAST)
    with pytest.raises(UnavailableError, match="has not come back yet"):
        await source.closes(["SPY"], FIRST, LAST)
    assert not provider.requests


async def test_the_end_of_the_program_waits_for_no_answer(provider: Loopback) -> None:
    provider.answer = lambda _: None
    code = (
        "import asyncio, sys; from datetime import date; from core.prices.yahoo import YahooPrices\n"
        "async def ask():\n"
        "    question = YahooPrices(sys.argv[1]).closes(['SPY'], date(2024, 1, 2), date(2024, 1, 5))\n"
        "    asking = asyncio.create_task(question)\n"
        "    await asyncio.wait({asking}, timeout=0.5)\n"
        "asyncio.run(ask()); print('left')"
    )
    since = time.monotonic()
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, provider.url], capture_output=True, check=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == (b"left\n", b"")
    assert time.monotonic() - since < 15
    assert provider.requests


async def test_nobody_there() -> None:
    with serving(lambda _: None) as gone:
        address = gone.url
    with pytest.raises(UnavailableError, match="cannot be reached: SPY: ConnectionError"):
        await YahooPrices(address, limit=UNLIMITED).closes(["SPY"], FIRST, LAST)


async def test_what_was_answered_before_a_failure_is_not_asked_again(provider: Loopback, source: YahooPrices) -> None:
    failing = {"BBB"}
    provider.answer = yahoo(
        lambda request: reply(503) if request.path.removeprefix(CHART) in failing else reply(404, NOT_FOUND.encode())
    )
    with pytest.raises(UnavailableError):
        await source.closes(["AAA", "BBB", "CCC"], FIRST, LAST)
    failing.clear()
    for _ in range(2):
        assert (await source.closes(["AAA", "BBB", "CCC"], FIRST, LAST)).unknown == {"AAA", "BBB", "CCC"}
    assert asked(provider) == ["AAA", "BBB", "BBB", "CCC", "AAA", "BBB", "CCC"]


async def test_its_own_limits_are_kept(provider: Loopback) -> None:
    provider.answer = yahoo(lambda request: played({"rows": []}, request.path.removeprefix(CHART)))
    source = YahooPrices(provider.url, limit="2/hour")
    assert source.quota_left == 2
    with pytest.raises(RateLimitedError) as caught:
        await source.closes(["AAPL", "MSFT", "SPY"], FIRST, LAST)
    assert "ALPHA_MONDAY_YAHOO_LIMIT" in caught.value.remedy
    assert asked(provider) == ["AAPL", "MSFT"]
    assert source.quota_left == 0


async def test_nothing_is_kept_in_files_and_nothing_is_said(provider: Loopback, tmp_path: Path) -> None:
    """A service's user may have no home, and yfinance would load what it finds there as code."""
    provider.answer = lambda request: reply(500) if request.path.startswith(CHART) else reply(200, b"half", length=9)
    code = (
        "import asyncio, sys; from datetime import date; from core.prices.yahoo import YahooPrices\n"
        "from core.prices.source import UnavailableError\n"
        "try: asyncio.run(YahooPrices(sys.argv[1]).closes(['SPY'], date(2024, 1, 2), date(2024, 1, 5)))\n"
        "except UnavailableError: print('unavailable')"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, provider.url],
        capture_output=True, check=True, timeout=60, env=environment,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == (b"unavailable\n", b"")
    assert list(tmp_path.iterdir()) == []


async def test_a_proxy_of_the_environment_is_not_asked_for_a_loopback_address(
    provider: Loopback, source: YahooPrices, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: reply(200, b"[]")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await source.closes(["SPY"], FIRST, LAST)
        assert not proxy.requests


def test_it_is_made_without_a_key() -> None:
    options = PriceOptions(calendar=TradingCalendar(), benchmark="SPY")
    assert isinstance(make_price_source("yahoo", options), YahooPrices)


@pytest.mark.parametrize("absent", ["yfinance", "curl_cffi"])
def test_without_its_packages_it_says_how_to_install_them(absent: str) -> None:
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from core.plugins import MissingExtraError; from core.prices.yahoo import YahooPrices\n"
        "try: YahooPrices()\n"
        "except MissingExtraError as exc: print(exc.message, exc.remedy, exc.code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"price source 'yahoo' needs the package {absent}," in ended.stdout
    assert "pip install --require-hashes -r locks/yahoo.lock missing_extra" in ended.stdout


def test_a_missing_package_is_told_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(MissingExtraError):
        YahooPrices()


def test_yfinance_is_imported_only_when_the_source_is_made() -> None:
    code = "import sys, core.services, core.prices.yahoo; print('yfinance' in sys.modules, 'pandas' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ended.stdout.split() == [b"False", b"False"]


@pytest.mark.parametrize(
    "address",
    [
        "https://me:geheim@api.test",
        "https://geheim@api.test",
        "https://api.test/?token=geheim",
        "https://",
        "https://api.test:geheim",
        "",
        "file:///geheim",
    ],
)
def test_an_address_that_is_more_or_less_than_one_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="ALPHA_MONDAY_YAHOO_URL") as caught:
        YahooPrices(address)
    assert "geheim" not in caught.value.message


singles = st.floats(min_value=2.0**-20, max_value=2.0**36, width=32)


@given(singles)
def test_a_binary32_is_the_shortest_decimal_that_reads_back_as_it(number: float) -> None:
    found = exact(number)
    assert np.float32(str(found)) == np.float32(number)
    digits = len(found.normalize().as_tuple().digits)
    for fewer in range(1, digits):
        assert np.float32(f"{number:.{fewer - 1}e}") != np.float32(number)


@given(st.decimals(min_value="0.01", max_value="9999.99", places=2))
def test_what_was_traded_at_comes_back(price: Decimal) -> None:
    """Six digits survive a binary32."""
    widened = float(np.float32(str(price)))
    assert exact(widened) == price
    assert exact(float(str(price))) == price


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_other_number_is_the_shortest_decimal_that_reads_back_as_it(number: float) -> None:
    found = exact(number)
    with np.errstate(over="ignore"):
        is_single = float(np.float32(number)) == number
    assert is_single or found == Decimal(repr(number))
    assert math.isclose(float(found), number, rel_tol=1e-7, abs_tol=1e-45)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, int], dict[date, Close] | None]:
    """Reads a body as Yahoo's answer, below the network."""
    answer = Response()

    def request(self: object, method: str, url: str, **_: object) -> Response:
        return answer

    monkeypatch.setattr(Session, "request", request)
    asked = YahooChart(None, YahooErrors("yahoo", "yahoo.test", []))

    def read(body: bytes, status: int) -> dict[date, Close] | None:
        answer.content, answer.status_code = body, status
        return asked.closes("SPY", FIRST, LAST, timedelta(seconds=30))

    return read


def _check(read: Callable[[bytes, int], dict[date, Close] | None], body: bytes, status: int = 200) -> None:
    """Either an error of a price source, or closes that are prices written in `body`."""
    try:
        closes = read(body, status)
    except PriceSourceError:
        return
    sent = [exact(float(text)) for text in numbers_in(body.decode())]
    for day, close in (closes or {}).items():
        assert FIRST <= day <= LAST
        assert is_price(close.price)
        assert close.price in sent


# The fixture's state is one answer, which each example replaces.
whatever = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
Read = Callable[[bytes, int], dict[date, Close] | None]


@whatever
@given(st.binary() | st.sampled_from([b"{}", b"null", b"[]", b'{"chart": {}}']), st.sampled_from([200, 400, 404]))
def test_arbitrary_bytes_never_give_a_close(read: Read, body: bytes, status: int) -> None:
    with pytest.raises(PriceSourceError):
        read(body, status)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
numbers = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.from_regex(r"\A-?[0-9]{1,14}(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,3})?\Z"),
    singles.map(repr),
    st.sampled_from(["null", "true", '"1.5"', "{}", "[1]"]),
)
times = st.sampled_from(
    [moment(f"2024-01-{day:02} {hour}") for day in range(1, 9) for hour in ("00:00", "09:30", "16:00", "22:00")]
)


@whatever
@given(st.lists(st.tuples(times, numbers), max_size=4))
def test_rows_of_any_numbers_give_what_they_say_or_an_error(read: Read, rows: list[tuple[int, str]]) -> None:
    closes = f"[{', '.join(close for _, close in rows)}]"
    body = chart({"more": {
        "timestamp": [second for second, _ in rows],
        "indicators": {"quote": [dict.fromkeys(("open", "high", "low", "close", "volume"), "CLOSES")]},
    }}).replace('"CLOSES"', closes)  # fmt: skip
    _check(read, body.encode())


@whatever
@given(
    st.sampled_from(["meta", "timestamp", "indicators", "events", "quote", "adjclose", "close", "volume"]), json_values
)
def test_any_part_may_be_anything(read: Read, part: str, value: object) -> None:
    content = json.loads(chart({"rows": [["2024-01-03 09:30", 5.5], ["2024-01-04 09:30", 6.5]], "events": {}}))
    result = content["chart"]["result"][0]
    indicators = result["indicators"]
    holder = next(held for held in (result, indicators, indicators["quote"][0]) if part in held)
    holder[part] = value
    _check(read, json.dumps(content).encode())
