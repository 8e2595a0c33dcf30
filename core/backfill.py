"""Backfill: opening weeks from a file, plus catch-up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from core.batches import check_run_date, rehearse, there_already
from core.catch_up import Report, plan
from core.checkpoints import Recorder
from core.due_work import load, weeks_due
from core.mixing import refuse_mixing
from core.picks.check import check_picks
from core.picks.source import PickDraft
from core.rules import Delay
from core.services import Services
from core.settling import settle
from core.weeks import Week

PICK_SOURCE = "file"


async def backfill(
    services: Services,
    weeks: Mapping[date, Sequence[PickDraft]],
    *,
    as_of: datetime | None = None,
    dry_run: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Report:
    """Opens every week of `weeks` that is missing and writes all its due days, whole weeks at a time.

    Weeks that cannot be opened yet or have no baseline are reported, the others proceed. Raises ConflictError,
    before anything is written, if a week exists with other picks.
    """
    services.require_sources()
    checked = {
        check_run_date(run_date): check_picks(drafts, services.rules.benchmark)
        for run_date, drafts in sorted(weeks.items())
    }
    now = as_of or services.clock.now()
    report = Report()
    too_early = {
        run_date: Delay("not_due", f"it can be opened from {opens_at:%Y-%m-%d %H:%M} exchange time")
        for run_date in checked
        if (opens_at := services.rules.opens_at(services.calendar, run_date)) > now
    }
    report.unopened.update(too_early)
    left = {run_date: drafts for run_date, drafts in checked.items() if run_date not in too_early}
    opened_by_others: set[date] = set()
    changes = await services.symbol_changes.read()
    while True:
        there = await there_already(services, left)
        work = [
            *await _days_due(services, there, now),
            *(
                Week.to_open(run_date, drafts, PICK_SOURCE, services.rules, services.calendar, now, with_days=True)
                for run_date, drafts in left.items()
                if run_date not in there
            ),
        ]
        work.sort(key=lambda week: week.run_date)
        opened_by_others.update(there)
        if dry_run:
            rehearsed = await rehearse(services, work, now)
            return replace(rehearsed, already_there=len(there), unopened={**report.unopened, **rehearsed.unopened})
        recorder = Recorder(services.database, services.clock, as_of, report)
        await settle(
            work, services.sources, services.calendar, services.rules, now, recorder, stopping, changes=changes
        )
        # A week that another process opened meanwhile is looked at again: its days may still be ours to write.
        left = {run_date: checked[run_date] for run_date in recorder.lost}
        if not left:
            report.already_there = len(opened_by_others)
            return report


async def _days_due(services: Services, there: Mapping[date, object], now: datetime) -> list[Week]:
    async with services.database.connection() as connection:
        existing = await load(connection, services, now)
    planned = plan(existing, services.calendar, services.rules, now, rest_until=None)
    ours = replace(planned, due=tuple(due for due in planned.due if due.active.batch.run_date in there))
    for due in ours.due:
        refuse_mixing(due.active.source, [source.name for source in services.sources])
    return await weeks_due(services, ours)
