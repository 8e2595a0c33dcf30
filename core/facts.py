"""Reading `scheduler_state`: what another process, perhaps of another version, noted under a key."""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

TEXT_LIMIT = 300
_DAY_S = 86_400


def instant_in(value: Mapping[str, Any], key: str) -> datetime | None:
    """The aware instant under `key`; None where there is none in ISO form."""
    text = value.get(key)
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None  # a form of another version's; what it says is unknown, and no screen may fail over it
    # In another zone, the first and the last day that a date can name would be none any more.
    return found if found.tzinfo is not None and date.min.year < found.year < date.max.year else None


def text_in(value: Mapping[str, Any], key: str) -> str | None:
    """The text under `key`, at most 300 characters of it; None where there is none."""
    text = value.get(key)
    return text[:TEXT_LIMIT] if isinstance(text, str) else None


def seconds_in(value: Mapping[str, Any], key: str) -> timedelta:
    """The duration under `key`, at most a day of it; zero where there is none."""
    number = value.get(key)
    if not isinstance(number, int | float) or (isinstance(number, float) and math.isnan(number)):
        return timedelta(0)
    return timedelta(seconds=min(max(number, 0), _DAY_S))


def count_in(value: Mapping[str, Any], key: str) -> int | None:
    """The whole number under `key`; None where there is none."""
    number = value.get(key)
    return number if isinstance(number, int) and not isinstance(number, bool) else None
