"""The Scheduler screen's view, and jobs that are run by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core import leading
from core.batches import NotPossibleError, open_week
from core.due_work import run_due_work
from core.job_history import Job
from core.pausing import pause
from core.prices.source import UnavailableError
from core.schedule_view import WhoSchedules, run_job, schedule_view, who_schedules
from core.settings import Settings, SettingsError
from db.database import Database
from db.errors import DatabaseReadOnlyError
from tests.core.world import FIRST, PICKS, SECOND, World
from tests.databases import leading as lead
from tests.fakes import exchange

HIDDEN = "abcdef0123456789"


async def test_a_reader_sees_a_database_in_which_no_scheduler_ever_ran(world: World) -> None:
    world.clock.instant = exchange("2020-01-04")
    async with world.services() as writing, Database(world.conninfo, read_only=True) as database:
        services = replace(writing, database=database, sources=(), pick_source=None)
        view = await schedule_view(services)
        assert [(job.job, job.next_at, job.due, job.last) for job in view.jobs] == [
            (Job.OPENING, exchange("2020-01-06", "09:00"), 0, None),
            (Job.CHECKPOINTS, None, 0, None),
            (Job.RETRIES, None, 0, None),
        ]
        assert (view.waiting, view.leader, view.standing_by, view.paused) == ((), None, (), None)
        assert (view.sources, view.last_tick_at, view.idle_ticks) == ((), None, 0)


async def test_it_tells_what_is_next_what_is_due_and_what_waits(world: World) -> None:
    async with world.services() as services:
        assert [job.due for job in (await schedule_view(services)).jobs] == [1, 0, 0]
        await run_due_work(services)
        opening, checkpoints, retries = (await schedule_view(services)).jobs
        assert (opening.next_at, opening.due) == (exchange(str(SECOND), "09:00"), 0)
        assert (checkpoints.next_at, retries.next_at) == (exchange("2020-01-06", "16:30"), None)
        world.clock.instant = tried = exchange("2020-01-06")
        world.prices.failure = UnavailableError(f"away, says {HIDDEN}", "Wait.")
        await run_due_work(services)
        secretive = Settings.model_validate({"provider_settings": {"SOME_KEY": HIDDEN}})
        view = await schedule_view(replace(services, settings=secretive))
        [waits] = view.waiting
        assert (waits.run_date, waits.checkpoint_date, waits.cause) == (FIRST, FIRST, "unavailable")
        assert (waits.detail, waits.attempts) == ("away, says ***", 1)
        assert waits.first_tried_at == tried
        assert tried + timedelta(minutes=2.5) <= waits.next_try_at < tried + timedelta(minutes=5)
        assert view.jobs[2].next_at == waits.next_try_at
        world.clock.instant += timedelta(minutes=6)
        assert [job.due for job in (await schedule_view(services)).jobs] == [0, 0, 1]


@pytest.mark.parametrize("job", [Job.RETRIES, Job.CHECKPOINTS])
async def test_a_job_run_by_hand_ignores_back_off_pause_and_leadership(world: World, job: Job) -> None:
    async with world.services() as services, lead(services.database):
        await pause(services, "ann")
        await run_job(services, Job.OPENING)
        world.clock.instant = exchange("2020-01-06")
        world.prices.failure = UnavailableError("away", "Wait.")
        await run_due_work(services)
        world.prices.failure = None
        assert (await run_due_work(services))[0].waiting == 1, "it rests"
        report = await run_job(services, job)
        assert (report.computed, report.waiting) == (1, 0)
        retries = (await schedule_view(services)).jobs[2]
        assert retries.last is not None
        assert retries.last.outcome == "1 computed"


async def test_retrying_leaves_what_was_never_tried_alone(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-06")
        world.prices.failure = UnavailableError("away", "Wait.")
        await run_due_work(services)
        world.prices.failure = None
        world.clock.instant = exchange("2020-01-07")
        assert [job.due for job in (await schedule_view(services)).jobs] == [0, 1, 1]
        assert (await run_job(services, Job.RETRIES)).computed == 1
        assert [job.due for job in (await schedule_view(services)).jobs] == [0, 1, 0]
        assert (await run_job(services, Job.RETRIES)).computed == 0
        assert (await run_job(services, Job.CHECKPOINTS)).computed == 1


async def test_an_opening_by_hand_keeps_to_its_time(world: World) -> None:
    async with world.services() as services:
        world.clock.instant = exchange("2020-01-06", "08:59")
        with pytest.raises(NotPossibleError, match="Mon 06 Jan 2020 09:00"):
            await run_job(services, Job.OPENING)
        world.clock.instant = exchange("2020-01-06", "09:30")
        with pytest.raises(NotPossibleError, match="Mon 13 Jan 2020 09:00") as missed:
            await run_job(services, Job.OPENING)
        assert "alpha-monday open 2020-01-06 --late" in missed.value.remedy
        assert world.rows() == []
        world.clock.instant = exchange("2020-01-06", "09:29")
        assert (await run_job(services, Job.OPENING)).opened == 1
        assert (await run_job(services, Job.OPENING)).already_there == 1
        world.clock.instant = exchange("2020-01-07")
        with pytest.raises(NotPossibleError, match="Mon 13 Jan 2020 09:00") as early:
            await run_job(services, Job.OPENING)
        assert "--late" not in early.value.remedy
        assert len(world.rows()) == 1, "no other job's work was done"


async def test_an_opening_by_hand_without_picks_says_why(world: World) -> None:
    world.picks.weeks.clear()
    async with world.services() as services:
        report = await run_job(services, Job.OPENING)
        assert report.unopened[FIRST].cause == "picks_not_yet"
        opening = (await schedule_view(services)).jobs[0]
        assert opening.last is not None
        assert opening.last.outcome == f"no picks yet: nothing for {FIRST}"


async def test_a_job_needs_sources_and_a_session_that_writes(world: World) -> None:
    async with world.services() as services, Database(world.conninfo, read_only=True) as database:
        for job in Job:
            with pytest.raises(SettingsError):
                await run_job(replace(services, sources=()), job)
            with pytest.raises(DatabaseReadOnlyError):
                await run_job(replace(services, database=database), job)
        with pytest.raises(SettingsError):
            await run_job(replace(services, pick_source=None), Job.OPENING)
    assert world.prices.questions == []


async def test_who_schedules_and_whether_anybody_may(world: World) -> None:
    async with world.services() as services, services.database.connection() as connection:
        assert await who_schedules(services) == WhoSchedules(None, None)
        await leading.note_leader(connection, "one:1", world.clock.instant)
        held = await pause(services, "ann")
        async with lead(services.database):
            found = await who_schedules(services)
        assert found.leader is not None
        assert (found.leader.who, found.leader.is_alive, found.paused) == ("one:1", True, held)


async def test_a_week_that_was_not_opened_is_told_until_it_is_or_is_over(world: World) -> None:
    async with world.services() as services:
        assert (await who_schedules(services)).missed is None, "before the first batch nothing is missed"
        await run_due_work(services)
        told = {}
        for moment in ("2020-01-12 23:00", "2020-01-13 09:29", "2020-01-13 09:30", "2020-01-19 23:59"):
            world.clock.instant = exchange(*moment.split())
            told[moment] = (await who_schedules(services)).missed
        assert list(told.values()) == [None, None, SECOND, SECOND]
        await open_week(services, SECOND, PICKS, "file", late=True)
        assert (await who_schedules(services)).missed is None
