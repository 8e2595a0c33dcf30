"""One event, whole."""

from rich.text import Text

from core.trading_calendar import EXCHANGE_ZONE
from db.records import Event
from tui.literal import literal
from tui.screens.overlay import OverlayScreen
from tui.widgets.event_log import payload_words


class PayloadScreen(OverlayScreen):
    """The payload of `event` as indented JSON."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self._event = event

    @property
    def heading(self) -> Text:
        at = self._event.created_at.astimezone(EXCHANGE_ZONE)
        return literal(f"{self._event.event_type} · {at:%Y-%m-%d %H:%M:%S} ET", limit=80)

    def draw(self, width: int) -> Text:
        return payload_words(self._event)
