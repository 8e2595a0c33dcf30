"""The movement commands of every screen that shows a list or a text."""

from typing import Protocol

from tui.widgets.table import Table


class Movable(Protocol):
    """Something that the movement keys move in."""

    def move(self, lines: int) -> None: ...

    def move_page(self, pages: int) -> None: ...

    def move_to(self, index: int) -> None: ...


class Moving:
    """Moves in whatever `movable` is now."""

    LAST = 10**9

    @property
    def movable(self) -> Movable | None:
        """What the movement keys move in now."""
        return None

    def refresh_frame(self) -> None:
        """Shows anew which commands are available."""

    def perform_cursor_down(self) -> None:
        if self.movable:
            self.movable.move(1)

    def perform_cursor_up(self) -> None:
        if self.movable:
            self.movable.move(-1)

    def perform_page_down(self) -> None:
        if self.movable:
            self.movable.move_page(1)

    def perform_page_up(self) -> None:
        if self.movable:
            self.movable.move_page(-1)

    def perform_first(self) -> None:
        if self.movable:
            self.movable.move_to(0)

    def perform_last(self) -> None:
        if self.movable:
            self.movable.move_to(self.LAST)

    def perform_columns_left(self) -> None:
        self._move_columns(-1)

    def perform_columns_right(self) -> None:
        self._move_columns(1)

    def _move_columns(self, columns: int) -> None:
        movable = self.movable
        if isinstance(movable, Table):
            movable.move_columns(columns)
            self.refresh_frame()
