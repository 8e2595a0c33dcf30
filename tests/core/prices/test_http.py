"""What every HTTP provider shares: several questions at once, and the first failure."""

import pytest

from core.prices.http import Provider, Question
from core.prices.limiter import Limiter
from core.prices.source import RateLimitedError
from tests.fakes import start_tasks_at_once


async def test_a_limit_reached_is_one_error_however_many_symbols_wait() -> None:
    """In the TUI tasks start at once, so the first question is refused before the second is made."""
    start_tasks_at_once()
    limiter = Limiter("tiingo", "1/day")
    await limiter.take()
    provider = Provider("tiingo", address="http://127.0.0.1:9", secrets=(), limiter=limiter)
    questions = {name: Question((name,), {}) for name in ("AAA", "BBB", "CCC")}
    with pytest.raises(RateLimitedError):
        await provider.ask(questions, lambda _, reply: reply)
