"""What every query of a source has: a deadline, and a log entry for a defect of the source."""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

from core.daemon_thread import BlockedError

Result = TypeVar("Result")

_ENDS_WITHIN_S = 1.0

log = logging.getLogger(__name__)


async def within(limit: timedelta, call: Awaitable[Result]) -> Result:
    """What `call` gives. Raises BlockedError after `limit`, and RuntimeError if it is cancelled from inside.

    A call that does not end when it is cancelled is left behind: neither a tick nor the process's end waits for it.
    """
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=limit.total_seconds())
        if task.cancelled():
            # Passed on, this would look as if the caller itself had been cancelled, and end the scheduler.
            raise RuntimeError("a call was cancelled from inside")
        if task.done():
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_retrieve)
            await asyncio.wait({task}, timeout=_ENDS_WITHIN_S)
    raise BlockedError(f"it did not respond within {limit.total_seconds():g} s")


def _retrieve(task: "asyncio.Future[Any]") -> None:
    """Reads the outcome of a call that nobody waits for any more; asyncio logs one that is never read."""
    if not task.cancelled():
        task.exception()


def log_defect(source: str, exc: Exception) -> None:
    """Logs `exc` as a defect of `source`; its text may hold a key and is only logged."""
    log.warning("source defect", exc_info=exc, extra={"event": "source_defect", "source": source})


def words_of(timeout: TimeoutError) -> str:
    """What timed out; the text of a third party's own timeout may hold a key and is left out."""
    return str(timeout) if isinstance(timeout, BlockedError) else "it timed out by itself"
