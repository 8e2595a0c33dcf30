"""Doing what is due: load what exists, plan, ask for picks, settle, record. One call is one tick."""

import logging
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from psycopg import AsyncConnection

from core.batches import OPENING_FACT, record_missed
from core.catch_up import Existing, Plan, Report, plan, settle
from core.checkpoints import Recorder
from core.mixing import refuse_mixing
from core.picks.check import check_picks
from core.picks.source import PickSourceError, PicksUnavailableError
from core.services import Services
from core.trading_calendar import monday_of
from core.weeks import Delay, Week
from db import batches, checkpoints, leadership

log = logging.getLogger(__name__)


async def load(connection: AsyncConnection[Any], services: Services, now: datetime) -> Existing:
    """What the database holds, as far as a plan made at `now` depends on it."""
    monday = monday_of(services.calendar.exchange_date(now))
    first_run_date, opened = await batches.weeks(connection, monday)
    return Existing(
        active=await batches.active(connection),
        waiting=await checkpoints.waiting(connection),
        first_run_date=first_run_date,
        this_week_opened=opened,
        unopened=await batches.unopened(connection, monday) if first_run_date else (),
    )


async def due_work(services: Services, as_of: datetime | None = None) -> Plan:
    """What is due now, or was due at `as_of`. Back-off counts only for the present."""
    now = services.clock.now()
    async with services.database.connection() as connection:
        existing = await load(connection, services, as_of or now)
    return plan(existing, services.calendar, services.rules, as_of or now, rest_until=None if as_of else now)


async def run_due_work(
    services: Services,
    as_of: datetime | None = None,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[Report, Plan]:
    """Does all that is due: opens the week, notes missed ones, writes days. Idempotent, safe beside others.

    `stopping` is asked between transactions. Whatever could not be done yet is in the report, and stays due.
    """
    planned = await due_work(services, as_of)
    recorder = Recorder(services.database, services.clock, as_of)
    report = recorder.report
    if planned.missed:
        report.missed = await record_missed(services.database, planned.missed, as_of)
    weeks = await weeks_due(services, planned)
    if planned.opening is not None:
        weeks += await _week_to_open(services, planned.opening, planned.now, as_of, report)
    report.waiting += planned.resting
    if weeks:
        sources = services.require_sources()
        for due in planned.due:
            refuse_mixing(due.active.source, [source.name for source in sources])
        await settle(weeks, sources, services.calendar, services.rules, planned.now, recorder, stopping)
    if planned.opening is not None and (delay := report.unopened.get(planned.opening)) is not None:
        await _note_failed_opening(services, planned.opening, delay)
    return report, planned


async def weeks_due(services: Services, planned: Plan) -> list[Week]:
    """The planned batches with their picks, ready to be settled."""
    if not planned.due:
        return []
    async with services.database.connection() as connection:
        picks = await batches.picks(connection, [due.active.batch.id for due in planned.due])
    return [Week.of_active(due.active, picks[due.active.batch.id], due.days, services.calendar) for due in planned.due]


async def _week_to_open(
    services: Services, run_date: date, now: datetime, as_of: datetime | None, report: Report
) -> list[Week]:
    """The week of `run_date` with its picks, or nothing and the reason in the report."""
    if services.pick_source is None:
        report.unopened[run_date] = Delay("no_pick_source", "no pick source is set")
        return []
    try:
        drafts = check_picks(await services.pick_source.picks(run_date), services.rules.benchmark)
    except PickSourceError as exc:
        report.unopened[run_date] = Delay(exc.code, exc.message)
        return []
    except Exception as exc:
        # A defect in a pick source must not keep due days from being written; its text may hold a key.
        name = services.pick_source.name
        log.warning("source defect", exc_info=True, extra={"event": "source_defect", "source": name})
        failed = f"the pick source {name} failed: {type(exc).__name__}"
        report.unopened[run_date] = Delay(PicksUnavailableError.code, failed)
        return []
    week = Week.to_open(
        run_date, drafts, services.pick_source.name, services.rules, services.calendar, now, with_days=False
    )
    if as_of is None:
        week.open_before = services.rules.opens_until(services.calendar, run_date)
    return [week]


async def _note_failed_opening(services: Services, run_date: date, delay: Delay) -> None:
    """Keeps why a week is not open yet, so that a missed one can say it even from another process."""
    async with services.database.connection() as connection:
        await leadership.note(
            connection,
            OPENING_FACT,
            {"run_date": run_date.isoformat(), "cause": delay.cause, "detail": delay.detail[:500]},
        )
