"""A place for calls that block for as long as they like: a thread of their own, which nobody has to wait for."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import timedelta
from threading import Event, Thread
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class BlockedError(TimeoutError):
    """A call did not come back in time, or one that was given up earlier is blocked still."""


class DaemonThread:
    """Runs one call at a time outside the loop, and gives it up after a while.

    A thread cannot be stopped: a call that is given up goes on alone until it comes back, holding up neither the loop
    nor the end of the process, and until then every further call is refused. So there is never more than one thread.
    """

    def __init__(self, name: str) -> None:
        """`name` is the thread's, for whoever looks at a stuck process."""
        self._name = name
        self._turn = asyncio.Lock()
        self._last: Future[Any] | None = None

    async def run(
        self,
        within: timedelta,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """What `function` returns or raises. Calls made meanwhile wait for their turn, the wait being part of `within`.

        Raises `BlockedError` after `within`, and at once while a call that was given up, also by a caller who was
        cancelled, has not come back.
        """
        try:
            async with asyncio.timeout(within.total_seconds()) as deadline, self._turn:
                if self._last is not None and not self._last.done():
                    raise BlockedError("an earlier call that was given up has not come back yet")
                outcome: Future[Result] = Future()
                outcome.set_running_or_notify_cancel()  # from here on a caller's cancellation leaves it alone

                def work() -> None:
                    try:
                        outcome.set_result(function(*args, **kwargs))
                    except BaseException as exc:  # noqa: BLE001 - all of it belongs to the caller
                        outcome.set_exception(exc)

                Thread(target=work, name=self._name, daemon=True).start()
                self._last = outcome
                return await asyncio.wrap_future(outcome)
        except TimeoutError as exc:
            if not deadline.expired():
                raise
            raise BlockedError(f"it did not come back within {within.total_seconds():g} s") from exc


def call_within(within: timedelta, name: str, function: Callable[[], Result]) -> Result:
    """What `function` returns or raises in a daemon thread called `name`; the caller's thread waits meanwhile.

    Raises BlockedError after `within`, and RuntimeError where it tries to end the thread or the process.
    """
    outcome: Future[Result] = Future()

    def work() -> None:
        try:
            outcome.set_result(function())
        except Exception as exc:  # noqa: BLE001 - all of it belongs to the caller
            outcome.set_exception(exc)
        except BaseException as exc:  # noqa: BLE001 - as above; in the caller's thread it would end the program
            outcome.set_exception(_as_error(exc))

    Thread(target=work, name=name, daemon=True).start()
    try:
        return outcome.result(within.total_seconds())
    except TimeoutError as exc:
        if outcome.done():
            raise
        raise BlockedError(f"it did not come back within {within.total_seconds():g} s") from exc


def _as_error(ending: BaseException) -> RuntimeError:
    return RuntimeError(f"a call raised {type(ending).__name__}")


class DaemonLoop:
    """Runs coroutines one at a time in an event loop of their own in a daemon thread.

    A coroutine that blocks its loop holds up neither the caller's loop nor the end of the process. The loop is the same
    for every call, since clients that a coroutine opens belong to it.
    """

    def __init__(self, name: str) -> None:
        """`name` is the thread's."""
        self._thread = DaemonThread(name)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = Event()

    async def run(self, within: timedelta, function: Callable[[], Awaitable[Result]]) -> Result:
        """What the awaited `function` returns or raises; it is cancelled after `within`, and when the caller is.

        Raises BlockedError as DaemonThread does, and RuntimeError where it tries to end the process.
        """
        tasks: list[asyncio.Task[Result]] = []
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            weakref.finalize(self, _close, self._loop, self._is_over).atexit = False
        loop, is_over = self._loop, self._is_over

        async def call() -> Result:
            return await function()

        def work() -> Result:
            tasks.append(loop.create_task(call()))
            try:
                return loop.run_until_complete(tasks[0])
            except (Exception, asyncio.CancelledError):
                raise
            except BaseException as exc:
                raise _as_error(exc) from exc
            finally:
                if is_over.is_set():
                    loop.close()

        try:
            return await self._thread.run(within, work)
        except (BlockedError, asyncio.CancelledError):
            if tasks:
                loop.call_soon_threadsafe(tasks[0].cancel)
            raise


def _close(loop: asyncio.AbstractEventLoop, is_over: Event) -> None:
    is_over.set()  # before the look: a call that was given up may be in the loop still, and closes it at its end
    if not loop.is_running():
        loop.close()
