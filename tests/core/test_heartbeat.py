"""The heartbeat: called while all is well, silent otherwise, and never in anybody's way."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import core.heartbeat
from core.catch_up import Report
from core.due_work import run_due_work
from core.heartbeat import Heartbeat
from core.logs import JsonFormatter
from core.prices.source import UnavailableError
from core.rules import Delay
from core.services import Services
from tests.core.world import FIRST, World
from tests.fakes import exchange
from tests.loopback import Loopback, reply, serving

HIDDEN = "0f8fad5b-d9cb-469f-a165-70867728950e"
WITHIN_S = 8


@pytest.fixture
def monitor() -> Iterator[Loopback]:
    """A monitor that is satisfied with everything, until it is told otherwise."""
    with serving(lambda _: reply()) as monitor:
        yield monitor


@pytest.fixture(autouse=True)
def noticed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="httpx")  # as core.logs has it: its lines at level info tell addresses
    caplog.set_level(logging.INFO)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The events that were logged, each with what it says; none holds the secret."""
    for record in caplog.records:
        assert HIDDEN not in JsonFormatter().format(record)
    fields = [vars(record) for record in caplog.records if "event" in vars(record)]
    return [(each["event"], each.get("problem", each.get("reason", ""))) for each in fields]


@asynccontextmanager
async def beating(world: World, url: str | None) -> AsyncIterator[tuple[Services, Heartbeat]]:
    async with world.services() as services:
        address = None if url is None else SecretStr(f"{url}/{HIDDEN}")
        services = replace(services, settings=services.settings.model_copy(update={"heartbeat_url": address}))
        heartbeat = Heartbeat(services)
        try:
            yield services, heartbeat
        finally:
            await heartbeat.close()


async def test_it_is_called_after_a_tick_that_leaves_nothing_overdue(
    world: World, monitor: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with beating(world, monitor.url) as (services, heartbeat):
        report, _ = await run_due_work(services)
        await heartbeat.beat(report)
    [request] = monitor.requests
    assert (request.method, request.target, request.headers["user-agent"]) == ("GET", f"/{HIDDEN}", "alpha-monday")
    assert told(caplog) == []


async def test_it_is_silent_while_a_day_is_overdue_and_while_the_week_cannot_be_opened(
    world: World, monitor: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with beating(world, monitor.url) as (services, heartbeat):
        await heartbeat.beat(Report(unopened={FIRST: Delay("picks_not_yet", "nothing yet")}))
        assert monitor.requests == []
        report, _ = await run_due_work(services)
        world.prices.failure = UnavailableError("away", "Wait.")
        world.clock.instant = exchange("2020-01-06", "22:30")
        report, _ = await run_due_work(services)
        assert report.waiting == 1
        await heartbeat.beat(report)
        assert len(monitor.requests) == 1, "what is due and waits is not overdue yet"
        world.clock.instant += timedelta(seconds=1)
        await heartbeat.beat(report)
        await heartbeat.beat(report)
        assert len(monitor.requests) == 1
    assert told(caplog) == [
        ("heartbeat_url_withheld", "the week could not be opened yet"),
        ("heartbeat_url_withheld", "days that are overdue: 1"),
    ]


async def test_it_is_silent_where_the_database_cannot_say_what_is_overdue(
    world: World, monitor: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with beating(world, monitor.url) as (services, heartbeat):
        await services.database.close()
        await heartbeat.beat(Report())
    assert monitor.requests == []
    assert [event for event, _ in told(caplog)] in (["heartbeat_url_withheld"], ["heartbeat_url_failed"])


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (reply(500), "HTTP 500"),
        (reply(404, b"no such check"), "HTTP 404"),
        (reply(302, headers={"Location": "@elsewhere"}), "HTTP 302"),
        (reply(100), "it does not answer in HTTP"),
        (b"\x00\xff garbage\r\n\r\n", "it does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "it does not answer in HTTP"),
        (b"", "it does not answer in HTTP"),
    ],
    ids=["error", "not found", "redirect", "continue", "garbage", "endless header", "nothing"],
)
async def test_what_fails_is_told_once_and_its_end_too(
    world: World, monitor: Loopback, caplog: pytest.LogCaptureFixture, answer: bytes, problem: str
) -> None:
    with serving(lambda _: reply()) as elsewhere:
        monitor.answer = lambda _: answer.replace(b"@elsewhere", elsewhere.url.encode())
        async with beating(world, monitor.url) as (_, heartbeat):
            for _ in range(3):
                await heartbeat.beat(Report())
            assert told(caplog) == [("heartbeat_url_failed", problem)]
            monitor.answer = lambda _: reply(204)
            for _ in range(3):
                await heartbeat.beat(Report())
            assert told(caplog)[1:] == [("heartbeat_url_works", "")]
            monitor.answer = lambda _: answer
            await heartbeat.beat(Report())
        assert [event for event, _ in told(caplog)][2:] == ["heartbeat_url_failed"]
        assert elsewhere.requests == [], "redirects are refused"


async def test_nobody_there_is_told_without_the_address(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async with beating(world, "http://127.0.0.1:1") as (_, heartbeat):
        await heartbeat.beat(Report())
    assert told(caplog) == [("heartbeat_url_failed", "it cannot be connected to")]


async def test_an_address_that_the_client_refuses_is_told_without_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with beating(world, "https://ping.test/\x01") as (_, heartbeat):
        await heartbeat.beat(Report())
    assert told(caplog) == [("heartbeat_url_failed", "InvalidURL")]


async def test_a_body_without_end_is_not_read(world: World, monitor: Loopback) -> None:
    monitor.answer = lambda _: None
    monitor.started = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000
    async with beating(world, monitor.url) as (_, heartbeat), asyncio.timeout(WITHIN_S):
        await heartbeat.beat(Report())


async def test_one_that_hangs_is_given_up_and_holds_up_no_tick(
    world: World, monitor: Loopback, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor.answer = lambda _: None
    async with beating(world, monitor.url) as (_, heartbeat):
        began = asyncio.get_running_loop().time()
        for _ in range(50):
            heartbeat.after_tick(Report())
        assert asyncio.get_running_loop().time() - began < 1
        async with asyncio.timeout(WITHIN_S):
            while not monitor.requests:  # noqa: ASYNC110 - they come in a thread, which sets no event of the loop's
                await asyncio.sleep(0.005)
        for _ in range(50):
            heartbeat.after_tick(Report())
        assert len(monitor.requests) == 1, "one call at a time"
        async with asyncio.timeout(WITHIN_S):
            await heartbeat.close()
    monkeypatch.setattr(core.heartbeat, "WITHIN_S", 0.2)
    for started in (b"", b"HTTP/1.1 200 OK\r\nX: "):
        monitor.started = started
        async with beating(world, monitor.url) as (_, heartbeat), asyncio.timeout(WITHIN_S):
            await heartbeat.beat(Report())
    assert told(caplog) == [("heartbeat_url_failed", "no answer within 0.2 s")] * 2


async def test_calls_after_ticks_go_on_one_after_the_other(world: World, monitor: Loopback) -> None:
    async with beating(world, monitor.url) as (_, heartbeat), asyncio.timeout(WITHIN_S):
        for count in (1, 2, 3):
            while len(monitor.requests) < count:
                heartbeat.after_tick(Report())
                await asyncio.sleep(0.005)
    assert monitor.most_at_once == 1


async def test_a_defect_of_its_own_harms_no_tick_and_is_told(
    world: World, monitor: Loopback, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Any) -> Any:
        raise KeyError(HIDDEN)

    monkeypatch.setattr(core.heartbeat, "read_backlog", broken)
    async with beating(world, monitor.url) as (_, heartbeat):
        await heartbeat.beat(Report())
    assert monitor.requests == []
    assert told(caplog) == [("heartbeat_url_failed", "something unforeseen happened: KeyError")]


async def test_without_an_address_nothing_is_done_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(_: Any) -> Any:
        raise AssertionError("the backlog was read for nobody")

    monkeypatch.setattr(core.heartbeat, "read_backlog", asked)
    async with beating(world, None) as (_, heartbeat):
        before = asyncio.all_tasks()
        heartbeat.after_tick(Report())
        await heartbeat.beat(Report())
        assert asyncio.all_tasks() == before


def test_the_http_client_is_imported_only_where_an_address_is_set() -> None:
    code = "import sys, core.heartbeat; print('httpx' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=root).stdout == b"False\n"
