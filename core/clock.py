"""Where the present comes from, durations in words, and the one rule for clocks that are wrong.

Work is done only while this machine's clock and the database's agree. State that is dated in the future was written
while a clock was wrong; it is discarded by whatever reads it.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from db.errors import AlphaMondayError

# Longer than a slow network or an unsynchronised second, and short against the half hour of an opening.
CLOCK_TOLERANCE = timedelta(minutes=2)


class ClockError(AlphaMondayError):
    """This machine's clock and the database's do not agree."""

    code = "clock"


class Clock(Protocol):
    """Tells the present as an aware instant."""

    def now(self) -> datetime: ...

    def ahead_of(self, server_time: datetime) -> timedelta:
        """How far this clock is ahead of a server whose clock shows `server_time` now; negative if it is behind."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def ahead_of(self, server_time: datetime) -> timedelta:
        return self.now() - server_time


def require_agreement(clock: Clock, server_time: datetime) -> datetime:
    """The present by `clock`. Raises ClockError if the database's, which shows `server_time` now, is two minutes off.

    Work goes by this reading of the clock and no later one: the clock may be set between two statements.
    """
    now, ahead = clock.now(), clock.ahead_of(server_time)
    if abs(ahead) >= CLOCK_TOLERANCE:
        direction = "ahead of" if ahead > timedelta(0) else "behind"
        raise ClockError(
            f"This machine's clock is {abs(ahead).total_seconds():,.0f} s {direction} the database's.",
            "Synchronise both with a time server. Nothing is opened or written until they agree.",
        )
    return now


def span(duration: timedelta) -> str:
    """A duration in its largest unit, rounded down: `40 s`, `12 min`, `19 h`, `3 d`."""
    seconds = max(int(duration.total_seconds()), 0)
    for size, unit, least in ((86400, "d", 48 * 3600), (3600, "h", 7200), (60, "min", 60)):
        if seconds >= least:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def is_from_future(instant: datetime, now: datetime) -> bool:
    """Whether `instant` is later than `now` by more than clocks that agree may differ."""
    return instant - now >= CLOCK_TOLERANCE
