"""The lines at the top of every screen: the state of everything, and what an operator should not miss."""

from datetime import datetime, tzinfo
from typing import cast

from rich.text import Text
from textual.widget import Widget

from core.trading_calendar import EXCHANGE_ZONE
from tui import format as formats
from tui.literal import literal
from tui.status import PRODUCT, Status, next_words, notices, scheduler_words, source_words
from tui.surroundings import House, Place

_GAP = "   "
TICK_S = 1.0


def spread(left: Text, right: Text, width: int) -> Text:
    """`left` and `right` at both ends of a line; the right one stays whole."""
    room = max(0, width - right.cell_len - 1)
    line = left.copy()
    line.truncate(room, overflow="ellipsis", pad=True)
    return Text.assemble(line, " ", right)


def state_words(status: Status, now: datetime, local: tzinfo | None, width: int) -> Text:
    """The first line: what is only convenient, the basis and the local time, is left out where room is short."""
    product, database = Text(PRODUCT, style="name"), literal(status.database, limit=30)
    line = Text()
    for with_basis, zone in ((True, local), (False, local), (False, EXCHANGE_ZONE)):
        parts = [product, database, scheduler_words(status), next_words(status, now, zone)]
        left = Text(_GAP).join(part for part in parts if part)
        right = source_words(status, with_basis=with_basis)
        line = spread(left, right, width)
        if left.cell_len + len(_GAP) + right.cell_len <= width:
            break
    return line


class StatusLine(Widget):
    """Two lines: product, database, scheduler and prices; then where the operator is, and the time."""

    DEFAULT_CSS = "StatusLine { height: 2; padding: 0 1; }"

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show, init=False)
        self._shown = ""
        self.set_interval(TICK_S, self._show_if_changed)

    def _show(self) -> None:
        self.refresh()

    def _show_if_changed(self) -> None:
        if self.render().plain != self._shown:
            self.refresh()

    def render(self) -> Text:
        house = cast("House", self.app)
        screen = cast("Place", self.screen)
        now, width = house.now(), self.content_size.width
        first = state_words(house.status, now, house.local_zone, width)
        clock = Text(formats.clock(now, house.local_zone), style="quiet")
        where = Text.assemble((screen.place, "quiet"))
        text = Text("\n").join([first, spread(where, clock, width)])
        self._shown = text.plain
        return text


class Notices(Widget):
    """What happened and what to do about it; no lines when all is well."""

    DEFAULT_CSS = "Notices { height: auto; max-height: 4; padding: 0 1; display: none; }"

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show)
        self.set_interval(TICK_S, self._show_if_changed)
        self._shown: list[str] = []

    def _lines(self) -> list[Text]:
        house = cast("House", self.app)
        return notices(house.status, house.now())

    def _show(self) -> None:
        self.display = bool(self._lines())
        self.refresh(layout=True)

    def _show_if_changed(self) -> None:
        if [line.plain for line in self._lines()] != self._shown:
            self._show()

    def render(self) -> Text:
        lines = self._lines()
        self._shown = [line.plain for line in lines]
        return Text("\n").join(lines)
