"""What `doctor` finds out about the chain's price sources, each by itself, and about the file of renamed tickers."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from core.file_at_rest import FileAtRest, label_of
from core.finding import Finding
from core.health import told
from core.prices.query import query
from core.prices.source import PriceSource
from core.services import Access, open_address, price_chain, rules_of
from core.settings import PREFIX, Settings
from core.source_health import SourceHealth, health_in
from core.symbol_changes import parse_changes
from core.trading_calendar import TradingCalendar
from db import leadership
from db.database import Database
from db.errors import AlphaMondayError
from db.records import SchedulerFact

_SPAN = timedelta(days=10)
_WHOLE_CHAIN = "price sources"


async def price_source_findings(settings: Settings) -> list[Finding]:
    """A finding for each price source of the chain, in its order: each is made, and asked for the benchmark, alone."""
    names = settings.price_source
    if not names:
        missing = f"Run alpha-monday setup, or set {PREFIX}PRICE_SOURCE."
        return [Finding(_WHOLE_CHAIN, False, "no price source is set", missing)]
    calendar, facts = TradingCalendar(), await _facts(settings)
    found = await asyncio.gather(*(_look(name, settings, calendar, facts) for name in names))
    if all(finding.ok for finding in found):
        try:
            await asyncio.to_thread(price_chain, settings, calendar)
        except AlphaMondayError as exc:  # each by itself is well, and together they are none
            return [*found, Finding(_WHOLE_CHAIN, False, exc.message, exc.remedy)]
    return found


async def symbol_changes_finding(settings: Settings) -> Finding:
    """Whether the file of renamed tickers can be read and is well formed, where one is set."""
    file = settings.symbol_changes
    if file is None:
        return Finding("symbol changes", True, f"not set ({PREFIX}SYMBOL_CHANGES): no ticker was renamed")
    try:
        changes = await asyncio.to_thread(FileAtRest(file, parse_changes).glance)
    except AlphaMondayError as exc:
        return Finding("symbol changes", False, exc.message, exc.remedy)
    return Finding("symbol changes", True, f"{label_of(file)} {'is well formed' if changes else 'holds no change'}")


async def _facts(settings: Settings) -> Mapping[str, SchedulerFact]:
    """What the schedulers noted; nothing where the database cannot be read, which another look tells."""
    try:
        async with (
            open_address(settings, Access.READ) as conninfo,
            Database(conninfo, read_only=True) as database,
            database.connection() as connection,
        ):
            return await leadership.facts(connection)
    except AlphaMondayError:
        return {}


async def _look(
    name: str, settings: Settings, calendar: TradingCalendar, facts: Mapping[str, SchedulerFact]
) -> Finding:
    alone = settings.model_copy(update={"price_source": (name,)})
    heading = f"price source {name}"
    try:
        # In a thread: a source's package may take long to import.
        [source] = await asyncio.to_thread(price_chain, alone, calendar)
        [health] = health_in(facts, [source], None, datetime.now(UTC))
        try:
            newest = await _newest_close(source, settings, calendar)
        except AlphaMondayError as exc:
            return Finding(heading, False, _joined(exc.message, _failing_words(health)), exc.remedy)
        return source_finding(heading, source, settings.benchmark, newest, health)
    except AlphaMondayError as exc:
        return Finding(heading, False, exc.message, exc.remedy)
    except Exception as exc:  # noqa: BLE001 - a third party's source may raise anything, and the other looks go on
        message = f"something unforeseen happened: {type(exc).__name__}: {str(exc)[:200]}"
        return Finding(heading, False, message, "Report it to whoever makes the source.")


async def _newest_close(source: PriceSource, settings: Settings, calendar: TradingCalendar) -> date | None:
    """The date of the benchmark's newest close in the ten days up to the last session that is due; None without."""
    last = rules_of(settings, (source,)).last_due_session(calendar, datetime.now(UTC))
    answer = await query(source, [settings.benchmark], last - _SPAN, last)
    return max(answer.closes.get(settings.benchmark, {}), default=None)


def source_finding(
    heading: str, source: PriceSource, benchmark: str, newest: date | None, health: SourceHealth
) -> Finding:
    """What an answer says of a source; `health` is what the schedulers noted of their own questions to it."""
    if newest is None:
        return Finding(
            heading,
            False,
            _joined(f"it has no close of {benchmark} in the last ten days", _failing_words(health)),
            "Bring the source up to date, or name another.",
        )
    parts = [f"it has {benchmark} to {newest}, basis {source.basis}"]
    if (quota := health.quota_left) is not None:
        parts.append(f"questions left after the schedulers' last: {max(quota, 0):,}")
    return Finding(heading, True, _joined(*parts, _failing_words(health)))


def _failing_words(health: SourceHealth) -> str:
    """Since when it fails the schedulers, and what it said last; nothing where it answers them or was never asked."""
    if not health.is_failing:
        return ""
    since = "they have never had an answer" if health.succeeded_at is None else f"since {told(health.succeeded_at)}"
    last = f", last {told(health.failed_at)}" if health.failed_at is not None else ""
    return f"it fails the schedulers, {since}{last}: {health.failure or health.failure_code or 'unknown'}"


def _joined(*parts: str) -> str:
    return "; ".join(part.rstrip(".") for part in parts if part)
