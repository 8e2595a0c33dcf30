"""Blocking work in threads, so that nothing else waits for it; it comes to its end whatever becomes of its waiter."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Entered = TypeVar("Entered")


async def to_its_end(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """What `work` gives in a thread. A waiter that is cancelled waits for its end all the same, and is cancelled then.

    For what must not go on beside the clean-up of its waiter. The cancellation has as its cause what `work` raised.
    """
    # A future of the executor's and no task: the end of the event loop cancels every task there is.
    running = asyncio.get_running_loop().run_in_executor(None, partial(copy_context().run, work, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        raise cancelled from running.exception()
    return running.result()


@asynccontextmanager
async def in_thread(manager: AbstractContextManager[Entered]) -> AsyncIterator[Entered]:
    """What `manager` gives. It is left again even if the waiter is cancelled while it is being entered or left."""
    stack = ExitStack()
    try:
        yield await to_its_end(stack.enter_context, manager)
    finally:
        await to_its_end(stack.close)
