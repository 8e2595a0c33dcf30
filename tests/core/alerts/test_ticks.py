"""That every tick fails is told once it has lasted, once, and so is its end."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from core.alerts.channel import Channels
from core.alerts.ticks import FAILING_AFTER, TickAlert
from core.settings import Settings
from db.errors import AlphaMondayError
from tests.core.alerts.receiving import Service, service, until
from tests.fakes import FixedClock, exchange

PROBLEM = AlphaMondayError("A file is wrong: marker-key-4711.", "Mend it.")


@pytest.fixture
def taker() -> Iterator[Service]:
    with service() as found:
        yield found


async def test_it_is_told_once_it_has_lasted_and_when_it_is_over(taker: Service) -> None:
    settings = Settings(
        notify_urls=SecretStr(taker.url), provider_settings={"TIINGO_KEY": SecretStr("marker-key-4711")}
    )
    clock = FixedClock(exchange("2020-01-06", "09:00"))
    alert = TickAlert(Channels(settings), settings, clock)
    alert.failed(PROBLEM)
    clock.instant += FAILING_AFTER - timedelta(seconds=1)
    alert.failed(PROBLEM)
    clock.instant += timedelta(seconds=1)
    for _ in range(3):
        alert.failed(PROBLEM)
    await until(lambda: bool(taker.received) and alert._post._sending is not None and alert._post._sending.done())
    alert.succeeded()
    alert.succeeded()
    await until(lambda: len(taker.received) > 1)
    await alert.close()
    stands_still, goes_on = taker.take()
    assert stands_still.title == "Alpha Monday: the schedule stands still"
    assert "since Mon 6 Jan 09:00" in stands_still.body
    assert "Mend it." in stands_still.body
    assert "marker" not in stands_still.body
    assert goes_on.title == "Alpha Monday: the schedule goes on"


async def test_one_that_fails_now_and_then_is_not_told(taker: Service) -> None:
    settings = Settings(notify_urls=SecretStr(taker.url))
    clock = FixedClock(exchange("2020-01-06", "09:00"))
    alert = TickAlert(Channels(settings), settings, clock)
    for _ in range(5):
        alert.failed(PROBLEM)
        clock.instant += FAILING_AFTER - timedelta(seconds=1)
        alert.failed(PROBLEM)
        alert.succeeded()
    await alert.close()
    assert not taker.received
