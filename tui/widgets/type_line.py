"""The line of event types: which one is shown alone, and what there is to know about the list's top."""

from rich.style import Style
from rich.text import Text

from db.events import EventType
from tui.widgets.drawn import Drawn
from tui.widgets.status_line import spread

ALL = "all"
_NAMES: dict[EventType | None, str] = {
    None: ALL,
    EventType.BATCH_OPENED: "opened",
    EventType.BATCH_MISSED: "missed",
    EventType.BATCH_COMPLETED: "done",
    EventType.BATCH_FAILED: "failed",
    EventType.CHECKPOINT_COMPUTED: "computed",
    EventType.CHECKPOINT_SKIPPED: "skipped",
    EventType.PRICE_REBASED: "rebased",
    EventType.BASELINE_REVISED: "revised",
    EventType.MOVE_ACCEPTED: "accepted",
    EventType.SYMBOL_STOPPED: "stopped",
    EventType.SYMBOL_RENAMED: "renamed",
    EventType.PICKS_ANSWERED: "answered",
    EventType.SCHEDULE_PAUSED: "paused",
    EventType.SCHEDULE_RESUMED: "resumed",
}
TYPES = tuple(_NAMES)


def types_words(chosen: EventType | None, note: Text, width: int) -> Text:
    """Every type, the chosen one marked, and the note at the end; where all have no room, the chosen one among some."""
    room = width - bool(note) - note.cell_len
    for gap in (3, 2, 1):
        names = Text(" " * gap).join(_name(each, is_chosen=each is chosen) for each in TYPES)
        if names.cell_len <= room:
            return spread(names, note, width) if note else names
    names = _some_names(chosen, room)
    return spread(names, note, width) if note else names


def _some_names(chosen: EventType | None, room: int) -> Text:
    """The chosen type and as many as have room after it, then before it, with a sign where some are left out."""
    first, end = TYPES.index(chosen), TYPES.index(chosen) + 1
    shown = _name(chosen, is_chosen=True)
    more = Text("…", style="quiet")
    while first > 0 or end < len(TYPES):
        first, end = (first, end + 1) if end < len(TYPES) else (first - 1, end)
        names = [_name(each, is_chosen=each is chosen) for each in TYPES[first:end]]
        wider = Text(" ").join([*([more] if first else []), *names, *([more] if end < len(TYPES) else [])])
        if wider.cell_len > room:
            break
        shown = wider
    return shown


def _name(event_type: EventType | None, *, is_chosen: bool) -> Text:
    text = Text(_NAMES[event_type], style="quiet")
    if is_chosen:
        text = Text(_NAMES[event_type], style="strong")
        text.stylize("chosen")
    text.stylize(Style.from_meta({"@click": f"screen.show_type('{event_type or ALL}')"}))
    return text


class TypeLine(Drawn):
    """A click on a type runs the screen's action `show_type`."""

    def __init__(self) -> None:
        super().__init__()
        self._chosen: EventType | None = None
        self._note = Text()

    def show(self, chosen: EventType | None, note: Text) -> None:
        """Marks `chosen`, and says `note` at the end of the line."""
        self._chosen, self._note = chosen, note
        self.refresh()

    def draw(self, width: int) -> Text:
        return types_words(self._chosen, self._note, width)
