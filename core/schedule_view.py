"""What the Scheduler screen shows, read in one snapshot, and the one thing that it starts: a job, now."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.batches import NotPossibleError
from core.catch_up import Existing, Report, opening_passed, plan
from core.due_work import load, run_due_work
from core.facts import TEXT_LIMIT
from core.job_history import KIND, Job, JobRun, due_of, last_run
from core.leading import TICKS_FACT, LeaderView, Standby, leader_in, standing_by_in, ticks_in
from core.logs import redacted
from core.pausing import PAUSE_FACT, Pause, pause_in
from core.reminder import Reminder, reminder
from core.services import Services
from core.source_health import SourceHealth, health_in
from core.trading_calendar import monday_of
from db import batches, leadership
from db.errors import DatabaseReadOnlyError


@dataclass(frozen=True, slots=True)
class JobView:
    """A job: when it has something to do next (None: not in sight), how much it has now, and how it went last."""

    job: Job
    next_at: datetime | None
    due: int
    last: JobRun | None


@dataclass(frozen=True, slots=True)
class WaitingView:
    """A due day that could not be written yet. `detail` is a source's words: masked, and at most 300 characters."""

    run_date: date
    checkpoint_date: date
    cause: str
    detail: str
    attempts: int
    first_tried_at: datetime
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """The schedulers of every process at one moment.

    `last_tick_at` and `idle_ticks` (looks in a row that found nothing to do) are as of the leader's last sign of life,
    so they may be a minute old.
    """

    jobs: tuple[JobView, ...]
    waiting: tuple[WaitingView, ...]
    leader: LeaderView | None
    standing_by: tuple[Standby, ...]
    paused: Pause | None
    sources: tuple[SourceHealth, ...]
    last_tick_at: datetime | None
    idle_ticks: int


@dataclass(frozen=True, slots=True)
class WhoSchedules:
    """Who leads or led last, None if nobody ever did, and the pause in force.

    `missed` is this week's Monday where its opening has passed and left no batch, so that it can be opened late;
    `reminder` says that the next opening has no picks to open with.
    """

    leader: LeaderView | None
    paused: Pause | None
    missed: date | None = None
    reminder: Reminder | None = None


async def who_schedules(services: Services) -> WhoSchedules:
    """What every screen tells of the schedulers of every process."""
    now = services.clock.now()
    monday = monday_of(services.calendar.exchange_date(now))
    reminded = await reminder(services)
    async with services.database.snapshot() as connection:
        facts = await leadership.facts(connection)
        lead = await leadership.lead(connection)
        first_run_date, is_open = await batches.weeks(connection, monday)
    is_missed = opening_passed(first_run_date, monday, services.calendar, services.rules, now) and not is_open
    missed = monday if is_missed else None
    return WhoSchedules(leader_in(facts, lead), pause_in(facts.get(PAUSE_FACT)), missed, reminded)


async def schedule_view(services: Services) -> ScheduleView:
    """What the schedulers do, did and will do. It reads only, and needs neither sources nor a scheduler."""
    now = services.clock.now()
    async with services.database.snapshot() as connection:
        existing = await load(connection, services, now)
        facts = await leadership.facts(connection)
        lead = await leadership.lead(connection)
    planned = plan(existing, services.calendar, services.rules, now, rest_until=now)
    next_at = {due.kind: due.at for due in planned.upcoming}
    due = due_of(planned)
    jobs = tuple(JobView(job, next_at.get(KIND[job]), due[job], last_run(facts, job)) for job in Job)
    ticks = ticks_in(facts.get(TICKS_FACT))
    return ScheduleView(
        jobs=jobs,
        waiting=_waiting(services, existing),
        leader=leader_in(facts, lead),
        standing_by=standing_by_in(facts.values(), lead),
        paused=pause_in(facts.get(PAUSE_FACT)),
        sources=health_in(facts, services.sources, services.pick_source, now),
        last_tick_at=ticks.last_at if ticks else None,
        idle_ticks=ticks.idle if ticks else 0,
    )


def _waiting(services: Services, existing: Existing) -> tuple[WaitingView, ...]:
    run_dates = {active.batch.id: active.batch.run_date for active in existing.active}
    secrets = services.settings.secrets() if existing.waiting else frozenset()
    return tuple(
        WaitingView(
            run_date=run_dates[day.batch_id],
            checkpoint_date=day.checkpoint_date,
            cause=day.cause,
            detail=redacted(day.detail, secrets)[:TEXT_LIMIT],
            attempts=day.attempts,
            first_tried_at=day.first_tried_at,
            next_try_at=day.next_try_at,
        )
        for day in existing.waiting
        if day.batch_id in run_dates  # nothing waits in a batch that has ended
    )


async def run_job(services: Services, job: Job) -> Report:
    """Does now what `job` has to do, from this process, leading or not, paused or not, back-off or not.

    Raises NotPossibleError, naming when it will be possible, for an opening outside its time; DatabaseReadOnlyError
    before any source is asked; SettingsError without sources; and whatever the work itself raises.
    """
    if services.database.read_only:
        raise DatabaseReadOnlyError(
            "The database session is read-only, so no job can be run from here.", "Leave --read-only away."
        )
    services.require_sources()
    if job is Job.OPENING:
        services.require_pick_source()
        if await _refuse_unless_opening(services):
            return Report(already_there=1)
    report, _ = await run_due_work(services, job=job)
    return report


async def _refuse_unless_opening(services: Services) -> bool:
    """Whether this week is open already. Raises NotPossibleError outside the time in which a week is opened."""
    now = services.clock.now()
    monday = monday_of(services.calendar.exchange_date(now))
    opens_at = services.rules.opens_at(services.calendar, monday)
    has_passed = now >= services.rules.opens_until(services.calendar, monday)
    async with services.database.connection() as connection:
        existing = await load(connection, services, now)
    if opens_at <= now and not has_passed:
        return existing.this_week_opened
    next_at = services.rules.opens_at(services.calendar, monday + timedelta(days=7)) if has_passed else opens_at
    missed = has_passed and not existing.this_week_opened
    raise NotPossibleError(
        f"No week can be opened by the schedule now; the next from {next_at:%a %d %b %Y %H:%M} exchange time.",
        f"alpha-monday open {monday} --late opens the week that passed." if missed else "Wait until then.",
    )
