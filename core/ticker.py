"""When a tick is due: `schedule` supplies the interval, whatever the machine's clock does."""

import time
from datetime import datetime, timedelta

import schedule

_CLOCK_STEP = timedelta(seconds=5)


class Ticker:
    """Says when a tick is due: at once, and then at intervals, whatever the machine's clock does."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._jobs = schedule.Scheduler()
        self._due = True
        self._start_over()

    def is_due(self) -> bool:
        """Whether a tick is due now; asking takes it."""
        if abs(_wall_less_monotonic() - self._offset) > _CLOCK_STEP:
            # `schedule` compares naive local times: after a step back nothing would run until it is caught up.
            self._start_over()
            self._due = True
        self._jobs.run_pending()
        due, self._due = self._due, False
        return due

    def until_next(self) -> timedelta:
        """How long there is nothing to do, at most one interval."""
        idle = self._jobs.idle_seconds or 0
        return min(max(timedelta(seconds=idle), timedelta(0)), self._every)

    def _start_over(self) -> None:
        self._offset = _wall_less_monotonic()
        self._jobs.clear()
        self._jobs.every(int(self._every.total_seconds())).seconds.do(self._mark)

    def _mark(self) -> None:
        self._due = True


def _wall_less_monotonic() -> timedelta:
    local = datetime.now()  # noqa: DTZ005 - the clock that `schedule` reads is the naive local one
    return local - datetime(1970, 1, 1) - timedelta(seconds=time.monotonic())  # noqa: DTZ001 - naive like the other
