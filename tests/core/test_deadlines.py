"""Nothing that hangs stops the schedule: each query ends, the tick ends, and operators hear of it within minutes."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import core.alerts.ticks
import core.discreet
import core.file_at_rest
import core.picks.query
import core.prices.query
import core.scheduler
import core.source_calls
from core.alerts.standing import source_told
from core.alerts.told import Told
from core.daemon_thread import BlockedError, DaemonLoop
from core.discreet import DiscreetPicks, DiscreetPrices, PricesForAnotherLoop
from core.due_work import run_due_work
from core.health import read_health
from core.picks.momentum import MomentumPicks
from core.picks.query import query_picks
from core.picks.source import PickDraft, PickOptions, PicksTimedOutError, PicksUnavailableError
from core.prices.csv_file import CsvPrices
from core.prices.fallback import FirstAnswer
from core.prices.query import query
from core.prices.source import Answer, PriceOptions, SourceTimedOutError, UnavailableError
from core.scheduler import Scheduler
from core.source_calls import within
from core.source_health import HealthLog, SourceHealth, SourceKind
from core.symbol_changes import SymbolChangesFile
from tests.core.alerts.receiving import alerting, service
from tests.core.world import CALENDAR, FIRST, PICKS, SECOND, World, all_closes
from tests.fakes import FixedClock, ScriptedPrices, exchange

# Long enough for a source that responds at once, on a busy machine too.
SHORT, LONG = timedelta(seconds=1), timedelta(minutes=1)
SOON = timedelta(milliseconds=50)
SPAN = (date(2020, 1, 3), date(2020, 1, 6))
WITHIN_S = 10


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end of the test, so that threads which it has blocked end too."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    set_deadlines(monkeypatch, SHORT)
    monkeypatch.setattr(core.source_calls, "_ENDS_WITHIN_S", 0.05)


def set_deadlines(monkeypatch: pytest.MonkeyPatch, deadline: timedelta) -> None:
    for module, name in (
        (core.prices.query, "QUERY_WITHIN"),
        (core.discreet, "QUERY_WITHIN"),
        (core.picks.query, "PICKS_WITHIN"),
        (core.discreet, "PICKS_WITHIN"),
        (core.file_at_rest, "_READ_WITHIN"),
    ):
        monkeypatch.setattr(module, name, deadline)


class Hanging(ScriptedPrices):
    """A price source that does not respond until it is released, or ignores even its cancellation."""

    def __init__(self, wait: Callable[[], Any], name: str = "hanging") -> None:
        super().__init__(all_closes(), name=name)
        self.wait = wait

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        if (waiting := self.wait()) is not None:
            await waiting
        return await super().closes(symbols, first, last)


async def deaf() -> None:
    """Ignores its cancellation for a while."""
    ends_at = time.monotonic() + 3
    while time.monotonic() < ends_at:
        try:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            continue


def third_party(source: ScriptedPrices) -> DiscreetPrices:
    return DiscreetPrices(source, PriceOptions(calendar=CALENDAR, benchmark="SPY"))


@pytest.mark.parametrize("wait", [lambda: asyncio.sleep(60), deaf], ids=["asleep", "deaf"])
async def test_a_query_ends_and_the_next_source_serves(world: World, wait: Callable[[], Any]) -> None:
    async with world.services() as services:
        services = replace(services, sources=(Hanging(wait), world.prices))
        report, _ = await run_due_work(services)
        assert report.opened == 1
        world.clock.instant = exchange("2020-01-07")
        report, _ = await run_due_work(services)
    assert report.computed == 2


async def test_a_third_party_that_blocks_its_loop_ends_too(
    released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def block() -> None:
        released.wait(60)

    source = third_party(Hanging(block))
    ticks = 0

    async def heartbeat() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    beating = asyncio.create_task(heartbeat())
    for _ in range(2):
        with pytest.raises(SourceTimedOutError):
            await query(source, ["SPY"], *SPAN)
    beating.cancel()
    assert ticks > 3, "the program's own loop went on"
    assert sum(thread.name == "prices of hanging" for thread in threading.enumerate()) == 1
    released.set()
    set_deadlines(monkeypatch, LONG)
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                assert (await query(source, ["SPY"], *SPAN)).closes
                break
            except SourceTimedOutError:
                await asyncio.sleep(0.01)


async def test_a_third_party_s_name_and_quota_can_be_stored() -> None:
    source = Hanging(lambda: None, name="\0\ud800" + "x" * 1000)
    assert third_party(source).name == "\N{REPLACEMENT CHARACTER}?" + "x" * 98
    log = HealthLog(FixedClock(exchange("2020-01-06")), tuple)
    for quota, shown in ((7, 7), (10**5000, None), (True, None)):
        source.quota_left = quota  # type: ignore[attr-defined]  # optional in the Protocol
        log.succeeded(SourceKind.PRICES, third_party(source))
        assert [fact["quota_left"] for fact in log.pending().values()] == [shown]


async def test_a_third_party_keeps_its_loop_from_query_to_query(monkeypatch: pytest.MonkeyPatch) -> None:
    set_deadlines(monkeypatch, LONG)
    loops: list[asyncio.AbstractEventLoop] = []
    source = third_party(Hanging(lambda: loops.append(asyncio.get_running_loop())))
    for _ in range(3):
        await query(source, ["SPY"], *SPAN)
    assert len(set(loops)) == 1
    assert loops[0] is not asyncio.get_running_loop()


@pytest.mark.parametrize("failure", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_a_third_party_ends_neither_the_process_nor_its_caller(failure: BaseException) -> None:
    def fail() -> None:
        raise failure

    with pytest.raises(UnavailableError):
        await query(third_party(Hanging(fail)), ["SPY"], *SPAN)


async def test_a_call_that_cancels_itself_is_a_defect() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError):
        await within(SHORT, cancelled())


async def test_a_caller_that_is_cancelled_ends_the_call() -> None:
    loop, ended = DaemonLoop("a test"), threading.Event()

    async def call() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    task = asyncio.create_task(loop.run(timedelta(seconds=60), call))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, WITHIN_S)


class Asking:
    """A third party's pick source that looks at prices from its own loop."""

    name = "asking"

    def __init__(self, prices: Any) -> None:
        self._prices = prices

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        assert (await self._prices.closes(["SPY"], *SPAN)).closes
        return PICKS


async def test_a_third_party_s_picks_see_prices_of_the_program_s_own_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    set_deadlines(monkeypatch, LONG)
    loops: list[asyncio.AbstractEventLoop] = []
    prices = PricesForAnotherLoop(FirstAnswer([Hanging(lambda: loops.append(asyncio.get_running_loop()))]))
    options = PickOptions(calendar=CALENDAR, prices=prices, benchmark="SPY")
    assert await query_picks(DiscreetPicks(Asking(prices), options, prices), FIRST) == PICKS
    assert loops == [asyncio.get_running_loop()]


class Sleeping:
    """A pick source that does not respond."""

    name = "sleeping"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        await asyncio.sleep(60)
        return PICKS


async def test_a_pick_source_that_hangs_costs_its_week_alone(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-13", "09:00")
        report, _ = await run_due_work(replace(services, pick_source=Sleeping()))
    assert report.computed == 5
    assert report.unopened[SECOND].cause == PicksTimedOutError.code


@pytest.mark.parametrize("read", ["prices", "universe", "changes"])
async def test_a_file_that_does_not_respond_ends_its_query(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, released: threading.Event, read: str
) -> None:
    """As on a mount whose server is gone: the thread is blocked for ever, and only one is."""
    monkeypatch.setattr(core.file_at_rest.FileAtRest, "_look", lambda *_, **__: released.wait(60))
    before = threading.active_count()
    file = tmp_path / "a.csv"
    async with world.services() as services:
        await run_due_work(replace(services, symbol_changes=SymbolChangesFile(None)))
        world.clock.instant = exchange("2020-01-13", "09:00")
        if read == "prices":
            services = replace(services, sources=(CsvPrices(file), world.prices))
        elif read == "universe":
            services = replace(services, pick_source=MomentumPicks(file, world.prices, CALENDAR, "SPY"))
        else:
            services = replace(services, symbol_changes=SymbolChangesFile(file))
        report, _ = await run_due_work(services)
        await run_due_work(services)
    if read == "prices":
        assert (report.opened, report.computed) == (1, 5)
    elif read == "universe":
        assert (report.unopened[SECOND].cause, report.computed) == (PicksTimedOutError.code, 5)
    else:
        assert (report.opened, report.waiting) == (1, 5)
    blocked = [thread for thread in threading.enumerate() if thread.name == "reading a.csv"]
    assert len(blocked) == 1
    assert blocked[0].daemon
    assert threading.active_count() < before + 12


async def test_health_and_alerts_tell_of_a_timeout_at_once_and_not_for_ever(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        services = replace(services, sources=(Hanging(lambda: asyncio.sleep(60)),))
        world.clock.instant = exchange("2020-01-07")
        report, _ = await run_due_work(services)
        assert report.waiting == 2
        assert set(world.rows("select cause from waiting_days")) == {(SourceTimedOutError.code,)}
        words = "prices source hanging did not respond"
        assert any(words in problem for problem in (await read_health(services, timedelta(days=99))).problems)
        world.clock.instant = exchange("2020-01-07", "23:00")
        assert not any(words in problem for problem in (await read_health(services, timedelta(days=99))).problems)
    failed = SourceHealth(SourceKind.PRICES, "hanging", True, None, exchange("2020-01-07"), "timed_out", "it hangs")
    told = Told.beginning(exchange("2020-01-06"), {}, date(2020, 1, 4))
    told, message = source_told(told, failed, timedelta(hours=6))
    assert message is not None
    assert source_told(told, failed, timedelta(hours=6))[1] is None
    assert source_told(told, replace(failed, failure_code="unavailable"), timedelta(hours=6))[1] is None


async def test_a_tick_that_does_not_end_is_told_and_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.prices.query, "QUERY_WITHIN", timedelta(hours=1))
    monkeypatch.setattr(core.alerts.ticks, "FAILING_AFTER", SOON)
    monkeypatch.setattr(core.scheduler, "_LOOK", SOON)
    monkeypatch.setattr(core.scheduler, "_TICK_WITHIN", timedelta(seconds=2))
    with service() as taker:
        async with alerting(world, taker.url) as services:
            await run_due_work(services)
            world.clock.instant = exchange("2020-01-07")
            services = replace(services, sources=(Hanging(lambda: asyncio.sleep(60)),))
            scheduler = Scheduler(services)
            running = asyncio.create_task(scheduler.run())
            async with asyncio.timeout(WITHIN_S):
                while not taker.received:
                    assert scheduler.state.problem is None, "it is told while the tick is under way"
                    await asyncio.sleep(0.01)
                while scheduler.state.problem is None:  # noqa: ASYNC110 - it sets no event
                    await asyncio.sleep(0.01)
            assert "took longer than" in scheduler.state.problem.message
            scheduler.stop()
            await running
    assert taker.take()[0].title == "Alpha Monday: the schedule stands still"


async def test_what_is_refused_while_an_earlier_call_hangs_is_a_timeout(released: threading.Event) -> None:
    loop = DaemonLoop("a test")

    async def block() -> None:
        released.wait(60)

    for _ in range(2):
        with pytest.raises(BlockedError):
            await loop.run(SHORT, block)
    assert issubclass(PicksTimedOutError, PicksUnavailableError)
