"""How long to wait before something that failed is tried again: longer each time, and never all at the same moment."""

import random
from datetime import timedelta

_MOST_DOUBLINGS = 64  # beyond any ratio of two durations, and far from where a float overflows


def back_off(attempt: int, first: timedelta, longest: timedelta, draw: random.Random) -> timedelta:
    """The wait after failure number `attempt` (from 1): `first`, doubled with each failure, at most `longest`.

    Half of it is fixed and half is drawn ("equal jitter", Brooker, Exponential Backoff and Jitter, AWS 2015), so that
    the wait lies from half of what doubling gives to the whole. Raises ValueError unless 1 <= `attempt` and
    0 <= `first` <= `longest`.
    """
    if attempt < 1 or not timedelta(0) <= first <= longest:
        raise ValueError(f"no back-off for attempt {attempt} from {first} to {longest}")
    doubled = first.total_seconds() * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
    half = timedelta(seconds=min(doubled, longest.total_seconds())) / 2
    return min(half + half * draw.random(), longest)
