"""What went wrong since the operator last looked, with cause and what helps."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from rich.text import Text

from tui.problem_words import in_full
from tui.screens.overlay import OverlayScreen
from tui.surroundings import House

if TYPE_CHECKING:
    from core.problems import Problem


class ProblemsScreen(OverlayScreen):
    """Closing it counts as having looked."""

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
        commands = cast("House", self.app).commands
        return Text("\n\n").join(in_full(problem, self._now, commands) for problem in self._problems)
