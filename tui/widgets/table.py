"""A list of rows to move in: only visible lines are drawn, whatever their number."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.widgets import columns as layout
from tui.widgets.columns import Column, Fitted, Span

Row = TypeVar("Row")
_HEADER = 1
_MARK = "▌"
_EDGE = 1
_WIDE_ENOUGH_FOR_AIR = 96
_NO_STYLE = Style.null()


class Table(ScrollView, Generic[Row], can_focus=True, inherit_bindings=False):
    """Rows under a heading. The cursor stays with its row, by key, when the rows are replaced.

    `spanned` may give, for a row, the column from which one text takes the rest of the line.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--cursor", "table--heading"}
    DEFAULT_CSS = """
    Table { overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    cursor: var[int] = var(0)

    @dataclass
    class Highlighted(Message):
        """The cursor stands on another row, or its row was replaced; `key` is None without rows."""

        table: "Table[Any]"
        key: Hashable | None

        @property
        def control(self) -> "Table[Any]":
            """The table."""
            return self.table

    @dataclass
    class Chosen(Message):
        """The row under the cursor was clicked."""

        table: "Table[Any]"

        @property
        def control(self) -> "Table[Any]":
            """The table."""
            return self.table

    @dataclass
    class HeadingChosen(Message):
        """The heading of a column was clicked."""

        table: "Table[Any]"
        column: str

        @property
        def control(self) -> "Table[Any]":
            """The table."""
            return self.table

    @dataclass
    class NearEnd(Message):
        """The last rows are close: more may be wanted."""

        table: "Table[Any]"

        @property
        def control(self) -> "Table[Any]":
            """The table."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        key: Callable[[Row], Hashable],
        *,
        spanned: Callable[[Row], Span | None] = lambda _: None,
        id: str | None = None,  # noqa: A002 - Textual's own name for it
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._key = key
        self._spanned = spanned
        self._rows: Sequence[Row] = ()
        self._fitted: list[Fitted[Row]] = []
        self._gap = 1
        self._skipped = 0
        self._drawn: dict[tuple[int, Style, str], Strip] = {}

    @property
    def rows(self) -> Sequence[Row]:
        """What is shown, in order."""
        return self._rows

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    @property
    def visible_rows(self) -> Sequence[Row]:
        """The rows on the screen now."""
        top = int(self.scroll_offset.y)
        return self._rows[top : top + self._page]

    @property
    def _page(self) -> int:
        return max(1, self.scrollable_content_region.height - _HEADER)

    @property
    def has_columns_left(self) -> bool:
        """Whether columns went out to the left."""
        return self._skipped > 0

    @property
    def has_columns_right(self) -> bool:
        """Whether columns have no room, at the end or between others."""
        if self._skipped:
            return self._fitted[-1].column is not self._columns[-1]
        return len(self._fitted) < len(self._columns)

    def move_columns(self, columns: int) -> None:
        """Takes so many columns after the first out of view, or brings them back for a negative number."""
        if columns > 0 and not self.has_columns_right:
            return
        self._skipped = max(0, self._skipped + columns)
        self._measure()
        self.refresh()

    def text_of(self, row: Row) -> list[str]:
        """What every column says of `row`, whether it is in view or not, or of a spanned row the text."""
        span = self._spanned(row)
        texts = [column.cell(row, max(column.width, column.most)).plain.strip() for column in self._columns]
        return texts if span is None else [*(text for text in texts if text), span[1].plain]

    def with_headings(self, row: Row) -> tuple[list[str], list[str]]:
        """The headings of `row` and what stands under them, every column or up to the text that takes the rest."""
        span = self._spanned(row)
        keys = [column.key for column in self._columns]
        columns = self._columns if span is None else self._columns[: keys.index(span[0]) + 1]
        cells = [column.cell(row, max(column.width, column.most)).plain.strip() for column in columns]
        # The arrow of the column that is sorted by is no part of its name.
        headings = [column.label.rstrip("↓↑") for column in columns]
        return headings, cells if span is None else [*cells[:-1], _without_keys(span[1])]

    def show(self, rows: Sequence[Row], columns: Sequence[Column[Row]] | None = None) -> None:
        """Replaces the rows, keeping the cursor on its row and the row in its place on the screen."""
        key = self._key(self.row) if self.row is not None else None
        from_top = self.cursor - int(self.scroll_offset.y)
        self._rows = rows
        if columns is not None:
            self._columns = columns
        self._measure()
        found = None if key is None else next((index for index, row in enumerate(rows) if self._key(row) == key), None)
        self.set_reactive(Table.cursor, min(self.cursor, max(0, len(rows) - 1)) if found is None else found)
        if found is not None and rows:
            self._scroll_rows_to(max(0, found - from_top))
        self._keep_in_view()
        self.refresh()
        self._tell()

    def move_to(self, index: int) -> None:
        """Puts the cursor on a row, as near as there are rows."""
        if self._rows:
            self.cursor = max(0, min(index, len(self._rows) - 1))
            self._keep_in_view()  # the wheel may have taken the list away from a cursor that stays

    def move_to_key(self, key: Hashable) -> bool:
        """Puts the cursor on the row with `key` and says whether there is one."""
        for index, row in enumerate(self._rows):
            if self._key(row) == key:
                self.cursor = index
                return True
        return False

    def move(self, lines: int) -> None:
        """Moves the cursor down, or up for a negative number."""
        self.move_to(self.cursor + lines)

    def move_page(self, pages: int) -> None:
        """Moves the cursor by screenfuls."""
        self.move_to(self.cursor + pages * (self._page - 1 or 1))

    def watch_cursor(self, old: int, new: int) -> None:
        self._keep_in_view()
        for index in (old, new):
            self.refresh(Region(0, index - int(self.scroll_offset.y) + _HEADER, self.size.width, 1))
        self._tell()

    def on_resize(self, _: events.Resize) -> None:
        self._measure()
        self._keep_in_view()

    def on_click(self, event: events.Click) -> None:
        index = int(event.y + self.scroll_offset.y) - _HEADER
        if event.y < _HEADER:
            self._choose_heading(event.x - _EDGE)
            return
        if not 0 <= index < len(self._rows):
            return
        event.stop()
        if index == self.cursor:
            self.post_message(self.Chosen(self))
        else:
            self.cursor = index

    def _choose_heading(self, x: int) -> None:
        left = 0
        for each in self._fitted:
            if left <= x < left + each.width + self._gap:
                self.post_message(self.HeadingChosen(self, each.column.key))
                return
            left += each.width + self._gap

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        self._scroll_columns(event, 1)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        self._scroll_columns(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        if event.shift:
            self._scroll_columns(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        if event.shift:
            self._scroll_columns(event, -1)

    def _scroll_columns(self, event: events.MouseEvent, columns: int) -> None:
        self.move_columns(columns)
        event.stop()
        event.prevent_default()

    def render_line(self, y: int) -> Strip:
        """One line of the widget: the heading, or a row."""
        width = self.size.width
        index = y - _HEADER + int(self.scroll_offset.y)
        if y < _HEADER:
            return self._strip(
                layout.heading(self._fitted, self._gap), self.get_component_rich_style("table--heading"), width, " "
            )
        if index >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        if index == self.cursor:
            style = self.get_component_rich_style("table--cursor")
            over = self.app.console.get_style("under-cursor")
            return self._strip(self._line(self._rows[index]), style, width, _MARK, over)
        key = index, self.rich_style, self.app.theme
        drawn = self._drawn.get(key)
        if drawn is None:
            # Scrolling by a line draws one line anew and not all.
            drawn = self._drawn[key] = self._strip(self._line(self._rows[index]), self.rich_style, width, " ")
        return drawn

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn.clear()

    def _line(self, row: Row) -> Text:
        return layout.line(self._fitted, row, self._gap, self._spanned(row), self._content_width)

    def _strip(self, text: Text, style: Style, width: int, mark: str, over: Style = _NO_STYLE) -> Strip:
        console = self.app.console
        segments = [
            Segment(mark, style + console.get_style("key")),
            *(
                Segment(piece, (style + part if part else style) + over)
                for piece, part, control in text.render(console, end="")
                if not control
            ),
        ]
        return Strip(segments).adjust_cell_length(width, style)

    @property
    def _content_width(self) -> int:
        return max(1, self.scrollable_content_region.width - _EDGE)

    def watch_show_vertical_scrollbar(self) -> None:
        # It comes and goes without the widget being resized, and takes a column.
        self._fit()
        self.refresh()

    def _fit(self) -> None:
        self._fitted = layout.fit(self._columns, self._content_width, self._gap, self._skipped)

    def _measure(self) -> None:
        self._drawn.clear()
        self._gap = 2 if self.size.width >= _WIDE_ENOUGH_FOR_AIR else 1
        self._fit()
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows) + _HEADER)

    def _keep_in_view(self) -> None:
        top, page = int(self.scroll_offset.y), self._page
        if self.cursor < top:
            self._scroll_rows_to(self.cursor)
        elif self.cursor >= top + page:
            self._scroll_rows_to(self.cursor - page + 1)

    def _scroll_rows_to(self, top: int) -> None:
        # Forced, because until the scrollbar has been laid out scrolling would be refused.
        self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._look_ahead()

    def _tell(self) -> None:
        self.post_message(self.Highlighted(self, None if self.row is None else self._key(self.row)))
        self._look_ahead()

    def _look_ahead(self) -> None:
        seen = max(self.cursor, int(self.scroll_offset.y) + self._page)
        if self._rows and seen + self._page >= len(self._rows):
            self.post_message(self.NearEnd(self))


def _without_keys(text: Text) -> str:
    """`text` less the keys that can be pressed here and now, which are no part of what the row says."""
    left = text.plain
    for span in sorted(text.spans, key=lambda each: each.start, reverse=True):
        if span.style == "key":
            left = left[: span.start] + left[span.end :]
    return left.strip()
