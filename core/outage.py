"""A time without the database: told once, and asked again until it answers."""

import logging
import random
import time
from datetime import timedelta

from core.back_off import back_off
from db.errors import AlphaMondayError

_FIRST = timedelta(seconds=1)
# After a failover work goes on within seconds of the new primary's first commit, however long the outage was.
_LONGEST = timedelta(seconds=2)
# Nobody else starts the product's own server, and each attempt is work for the machine.
_LONGEST_OWN = timedelta(seconds=30)

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

    def goes_on(self, problem: AlphaMondayError, *, is_own_server: bool = False) -> timedelta:
        """Notes one more failure, and gives the time to wait before the next attempt: at most 2 s.

        At most 30 s where `is_own_server`, which each attempt starts again.
        """
        if not self._attempts:
            self._began = time.monotonic()
        self._attempts += 1
        longest = _LONGEST_OWN if is_own_server else _LONGEST
        retry_in = back_off(self._attempts, min(_FIRST, longest), longest, self._draw)
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
