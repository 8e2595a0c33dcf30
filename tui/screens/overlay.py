"""A text that lies on top of a screen until it is closed."""

from typing import ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.command_list import COMMANDS
from tui.commands import Scope
from tui.surroundings import House
from tui.widgets.prose import Prose

_COPIED_WIDTH = 100


class OverlayScreen(ModalScreen[None]):
    """Subclasses give the title and draw the text."""

    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS.bindings(Scope.OVERLAY, Scope.LIST)]
    DEFAULT_CSS = """
    OverlayScreen { align: center middle; }
    OverlayScreen > Vertical {
        width: 96%; max-width: 100; height: auto; max-height: 92%;
        background: $surface; border: round $rule; border-title-color: $accent; border-subtitle-color: $quiet;
        padding: 0 1;
    }
    OverlayScreen Prose { height: auto; max-height: 100%; background: $surface; padding: 0; }
    """

    class _Text(Prose):
        def draw(self, width: int) -> Text:
            assert isinstance(self.screen, OverlayScreen)  # it stands nowhere else
            return self.screen.draw(width)

    def compose(self) -> ComposeResult:
        box = Vertical(self._Text())
        box.border_title = self.heading
        closing = cast("House", self.app).commands["close"]
        box.border_subtitle = f"{closing.keys[0]} {closing.label}"
        yield box

    @property
    def heading(self) -> Text:
        """The title in the border."""
        return Text()

    def draw(self, width: int) -> Text:
        """The text for `width` cells."""
        raise NotImplementedError

    def copied_text(self) -> str:
        """What `copy_shown` copies: the heading and the text, as wide as it can get."""
        lines = (self.heading.plain, "", *self.draw(_COPIED_WIDTH).plain.splitlines())
        return "\n".join(line.rstrip() for line in lines)

    @work(group="giving out", exclusive=True)
    async def _copy(self) -> None:
        from tui.screens.giving_out import copy

        await copy(self, self.copied_text())

    def action_perform(self, command_id: str) -> None:
        """Closes, copies, or moves in the text; nothing else applies here."""
        prose = self.query_one(Prose)
        moves = {
            "cursor_down": lambda: prose.move(1),
            "cursor_up": lambda: prose.move(-1),
            "page_down": lambda: prose.move_page(1),
            "page_up": lambda: prose.move_page(-1),
            "first": lambda: prose.move_to(0),
            "last": lambda: prose.move_to(int(prose.max_scroll_y)),
        }
        if command_id == "close":
            self.dismiss(None)
        elif command_id == "copy_shown":
            self._copy()
        elif command_id in moves:
            moves[command_id]()
