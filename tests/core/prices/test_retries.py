"""Which failures are worth asking again at once, how often, and what is said of it."""

import logging
from datetime import timedelta

import pytest
import stamina

from core.prices.retries import ATTEMPTS, LONGEST_ASKED_FOR, _is_worth_another, attempts
from core.prices.source import MalformedError, PriceSourceError, RateLimitedError, UnauthorisedError, UnavailableError

DOWN = UnavailableError("The source is down.", "Wait.")


async def asked(*failures: Exception | None) -> int:
    """Asks until an attempt ends without a failure; gives how many there were."""
    coming, count = iter(failures), 0
    async for attempt in attempts():
        with attempt:
            count += 1
            if (failure := next(coming)) is not None:
                raise failure
    return count


async def test_what_may_be_over_soon_is_asked_again() -> None:
    with stamina.set_testing(True, attempts=ATTEMPTS):
        assert await asked(None) == 1
        assert await asked(DOWN, None) == 2
        assert await asked(DOWN, RateLimitedError("limit", "wait", timedelta(seconds=1)), None) == 3


async def test_the_last_failure_is_let_through() -> None:
    last = UnavailableError("still down", "wait")
    with stamina.set_testing(True, attempts=ATTEMPTS), pytest.raises(UnavailableError) as caught:
        await asked(DOWN, DOWN, last, None)
    assert caught.value is last


@pytest.mark.parametrize(
    "failure",
    [
        MalformedError("nonsense", "report"),
        UnauthorisedError("key", "correct it"),
        RateLimitedError("limit", "wait"),
        RateLimitedError("limit", "wait", timedelta(minutes=1)),
        KeyError("defect"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_what_would_fail_again_is_asked_once(failure: Exception) -> None:
    with stamina.set_testing(True, attempts=ATTEMPTS), pytest.raises(type(failure)) as caught:
        await asked(failure, None)
    assert caught.value is failure


@pytest.mark.parametrize(
    ("failure", "worth"),
    [
        (DOWN, True),
        (PriceSourceError("whatever", "wait"), False),
        (RateLimitedError("limit", "wait", timedelta(seconds=3)), timedelta(seconds=3)),
        (RateLimitedError("limit", "wait", timedelta(0)), timedelta(0)),
        (RateLimitedError("limit", "wait", LONGEST_ASKED_FOR), LONGEST_ASKED_FOR),
        (RateLimitedError("limit", "wait", LONGEST_ASKED_FOR + timedelta(milliseconds=1)), False),
    ],
)
def test_a_short_rest_that_was_asked_for_is_taken(failure: PriceSourceError, worth: bool | timedelta) -> None:
    assert _is_worth_another(failure) == worth
    assert isinstance(_is_worth_another(failure), type(worth))


async def test_each_new_attempt_is_logged_without_what_a_defect_repeats(caplog: pytest.LogCaptureFixture) -> None:
    with stamina.set_testing(True, attempts=ATTEMPTS), caplog.at_level(logging.INFO):
        await asked(DOWN, DOWN, None)
    told = [vars(record) for record in caplog.records if record.name == "core.prices.retries"]
    assert [(each["event"], each["attempt"], each["problem"]) for each in told] == [
        ("source_asked_again", 1, "The source is down."),
        ("source_asked_again", 2, "The source is down."),
    ]
    assert not [record for record in caplog.records if record.name.startswith("stamina")]


async def test_a_real_wait_is_short_and_not_always_the_same() -> None:
    with stamina.set_testing(False):
        waits = set()
        for _ in range(3):
            async for attempt in attempts():
                if attempt.num == 1:  # type: ignore[attr-defined]
                    waits.add(attempt.next_wait)  # type: ignore[attr-defined]
                break
    assert all(0 <= wait <= 1.5 for wait in waits)
