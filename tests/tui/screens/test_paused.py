"""While the schedulers are paused, no screen promises a time at which something is tried or opened by itself."""

import re
from typing import Any

import pytest
from textual.pilot import Pilot

from core.pausing import pause, resume
from core.settings import Settings
from core.staging import stage
from tests.tui.driving import app_for, has_arrived, running, shown, started, until, write_as_another
from tests.tui.history import NEWEST_WEEK, drafts, settings_for
from tests.tui.test_snapshots import STAGED_WEEK

PROMISE = re.compile(r"(next( try)?|retry) (\w+ )*\w{3} \d\d:\d\d|retry \d\d:\d\d|opens \w{3} \d\d:\d\d ET(?! if)")


async def paused_by_another(pilot: Pilot[Any], settings: Settings) -> None:
    await write_as_another(settings, lambda services: pause(services, "ann@desk"))
    await until(pilot, lambda: "‖ paused" in shown(pilot.app), "the pause")
    await pilot.pause()


async def shows_no_promise(pilot: Pilot[Any], where: str) -> None:
    await until(pilot, lambda: PROMISE.search(shown(pilot.app)) is None, f"{where} without a promise")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_no_screen_promises_a_next_try(settings: Settings, size: tuple[int, int]) -> None:
    async with running(app_for(settings), size) as pilot:
        await until(pilot, lambda: "retry 17:05" in shown(pilot.app), "the problem, with its next try")
        assert "next try Thu 17:05 ET" in shown(pilot.app)
        await paused_by_another(pilot, settings)
        await shows_no_promise(pilot, "home")
        assert "no close yet, paused" in shown(pilot.app)
        assert "Wed 20 Nov: paused · no close on 2024-11-20 for TSLA" in shown(pilot.app)
        for key, where in (("exclamation_mark", "the problems"), ("escape", "home"), ("3", "the scheduler")):
            await pilot.press(key)
            await pilot.pause()
            await shows_no_promise(pilot, where)
        await until(pilot, lambda: "not tried again while paused, tried once" in shown(pilot.app), "what waits")
        await pilot.press("1", "enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        for key, where in (("tab", "the days"), ("j", "a day"), ("j", "the day that waits"), ("enter", "its details")):
            await pilot.press(key)
            await pilot.pause()
            await shows_no_promise(pilot, where)
        assert "waiting  paused, no close yet" in shown(pilot.app)
        await pilot.press("escape")
        await write_as_another(settings, lambda services: resume(services, "ann@desk"))
        await until(pilot, lambda: "waiting  next try Thu 17:05 ET" in shown(pilot.app), "the time, once resumed")


async def test_the_schedule_names_no_time_for_any_job(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Mon 09:00 ET" in shown(pilot.app), "the next opening")
        await paused_by_another(pilot, settings)

        def jobs() -> list[str]:
            text = shown(pilot.app).splitlines()
            return [line for line in text if re.match(r".(open the week|write checkpoints|retry waiting days) ", line)]

        await until(pilot, lambda: all("‖ paused" in line for line in jobs()), "the jobs, paused")
        assert len(jobs()) == 3
        assert "Mon 09:00" not in shown(pilot.app)


async def test_a_staged_week_opens_only_if_somebody_resumes(
    settings: Settings, filled: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    picks_file = tmp_path_factory.mktemp("picks") / "picks.csv"
    with_staged = settings_for(
        filled, price_source="csv", price_file=settings.price_file, pick_source="file", picks_file=str(picks_file)
    )
    await write_as_another(with_staged, lambda services: stage(services, STAGED_WEEK, drafts(NEWEST_WEEK)))
    async with started(app_for(with_staged), (120, 40)) as pilot:
        await until(pilot, lambda: "opens Mon 09:00 ET" in shown(pilot.app), "its row")
        await pilot.press("g")
        await until(pilot, lambda: "The week opens Mon 09:00 ET, with these picks" in shown(pilot.app), "its preview")
        await paused_by_another(pilot, with_staged)
        await shows_no_promise(pilot, "home")
        await until(pilot, lambda: shown(pilot.app).count("opens Mon 09:00 ET if resumed by then") == 2, "both places")
        await pilot.press("e")
        await until(pilot, lambda: "if the schedulers are resumed by then" in shown(pilot.app), "the form")
