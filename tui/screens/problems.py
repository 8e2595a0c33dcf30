"""What went wrong since the operator last looked, with cause and what helps."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.binding import BindingType

from tui.command_list import COMMANDS
from tui.commands import Scope, Situation
from tui.problem_words import in_full
from tui.screens.overlay import OverlayScreen
from tui.surroundings import House
from tui.widgets.sections import indented

if TYPE_CHECKING:
    from core.problems import Problem


class ProblemsScreen(OverlayScreen):
    """Closing it counts as having looked. What waits for an operator's word can be accepted from here."""

    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.PROBLEMS)]

    def __init__(self, problems: Sequence["Problem"], now: datetime) -> None:
        super().__init__()
        self._problems = problems
        self._now = now

    @property
    def heading(self) -> Text:
        return Text("Problems")

    def draw(self, width: int) -> Text:
        if not self._problems:
            return Text("Nothing went wrong since you last looked, and nothing waits.")
        house = cast("House", self.app)
        told = (in_full(problem, self._now, house.commands, house.status).split("\n") for problem in self._problems)
        return Text("\n\n").join(indented(lines, width, self.app.console) for lines in told)

    def action_perform(self, command_id: str) -> None:
        """Asks about the newest move that waits for a word, in the place of the list; closes, or moves in the text."""
        if command_id != "accept_told":
            super().action_perform(command_id)
            return
        house = cast("House", self.app)
        weeks = [problem.run_date for problem in self._problems if problem.kind == "doubtful_move"]
        run_date = weeks[0] if weeks else None
        if not house.status.mode.may_write:
            house.say("This terminal is read-only; it writes nothing.")
        elif run_date is None:
            house.say(house.commands[command_id].unavailable(Situation()) or "")
        else:
            from tui.screens.accepting import ask_to_accept

            self.dismiss(None)
            ask_to_accept(self.app, run_date)
