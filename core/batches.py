"""Opening a week by an operator's word, marking one failed, noting the missed, and how a batch came to be."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from uuid_utils.compat import uuid7

from core.catch_up import Report
from core.checkpoints import Recorder
from core.clock import require_agreement
from core.closures import load_closures, note_closures
from core.mixing import refuse_mixing
from core.opening_tries import OpeningTry, opening_fact, opening_try_in
from core.pausing import PauseSpan, pause_over, pause_spans
from core.pick_accounts import account_of
from core.picks.check import check_picks
from core.picks.source import PickDraft
from core.rules import Rules, WaitCause
from core.services import Services
from core.settling import settle
from core.tickers import canonical_ticker
from core.trading_calendar import FIRST_RUN_DATE, LAST_YEAR, TradingCalendar, is_covered, monday_of
from core.weeks import Week
from db import batches, checkpoints, events, leadership
from db.errors import AlphaMondayError
from db.events import EventType
from db.records import Batch, BatchStatus, OriginEnd, Pick

NOT_RUNNING, PAUSED = "not_running", WaitCause.PAUSED.value
REASON_LIMIT = 500


class NotFoundError(AlphaMondayError):
    """There is no such batch."""

    code = "not_found"


class ConflictError(AlphaMondayError):
    """The week exists with other picks."""

    code = "conflict"


class NotPossibleError(AlphaMondayError):
    """The rules do not allow it now."""

    code = "not_possible"


class Origin(StrEnum):
    """How a batch came to be, told from its rows."""

    LIVE = "live"
    LATE = "late"
    BACKFILLED = "backfilled"


def origin_ends(rules: Rules) -> tuple[OriginEnd, ...]:
    """The one definition of origins: live until the opening ended, late in the same exchange week, backfilled after."""
    return (
        OriginEnd(Origin.LIVE, 0, rules.open_until),
        OriginEnd(Origin.LATE, 7, time.min),
        OriginEnd(Origin.BACKFILLED, None, time.min),
    )


def origin_of(batch: Batch, rules: Rules, calendar: TradingCalendar) -> Origin:
    """How `batch` came to be, by when it was created."""
    return next(
        Origin(end.origin)
        for end in origin_ends(rules)
        if end.days is None or batch.created_at < calendar.at(batch.run_date + timedelta(days=end.days), end.clock_time)
    )


def check_run_date(run_date: date) -> date:
    """`run_date` if it is a Monday whose batch the calendar covers. Raises NotPossibleError saying which are."""
    if not is_covered(run_date):
        raise NotPossibleError(
            f"The trading calendar does not cover the batch of {run_date}.",
            f"It covers the weeks from {FIRST_RUN_DATE} to the end of {LAST_YEAR}.",
        )
    if monday_of(run_date) != run_date:
        raise NotPossibleError(
            f"{run_date} is a {run_date:%A}; a batch begins on a Monday.",
            f"The Monday of that week is {monday_of(run_date)}.",
        )
    return run_date


async def find(services: Services, run_date: date) -> Batch:
    """The batch of a week. Raises NotFoundError."""
    async with services.database.connection() as connection:
        found = await batches.by_run_dates(connection, [run_date])
    if run_date not in found:
        raise NotFoundError(f"There is no batch for {run_date}.", "alpha-monday batches lists the weeks there are.")
    return found[run_date]


async def open_week(
    services: Services,
    run_date: date,
    drafts: Sequence[PickDraft],
    pick_source: str,
    *,
    late: bool = False,
    dry_run: bool = False,
) -> Report:
    """Opens one week with `drafts` at the baseline's closes, in one transaction or not at all.

    The same picks for a week that exists are reported as already there. Raises ConflictError for other picks, and
    NotPossibleError before the opening begins, or after it ended unless `late`; ClockError while clocks disagree.
    """
    checked = check_picks(drafts, services.rules.benchmark)
    check_run_date(run_date)
    if await there_already(services, {run_date: checked}):
        return Report(already_there=1)
    now = await agreed_now(services)
    week = week_to_open(services, run_date, checked, pick_source, now, late=late)
    week.open_before = None if late else services.rules.opens_until(services.calendar, run_date)
    week.account = account_of(drafts)
    if dry_run:
        report, recorder = await rehearse(services, [week], now), None
    else:
        recorder = Recorder(services.database, services.clock, None)
        report = recorder.report
        changes = await services.symbol_changes.changes()
        sources = services.require_sources()
        await load_closures(services, [week])
        await settle([week], sources, services.calendar, services.rules, now, recorder, changes=changes)
        await note_closures(services, [week])
    refuse_unopened(report, run_date)
    if recorder and recorder.lost and await there_already(services, {run_date: checked}):
        return Report(already_there=1)
    return report


async def agreed_now(services: Services) -> datetime:
    """The present. Raises ClockError while this machine's clock and the database's do not agree."""
    async with services.database.connection() as connection:
        return require_agreement(services.clock, await events.clock_time(connection))


def week_to_open(
    services: Services, run_date: date, checked: Sequence[PickDraft], pick_source: str, now: datetime, *, late: bool
) -> Week:
    """The week's work for one opening now, without its days. Raises NotPossibleError where `check_open_now` does."""
    check_open_now(services, run_date, now, late=late)
    return Week.to_open(run_date, checked, pick_source, services.rules, services.calendar, now, with_days=False)


def refuse_unopened(report: Report, run_date: date) -> None:
    """Raises NotPossibleError with the cause if the week was not opened."""
    if (delay := report.unopened.get(run_date)) is not None:
        if delay.cause == WaitCause.TOO_LATE:
            raise NotPossibleError(
                f"The week of {run_date} was not opened: {delay.detail}.", "Add --late to open it all the same."
            )
        raise NotPossibleError(
            f"The week of {run_date} cannot be opened: {delay.detail}.",
            "Check the tickers and the price source.",
        )


def check_open_now(services: Services, run_date: date, now: datetime, *, late: bool) -> None:
    """Raises NotPossibleError, naming when it will be possible or what allows it, unless the week can be opened."""
    opens_at = services.rules.opens_at(services.calendar, run_date)
    if now < opens_at:
        raise NotPossibleError(
            f"The week of {run_date} cannot be opened yet.",
            f"It will be possible from {opens_at:%a %d %b %Y %H:%M} exchange time.",
        )
    if now >= services.rules.opens_until(services.calendar, run_date) and not late:
        raise NotPossibleError(
            f"The opening of the week of {run_date} ended at {services.rules.open_until:%H:%M} exchange time.",
            "Add --late to open it all the same, or use backfill.",
        )


async def rehearse(services: Services, weeks: Sequence[Week], now: datetime) -> Report:
    """What writing `weeks` would report, without writing."""
    sources = services.require_sources()
    async with services.database.connection() as connection:
        refuse_mixing(await batches.any_source(connection), [source.name for source in sources])
    report = Report()

    async def count(some: Sequence[Week]) -> None:
        for week in some:
            if week.unopened:
                report.unopened[week.run_date] = week.unopened
            report.opened += bool(week.opening)
            report.computed += len(week.computed)
            report.skipped += len(week.skipped) if week.batch else 0
            report.waiting += len(week.waiting)

    changes = await services.symbol_changes.changes()
    await load_closures(services, weeks)
    await settle(weeks, sources, services.calendar, services.rules, now, count, changes=changes)
    return report


async def there_already(services: Services, weeks: Mapping[date, Sequence[PickDraft]]) -> dict[date, Batch]:
    """Those of `weeks` that exist with the same picks. Raises ConflictError for one that exists with others."""
    async with services.database.connection() as connection:
        found = await batches.by_run_dates(connection, weeks)
        picks = await batches.picks(connection, [batch.id for batch in found.values()])
    for run_date, batch in found.items():
        if _drafts_of(picks.get(batch.id, ())) != _in_one_spelling(weeks[run_date]):
            raise ConflictError(
                f"The week of {run_date} exists already with other picks; nothing was written.",
                f"alpha-monday show {run_date} shows them; picks are never changed.",
            )
    return found


def _drafts_of(picks: Sequence[Pick]) -> set[PickDraft]:
    return _in_one_spelling([PickDraft(pick.ticker, pick.action, pick.reasoning) for pick in picks])


def _in_one_spelling(drafts: Sequence[PickDraft]) -> set[PickDraft]:
    return {replace(draft, ticker=canonical_ticker(draft.ticker)) for draft in drafts}


async def fail(services: Services, run_date: date, reason: str) -> Batch:
    """Marks a batch failed for `reason`; this is final. Raises NotFoundError, or NotPossibleError if it has ended."""
    reason = reason.strip()
    if not reason or len(reason) > REASON_LIMIT or "\0" in reason or not is_unicode(reason):
        raise NotPossibleError(
            f"A reason of 1 to {REASON_LIMIT} characters in UTF-8 is needed.",
            "Say why the batch is to be marked failed.",
        )
    batch = await find(services, run_date)
    async with services.database.transaction() as connection:
        [locked] = await batches.lock(connection, [batch.id])
        if locked.status is not BatchStatus.ACTIVE:
            raise NotPossibleError(
                f"The batch of {run_date} is {locked.status} already.", "Completed and failed are both final."
            )
        await batches.fail(connection, batch.id)
        payload = {"run_date": run_date.isoformat(), "reason": reason}
        await events.insert(connection, [(uuid7(), batch.id, EventType.BATCH_FAILED, json.dumps(payload))])
        await checkpoints.stop_waiting(connection, [batch.id])
        await events.notify(connection, [run_date])
    return locked


def is_unicode(text: str) -> bool:
    """Whether `text` can be stored: what came from a command line may hold bytes that were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def record_missed(services: Services, run_dates: Sequence[date], as_of: datetime | None) -> int:
    """Writes one `batch_missed` event for each week that still has neither batch nor event; gives their number.

    While a backfill runs, the weeks before the current one are left for a later tick: the backfill may be about to open
    them. The current week was missed whatever a backfill does. Raises ClockError while this machine's clock and the
    database's do not agree.
    """
    async with services.database.transaction() as connection:
        await events.serialise_openings(connection)
        unopened = set(await batches.unopened(connection, max(run_dates)))
        is_backfilling = await events.is_backfilling(connection)
        server_time = await events.clock_time(connection)  # a clock that ran ahead must not have the last word
        now = require_agreement(services.clock, server_time)
        this_week = monday_of(services.calendar.exchange_date(as_of or now))
        missed = [
            run_date
            for run_date in run_dates
            if run_date in unopened
            and services.rules.opens_until(services.calendar, run_date) <= server_time
            and (run_date >= this_week or not is_backfilling)
        ]
        if not missed:
            return 0
        tried = opening_try_in(await leadership.fact(connection, opening_fact(as_of)))
        spans = await pause_spans(connection)
        rows = []
        for run_date in missed:
            cause, detail = _why_missed(services, run_date, tried, spans)
            payload = {
                "run_date": run_date.isoformat(),
                "cause": cause,
                "detail": detail,
                "as_of": as_of.isoformat() if as_of else None,
            }
            rows.append((uuid7(), None, EventType.BATCH_MISSED, json.dumps(payload)))
        await events.insert(connection, rows)
        await events.notify(connection, missed)
    return len(missed)


def _why_missed(
    services: Services, run_date: date, tried: OpeningTry | None, spans: Sequence[PauseSpan]
) -> tuple[str, str]:
    """The cause and its details: a pause at the end of the opening, else the last try's, else a pause before."""
    opens_at = services.rules.opens_at(services.calendar, run_date)
    opens_until = services.rules.opens_until(services.calendar, run_date)
    span = pause_over(spans, opens_at, opens_until)
    was_tried = tried is not None and tried.run_date == run_date
    if span is not None and (span.holds_at(opens_until) or not was_tried):
        return PAUSED, span.pause.words
    if tried is not None and was_tried:
        return tried.delay.cause, tried.delay.detail
    return NOT_RUNNING, ""
