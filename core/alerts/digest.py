"""The weekly digest, told on Saturday: what is open, what ended, what is missing, what Monday brings."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

from core.alerts.message import Message, make_message
from core.alerts.results import batch_result
from core.alerts.standing import key_of
from core.alerts.telling import batch_words
from core.alerts.told import SourceOutage
from core.alerts.words import counted, day_words, excess_words, listed, moment, plain, points, reason_words
from core.catch_up import opening_passed
from core.performance import performance
from core.picks.staged_file import takes_staged
from core.reading import BatchDetail, BatchRow, batch_detail, batch_page
from core.services import Services
from core.source_health import SourceHealth
from core.staging import StagingError, staged
from core.trading_calendar import BATCH_DAYS, TradingCalendar, monday_of
from db import batches
from db.records import BatchStatus

AT = time(9, 0)
_SATURDAY = 5
_WEEK = timedelta(days=7)
_MOST = 8  # rows of each kind: two batches are open in an ordinary week


def digest_day(now: datetime, calendar: TradingCalendar) -> date:
    """The Saturday whose digest is the newest that is due at `now`: from 09:00 exchange time on."""
    today = calendar.exchange_date(now)
    saturday = today - timedelta(days=(today.weekday() - _SATURDAY) % 7)
    return saturday if calendar.at(saturday, AT) <= now else saturday - _WEEK


async def make_digest(
    services: Services, sources: Iterable[SourceHealth], outages: Mapping[str, SourceOutage]
) -> Message:
    """The digest as of now. Raises a DatabaseError."""
    now = services.clock.now()
    today = services.calendar.exchange_date(now)
    week = monday_of(today)
    open_rows = (await batch_page(services, limit=_MOST, status=BatchStatus.ACTIVE)).batches
    recent = (await batch_page(services, limit=_MOST, status=BatchStatus.COMPLETED)).batches
    ended = [row for row in recent if row.overview.run_date + timedelta(days=BATCH_DAYS) > today - _WEEK]
    details = [await batch_detail(services, row.overview.run_date) for row in (*open_rows, *ended)]
    known = {detail.batch.run_date: detail for detail in details if detail is not None}
    lines = ["Open:" if open_rows else "No batch is open."]
    lines += [f"  {_open_words(row, today)}" for row in open_rows]
    lines += _section("Completed:", [f"{row.overview.run_date}: {_result(known, row)}" for row in ended])
    lines += _section("Missing:", [*await _unopened(services, now), *_missing(known.values(), today)])
    lines += _section("Failing:", [_failing(source, outages) for source in sources if source.is_failing])
    monday = week + _WEEK if today > week or now >= services.rules.opens_until(services.calendar, week) else week
    lines += _section(f"Monday {monday}:", [await _expected(services, monday)])
    lines += _section("So far:", await _so_far(services))
    title = f"the week to {day_words(today)}: {len(open_rows)} open, {len(ended)} completed"
    return make_message(title, lines)


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines[:_MOST])] if lines else []


def _open_words(row: BatchRow, today: date) -> str:
    overview = row.overview
    number = min(max((today - overview.run_date).days + 1, 1), BATCH_DAYS)
    words = f"{overview.run_date} day {number} of {BATCH_DAYS}, {overview.computed}/{row.sessions} sessions"
    waiting = f", {counted(overview.waiting, 'day')} waiting" if overview.waiting else ""
    return f"{words}: {excess_words(row.excess_pct)}{waiting}"


def _result(known: Mapping[date, BatchDetail], row: BatchRow) -> str:
    detail = known.get(row.overview.run_date)
    return batch_words(batch_result(detail) if detail else None)


def _missing(details: Iterable[BatchDetail], today: date) -> list[str]:
    """Days of the last week that were skipped although there was a session, and days that wait."""
    lines = []
    for detail in details:
        week = detail.batch.run_date
        lines += [
            f"{day_words(day.checkpoint.checkpoint_date)} of {week}: skipped, {reason_words(day.reason)}"
            + (f" for {listed(day.symbols)}" if day.symbols else "")
            for day in detail.days
            if day.reason not in (None, "market_closed") and day.checkpoint.checkpoint_date > today - _WEEK
        ]
        lines += [
            f"{day_words(day.checkpoint_date)} of {week}: waits, {reason_words(day.cause)}" for day in detail.waiting
        ]
    return lines


async def _unopened(services: Services, now: datetime) -> list[str]:
    """This week's opening, if it has passed and left no batch."""
    monday = monday_of(services.calendar.exchange_date(now))
    async with services.database.connection() as connection:
        first_run_date, is_open = await batches.weeks(connection, monday)
    if is_open or not opening_passed(first_run_date, monday, services.calendar, services.rules, now):
        return []
    return [f"the week of {monday} was not opened"]


def _failing(source: SourceHealth, outages: Mapping[str, SourceOutage]) -> str:
    outage = outages.get(key_of(source))
    since = f" since {moment(outage.began)}" if outage else ""
    failure = f": {plain(source.failure, limit=120)}" if source.failure else ""
    return f"{source.kind} source {plain(source.name, limit=30)}{since}{failure}"


async def _expected(services: Services, monday: date) -> str:
    """Where Monday's picks come from, or which they are."""
    source = services.pick_source
    if source is None:
        return "no pick source is set"
    try:
        waiting = await staged(services)
    except StagingError as exc:
        return f"what is staged cannot be read: {plain(exc.message)}"
    week = next((week for week in waiting if week.run_date == monday), None)
    if week is not None:
        return "staged: " + ", ".join(f"{draft.action} {plain(draft.ticker, limit=12)}" for draft in week.drafts)
    if takes_staged(services.settings):
        return "nothing is staged yet"
    return f"{plain(source.name, limit=30)} picks from {services.rules.open_at:%H:%M} exchange time on"


async def _so_far(services: Services) -> list[str]:
    measured = await performance(services)
    if measured.finals.mean_pct is None:
        return []
    share = measured.all_picks.average_pct
    picks = f", {share:.0f} % of {counted(measured.all_picks.picks, 'pick')} above zero" if share is not None else ""
    ended = counted(measured.finals.batches, "batch", "batches")
    return [f"{ended} completed, mean excess {points(measured.finals.mean_pct)}{picks}"]
