"""Who is reminded, and when: a week that opens next without picks, and a file that cannot be opened from."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.batches import open_week
from core.reminder import Reminder, reminder
from core.schedule_view import who_schedules
from core.services import Services
from core.settings import Settings
from core.staging import stage
from tests.core.world import FIRST, PICKS, SECOND, World
from tests.fakes import exchange

HEADER = "run_date,ticker,action,reasoning\n"
NOTHING = Reminder(SECOND, exchange(str(SECOND), "09:00"), exchange(str(SECOND), "09:30"))
# Whether it is said that nothing is staged for SECOND, a Monday: by manual, and by file.
MOMENTS = {
    "2020-01-10 23:59": (False, False),
    "2020-01-11 00:00": (True, False),
    "2020-01-13 08:59": (True, False),
    "2020-01-13 09:00": (True, True),
    "2020-01-13 09:29": (True, True),
    "2020-01-13 09:30": (False, False),
    "2020-01-14 12:00": (False, False),
}


@pytest.fixture(params=["manual", "file"])
async def services(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Services]:
    """Services that open from `picks.csv`, which is not there yet."""
    async with world.services() as plain:
        yield replace(plain, settings=Settings(pick_source=request.param, picks_file=tmp_path / "picks.csv"))


def at(world: World, moment: str) -> None:
    world.clock.instant = exchange(*moment.split())


async def test_from_saturday_until_trading_starts(world: World, services: Services) -> None:
    found = {}
    for moment in MOMENTS:
        at(world, moment)
        said = await reminder(services)
        assert said in (None, NOTHING)
        found[moment] = said is not None
    is_manual = services.settings.pick_source == "manual"
    assert found == {moment: by_manual if is_manual else by_file for moment, (by_manual, by_file) in MOMENTS.items()}


async def test_who_has_staged_or_opened_is_not_reminded(world: World, services: Services) -> None:
    await stage(services, FIRST, PICKS)
    at(world, "2020-01-13 09:05")
    assert (await who_schedules(services)).reminder == NOTHING
    await stage(services, SECOND, PICKS)
    assert (await who_schedules(services)).reminder is None
    assert services.settings.picks_file is not None
    services.settings.picks_file.unlink()
    assert await reminder(services) == NOTHING
    await open_week(services, SECOND, PICKS, "manual")
    assert await reminder(services) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + f"{SECOND},AAA,BUY,x\n", "line 2: 1 instead of 3 picks"),
        ("<html>", "unknown column '<html>'"),
        (HEADER + "".join(f"{SECOND},{ticker},BUY,x\n" for ticker in ("AAA", "SPY", "BBB")), "SPY is the benchmark"),
    ],
)
async def test_what_stands_there_and_cannot_be_opened_is_told_before_it_is_too_late(
    world: World, services: Services, content: str, said: str
) -> None:
    assert services.settings.picks_file is not None
    services.settings.picks_file.write_text(content)
    for moment in ("2020-01-11 00:00", "2020-01-13 09:29"):
        at(world, moment)
        found = await reminder(services)
        assert found is not None
        assert (found.run_date, said in found.problem) == (SECOND, True)
        assert found.problem.endswith("."), "what to do follows"
    at(world, "2020-01-10 23:59")
    assert await reminder(services) is None


async def test_nobody_is_reminded_where_nothing_staged_would_be_opened(world: World, tmp_path: Path) -> None:
    at(world, "2020-01-13 09:05")
    async with world.services() as plain:
        for settings in (Settings(), Settings(pick_source="momentum"), Settings(pick_source="file")):
            assert await reminder(replace(plain, settings=settings)) is None
        at_home = Settings(pick_source="manual", data_dir=tmp_path)
        assert await reminder(replace(plain, settings=at_home)) == NOTHING
