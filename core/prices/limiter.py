"""How often a provider is asked: its documented limits, or the operator's, kept by this process."""

import asyncio
import math
import time
from datetime import timedelta

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from core.clock import CLOCK_TOLERANCE
from core.prices.provider_errors import setting_of
from core.prices.source import LONGEST_REST, RateLimitedError
from core.settings import SettingsError

UNLIMITED = "none"
LONGEST_WAIT = timedelta(seconds=65)
_HOUR_S = 3600


class Limiter:
    """Lets through as many questions as the limits allow, such as `5/minute, 25/day`; `none` sets no limit."""

    def __init__(self, source: str, default: str, limit: str | None = None) -> None:
        """Takes `limit` in the place of `default` where it is given. Raises SettingsError for one that is none."""
        self._source = source
        self._limits = _parsed(source, limit or default)
        self._turn = asyncio.Lock()
        self._start_over()

    async def take(self) -> None:
        """Waits until one more question may be asked.

        Raises RateLimitedError, saying how long it would take, where that is more than `LONGEST_WAIT`.
        """
        if not self._limits:
            return
        async with self._turn:  # one at a time: a question counts in every window or in none
            self._discard_future()
            while full := [each for each in self._limits if not self._windows.test(each, self._source)]:
                wait = max(self._frees_in(each) for each in full)
                if wait > LONGEST_WAIT:
                    raise RateLimitedError(
                        f"{self._source} may be asked {self._words} and has been.",
                        f"Wait; it is asked again later. {setting_of(self._source, 'LIMIT')} sets another limit.",
                        min(wait, LONGEST_REST),
                    )
                await asyncio.sleep(wait.total_seconds())
            for each in self._limits:
                self._windows.hit(each, self._source)
            self._last_taken_at = time.time()

    @property
    def quota_left(self) -> int | None:
        """How many more questions are allowed before a wait of an hour or more; None without limits that long."""
        self._discard_future()
        long = [each for each in self._limits if each.get_expiry() >= _HOUR_S]
        return min((self._windows.get_window_stats(each, self._source).remaining for each in long), default=None)

    def _start_over(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._last_taken_at = 0.0

    def _discard_future(self) -> None:
        """Starts counting anew if the last request is dated in the future: such windows stay full for as long."""
        if self._last_taken_at - time.time() >= CLOCK_TOLERANCE.total_seconds():
            self._start_over()

    @property
    def _words(self) -> str:
        return " and ".join(str(each) for each in self._limits)

    def _frees_in(self, each: RateLimitItem) -> timedelta:
        reset_at = self._windows.get_window_stats(each, self._source).reset_time
        # A hundredth later than needed: at the very moment, the window lets a question through that it does not count.
        return timedelta(seconds=max(math.ceil((reset_at - time.time()) * 100), 0) / 100 + 0.01)


def _parsed(source: str, text: str) -> list[RateLimitItem]:
    if text.strip().lower() == UNLIMITED:
        return []
    try:
        found = list(parse_many(text))
    except ValueError:
        found = []
    if not found or any(each.amount < 1 or each.get_expiry() < 1 for each in found):
        raise SettingsError(
            f"{setting_of(source, 'LIMIT')} is not a limit.", "Write such as 5/minute, 25/day; none sets no limit."
        )
    return found
