"""A few names of which one is chosen, each with a line on what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive

from tui.literal import literal
from tui.widgets.drawn import Drawn

_NARROWEST_NAME = 10
_WIDEST_NAME = 20


class Choices(Drawn, can_focus=True):
    """Names as (name, words), one a line: the arrows, j and k or a click choose."""

    DEFAULT_CSS = "Choices { height: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "choose(1)", "next", show=False),
        Binding("up,k", "choose(-1)", "previous", show=False),
    ]

    chosen: reactive[int] = reactive(0, init=False)

    @dataclass
    class Changed(Message):
        """Another name is chosen."""

        choices: "Choices"

    class Submitted(Message):
        """Enter was pressed on the choice."""

    def __init__(self, offered: Sequence[tuple[str, str]], present: str, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        """`present` is chosen first; it must be offered."""
        super().__init__(id=id)
        self._offered = offered
        self._names = [name for name, _ in offered]
        self.set_reactive(Choices.chosen, self._names.index(present))

    @property
    def name_chosen(self) -> str:
        """The name that is chosen now."""
        return self._names[self.chosen]

    def validate_chosen(self, index: int) -> int:
        """The nearest line that there is."""
        return max(0, min(index, len(self._offered) - 1))

    def watch_chosen(self) -> None:
        """Tells whoever stands above."""
        self.post_message(self.Changed(self))

    def action_choose(self, step: int) -> None:
        """Chooses another name, some lines further down."""
        self.chosen += step

    def key_enter(self) -> None:
        """Enter is not heard here; it goes on in the form."""
        self.post_message(self.Submitted())

    def on_click(self, event: events.Click) -> None:
        """Chooses what is clicked."""
        self.chosen = event.y

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def draw(self, width: int) -> Text:
        names = [literal(name, limit=_WIDEST_NAME) for name in self._names]
        room = max(_NARROWEST_NAME, *(name.cell_len for name in names))
        lines = []
        for index, (name, (_, about)) in enumerate(zip(names, self._offered, strict=True)):
            is_chosen = index == self.chosen
            name.pad_right(room - name.cell_len)
            line = Text.assemble(
                ("▸ " if is_chosen else "  ", "name"),
                name if not is_chosen else Text(name.plain, style="strong"),
                "  ",
                literal(about, limit=100, style="" if is_chosen else "quiet"),
            )
            line.truncate(width, overflow="ellipsis", pad=True)
            if is_chosen and self.has_focus:
                line.stylize("chosen")
            lines.append(line)
        return Text("\n").join(lines)
