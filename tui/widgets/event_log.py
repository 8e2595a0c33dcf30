"""What happened to a batch: its events, and the payload of the one under the cursor."""

import json
from collections.abc import Sequence
from datetime import datetime

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from core.trading_calendar import EXCHANGE_ZONE
from db.records import Event
from tui.literal import literal
from tui.widgets.columns import Column
from tui.widgets.drawn import Drawn
from tui.widgets.table import Table
from tui.words import reason_words

_PAYLOAD_LIMIT = 20_000
# What a summary is made of, in this order, where the payload has it.
_TELLING = (
    "checkpoint_date", "run_date", "reason", "symbol", "symbols", "split", "stored", "answered", "pick_source",
    "source", "basis", "computed", "skipped", "cause", "detail",
)  # fmt: skip


_COUNTS = frozenset({"computed", "skipped"})
_CODES = frozenset({"reason", "cause"})


class _Payload(Drawn):
    event: Event | None = None

    def draw(self, width: int) -> Text:
        return payload_words(self.event) if self.event else Text()


class EventLog(Vertical):
    """The events newest first, and the payload below."""

    def compose(self) -> ComposeResult:
        yield Table(_COLUMNS, lambda event: event.id, id="events")
        with VerticalScroll(id="payload", can_focus=False):
            yield _Payload()

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
        payload = self.query_one(_Payload)
        payload.event = self.table.row
        payload.changed()


def payload_words(event: Event) -> Text:
    """The payload as indented JSON."""
    words = json.dumps(dict(event.payload), indent=2, ensure_ascii=False, default=str)
    return literal(words, limit=_PAYLOAD_LIMIT, lines=True)


def summary(event: Event) -> Text:
    """The telling parts of a payload on one line."""
    told = [_told(key, event.payload[key]) for key in _TELLING if event.payload.get(key)]
    return literal(" · ".join(told), limit=160)


def _told(key: str, value: object) -> str:
    if key in _COUNTS:
        return f"{value} {key}"
    if key in _CODES:
        return reason_words(str(value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(event: Event, _: int) -> Text:
    at: datetime = event.created_at.astimezone(EXCHANGE_ZONE)
    return Text(f"{at.date().isoformat()} {at:%H:%M:%S}", style="quiet")


_COLUMNS: Sequence[Column[Event]] = (
    Column("time", "Exchange time", 19, _time, priority=1),
    Column("type", "Event", 20, lambda event, _: literal(event.event_type.replace("_", " "), limit=40)),
    Column("summary", "What", 20, lambda event, _: summary(event), most=160),
)
