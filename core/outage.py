"""A time without the database: told once, and asked again ever more rarely until it answers."""

import logging
import random
import time
from datetime import timedelta

from core.back_off import back_off
from db.errors import AlphaMondayError

_FIRST = timedelta(seconds=2)
_LONGEST = timedelta(seconds=30)  # an opening's half hour must not be slept through

log = logging.getLogger(__name__)


class Outage:
    """Where one scheduler stands with its database; at first, and after `ends`, there is no outage."""

    def __init__(self) -> None:
        self._draw = random.Random()  # noqa: S311 - spreads attempts, keeps no secret
        self._attempts = 0
        self._began = 0.0
        self._told = ""

    def __bool__(self) -> bool:
        return self._attempts > 0

    def goes_on(self, problem: AlphaMondayError) -> timedelta:
        """Notes one more failure, and gives the time to wait before the next attempt."""
        if not self._attempts:
            self._began = time.monotonic()
        self._attempts += 1
        retry_in = back_off(self._attempts, _FIRST, _LONGEST, self._draw)
        if problem.message != self._told:
            self._told = problem.message
            log.warning(
                "database lost",
                extra={
                    "event": "database_lost",
                    "code": problem.code,
                    "problem": problem.message,
                    "retry_in_s": round(retry_in.total_seconds(), 1),
                },
            )
        return retry_in

    def ends(self) -> None:
        """Notes that the database answered."""
        if self._attempts:
            outage_s = round(time.monotonic() - self._began, 1)
            log.info(
                "database back",
                extra={"event": "database_back", "outage_s": outage_s, "attempts": self._attempts},
            )
        self._attempts, self._told = 0, ""
