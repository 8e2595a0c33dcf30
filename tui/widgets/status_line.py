"""The lines at the top of every screen: the state of everything, and what an operator should not miss."""

from datetime import datetime, tzinfo
from typing import cast

from rich.text import Text

from core.trading_calendar import EXCHANGE_ZONE
from tui import format as formats
from tui.commands import CommandSet
from tui.literal import literal
from tui.problem_words import problems_line
from tui.status import PRODUCT, Status, next_words, notices, scheduler_words, source_words
from tui.surroundings import House, Place
from tui.widgets.pressed import Pressed, Words, pressable

_GAP = "   "
TICK_S = 1.0
MODES = ("batches", "performance", "scheduler", "events")


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
    for with_basis, zone, with_span in (
        (True, local, True), (False, local, True), (False, EXCHANGE_ZONE, True), (False, EXCHANGE_ZONE, False),
    ):  # fmt: skip
        parts = [product, database, scheduler_words(status), next_words(status, now, zone, with_span=with_span)]
        left = Text(_GAP).join(part for part in parts if part)
        right = source_words(status, with_basis=with_basis)
        line = spread(left, right, width)
        if left.cell_len + len(_GAP) + right.cell_len <= width:
            break
    return line


def places(screen: Place, commands: CommandSet, width: int) -> Text:
    """The four places with the key of each, the one where the operator is marked; then what is there, if it fits."""
    words = Text()
    for mode in MODES:
        command, is_here = commands[mode], mode == screen.mode
        part = Text.assemble(
            (f"{command.keys[0]} ", "key" if is_here else "quiet"), (command.label, "strong" if is_here else "quiet")
        )
        words.append("  " if words else "").append_text(pressable(part, mode))
    if screen.place and words.cell_len + len(_GAP) + len(screen.place) <= width:
        words.append(f"{_GAP}{screen.place}", style="quiet")
    return words


class StatusLine(Words):
    """Two lines: product, database, scheduler and prices; then where the operator is, and the time."""

    DEFAULT_CSS = "StatusLine { height: 2; padding: 0 1; }"

    def on_mount(self) -> None:
        self.watch(self.app, "status", self.refresh_if_changed, init=False)
        self.set_interval(TICK_S, self.refresh_if_changed)

    def words(self) -> Text:
        house = cast("House", self.app)
        screen = cast("Place", self.screen)
        now, width = house.now(), self.content_size.width
        first = state_words(house.status, now, house.local_zone, width)
        for zone in (house.local_zone, EXCHANGE_ZONE):  # the places matter more than the local time
            clock = Text(formats.clock(now, zone), style="quiet")
            room = width - clock.cell_len - 1
            where = places(screen, house.commands, room)
            if where.cell_len <= room:
                break
        return Text("\n").join([first, spread(where, clock, width)])


class Notices(Pressed):
    """What happened and what to do about it; no lines when all is well."""

    DEFAULT_CSS = "Notices { height: auto; max-height: 4; padding: 0 1; display: none; }"

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show)
        self.set_interval(TICK_S, self._show_if_changed)
        self._shown: list[str] = []

    def _lines(self) -> list[Text]:
        house = cast("House", self.app)
        found = notices(house.status, house.now(), house.commands)
        if house.status.problems and house.status.is_open:
            key = house.commands["problems"].keys[0]
            line = problems_line(
                house.status.problems, house.status.looked_at, house.now(), key, self._width,
                is_paused=house.status.is_paused,
            )  # fmt: skip
            found.insert(0, pressable(line, "problems"))
        return found

    @property
    def _width(self) -> int:
        return self.content_size.width or self.app.size.width - 2

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
