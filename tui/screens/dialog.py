"""A form that lies on top of a screen until it is filled in or cancelled."""

from collections.abc import Iterable
from dataclasses import replace
from inspect import isawaitable
from typing import ClassVar, Generic, TypeVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from db.errors import AlphaMondayError
from tui.command_list import COMMANDS
from tui.commands import Command, Scope, Situation
from tui.literal import literal
from tui.surroundings import House
from tui.widgets.key_line import KeyLine

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], Generic[Answer]):
    """Subclasses compose the fields and take them in `perform_submit`; what they dismiss with is the answer."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.FORM)]

    mode: ClassVar[str] = ""
    heading: str = ""
    going_on: str = "go on"

    @property
    def house(self) -> House:
        """The app, as screens know it."""
        return cast("House", self.app)

    def compose(self) -> ComposeResult:
        box = Vertical(
            VerticalScroll(*self.compose_fields(), id="fields", can_focus=False),
            Static(id="complaint", markup=False),
            KeyLine(),
            id="dialog",
        )
        box.border_title = Text(self.heading)
        yield box

    def compose_fields(self) -> Iterable[Widget]:
        """The form's own widgets."""
        return ()

    @property
    def place(self) -> str:
        """Nothing of the kind: the screen below says where the operator is."""
        return ""

    def applicable(self) -> list[Command]:
        """The commands of a form, with the word for what going on means here."""
        commands = self.house.commands.of_scopes(Scope.FORM)
        return [replace(each, label=self.going_on) if each.id == "submit" else each for each in commands]

    def offered(self) -> list[Command]:
        """The same: their keys work in every field."""
        return self.applicable()

    def situation(self) -> Situation:
        """What decides which of them are available."""
        return Situation()

    def complain(self, problem: AlphaMondayError | str) -> None:
        """Says below the fields what is wrong; nothing for an empty text."""
        words = (
            Text.assemble(literal(problem.message, limit=400), " ", literal(problem.remedy, limit=300, style="quiet"))
            if isinstance(problem, AlphaMondayError)
            else literal(problem, limit=400)
        )
        complaint = self.query_one("#complaint", Static)
        complaint.update(Text.assemble(("! ", "caution"), words) if words else Text())
        complaint.display = bool(words)

    def on_mount(self) -> None:
        self.complain("")

    async def action_perform(self, command_id: str) -> None:
        """Runs a command of the form."""
        if command_id in {"submit", "cancel"}:
            done = getattr(self, f"perform_{command_id}")()
            if isawaitable(done):
                await done

    def perform_submit(self) -> object:
        """Takes what is filled in."""
        raise NotImplementedError

    def perform_cancel(self) -> None:
        """Closes the form without an answer."""
        self.dismiss(None)
