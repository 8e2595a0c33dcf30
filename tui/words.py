"""The product's own terms in words: states, reasons, bases and origins."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.text import Text

from core import metrics
from core.mixing import SIMULATED
from core.trading_calendar import BATCH_DAYS, EXCHANGE_ZONE
from db.records import BatchStatus
from tui import format as formats
from tui.batch_view import BatchDay, BatchView, DayState, day_number
from tui.literal import clean, literal

if TYPE_CHECKING:
    from core.batch_log import ServedSpell, StoppedSymbol
    from core.moves import Move

_ONE = Decimal(1)
_MOST_SPELLS = 3
_BASES = {"price": "price return", "total": "total return", "unspecified": "basis unspecified"}
_REASONS = {
    "market_closed": "market closed",
    "price_missing": "no close",
    "benchmark_has_no_close": "nobody traded",
    "stopped_trading": "stopped trading",
    "close_missing": "no close yet",
    "source_behind": "source is behind",
    "other_basis": "no source of this basis",
    "baseline_missing": "no close at the baseline",
    "doubtful_move": "doubtful move",
    "batch_malformed": "batch's rows are malformed",
    "too_late": "too late",
    "rate_limited": "source's limit reached",
    "unauthorised": "source refuses the key",
    "unavailable": "source unavailable",
    "timed_out": "source did not respond",
    "row_refused": "database refused a value",
    "malformed": "source's answer is malformed",
    "not_running": "no scheduler ran",
    "paused": "schedulers were paused",
    "no_pick_source": "no pick source",
    "picks_not_yet": "no picks in time",
    "picks_unavailable": "pick source unavailable",
    "picks_timed_out": "pick source did not respond",
    "picks_malformed": "picks malformed",
    "picks_given_up": "pick source gave up",
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


def opening_words(opens_at: datetime, now: datetime, *, is_paused: bool) -> str:
    """`opens Mon 09:00 ET`, which holds for paused schedulers only if somebody resumes them."""
    return f"opens {formats.exchange_time(opens_at, now)}{' if resumed by then' if is_paused else ''}"


def day_why(day: BatchDay, now: datetime, *, is_paused: bool) -> Text:
    """Why a day has no figures, empty where it has; no next try is named while the schedulers are paused."""
    if day.state is DayState.SKIPPED and day.day is not None:
        words, symbols = reason_words(day.day.reason), symbols_in_brief(day.day.symbols)
        if day.day.reason == "price_missing":
            words += f" for {symbols}"
        elif day.day.reason == "stopped_trading" and symbols:
            words = f"{symbols} {words}"
        return Text(words, style="quiet")
    if awaits_word(day):
        return Text("doubtful move, waits for a word", style="caution")
    if day.waiting is not None and day.state is DayState.WAITING:
        next_try = "paused" if is_paused else f"next try {formats.exchange_time(day.waiting.next_try_at, now)}"
        return Text(f"{next_try}, {reason_words(day.waiting.cause)}", style="caution")
    if day.state in (DayState.TO_COME, DayState.DUE):
        due = f"due {day.due_at.astimezone(EXCHANGE_ZONE):%H:%M} ET"
        return Text(due if day.is_session else "no session", style="quiet")
    return Text()


def symbols_in_brief(symbols: Sequence[str]) -> str:
    """Some symbols, as many as a line has room for."""
    return ", ".join(clean(symbol, limit=10) for symbol in symbols[:4])


def awaits_word(day: BatchDay) -> bool:
    """Whether a day waits until an operator has looked at a move that is hard to believe."""
    return day.state is DayState.WAITING and day.waiting is not None and day.waiting.cause == "doubtful_move"


def days_words(days: Sequence[date]) -> str:
    """`Mon 6 Jun`, or `Mon 6 Jun and 4 more`."""
    first = formats.day_and_month(days[0])
    return first if len(days) == 1 else f"{first} and {len(days) - 1} more"


def stopped_words(stopped: "StoppedSymbol") -> Text:
    """`TWTR stopped trading, last close Thu 27 Oct`."""
    last = formats.day_and_month(stopped.last_session)
    return Text.assemble(literal(stopped.symbol, limit=10, style="strong"), f" stopped trading, last close {last}")


def move_words(move: "Move") -> Text:
    """A move in two lines: symbol, both closes as sent and the percentage, then between which sessions and whose."""
    percent = formats.percent(metrics.return_pct(_ONE, move.ratio))
    split = "without a split" if move.split_factor == _ONE else f"beyond its split by {move.split_factor:f}"
    sessions = f"{formats.day_and_month(move.previous_session)} to {formats.day_and_month(move.session)}"
    renamed = f"as {clean(move.successor, limit=10)}  " if move.successor else ""
    return Text.assemble(
        literal(move.symbol, limit=10, style="strong"), f"  {move.previous:f}", (" → ", "quiet"),
        f"{move.close:f}  {renamed}",
        (f"{percent} %", "caution"), (f"\n  {sessions} {move.session.year}, {split}, at ", "quiet"),
        literal(move.source, limit=20, style="quiet"),
    )  # fmt: skip


def quoted_words(symbol: str, quoted_as: str | None) -> str:
    """`FB`, or `FB (as META)` where the close was quoted under the symbol's newer name."""
    shown = clean(symbol, limit=10)
    return f"{shown} (as {clean(quoted_as, limit=10)})" if quoted_as else shown


def served_words(spells: Sequence["ServedSpell"]) -> str:
    """Every source that served prices: `tiingo`, `tiingo, yahoo from 18 Nov`, `tiingo and yahoo by turns`."""
    if len(spells) > _MOST_SPELLS:
        names = dict.fromkeys(clean(spell.source, limit=20) for spell in spells)
        return f"{' and '.join(names)} by turns"
    return ", ".join(
        clean(spell.source, limit=20) + (f" from {spell.first.day} {spell.first:%b}" if spell.first and number else "")
        for number, spell in enumerate(spells)
    )


def batch_heading(view: BatchView) -> list[Text]:
    """What identifies a batch, the most important first."""
    detail, batch = view.detail, view.detail.batch
    parts = [
        Text(batch.run_date.isoformat(), style="strong"),
        batch_state(batch.status, batch.run_date, view.today, len(detail.waiting), in_full=True),
    ]
    if detail.source == SIMULATED:
        parts.append(Text(" SIMULATED PRICES ", style="simulated"))
    parts.append(Text(f"{len(view.computed)}/{detail.sessions} sessions"))
    if detail.source and detail.source != SIMULATED:
        parts.append(Text(served_words(detail.served)))
    return [
        *parts,
        Text(basis_words(detail.basis)),
        Text(str(detail.origin)),
        Text(f"base {formats.day_and_month(detail.baseline_date)}"),
    ]
