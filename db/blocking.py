"""Blocking context managers, entered and left in a thread, so that nothing else waits for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import TypeVar

Entered = TypeVar("Entered")


@asynccontextmanager
async def in_thread(manager: AbstractContextManager[Entered]) -> AsyncIterator[Entered]:
    """What `manager` gives. It is left again even if the waiter is cancelled while it is being entered or left."""
    stack = ExitStack()
    entering = asyncio.ensure_future(asyncio.to_thread(stack.enter_context, manager))
    try:
        # The thread goes on whatever becomes of its waiter.
        yield await asyncio.shield(entering)
    finally:
        await _to_its_end(asyncio.ensure_future(_leave(entering, stack)))


async def _leave(entering: "asyncio.Future[Entered]", stack: ExitStack) -> None:
    await asyncio.wait({entering})
    if not entering.cancelled():
        entering.exception()  # its waiter has it, or was cancelled and wants none
    await asyncio.to_thread(stack.close)


async def _to_its_end(leaving: "asyncio.Future[None]") -> None:
    try:
        await asyncio.shield(leaving)
    except asyncio.CancelledError:
        await asyncio.wait({leaving})
        raise
