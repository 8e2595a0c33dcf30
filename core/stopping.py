"""Ending work in good order when the process is told to stop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_GRACE_S = 1.0


async def run_until(
    stopping: asyncio.Event, work: Coroutine[Any, Any, Result], *, beside: asyncio.Future[Any] | None = None
) -> Result | None:
    """The result of `work`, or None if it was told to stop and did not end by itself within a second.

    It is also told to stop by the end of what goes on `beside` it, whose failure is its owner's to tell.
    Between transactions work ends by itself; a provider or a lock that keeps it waiting is not waited for.
    """
    working = asyncio.ensure_future(work)
    told = asyncio.ensure_future(stopping.wait())
    try:
        signs = {working, told} if beside is None else {working, told, beside}
        await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working}, timeout=_GRACE_S)
        return working.result() if working.done() else None
    finally:
        told.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
