"""A few names in a line, one of which is taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from tui.literal import clean, literal

_NAME_LIMIT = 24


class ChoiceLine(Widget, can_focus=True):
    """The arrow keys go from name to name, Enter and Space take the one under the cursor; a click takes the clicked."""

    DEFAULT_CSS = "ChoiceLine { height: 1; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "name before", show=False),
        Binding("right,l", "step(1)", "next name", show=False),
        Binding("enter,space", "take", "take", show=False),
    ]

    @dataclass
    class Taken(Message):
        """A name was taken."""

        name: str

    def __init__(self, names: Sequence[str], chosen: str | None = None, *, hint: str = "") -> None:
        """`hint` is shown behind the names while the keyboard is here."""
        super().__init__()
        self._names = tuple(names)
        self._cursor = self._names.index(chosen) if chosen in self._names else 0
        self._hint = hint
        self._note = Text()

    def say(self, note: Text) -> None:
        """Shows `note` behind the names, in the place of the hint."""
        self._note = note
        self.refresh()

    def render(self) -> Text:
        words = Text(no_wrap=True, overflow="ellipsis")
        for number, name in enumerate(self._names):
            style = "key" if number == self._cursor else ""
            part = Text(f" {clean(name, limit=_NAME_LIMIT)} ", style=style)
            if self.has_focus and number == self._cursor:
                part.stylize("chosen")
            part.stylize(Style.from_meta({"@click": f"take_number({number})"}))
            words.append_text(part).append(" ")
        if self._note:
            return words.append_text(self._note)
        return words.append_text(literal(self._hint, style="quiet")) if self.has_focus else words

    def action_step(self, step: int) -> None:
        """Goes to another name."""
        if self._names:
            self._cursor = (self._cursor + step) % len(self._names)
            self.refresh()

    def action_take(self) -> None:
        """Takes the name under the cursor."""
        if self._names:
            self.post_message(self.Taken(self._names[self._cursor]))

    def action_take_number(self, number: int) -> None:
        """Takes the name that was clicked."""
        self._cursor = number
        self.refresh()
        self.action_take()
