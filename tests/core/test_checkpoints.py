"""What the recorder leaves beside the rows of a week: the waiting of days, and the stamp on every event."""

from datetime import timedelta

from core.backfill import backfill
from core.due_work import run_due_work
from core.prices.source import UnavailableError
from core.services import Services
from tests.core.world import FIRST, PICKS, SECOND, World
from tests.fakes import exchange

WAITING = "select checkpoint_date from waiting_days"


async def test_a_day_waits_until_it_is_written(world: World, services: Services) -> None:
    await run_due_work(services)
    world.clock.instant = exchange("2020-01-06", "16:30")
    world.prices.failure = UnavailableError("The source is down.", "Wait.")
    await run_due_work(services)
    assert world.rows(WAITING) == [(FIRST,)]
    world.prices.failure = None
    world.clock.instant += timedelta(hours=1)
    report, _ = await run_due_work(services)
    assert report.computed == 1
    assert world.rows(WAITING) == []


async def test_every_event_of_a_replay_says_as_of_when(world: World, services: Services) -> None:
    world.clock.instant = exchange("2020-03-02")
    as_of = exchange("2020-02-03")
    await backfill(services, {FIRST: PICKS, SECOND: PICKS}, as_of=as_of)
    stamps = world.rows("select event_type, payload ->> 'as_of' from events")
    assert len(stamps) == 2 * (1 + 14 + 1)
    assert {stamp for _, stamp in stamps} == {as_of.isoformat()}
