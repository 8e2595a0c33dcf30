"""A server that sends one byte after the other keeps each wait between two of them short, and would never end.

Whoever asks it gives up after a deadline over the whole answer, hangs up, and delays nobody else.
"""

import asyncio
import socketserver
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

import core.alerts.channel
import core.heartbeat
from core.alerts.channel import open_channels
from core.alerts.message import Message, Severity
from core.picks.llm import LlmPicks, Market
from core.picks.llm_endpoint import Patience as ModelPatience
from core.picks.source import PickSourceError
from core.prices.alpaca import AlpacaPrices
from core.prices.alpha_vantage import AlphaVantagePrices
from core.prices.http import Patience
from core.prices.source import UnavailableError
from core.prices.tiingo import TiingoPrices
from core.prices.yahoo import YahooPrices
from core.trading_calendar import TradingCalendar
from tests.core.alerts.receiving import service
from tests.core.test_heartbeat import beating
from tests.core.world import World
from tests.fakes import FixedClock, ScriptedPrices, closes, exchange

FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)
MONDAY = date(2024, 1, 8)
KEY = "0123456789abcdef"
CALENDAR = TradingCalendar()
WHOLE_S = 0.6
# Between two bytes: well below the patience for the next piece, so that only the deadline over all of them ends it.
PAUSE_S = 0.02
BETWEEN_PIECES_S = 0.4
SOON_S = 8.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

TRICKLES = {
    "status line": (b"", b"H"),
    "headers": (OK + b"X-More: ", b"a"),
    "many headers": (OK, b"X: y\r\n"),
    "body": (OK + b"Content-Length: 1000000\r\n\r\n[", b" "),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "body without an end": (OK + b"Connection: close\r\n\r\n[", b" "),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@dataclass(slots=True)
class Trickler:
    """Where it is, how many clients it has, and how many have hung up."""

    address: str
    begins_with: bytes
    goes_on_with: bytes
    clients: int = 0
    left: int = 0
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def trickling(begins_with: bytes, goes_on_with: bytes) -> Iterator[Trickler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            here.clients += 1
            try:
                self.request.recv(65536)
                self.request.sendall(here.begins_with)
                while not here.released.wait(PAUSE_S):
                    self.request.sendall(here.goes_on_with)
            except OSError:
                here.left += 1

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        here = Trickler(f"http://127.0.0.1:{server.server_address[1]}", begins_with, goes_on_with)
        accepting = threading.Thread(target=server.serve_forever, args=(0.01,))
        accepting.start()
        try:
            yield here
        finally:
            here.released.set()
            server.shutdown()
            accepting.join()


@pytest.fixture(params=list(TRICKLES.values()), ids=list(TRICKLES))
def trickler(request: pytest.FixtureRequest) -> Iterator[Trickler]:
    with trickling(*request.param) as trickler:
        yield trickler


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110 - another thread's doing
            await asyncio.sleep(0.01)


async def ends_in_time(asking: Awaitable[object]) -> None:
    """`asking` ends by its deadline, and the loop is free for others meanwhile."""
    longest, last = 0.0, time.monotonic()

    async def others() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    going_on = asyncio.create_task(others())
    began = time.monotonic()
    try:
        async with asyncio.timeout(SOON_S):
            await asking
    finally:
        going_on.cancel()
    assert time.monotonic() - began < SOON_S
    assert longest < SOON_S / 4


PATIENCE = Patience(read=BETWEEN_PIECES_S, whole=WHOLE_S)
PRICES: dict[str, Callable[[str], AlpacaPrices | AlphaVantagePrices | TiingoPrices | YahooPrices]] = {
    "tiingo": lambda url: TiingoPrices(KEY, url, PATIENCE),
    "alpaca": lambda url: AlpacaPrices(
        f"{KEY}:{KEY}", url, clock=FixedClock(exchange("2024-01-08")), patience=PATIENCE
    ),
    "alpha_vantage": lambda url: AlphaVantagePrices(
        KEY, CALENDAR, url, PATIENCE, "none", FixedClock(exchange("2024-01-05", "20:00"))
    ),
    "yahoo": lambda url: YahooPrices(url, timedelta(seconds=WHOLE_S), limit="none"),
}


@pytest.mark.parametrize("name", PRICES)
async def test_a_price_source(trickler: Trickler, name: str) -> None:
    source = PRICES[name](trickler.address)  # beforehand, because Yahoo's imports take longer than the deadline

    async def ask() -> None:
        with pytest.raises(UnavailableError):
            await source.closes(["SPY"], FIRST, LAST)

    await ends_in_time(ask())
    assert trickler.clients
    await until(lambda: trickler.left == trickler.clients)


async def test_a_language_model(trickler: Trickler) -> None:
    market = Market(ScriptedPrices({"SPY": closes(d2024_01_05="100.5")}), CALENDAR, "SPY")
    patience = ModelPatience(answer=BETWEEN_PIECES_S, whole=WHOLE_S)

    async def ask() -> None:
        with pytest.raises(PickSourceError):
            await LlmPicks("m", KEY, market, address=f"{trickler.address}/v1", patience=patience).picks(MONDAY)

    await ends_in_time(ask())
    assert trickler.clients
    await until(lambda: trickler.left == trickler.clients)


async def test_a_monitor(world: World, trickler: Trickler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body is never waited for, so only what comes before that can trickle."""
    monkeypatch.setattr(core.heartbeat, "WITHIN_S", WHOLE_S)
    async with beating(world, trickler.address) as (_, heartbeat):
        call = heartbeat._call(trickler.address)
        outcome: list[str | None] = []

        async def ask() -> None:
            outcome.append(await call)

        await ends_in_time(ask())
        assert outcome == ["no answer within 0.6 s"] or b"\r\n\r\n" in trickler.begins_with
    await until(lambda: trickler.left == trickler.clients)


async def test_an_alert_channel_and_those_beside_it(trickler: Trickler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client that Apprise has ends no whole answer: its thread goes on alone, and no other channel waits for it."""
    monkeypatch.setattr(core.alerts.channel, "WITHIN", timedelta(seconds=WHOLE_S))
    message = Message("Alpha Monday: x", "y", Severity.INFO)
    with service() as beside:
        urls = f"{trickler.address.replace('http', 'json')} {beside.url}"
        (slow, well), problems = open_channels(urls)
        assert problems == ()

        async def ask() -> None:
            is_slow_done, is_well_done = await asyncio.gather(slow.send(message), well.send(message))
            assert not is_slow_done
            assert is_well_done

        await ends_in_time(ask())
        assert slow.problem == "it did not come back within 0.6 s"
        assert [received.body for received in beside.received] == ["y"]
        assert not await slow.send(message), "a second thread would pile up"
        assert trickler.clients == 1
    trickler.released.set()
    await until(lambda: not any(thread.name == f"alerts over {slow.name}" for thread in threading.enumerate()))
