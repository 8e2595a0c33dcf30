"""Events as lists show them: their columns, their telling parts on one line, and their payload whole."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from core import metrics
from core.facts import count_in, instant_in, text_in
from core.moves import move_in
from core.trading_calendar import EXCHANGE_ZONE
from db.events import PAYLOAD_KEYS, EventType
from db.records import Event, LoggedEvent
from tui import format as formats
from tui.literal import literal
from tui.widgets.columns import Column
from tui.widgets.drawn import Drawn
from tui.widgets.table import Table
from tui.words import reason_words

_PAYLOAD_LIMIT = 20_000
_KEYS = re.compile(r'"[a-z_]+":')
_WITH_SECONDS = 19
# What a summary is made of, in this order, where the payload has it.
_TELLING = (
    "checkpoint_date", "run_date", "reason", "symbol", "symbols", "split", "stored", "answered", "pick_source",
    "source", "basis", "computed", "skipped", "cause", "detail",
)  # fmt: skip
_KEYS_BY_TYPE = {str(type_): keys for type_, keys in PAYLOAD_KEYS.items()}
_COUNTS = frozenset({"computed", "skipped"})
_CODES = frozenset({"reason", "cause"})
_SEPARATOR = " · "
_SUMMARY_LIMIT = 160


class Payload(Drawn):
    """The payload of one event: indented, or `in_brief` in as few lines as it takes."""

    def __init__(self) -> None:
        super().__init__()
        self._event: Event | None = None
        self._in_brief = False
        self._words = Text()

    def show(self, event: Event | None, *, in_brief: bool = False) -> None:
        """Draws the payload of `event` from now on; nothing for None."""
        if event != self._event or in_brief != self._in_brief:
            self._event, self._in_brief = event, in_brief
            self._words = payload_words(event, in_brief=in_brief) if event else Text()
            self.changed()

    def draw(self, width: int) -> Text:
        return self._words


class EventLog(Vertical):
    """The events newest first, and the payload below."""

    def compose(self) -> ComposeResult:
        yield Table(EVENT_COLUMNS, lambda event: event.id, id="events")
        with VerticalScroll(id="payload", can_focus=False):
            yield Payload()

    @property
    def table(self) -> Table[Event]:
        """The list of events."""
        return self.query_one("#events", Table)

    def show(self, events: Sequence[Event]) -> None:
        """Shows `events`, which come oldest first."""
        self.table.show(tuple(reversed(events)))

    @on(Table.Highlighted, "#events")
    def _show_payload(self, message: Table.Highlighted) -> None:
        message.stop()
        self.query_one(Payload).show(self.table.row)


def payload_words(event: Event, *, in_brief: bool = False) -> Text:
    """The payload as JSON: indented, or `in_brief` without line breaks."""
    words = json.dumps(_in_order(event), indent=None if in_brief else 2, ensure_ascii=False, default=str)
    text = literal(words, limit=_PAYLOAD_LIMIT, lines=True)
    text.highlight_regex(_KEYS, "quiet")
    return text


def _in_order(event: Event) -> dict[str, Any]:
    """The payload with its keys as `docs/events.md` has them; the database keeps no order."""
    known = _KEYS_BY_TYPE.get(event.event_type, ())
    first = {key: event.payload[key] for key in known if key in event.payload}
    return first | dict(event.payload)


def summary(event: Event, *, with_week: bool = True) -> Text:
    """The telling parts of a payload on one line."""
    if (in_words := _IN_WORDS.get(event.event_type)) is not None:
        return literal(in_words(event), limit=_SUMMARY_LIMIT)
    telling = [key for key in _TELLING if event.payload.get(key) and (with_week or key != "run_date")]
    told = [_told(key, event.payload[key]) for key in telling]
    return literal(_SEPARATOR.join(told), limit=_SUMMARY_LIMIT)


def _told(key: str, value: object) -> str:
    if key in _COUNTS:
        return f"{value} {key}"
    if key in _CODES:
        return reason_words(str(value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _pause_told(event: Event) -> str:
    """`by ann@host: moving house`, and of its end `by bob@host, paused since Mon 09:00 ET by ann@host: why`."""
    payload = event.payload
    words = f"by {text_in(payload, 'who') or 'unknown'}"
    if event.event_type == EventType.SCHEDULE_RESUMED:
        # The day of the week is enough near the event, whose date stands beside it.
        since = instant_in(payload, "paused_since")
        words += ", paused" if since is None else f", paused since {formats.exchange_time(since, event.created_at)}"
        words += f" by {text_in(payload, 'paused_by') or 'unknown'}"
    reason = text_in(payload, "reason")
    return f"{words}: {reason}" if reason else words


def _move_told(event: Event) -> str:
    """`AAPL -85.47 % on 9 Jun, 645.57 → 93.7 at tiingo · by ann@host: why`; only what is there of another form."""
    payload, move = event.payload, move_in(event.payload)
    by = f"by {text_in(payload, 'who') or 'unknown'}"
    reason = text_in(payload, "reason")
    words = f"{by}: {reason}" if reason else by
    if move is None:
        return f"{text_in(payload, 'symbol') or 'unknown'} · {words}"
    percent = formats.percent(metrics.return_pct(Decimal(1), move.ratio))
    day = formats.day_and_month(move.session)
    return f"{move.symbol} {percent} % on {day}, {move.previous:f} → {move.close:f} at {move.source} · {words}"


def _stop_told(event: Event) -> str:
    """`TWTR · last close 2022-10-27 · tiingo, yahoo`."""
    payload = event.payload
    sources = payload.get("sources")
    parts = [text_in(payload, "symbol") or "unknown", f"last close {text_in(payload, 'last_session') or 'unknown'}"]
    return _SEPARATOR.join([*parts, *([", ".join(map(str, sources))] if isinstance(sources, list) else [])])


def _renaming_told(event: Event) -> str:
    """`FB → META · tiingo`."""
    symbol, successor, source = (text_in(event.payload, key) for key in ("symbol", "successor", "source"))
    return _SEPARATOR.join([f"{symbol or 'unknown'} → {successor or 'unknown'}", *([source] if source else [])])


def _picks_told(event: Event) -> str:
    """`refused · llm · gpt-5 · 3 attempts · the answers were no picks`; with the week where there is no batch."""
    payload = event.payload
    keys = ("outcome", "pick_source", "model") if event.batch_id else ("run_date", "outcome", "pick_source", "model")
    told = [found for key in keys if (found := text_in(payload, key))]
    attempts = count_in(payload, "attempts")
    told += [] if attempts is None else ["1 attempt" if attempts == 1 else f"{attempts} attempts"]
    return _SEPARATOR.join([*told, *([detail] if (detail := text_in(payload, "detail")) else [])])


_IN_WORDS: Mapping[str, Callable[[Event], str]] = {
    EventType.SCHEDULE_PAUSED: _pause_told,
    EventType.SCHEDULE_RESUMED: _pause_told,
    EventType.MOVE_ACCEPTED: _move_told,
    EventType.SYMBOL_STOPPED: _stop_told,
    EventType.SYMBOL_RENAMED: _renaming_told,
    EventType.PICKS_ANSWERED: _picks_told,
}


def event_time(event: Event, *, with_seconds: bool = True) -> str:
    """When an event was written, in exchange time."""
    at: datetime = event.created_at.astimezone(EXCHANGE_ZONE)
    return f"{at.date().isoformat()} {at:%H:%M:%S}" if with_seconds else f"{at.date().isoformat()} {at:%H:%M}"


def event_type(event: Event) -> Text:
    """An event's type in words."""
    return literal(event.event_type.replace("_", " "), limit=40)


def _time(event: Event, width: int) -> Text:
    return Text(event_time(event, with_seconds=width >= _WITH_SECONDS), style="quiet")


def _week(event: LoggedEvent, _: int) -> Text:
    return Text(event.run_date.isoformat() if event.run_date else "")


EVENT_COLUMNS: Sequence[Column[Event]] = (
    Column("time", "Exchange time", 16, _time, priority=1, most=_WITH_SECONDS),
    Column("type", "Event", 19, lambda event, _: event_type(event)),
    Column("summary", "What", 30, lambda event, _: summary(event), most=160),
)
# Where events of many batches stand together.
LOGGED_EVENT_COLUMNS: Sequence[Column[LoggedEvent]] = (
    Column("time", "Exchange time", 16, _time, priority=1, most=_WITH_SECONDS),
    Column("week", "Week", 10, _week, priority=2),
    Column("type", "Event", 19, lambda event, _: event_type(event)),
    Column("summary", "What", 30, lambda event, _: summary(event, with_week=False), most=160),
)
