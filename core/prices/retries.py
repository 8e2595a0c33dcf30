"""Asking a provider again at once: a few times, later each time and never all at the same moment."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from datetime import timedelta

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from core.prices.source import RateLimitedError, UnavailableError
from db.errors import AlphaMondayError

ATTEMPTS = 3
# Waits for a limit of the provider's are among it.
WITHIN_S = 180.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0
# A provider that asks for a longer rest is left to the back-off of whatever waits for it.
LONGEST_ASKED_FOR = timedelta(seconds=5)

log = logging.getLogger(__name__)


def attempts() -> AsyncIterator[AbstractContextManager[object]]:
    """Contexts in which to ask: another one follows where the last ended by a failure that may be over soon.

    The last failure is let through.
    """
    return stamina.retry_context(
        on=_is_worth_another,
        attempts=ATTEMPTS,
        timeout=WITHIN_S,
        wait_initial=FIRST_WAIT_S,
        wait_max=LONGEST_WAIT_S,
        wait_jitter=FIRST_WAIT_S,
    ).__aiter__()


def _is_worth_another(problem: Exception) -> bool | timedelta:
    if isinstance(problem, RateLimitedError):
        wait = problem.retry_after
        return wait if wait is not None and wait <= LONGEST_ASKED_FOR else False
    return isinstance(problem, UnavailableError)


def _tell(details: RetryDetails) -> None:
    problem = details.caused_by
    log.info(
        "source asked again",
        extra={
            "event": "source_asked_again",
            "attempt": details.retry_num,
            "wait_s": round(details.wait_for, 2),
            "problem": problem.message if isinstance(problem, AlphaMondayError) else type(problem).__name__,
        },
    )


# In the place of the library's own, which would log whatever the failure repeats.
set_on_retry_hooks([_tell])
