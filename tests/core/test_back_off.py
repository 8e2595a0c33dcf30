"""Waits that grow, stay within their bounds, and do not fall together."""

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.back_off import back_off

DURATIONS = st.timedeltas(timedelta(0), timedelta(days=366))
_A_MICROSECOND = timedelta(microseconds=1)


@settings(deadline=None)  # a machine that is busy otherwise proves nothing
@given(st.integers(1, 10**9), DURATIONS, DURATIONS, st.randoms(use_true_random=False))
def test_a_wait_is_from_half_to_the_whole_of_what_doubling_gives(
    attempt: int, one: timedelta, other: timedelta, draw: random.Random
) -> None:
    first, longest = sorted([one, other])
    wait = back_off(attempt, first, longest, draw)
    whole = longest if attempt > 64 and first else min(longest, first * 2 ** min(attempt - 1, 20))
    if attempt <= 20 or first == timedelta(0):
        assert whole / 2 - _A_MICROSECOND <= wait <= whole
    assert first / 2 - _A_MICROSECOND <= wait <= longest
    assert attempt <= 64 or not first or wait >= longest / 2 - _A_MICROSECOND


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32))
def test_waits_double_in_step_and_differ_between_processes(attempt: int, seed: int) -> None:
    first, longest = timedelta(seconds=30), timedelta(days=366)
    one = back_off(attempt, first, longest, random.Random(seed))
    assert one == back_off(attempt, first, longest, random.Random(seed))
    others = {back_off(attempt, first, longest, random.Random(seed + other)) for other in range(20)}
    assert len(others) > 15
    assert max(others) - min(others) > first / 8


@pytest.mark.parametrize(
    ("attempt", "first", "longest"),
    [(0, 1, 2), (-1, 1, 2), (1, 3, 2), (1, -1, 2)],
)
def test_what_makes_no_sense_is_refused(attempt: int, first: int, longest: int) -> None:
    with pytest.raises(ValueError, match="no back-off"):
        back_off(attempt, timedelta(seconds=first), timedelta(seconds=longest), random.Random(1))
