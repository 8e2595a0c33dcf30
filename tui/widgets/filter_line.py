"""The line in which the words to filter by are typed; it shows while there are any."""

from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from tui.command_list import COMMANDS
from tui.commands import Scope
from tui.widgets.printable_input import printable_input

# Typing asks the database for what it stops at, not for every letter on the way.
_SETTLES_AFTER_S = 0.08


class FilterLine(Horizontal):
    """A prompt and an input of one line."""

    DEFAULT_CSS = """
    FilterLine { height: 1; padding: 0 1; display: none; background: $surface; }
    FilterLine.-open { display: block; }
    FilterLine Static { width: auto; }
    FilterLine Input, FilterLine Input:focus { border: none; height: 1; padding: 0; background: $surface; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        replace(each, action=f"screen.{each.action}") for each in COMMANDS.bindings(Scope.TYPED)
    ]

    @dataclass
    class Changed(Message):
        """Other words are to be filtered by."""

        words: str

    class Left(Message):
        """The operator goes back to the list."""

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        # Textual starts the widgets of a first screen before that screen is on the stack, where an Input looks for it.
        self._input = printable_input(placeholder=placeholder)
        self._words = ""

    def compose(self) -> ComposeResult:
        yield Static(Text("/ ", style="key"), markup=False)

    @property
    def value(self) -> str:
        """The words that are filtered by."""
        return self._words

    async def open(self) -> None:
        """Shows the input and focuses it."""
        self.add_class("-open")
        if not self._input.is_attached:
            await self.mount(self._input)
        self.screen.set_focus(self._input)

    def close(self) -> None:
        """Forgets the words and goes out of the way."""
        self.remove_class("-open")
        self._input.value = ""
        self._settle("")

    def on_mount(self) -> None:
        self._timer = self.set_timer(_SETTLES_AFTER_S, self._settle_typed, pause=True)

    @on(Input.Changed)
    def _typed(self, message: Input.Changed) -> None:
        message.stop()
        self._timer.stop()
        self._timer = self.set_timer(_SETTLES_AFTER_S, self._settle_typed)

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.action_leave()

    def _settle_typed(self) -> None:
        self._settle(self._input.value.strip())

    def _settle(self, words: str) -> None:
        if words != self._words:
            self._words = words
            self.post_message(self.Changed(words))

    def action_leave(self) -> None:
        """Keeps the words and goes back to the list."""
        self._settle_typed()
        if not self._words:
            self.remove_class("-open")
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Shows everything again and goes back to the list."""
        self.close()
        self.post_message(self.Left())
