"""How often a provider may be asked, by a clock that only a wait moves."""

import asyncio
import time
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import CLOCK_TOLERANCE
from core.prices.limiter import LONGEST_WAIT, Limiter
from core.prices.source import RateLimitedError
from core.settings import SettingsError


class Waits:
    """The time of day, and the waits that have moved it."""

    def __init__(self) -> None:
        self.now = 1_600_000_000.0
        self.waited: list[float] = []
        self._let_others_go_on = partial(asyncio.sleep, 0)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await self._let_others_go_on()
        self.now += seconds


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits = Waits()
    monkeypatch.setattr(time, "time", lambda: waits.now)
    monkeypatch.setattr("core.prices.limiter.asyncio.sleep", waits.sleep)
    return waits


async def test_questions_within_the_limit_do_not_wait(waits: Waits) -> None:
    limiter = Limiter("tiingo", "5/minute, 25/day")
    for _ in range(5):
        await limiter.take()
    assert not waits.waited
    await limiter.take()
    assert sum(waits.waited) == pytest.approx(60, abs=1)


async def test_a_window_moves_with_each_question(waits: Waits) -> None:
    limiter = Limiter("tiingo", "2/minute")
    await limiter.take()
    waits.now += 40
    await limiter.take()
    await limiter.take()
    assert sum(waits.waited) == pytest.approx(20, abs=1)
    await limiter.take()
    assert sum(waits.waited) == pytest.approx(60, abs=2)


async def test_a_long_wait_is_told_instead(waits: Waits) -> None:
    limiter = Limiter("alpha_vantage", "2/day")
    await limiter.take()
    waits.now += 3600
    await limiter.take()
    with pytest.raises(RateLimitedError, match="alpha_vantage may be asked 2 per 1 day") as caught:
        await limiter.take()
    assert caught.value.retry_after is not None
    assert timedelta(0) < caught.value.retry_after - timedelta(hours=23) < timedelta(seconds=1)
    assert "ALPHA_MONDAY_ALPHA_VANTAGE_LIMIT" in caught.value.remedy
    assert not waits.waited
    waits.now += 23 * 3600 + 1
    await limiter.take()


async def test_a_question_counts_in_every_window_or_in_none(waits: Waits) -> None:
    limiter = Limiter("tiingo", "3/minute, 4/hour")
    for _ in range(4):
        await limiter.take()
    for _ in range(5):
        with pytest.raises(RateLimitedError):
            await limiter.take()
    waits.now += 3601
    before = list(waits.waited)
    for _ in range(3):
        await limiter.take()
    assert waits.waited == before, "what was refused has filled no window"


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=365)])
@pytest.mark.parametrize("taken", [1, 5, 25])
async def test_a_clock_that_ran_ahead_stops_no_request_once_it_is_right(
    waits: Waits, ahead: timedelta, taken: int
) -> None:
    limiter = Limiter("alpha_vantage", "5/minute, 25/day")
    waits.now += ahead.total_seconds()
    for _ in range(taken):
        await limiter.take()
    waits.now -= ahead.total_seconds()
    assert limiter.quota_left == 25
    before = sum(waits.waited)
    for _ in range(5):
        await limiter.take()
    assert sum(waits.waited) == before
    assert limiter.quota_left == 20


@given(st.lists(st.sampled_from(["take", "+1 s", "+70 s", "+1 d", "+365 d", "-1 s", "-1 h", "-365 d"]), max_size=30))
def test_no_step_of_the_clock_makes_a_wait_longer_than_the_longest_window(steps: list[str]) -> None:
    units = {"s": 1, "h": 3600, "d": 86400}
    with pytest.MonkeyPatch.context() as patch:
        waits = Waits()
        patch.setattr(time, "time", lambda: waits.now)
        patch.setattr("core.prices.limiter.asyncio.sleep", waits.sleep)

        async def follow() -> None:
            limiter = Limiter("alpha_vantage", "2/minute, 4/day")
            for step in steps:
                if step != "take":
                    number, unit = step.split()
                    waits.now += int(number) * units[unit]
                    continue
                try:
                    await limiter.take()
                except RateLimitedError as exc:
                    refused.append(exc.retry_after or timedelta.max)
                    waits.now += refused[-1].total_seconds() + 1
                    await limiter.take()

        refused: list[timedelta] = []
        asyncio.run(follow())
    assert all(wait <= timedelta(days=1) + CLOCK_TOLERANCE for wait in refused)


async def test_many_at_once_wait_for_their_turn(waits: Waits) -> None:
    limiter = Limiter("tiingo", "2/minute")
    await asyncio.gather(*(limiter.take() for _ in range(6)))
    assert sum(waits.waited) == pytest.approx(120, abs=2)


async def test_no_limit(waits: Waits) -> None:
    limiter = Limiter("tiingo", "1/day", " None ")
    for _ in range(100):
        await limiter.take()
    assert not waits.waited
    assert limiter.quota_left is None


async def test_what_is_left_before_a_long_wait(waits: Waits) -> None:
    limiter = Limiter("alpha_vantage", "5/minute, 25/day")
    assert limiter.quota_left == 25
    for left in (24, 23):
        await limiter.take()
        assert limiter.quota_left == left
    assert Limiter("alpaca", "200/minute").quota_left is None
    assert Limiter("tiingo", "50/hour, 20/day").quota_left == 20


async def test_the_operators_limit_takes_the_place_of_the_documented_one(waits: Waits) -> None:
    limiter = Limiter("tiingo", "1/day", "3 per day")
    for _ in range(3):
        await limiter.take()
    with pytest.raises(RateLimitedError):
        await limiter.take()


async def test_each_limiter_counts_for_itself(waits: Waits) -> None:
    for _ in range(2):
        await Limiter("tiingo", "1/day").take()


@pytest.mark.parametrize("text", ["many", "5", "5/", "/day", "0/day", "-1/day", "5/day, often", "5/fortnight", ","])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="ALPHA_MONDAY_TIINGO_LIMIT is not a limit"):
        Limiter("tiingo", "1/day", text)


@given(st.text())
def test_any_text_is_a_limit_or_refused(text: str) -> None:
    try:
        limiter = Limiter("tiingo", "1/day", text)
    except SettingsError:
        return
    left = limiter.quota_left
    assert left is None or left >= 0


def test_a_wait_that_is_borne_covers_the_longest_short_window() -> None:
    assert timedelta(minutes=1, seconds=1) < LONGEST_WAIT
