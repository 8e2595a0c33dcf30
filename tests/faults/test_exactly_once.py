"""Whatever happens in whatever order, every row is that of an undisturbed run, written once and for good."""

import asyncio
import random
from datetime import timedelta

import pytest

from core.due_work import run_due_work
from db.embedded import EmbeddedServer
from tests.core.world import FIRST, SECOND, THIRD, World
from tests.fakes import exchange
from tests.faults.exactly_once import FIRST_INSTANT, LAST_INSTANT
from tests.faults.interleavings import explore, undisturbed
from tests.faults.rows import content


def test_any_order_gives_the_rows_of_an_undisturbed_run(server: EmbeddedServer, template: str) -> None:
    counts = explore(server, template, histories=10, steps=20, seed_number=random.getrandbits(32))
    assert counts["deaths"] > 0


@pytest.mark.parametrize("seed", range(2))
async def test_ticks_at_any_moments_end_in_the_rows_of_one_run(
    server: EmbeddedServer, template: str, conninfo: str, seed: int
) -> None:
    """No price is withheld, and every Monday is met: the final rows are those of a run that was never disturbed."""
    draw, world = random.Random(seed), World(conninfo)
    mondays = [exchange(week.isoformat(), "09:15") for week in (FIRST, SECOND, THIRD)]
    moments = [FIRST_INSTANT + timedelta(minutes=draw.randrange(40 * 1440)) for _ in range(6)]
    async with world.services() as one, world.services() as other:
        for moment in [*sorted([*mondays, *moments]), LAST_INSTANT]:
            world.clock.instant = moment
            await asyncio.gather(*(run_due_work(some) for some in draw.choice([(one,), (one, other)])))
    found = [row for row in content(conninfo) if not row.is_missed]
    assert found == await undisturbed(server, template)
