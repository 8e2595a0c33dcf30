"""What goes on beside the work: a single run tells its alerts, unless a scheduler leads and tells them."""

from collections.abc import Iterator

import pytest

from core.due_work import run_due_work
from core.upkeep import Upkeep
from tests.core.alerts.receiving import Service, alerting, service
from tests.core.world import World
from tests.databases import leading


@pytest.fixture
def taker() -> Iterator[Service]:
    with service() as found:
        yield found


async def test_a_single_run_tells_what_it_did(conninfo: str, taker: Service) -> None:
    world = World(conninfo)
    async with alerting(world, taker.url) as services:
        for _ in range(2):
            report, _ = await run_due_work(services)
            upkeep = Upkeep(services)
            await upkeep.after_run(report)
            await upkeep.close()
            assert taker.received == [], "its first run has no history to tell"
            world.clock.instant = world.clock.instant.replace(hour=10)
        world.clock.instant = world.clock.instant.replace(hour=17)
        report, _ = await run_due_work(services)
        upkeep = Upkeep(services)
        await upkeep.after_run(report)
        await upkeep.close()
    assert [each.title for each in taker.received] == ["Alpha Monday: Mon 6 Jan 1 batch computed"]


async def test_a_single_run_leaves_it_to_a_scheduler_that_leads(conninfo: str, taker: Service) -> None:
    world = World(conninfo)
    async with alerting(world, taker.url) as services:
        upkeep = Upkeep(services)
        await upkeep.after_run((await run_due_work(services))[0])
        world.clock.instant = world.clock.instant.replace(hour=17)
        async with leading(services.database):
            await upkeep.after_run((await run_due_work(services))[0])
        assert taker.received == []
        await upkeep.close()
