"""Blocking context managers in threads: whatever becomes of the waiter, what was entered is left, once and in order."""

import asyncio
import threading
from types import TracebackType

import pytest

from db.blocking import in_thread, to_its_end


class Slow:
    """A context manager that notes what is done to it and takes as long as it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.is_being_entered = threading.Event()
        self.may_enter = threading.Event()
        self.fails = False

    def __enter__(self) -> str:
        self.is_being_entered.set()
        assert self.may_enter.wait(10)
        if self.fails:
            raise OSError("no")
        self.notes.append(f"entered, main thread: {threading.current_thread() is threading.main_thread()}")
        return "value"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.notes.append(f"left, main thread: {threading.current_thread() is threading.main_thread()}")


BOTH = ["entered, main thread: False", "left, main thread: False"]


async def test_it_is_entered_and_left_in_a_thread() -> None:
    slow = Slow()
    slow.may_enter.set()
    async with in_thread(slow) as value:
        assert value == "value"
        assert slow.notes == BOTH[:1]
    assert slow.notes == BOTH
    with pytest.raises(RuntimeError, match="inside"):
        async with in_thread(slow):
            raise RuntimeError("inside")
    assert slow.notes == BOTH * 2


@pytest.mark.parametrize("fails", [False, True])
async def test_a_waiter_cancelled_while_it_is_entered_leaves_it_first(fails: bool) -> None:
    slow = Slow()
    slow.fails = fails

    async def waiting() -> None:
        async with in_thread(slow):
            raise AssertionError("it was cancelled before")

    task = asyncio.ensure_future(waiting())
    await asyncio.to_thread(slow.is_being_entered.wait, 10)
    task.cancel()
    await asyncio.wait({task}, timeout=0.05)
    assert not task.done(), "it would be entered with nobody to leave it"
    task.cancel()  # a second time, while it is left
    slow.may_enter.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.notes == ([] if fails else BOTH)


class TestToItsEnd:
    """What was begun is not left behind, however often and by whatever its waiter is cancelled."""

    async def test_it_gives_what_the_work_gives(self) -> None:
        assert await to_its_end(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await to_its_end(divmod, 7, 0)
        assert await to_its_end(threading.current_thread) is not threading.main_thread()

    @pytest.mark.parametrize("fails", [False, True])
    @pytest.mark.parametrize("times", [1, 2, 5])
    async def test_its_waiter_is_cancelled_after_the_end(self, times: int, fails: bool) -> None:
        slow = Slow()
        slow.fails = fails
        waiting = asyncio.ensure_future(to_its_end(slow.__enter__))
        await asyncio.to_thread(slow.is_being_entered.wait, 10)
        for _ in range(times):
            waiting.cancel()
            await asyncio.wait({waiting}, timeout=0.02)
            assert not waiting.done()
        slow.may_enter.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiting
        assert slow.notes == ([] if fails else BOTH[:1])
        assert isinstance(caught.value.__cause__, OSError) == fails


def test_the_end_of_the_event_loop_does_not_part_it_from_its_waiter() -> None:
    """A second Ctrl-C breaks out of the loop, which then cancels every task."""
    slow, order = Slow(), list[str]()

    async def waiting() -> None:
        try:
            async with in_thread(slow):
                raise AssertionError("it was cancelled before")
        finally:
            order.extend(slow.notes)

    async def beside() -> None:
        task = asyncio.ensure_future(waiting())
        await asyncio.to_thread(slow.is_being_entered.wait, 10)
        threading.Timer(0.1, slow.may_enter.set).start()
        background.add(task)

    background: set[asyncio.Future[None]] = set()
    asyncio.run(beside())
    assert order == BOTH


async def test_what_entering_raises_is_raised() -> None:
    slow = Slow()
    slow.fails = True
    slow.may_enter.set()
    with pytest.raises(OSError, match="no"):
        async with in_thread(slow):
            raise AssertionError("it was not entered")
