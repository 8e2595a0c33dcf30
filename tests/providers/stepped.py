"""The program with a clock that is stepped: it goes on by a drawn while after each tick, and ends when it is over.

The instant stands in the file CLOCK, where a provider reads it, too; SEED decides how long the whiles are and OVER,
an instant, when the program is told to end. It has little patience with providers, and none between two questions.
"""

import os
import random
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import stamina

import core.file_at_rest
import core.prices.http
import core.scheduler
from core.clock import SystemClock
from core.prices.http import Patience
from core.prices.retries import ATTEMPTS
from core.ticker import Ticker
from core.trading_calendar import EXCHANGE_ZONE
from tests.fakes import HourBetweenLooks
from tui.cli import main

_OPENING, _EVENING = time(9), time(17)
_STEPS = {"opening": (2, 5), "evening": (5, 45), "else": (20, 120)}


def read_clock(file: Path) -> datetime:
    """The instant that stands in a file."""
    return datetime.fromisoformat(file.read_text(encoding="ascii"))


def set_clock(file: Path, instant: datetime) -> None:
    """Lets a file show an instant; whoever reads it meanwhile sees the one before."""
    new = file.with_suffix(".new")
    new.write_text(instant.isoformat(), encoding="ascii")
    new.replace(file)


class SteppedClock:
    """The present of this process, which moves only when it is stepped."""

    def __init__(self, file: Path, over: datetime, drawn: random.Random) -> None:
        self._file, self._over, self._drawn = file, over, drawn
        self._instant = read_clock(file)

    def now(self) -> datetime:
        return self._instant

    def ahead_of(self, _: datetime) -> timedelta:
        return timedelta(0)

    def step(self) -> None:
        """Goes on by minutes in the opening and by hours at night; at the end the process is told to stop."""
        if self._instant >= self._over:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        at = self._instant.astimezone(EXCHANGE_ZONE)
        kind = "opening" if at.hour == _OPENING.hour else "evening" if at.time() >= _EVENING else "else"
        coming = at + timedelta(minutes=self._drawn.randint(*_STEPS[kind]))
        opening = at.replace(hour=_OPENING.hour, minute=0)
        self._instant = opening if at < opening < coming else coming  # no opening is stepped over
        set_clock(self._file, self._instant)


class SteppingTicker(Ticker):
    """A ticker that is due at every turn, and steps the clock at its end."""

    def __init__(self, clock: SteppedClock, every: timedelta) -> None:
        super().__init__(every)
        self._clock = clock

    def is_due(self) -> bool:
        return True

    def until_next(self) -> timedelta:
        self._clock.step()
        return timedelta(0)


class Impatience(Patience):
    """Fractions of a second where an operator waits for many."""

    def __init__(self) -> None:
        super().__init__(connect=2.0, read=0.2, whole=2.0)


def main_stepped() -> int:
    """Runs the program with what this file changes in it."""
    stamina.set_testing(True, attempts=ATTEMPTS)
    clock = SteppedClock(
        Path(os.environ["CLOCK"]), datetime.fromisoformat(os.environ["OVER"]), random.Random(os.environ["SEED"])
    )
    changes: Sequence[tuple[Any, str, Any]] = (
        (SystemClock, "now", lambda _: clock.now()),
        (core.file_at_rest, "CLOCK", HourBetweenLooks()),
        (SystemClock, "ahead_of", lambda _, server_time: clock.ahead_of(server_time)),
        (core.scheduler, "Ticker", partial(SteppingTicker, clock)),
        (core.prices.http, "Patience", Impatience),
    )
    for holder, name, value in changes:
        setattr(holder, name, value)
    return main()


if __name__ == "__main__":
    sys.exit(main_stepped())
