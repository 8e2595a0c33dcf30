"""The product's own terms in words: states, reasons, bases and origins."""

from datetime import date, datetime

from rich.text import Text

from core.mixing import SIMULATED
from core.trading_calendar import BATCH_DAYS, EXCHANGE_ZONE
from db.records import BatchStatus
from tui import format as formats
from tui.batch_view import BatchDay, BatchView, DayState, day_number
from tui.literal import clean, literal

_BASES = {"price": "price return", "total": "total return", "unspecified": "basis unspecified"}
_REASONS = {
    "market_closed": "market closed",
    "price_missing": "no close",
    "benchmark_has_no_close": "nobody traded",
    "close_missing": "no close yet",
    "source_behind": "source is behind",
    "other_basis": "no source of this basis",
    "rate_limited": "source's limit reached",
    "unauthorised": "source refuses the key",
    "unavailable": "source unavailable",
    "malformed": "source's answer is malformed",
    "not_running": "no scheduler ran",
    "paused": "schedulers were paused",
    "no_pick_source": "no pick source",
    "picks_not_yet": "no picks in time",
    "picks_unavailable": "pick source unavailable",
    "picks_malformed": "picks malformed",
}
_DAY_STYLES = {
    DayState.COMPUTED: "",
    DayState.SKIPPED: "quiet",
    DayState.WAITING: "caution",
    DayState.DUE: "caution",
    DayState.TO_COME: "quiet",
    DayState.NEVER: "quiet",
}


def basis_words(basis: str | None) -> str:
    """What a basis measures."""
    return _BASES.get(basis or "", clean(basis or "basis unknown", limit=20))


def reason_words(reason: str | None) -> str:
    """Why a day was skipped or waits, or a week was missed."""
    return _REASONS.get(reason or "", clean((reason or "unknown").replace("_", " "), limit=40))


def batch_state(status: BatchStatus, run_date: date, today: date, waiting: int, *, in_full: bool) -> Text:
    """`● day 7`, with a warning sign where a day waits; `✓ done`; `✗ failed`."""
    if status is BatchStatus.COMPLETED:
        return Text("✓ completed" if in_full else "✓ done", style="quiet")
    if status is BatchStatus.FAILED:
        return Text("✗ failed", style="trouble")
    number = day_number(run_date, today)
    if waiting:
        return Text.assemble(("! ", "caution"), f"day {number}", f", {waiting} waiting" if in_full else "")
    return Text.assemble(("● ", "name"), f"day {number} of {BATCH_DAYS}" if in_full else f"day {number}")


def day_state(day: BatchDay) -> Text:
    """A day's state as one word."""
    return Text(str(day.state), style=_DAY_STYLES[day.state])


def day_why(day: BatchDay, now: datetime) -> Text:
    """Why a day has no figures, empty where it has."""
    if day.state is DayState.SKIPPED and day.day is not None:
        words = reason_words(day.day.reason)
        if day.day.reason == "price_missing":
            words += f" for {', '.join(clean(symbol, limit=10) for symbol in day.day.symbols[:4])}"
        return Text(words, style="quiet")
    if day.waiting is not None and day.state is DayState.WAITING:
        next_try = formats.exchange_time(day.waiting.next_try_at, now)
        return Text(f"next try {next_try}, {reason_words(day.waiting.cause)}", style="caution")
    if day.state in (DayState.TO_COME, DayState.DUE):
        due = f"due {day.due_at.astimezone(EXCHANGE_ZONE):%H:%M} ET"
        return Text(due if day.is_session else "no session", style="quiet")
    return Text()


def batch_heading(view: BatchView) -> list[Text]:
    """What identifies a batch, the most important first."""
    detail, batch = view.detail, view.detail.batch
    parts = [
        Text(batch.run_date.isoformat(), style="strong"),
        batch_state(batch.status, batch.run_date, view.today, len(detail.waiting), in_full=True),
    ]
    if detail.source == SIMULATED:
        parts.append(Text(" SIMULATED PRICES ", style="simulated"))
    parts += [
        Text(f"{len(view.computed)}/{detail.sessions} sessions"),
        Text(str(detail.origin)),
        Text(f"base {formats.day_and_month(detail.baseline_date)}"),
        Text(basis_words(detail.basis)),
    ]
    if detail.source and detail.source != SIMULATED:
        parts.append(literal(detail.source, limit=20))
    return parts
