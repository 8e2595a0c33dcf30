"""The three faces of catch-up: what each has to do, and what became of it."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catch_up import DayDone, Existing, Plan, Report, plan
from core.due_work import run_due_work
from core.job_history import Job, JobRun, due_of, facts_of, failures, last_run, narrowed, outcomes
from core.leading import process_name
from core.mixing import MixedPricesError
from core.prices.source import Basis, UnavailableError
from core.rules import Delay
from core.schedule_view import schedule_view
from core.services import Services
from core.trading_calendar import batch_days
from db.database import Database
from db.records import ActiveBatch, SchedulerFact, WaitingDay
from tests.core.test_weeks import CALENDAR, MONDAY, RULES, active_batch
from tests.core.world import FIRST, World, all_closes
from tests.fakes import ScriptedPrices, exchange

ACTIVE = active_batch()[0]
DAYS = batch_days(MONDAY)


def planned(written: set[int], tried: set[int], minutes: int) -> Plan:
    now = exchange("2026-11-16", "00:00") + timedelta(minutes=minutes)
    existing = Existing(
        active=[ActiveBatch(ACTIVE.batch, frozenset(DAYS[n] for n in written), "scripted", "price")],
        waiting=[waiting(ACTIVE.batch.id, DAYS[n]) for n in sorted(tried - written)],
        first_run_date=MONDAY,
        this_week_opened=True,
        unopened=[],
    )
    return plan(existing, CALENDAR, RULES, now, rest_until=None)


def waiting(batch_id: UUID, day: date) -> WaitingDay:
    at = exchange("2026-11-16")
    return WaitingDay(batch_id, day, "close_missing", "", 1, at, at, at, ())


@given(st.sets(st.integers(0, 13)), st.sets(st.integers(0, 13)), st.integers(0, 20 * 24 * 60))
def test_the_jobs_share_out_what_is_due(written: set[int], tried: set[int], minutes: int) -> None:
    whole = planned(written, tried, minutes)
    days = {day for due in whole.due for day in due.days}
    retried = {day for due in narrowed(whole, Job.RETRIES).due for day in due.days}
    assert retried == {DAYS[n] for n in tried} & days
    assert narrowed(whole, Job.CHECKPOINTS).due == whole.due
    assert narrowed(whole, Job.OPENING).due == ()
    assert narrowed(whole, None) == whole
    assert sum(due_of(whole).values()) == len(days)
    assert due_of(whole)[Job.RETRIES] == len(retried)
    assert all(due.days for due in narrowed(whole, Job.RETRIES).due), "no batch without a day"
    done = [DayDone(ACTIVE.batch.id, day, "computed") for day in sorted(days)]
    told = outcomes(whole, Report(), [], done)
    assert told.get(Job.RETRIES) == (f"{len(retried)} computed" if retried else None)
    assert told.get(Job.CHECKPOINTS) == (f"{len(days - retried)} computed" if days - retried else None)


@given(st.sets(st.integers(0, 13)), st.sets(st.integers(0, 13)), st.integers(0, 20 * 24 * 60))
def test_what_is_upcoming_is_one_of_each_kind_in_the_order_of_time(
    written: set[int], tried: set[int], minutes: int
) -> None:
    found = planned(written, tried, minutes)
    assert [due.at for due in found.upcoming] == sorted(due.at for due in found.upcoming)
    assert len({due.kind for due in found.upcoming}) == len(found.upcoming)
    assert all(due.at > found.now for due in found.upcoming)
    assert found.next_due == found.upcoming[0]
    assert found.is_idle == (not any(due_of(found).values()))


NOTHING_DUE = planned(set(), set(), 0)
OPENING = Plan(NOTHING_DUE.now, MONDAY, (), (), 0, NOTHING_DUE.upcoming)


@pytest.mark.parametrize(
    ("report", "lost", "outcome"),
    [
        (Report(opened=1), [], "opened 2026-11-16"),
        (Report(opened=1, missed=2), [], "opened 2026-11-16, 2 missed"),
        (Report(), [MONDAY], "2026-11-16 was opened by another process"),
        (Report(unopened={MONDAY: Delay("picks_not_yet", "nothing yet")}), [], "no picks yet: nothing yet"),
        (Report(unopened={MONDAY: Delay("unavailable", "it is away")}), [], "not opened: it is away"),
        (Report(), [], None),
    ],
)
def test_an_opening_is_told_in_a_sentence(report: Report, lost: list[date], outcome: str | None) -> None:
    assert outcomes(OPENING, report, lost, []).get(Job.OPENING) == outcome


def test_days_are_told_in_counts_with_the_first_cause() -> None:
    batch_id = ACTIVE.batch.id
    days = [
        DayDone(batch_id, DAYS[0], "waiting", "no close yet"),
        DayDone(batch_id, DAYS[1], "computed"),
        DayDone(batch_id, DAYS[5], "skipped"),
        DayDone(batch_id, DAYS[2], "computed"),
    ]
    told = outcomes(NOTHING_DUE, Report(), [], days)
    assert told == {Job.CHECKPOINTS: "2 computed, 1 skipped, 1 waiting: no close yet"}


@given(st.sampled_from(Job), st.timedeltas(timedelta(0), timedelta(hours=3)), st.text(max_size=300))
def test_a_run_is_read_back_as_it_was_noted(job: Job, took: timedelta, outcome: str) -> None:
    run = JobRun(exchange("2026-11-16"), took, outcome, "here:1")
    facts = {name: SchedulerFact(name, value, run.at) for name, value in facts_of({job: run}).items()}
    assert last_run(facts, job) == run
    assert [last_run(facts, other) for other in Job if other is not job] == [None, None]


def test_a_failure_is_told_for_each_job_that_had_something_to_do() -> None:
    assert failures(OPENING, "why") == {Job.OPENING: "failed: why"}


async def lasts(services: Services) -> dict[Job, JobRun]:
    """The last run of every job that had one."""
    return {job.job: job.last for job in (await schedule_view(services)).jobs if job.last is not None}


async def test_work_leaves_its_history_whichever_process_does_it(conninfo: str) -> None:
    world = World(conninfo)
    async with world.services() as services:
        await run_due_work(services)
        opened = await lasts(services)
        assert set(opened) == {Job.OPENING}
        run = opened[Job.OPENING]
        assert (run.at, run.outcome, run.who) == (world.clock.instant, f"opened {FIRST}", process_name())
        assert timedelta(0) < run.took < timedelta(seconds=30)
        world.clock.instant = exchange("2020-01-07")
        world.prices.failure = UnavailableError("the provider is away", "Wait.")
        await run_due_work(services)
        tried = await lasts(services)
        assert set(tried) == {Job.OPENING, Job.CHECKPOINTS}
        assert tried[Job.CHECKPOINTS].outcome == "2 waiting: the provider is away"
        world.prices.failure = None
        world.clock.instant += timedelta(hours=3)
        await run_due_work(services)
        retried = await lasts(services)
        assert {job: retried[job] for job in tried} == tried
        assert (retried[Job.RETRIES].at, retried[Job.RETRIES].outcome) == (world.clock.instant, "2 computed")


async def test_an_idle_run_writes_nothing_and_tells_nobody(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(conninfo)
    async with world.services() as services:
        await run_due_work(services)
        before = await lasts(services)
        world.clock.instant += timedelta(hours=1)
        with monkeypatch.context() as patched:
            patched.setattr(Database, "transaction", None)
            await run_due_work(services)
        assert await lasts(services) == before


async def test_work_of_another_moment_leaves_no_history(conninfo: str) -> None:
    world = World(conninfo)
    async with world.services() as services:
        report, _ = await run_due_work(services, exchange("2020-01-06", "09:10"))
        assert report.opened == 1
        assert await lasts(services) == {}


async def test_work_that_is_refused_says_so(conninfo: str) -> None:
    world = World(conninfo)
    async with world.services() as services:
        await run_due_work(services)
    world.clock.instant = exchange("2020-01-07")
    invented = ScriptedPrices(all_closes(), name="simulated", basis=Basis.PRICE)
    async with world.services(invented) as services:
        with pytest.raises(MixedPricesError):
            await run_due_work(services)
        assert (await lasts(services))[Job.CHECKPOINTS].outcome.startswith("failed: ")
