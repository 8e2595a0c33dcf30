"""What an operator is reminded of: the week that opens next has no picks, or none that could be read."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.file_at_rest import UnfinishedFileError
from core.picks.check import check_picks
from core.picks.source import PickSourceError
from core.picks.staged_file import MANUAL_PICKS, staging_file
from core.services import Services
from core.staging import StagingError, weeks_in_file
from core.trading_calendar import monday_of
from db import batches

_FROM = timedelta(days=2)  # the Saturday before


@dataclass(frozen=True, slots=True)
class Reminder:
    """The week of `run_date`, opened from `opens_at` until `opens_until`, has nothing staged that could be opened.

    `problem` says why what stands in the file cannot be: its own words, with what to do. Empty, nothing stands there.
    """

    run_date: date
    opens_at: datetime
    opens_until: datetime
    problem: str = ""


async def reminder(services: Services) -> Reminder | None:
    """What is to be said now; None where Monday's job takes no staged picks, or has what it takes.

    Nobody is told before the Saturday. That a picks file has no rows yet is told only while the opening is on:
    another program may write them at the last moment, while manual waits for nobody but the operator.
    """
    if staging_file(services.settings) is None:
        return None
    now = services.clock.now()
    found = _next_opening(services, now)
    if services.calendar.exchange_date(now) < found.run_date - _FROM:
        return None
    problem = ""
    try:
        in_file = await weeks_in_file(services, at_rest=True)
        week = next((week for week in in_file if week.run_date == found.run_date), None)
        if week is not None:
            check_picks(week.drafts, services.rules.benchmark)
            return None
    except (StagingError, PickSourceError) as exc:
        if isinstance(exc.__cause__, UnfinishedFileError):
            return None  # what is being written is no problem yet
        problem = f"{exc.message.removesuffix('.')}. {exc.remedy}"
    if not problem and now < found.opens_at and services.settings.pick_source != MANUAL_PICKS:
        return None
    async with services.database.connection() as connection:
        if await batches.by_run_dates(connection, [found.run_date]):
            return None
    return Reminder(found.run_date, found.opens_at, found.opens_until, problem)


def _next_opening(services: Services, now: datetime) -> Reminder:
    """The week whose opening is on or comes next."""
    rules, calendar = services.rules, services.calendar
    monday = monday_of(calendar.exchange_date(now))
    if rules.opens_until(calendar, monday) <= now:
        monday += timedelta(days=7)
    return Reminder(monday, rules.opens_at(calendar, monday), rules.opens_until(calendar, monday))
