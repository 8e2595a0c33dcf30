"""Doing what is due: load what exists, plan, ask for picks, settle, record. One call is one tick."""

import random
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from core.accepted_moves import accepted_moves
from core.batches import record_missed
from core.catch_up import Existing, Plan, Report, plan
from core.checkpoints import Recorder
from core.clock import require_agreement
from core.closures import load_closures, note_closures
from core.csv_rows import FileError
from core.facts import TEXT_LIMIT
from core.job_history import Job, JobRun, facts_of, failures, narrowed, outcomes
from core.leading import process_name
from core.logs import redacted
from core.mixing import refuse_mixing
from core.opening_tries import NO_PICK_SOURCE, OPENING_FACT, OpeningTry, failed_try, opening_fact, opening_try_in
from core.pick_accounts import account_of, record_refused_picks
from core.picks.check import check_picks
from core.picks.query import query_picks
from core.picks.source import PicksGivenUpError, PicksNotYetError, PickSourceError, PicksUnavailableError
from core.prices.source import PriceSourceError, UnavailableError
from core.rules import Delay
from core.services import Services
from core.settling import settle
from core.source_calls import log_defect
from core.source_health import HealthLog, SourceKind
from core.symbol_changes import NO_CHANGES, SymbolChanges
from core.trading_calendar import is_covered, monday_of
from core.weeks import Week
from db import batches, checkpoints, events, leadership
from db.errors import AlphaMondayError, DatabaseError

_draw = random.SystemRandom()  # rests are to differ between processes, whatever seeds they share


async def load(connection: AsyncConnection[Any], services: Services, now: datetime) -> Existing:
    """What the database holds, as far as a plan made at `now` depends on it.

    Weeks outside the calendar, which only another program can have written, have no due days.
    """
    monday = monday_of(services.calendar.exchange_date(now))
    first_run_date, opened = await batches.weeks(connection, monday)
    return Existing(
        active=[found for found in await batches.active(connection) if is_covered(found.batch.run_date)],
        waiting=await checkpoints.waiting(connection),
        first_run_date=first_run_date,
        this_week_opened=opened,
        unopened=list(filter(is_covered, await batches.unopened(connection, monday))) if first_run_date else (),
        opening_try=_of_this_source(opening_try_in(await leadership.fact(connection, OPENING_FACT)), services),
    )


def _of_this_source(tried: OpeningTry | None, services: Services) -> OpeningTry | None:
    """`tried`, unless it was a try with another pick source: what that one said binds nobody else."""
    source = services.pick_source
    return None if tried and source and tried.pick_source not in ("", source.name) else tried


async def due_work(services: Services, as_of: datetime | None = None, *, with_rest: bool = True) -> Plan:
    """What is due now, or was due at `as_of`. Back-off counts only for the present, and only `with_rest`.

    Raises ClockError while this machine's clock and the database's do not agree.
    """
    async with services.database.connection() as connection:
        now = require_agreement(services.clock, await events.clock_time(connection))
        existing = await load(connection, services, as_of or now)
    rest_until = now if with_rest and as_of is None else None
    return plan(existing, services.calendar, services.rules, as_of or now, rest_until=rest_until)


async def run_due_work(
    services: Services,
    as_of: datetime | None = None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    job: Job | None = None,
    health: HealthLog | None = None,
    heeds_pause: bool = False,
) -> tuple[Report, Plan]:
    """Does all that is due: opens the week, notes missed ones, writes days. Idempotent, safe beside others.

    `stopping` is asked between transactions. Whatever could not be done yet is in the report, and stays due. A `job`
    asked for by name is done alone and at once, back-off or not. What was done, and how the sources fared, is noted
    for every screen, unless the work is that of another moment; an idle run writes nothing. A schedule `heeds_pause`:
    once a pause has begun it opens no week, even if the picks were queried before.
    """
    planned = narrowed(await due_work(services, as_of, with_rest=job is None), job)
    recorder = Recorder(services.database, services.clock, as_of, heeds_pause=heeds_pause)
    health = health or HealthLog(services.clock, services.settings.secrets)
    began = time.monotonic()
    try:
        await _work(services, planned, as_of, recorder, stopping, health)
    except DatabaseError:
        raise  # where work cannot be written, its history cannot either
    except AlphaMondayError as exc:
        if as_of is None:
            await _note_runs(services, failures(planned, exc.message), began, health)
        raise
    if as_of is None:
        await _note_runs(services, outcomes(planned, recorder.report, recorder.lost, recorder.days), began, health)
    return recorder.report, planned


async def _note_runs(services: Services, outcome_of: Mapping[Job, str], began: float, health: HealthLog) -> None:
    """Keeps what became of each job, and news of the sources; `began` is in seconds of the monotonic clock."""
    now, took = services.clock.now(), timedelta(seconds=time.monotonic() - began)
    secrets = services.settings.secrets() if outcome_of else ()
    runs = {
        job: JobRun(now, took, redacted(outcome, secrets)[:TEXT_LIMIT], process_name())
        for job, outcome in outcome_of.items()
    }
    news = health.pending()
    if not runs and not news:
        return
    async with services.database.transaction() as connection:
        await leadership.merge(connection, {**facts_of(runs), **news})
        await events.notify_schedule(connection)
    health.noted(news)


async def _work(
    services: Services,
    planned: Plan,
    as_of: datetime | None,
    recorder: Recorder,
    stopping: Callable[[], bool],
    health: HealthLog,
) -> None:
    """Does what is planned, and keeps the account of it in the recorder."""
    report = recorder.report
    if planned.missed:
        report.missed = await record_missed(services, planned.missed, as_of)
    changes = await _read_changes(services)
    weeks = await weeks_due(services, planned, NO_CHANGES if isinstance(changes, PriceSourceError) else changes)
    if isinstance(changes, PriceSourceError):
        for week in weeks:
            week.conclude([changes], services.rules, services.calendar, planned.now)
        if weeks:
            await recorder(weeks)
        # A week that opens now was picked by names that are in use, so it needs no changes.
        weeks, changes = [], NO_CHANGES
    opening: list[Week] = []
    if planned.opening is not None:
        opening = await _week_to_open(services, planned.opening, planned.now, as_of, report, health)
        if not opening:
            # At once: whatever fails below must not have the picks' source asked again at the next tick.
            await _note_failed_opening(services, planned.opening, report.unopened[planned.opening], as_of)
    weeks += opening
    report.waiting += planned.resting
    if (resting := planned.resting_opening) is not None:
        report.unopened[resting.run_date] = resting.delay
    if weeks:
        await load_closures(services, opening)
        sources = services.require_sources()
        for due in planned.due:
            refuse_mixing(due.active.source, [source.name for source in sources])
        await settle(
            weeks, sources, services.calendar, services.rules, planned.now, recorder, stopping, health, changes
        )
        await note_closures(services, opening)
    for week in opening:
        if (delay := report.unopened.get(week.run_date)) is not None:
            await _note_failed_opening(services, week.run_date, delay, as_of)


async def _read_changes(services: Services) -> SymbolChanges | PriceSourceError:
    """The renamed tickers; an error of a source where their file is wrong, for then no answer can be understood."""
    try:
        return await services.symbol_changes.changes()
    except FileError as exc:
        return UnavailableError(f"Renamed tickers cannot be looked up: {exc.message}", exc.remedy)


async def weeks_due(services: Services, planned: Plan, changes: SymbolChanges) -> list[Week]:
    """The planned batches with their picks, ready to be settled; where tickers were renamed, with stored prices."""
    if not planned.due:
        return []
    ids = [due.active.batch.id for due in planned.due]
    async with services.database.connection() as connection:
        picks = await batches.picks(connection, ids)
        accepted = await accepted_moves(connection, ids)
        written = await checkpoints.written_prices(connection, ids) if changes else {}
    weeks = [
        Week.of_active(due.active, picks.get(due.active.batch.id, ()), due.days, services.calendar)
        for due in planned.due
    ]
    for due, week in zip(planned.due, weeks, strict=True):
        week.tried = due.missing
        week.accepted = accepted.get(due.active.batch.id, ())
        week.written_prices = written.get(due.active.batch.id, {})
    return weeks


async def _week_to_open(
    services: Services, run_date: date, now: datetime, as_of: datetime | None, report: Report, health: HealthLog
) -> list[Week]:
    """The week of `run_date` with its picks, or nothing and the reason in the report."""
    source = services.pick_source
    if source is None:
        report.unopened[run_date] = Delay(NO_PICK_SOURCE, "no pick source is set")
        return []
    try:
        answered = await query_picks(source, run_date)
        drafts = check_picks(answered, services.rules.benchmark)
    except PickSourceError as exc:
        if isinstance(exc, PicksNotYetError):
            health.succeeded(SourceKind.PICKS, source)  # it answered; that there is nothing yet is no failure
        else:
            health.raised(SourceKind.PICKS, source, exc)
        if isinstance(exc, PicksGivenUpError):
            await record_refused_picks(services, run_date, source.name, exc, as_of)
        retry_after = exc.retry_after if isinstance(exc, PicksUnavailableError) else None
        report.unopened[run_date] = Delay(exc.code, exc.message, retry_after)
        return []
    except Exception as exc:  # noqa: BLE001 - a third party's picks may be anything
        # Picks of another form than the Protocol's must not keep due days from being written.
        log_defect(source.name, exc)
        failed = f"the picks of {source.name} cannot be used: {type(exc).__name__}"
        health.failed(SourceKind.PICKS, source, PicksUnavailableError.code, failed)
        report.unopened[run_date] = Delay(PicksUnavailableError.code, failed)
        return []
    health.succeeded(SourceKind.PICKS, source)
    week = Week.to_open(run_date, drafts, source.name, services.rules, services.calendar, now, with_days=False)
    week.account = account_of(answered)
    if as_of is None:
        week.open_before = services.rules.opens_until(services.calendar, run_date)
    week.opens_by_itself = True
    return [week]


async def _note_failed_opening(services: Services, run_date: date, delay: Delay, as_of: datetime | None) -> None:
    """Keeps why a week is not open yet and when it is tried again, for whatever process goes on with it.

    A try as of another moment is kept apart: it must not replace the state of the live opening.
    """
    name = opening_fact(as_of)
    async with services.database.transaction() as connection:
        before = opening_try_in(await leadership.fact(connection, name))
        failed = failed_try(
            before,
            run_date,
            delay,
            now=as_of or services.clock.now(),
            until=services.rules.opens_until(services.calendar, run_date),
            draw=_draw,
            pick_source=services.pick_source.name if services.pick_source else "",
        )
        await leadership.note(connection, name, failed.fact())
