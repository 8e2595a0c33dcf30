"""One pick to fill in: ticker, BUY or SELL, reasoning, and beside them what is wrong."""

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from core.picks.source import PickDraft
from db.records import Action
from tui.batch_draft import Problem
from tui.literal import clean, literal
from tui.widgets.printable_area import PrintableArea, printable
from tui.widgets.printable_input import printable_input

# Longer than any ticker, so that what is too long can be seen to be.
_TICKER_ROOM = 20


class ActionToggle(Widget, can_focus=True):
    """BUY or SELL: Space and the arrow keys change it, b and s say which, a click changes it."""

    DEFAULT_CSS = "ActionToggle { width: 16; height: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,left,right", "turn", "BUY or SELL", show=False),
        Binding("b", "choose('BUY')", "BUY", show=False),
        Binding("s", "choose('SELL')", "SELL", show=False),
        Binding("enter", "go_on", "next field", show=False),
    ]

    class Changed(Message):
        """The other action was chosen."""

    action: Action = Action.BUY

    def render(self) -> Text:
        words = Text(no_wrap=True)
        for action in Action:
            is_chosen = action is self.action
            style = "strong" if is_chosen else "quiet"
            part = Text(f"{'●' if is_chosen else '○'} {action.value}", style=style)
            if is_chosen and self.has_focus:
                part.stylize("chosen")
            words.append_text(part).append("  ")
        return words

    def show(self, action: Action) -> None:
        """Changes to `action`, telling so."""
        if action is not self.action:
            self.action = action
            self.refresh()
            self.post_message(self.Changed())

    def action_choose(self, name: str) -> None:
        """Chooses an action by its name."""
        self.show(Action(name))

    def action_turn(self) -> None:
        """Chooses the other one."""
        self.show(Action.SELL if self.action is Action.BUY else Action.BUY)

    def action_go_on(self) -> None:
        """Goes to the reasoning."""
        self.screen.focus_next()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_turn()


class PickForm(Vertical):
    """The fields of one pick, numbered from 1."""

    class Changed(Message):
        """Something else stands in a field."""

    @dataclass
    class Completed(Message):
        """Enter was pressed in the reasoning, the last field of the pick."""

        form: "PickForm"

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._given = ""

    def compose(self) -> ComposeResult:
        ticker = printable_input(placeholder="ticker", in_capitals=True)
        ticker.max_length = _TICKER_ROOM
        with Horizontal():
            yield Static(Text(str(self._number), style="name"), classes="label", markup=False)
            yield ticker
            yield ActionToggle()
            yield Static(classes="problem", markup=False)
        yield PrintableArea(placeholder="Why?  Enter goes on, ^j begins a new line.")

    @property
    def value(self) -> PickDraft:
        """What stands in the fields. A reasoning that was only looked at is given back as it came."""
        shown = self._reasoning.text
        reasoning = self._given if shown == printable(self._given) else shown
        return PickDraft(self._ticker.value.strip(), self.query_one(ActionToggle).action, reasoning)

    @value.setter
    def value(self, pick: PickDraft) -> None:
        self._given = pick.reasoning
        self._ticker.value = clean(pick.ticker, limit=_TICKER_ROOM)
        self.query_one(ActionToggle).show(Action(pick.action))
        self._reasoning.load_text(pick.reasoning)

    @property
    def _ticker(self) -> Input:
        return self.query_one(Input)

    @property
    def _reasoning(self) -> PrintableArea:
        return self.query_one(PrintableArea)

    def focus_field(self, field: str) -> None:
        """Takes the keyboard to "ticker" or "reasoning"."""
        self.screen.set_focus(self._reasoning if field == "reasoning" else self._ticker)

    def show_problem(self, problem: Problem | None) -> None:
        """Says beside the fields what is wrong; a field that is still empty is told quietly."""
        if problem is None:
            words = Text("✓", style="quiet")
        elif problem.is_gap:
            words = literal(problem.words, style="quiet")
        else:
            words = Text.assemble(("! ", "caution"), literal(problem.words))
        self.query_one(".problem", Static).update(words)

    @on(Input.Changed)
    @on(ActionToggle.Changed)
    @on(PrintableArea.Changed)
    def _tell_of_change(self, message: Message) -> None:
        message.stop()
        self.post_message(self.Changed())

    @on(Input.Submitted)
    def _go_on_from_ticker(self, message: Input.Submitted) -> None:
        message.stop()
        self.screen.focus_next()

    @on(PrintableArea.Submitted)
    def _go_on_from_reasoning(self, message: PrintableArea.Submitted) -> None:
        message.stop()
        self.post_message(self.Completed(self))
