"""Calls that block: given up on time, never piled up, holding up neither the loop nor the end of the process."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from core.daemon_thread import BlockedError, DaemonThread

SOON, LATE = timedelta(seconds=0.05), timedelta(seconds=30)


class Stuck:
    """A call that comes back when it is told to."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self) -> str:
        self.threads.append(threading.current_thread())
        self.has_begun.set()
        assert self.may_end.wait(30)
        return "back"

    def come_back(self) -> None:
        self.may_end.set()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stuck = Stuck()
    yield stuck
    stuck.come_back()


@pytest.fixture
def place() -> DaemonThread:
    return DaemonThread("prices of somebody")


async def test_it_gives_what_the_call_gives(place: DaemonThread) -> None:
    assert await place.run(LATE, divmod, 7, 2) == (3, 1)
    assert await place.run(LATE, int, "11", base=2) == 3
    with pytest.raises(ZeroDivisionError):
        await place.run(LATE, divmod, 7, 0)
    thread = await place.run(LATE, threading.current_thread)
    assert (thread.name, thread.daemon) == ("prices of somebody", True)


async def test_a_call_that_blocks_is_given_up_and_the_next_refused_until_it_came_back(
    place: DaemonThread, stuck: Stuck
) -> None:
    with pytest.raises(BlockedError, match=r"did not come back within 0\.05 s"):
        await place.run(SOON, stuck)
    since = time.monotonic()
    for _ in range(3):
        with pytest.raises(BlockedError, match="has not come back yet"):
            await place.run(LATE, stuck)
    assert time.monotonic() - since < 5
    assert len(stuck.threads) == 1
    stuck.come_back()
    assert await place.run(LATE, stuck) == "back"


async def test_a_call_whose_caller_was_cancelled_is_not_joined_by_a_second(place: DaemonThread, stuck: Stuck) -> None:
    asking = asyncio.create_task(place.run(LATE, stuck))
    await asyncio.to_thread(stuck.has_begun.wait, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(BlockedError):
        await place.run(LATE, divmod, 7, 2)
    stuck.come_back()
    assert await place.run(LATE, divmod, 7, 2) == (3, 1)


async def test_calls_wait_for_their_turn_within_their_time(place: DaemonThread, stuck: Stuck) -> None:
    first = asyncio.create_task(place.run(LATE, stuck))
    await asyncio.to_thread(stuck.has_begun.wait, 10)
    with pytest.raises(BlockedError, match=r"within 0\.05 s"):
        await place.run(SOON, divmod, 7, 2)
    second = asyncio.create_task(place.run(LATE, stuck))
    await asyncio.wait({second}, timeout=0.05)
    assert len(stuck.threads) == 1
    stuck.come_back()
    assert [await first, await second] == ["back", "back"]


async def test_a_time_limit_of_the_calls_own_is_its_own_error(place: DaemonThread) -> None:
    def slow_peer() -> None:
        raise TimeoutError("the peer")

    with pytest.raises(TimeoutError, match="the peer") as caught:
        await place.run(LATE, slow_peer)
    assert type(caught.value) is TimeoutError


def test_a_call_may_come_back_after_its_loop_is_gone(
    place: DaemonThread, stuck: Stuck, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> None:
        with suppress(BlockedError):
            await place.run(SOON, stuck)

    asyncio.run(ask())
    stuck.come_back()
    assert not caplog.records
    assert asyncio.run(place.run(LATE, stuck)) == "back"


def test_the_end_of_the_process_does_not_wait() -> None:
    code = (
        "import asyncio, time; from datetime import timedelta; from core.daemon_thread import DaemonThread\n"
        "asyncio.run(DaemonThread('x').run(timedelta(seconds=0.05), time.sleep, 60))"
    )
    since = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert time.monotonic() - since < 20
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("core.daemon_thread.BlockedError: it did not come back")
