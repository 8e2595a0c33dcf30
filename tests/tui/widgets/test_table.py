"""The list to move in: the cursor keeps its row, only what is visible is drawn."""

from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult

from tests.tui.driving import shown, started
from tui.widgets.columns import Column
from tui.widgets.table import Table


class _App(App[None]):
    """A table of numbers, counting the cells that it draws and the messages that it gets."""

    ENABLE_COMMAND_PALETTE = False
    MARKED: ClassVar[str] = "▌"

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[int] = []
        self.highlighted: list[object] = []
        self.near_end = 0
        self.console.push_theme(_styles())

    def compose(self) -> ComposeResult:
        yield Table([Column("number", "Number", 10, self._cell)], lambda row: row, id="numbers")

    def _cell(self, row: int, _: int) -> Text:
        self.drawn.append(row)
        return Text(f"row {row}")

    def on_table_highlighted(self, message: "Table.Highlighted") -> None:
        self.highlighted.append(message.key)

    def on_table_near_end(self) -> None:
        self.near_end += 1

    @property
    def table(self) -> Table[int]:
        return self.query_one("#numbers", Table)


def _styles() -> Any:
    from tui.theme import DARK, text_styles

    return text_styles({**DARK.to_color_system().generate(), **DARK.variables})


def _marked(app: _App) -> tuple[int, str]:
    """The line on the screen with the cursor's mark, and its words."""
    [(number, line)] = [
        (number, line) for number, line in enumerate(shown(app).splitlines()) if line.startswith(_App.MARKED)
    ]
    return number, " ".join(line.strip("▌ ").split()[:2])


async def test_the_cursor_stays_with_its_row_and_the_row_in_its_place() -> None:
    app = _App()
    async with started(app, (40, 11)) as pilot:
        app.table.show(range(100))
        app.table.move_to(50)
        await pilot.pause()
        before = _marked(app)
        assert before[1] == "row 50"
        app.table.show([-2, -1, *range(30), *range(40, 100)])
        await pilot.pause()
        assert _marked(app) == before


async def test_a_cursor_whose_row_is_gone_stays_near() -> None:
    app = _App()
    async with started(app, (40, 11)) as pilot:
        app.table.show(range(10))
        app.table.move_to(9)
        app.table.show(range(5))
        await pilot.pause()
        assert _marked(app)[1] == "row 4"
        app.table.show([])
        await pilot.pause()
        assert app.table.rows == []
        assert app.highlighted[-1] is None


async def test_only_visible_rows_are_drawn() -> None:
    app = _App()
    async with started(app, (40, 11)) as pilot:
        app.table.show(range(100_000))
        await pilot.pause()
        assert set(app.drawn) <= set(range(10))
        app.drawn.clear()
        app.table.move_to(99_999)
        await pilot.pause()
        assert set(app.drawn) <= {0, *range(99_980, 100_000)}
        assert _marked(app)[1] == "row 99999"


async def test_moving_stays_within_the_rows() -> None:
    app = _App()
    async with started(app, (40, 11)) as pilot:
        app.table.show(range(30))
        await pilot.pause()
        places = []
        for move, by in ((app.table.move, -1), (app.table.move_page, 1), (app.table.move_to, 10**9)):
            move(by)
            places.append(app.table.cursor)
        assert places == [0, 9, 29]
        assert app.table.move_to_key(7)
        assert not app.table.move_to_key(77)
        assert app.table.row == 7


async def test_it_tells_when_the_end_is_near() -> None:
    app = _App()
    async with started(app, (40, 11)) as pilot:
        app.table.show(range(100))
        await pilot.pause()
        app.table.move_to(50)
        await pilot.pause()
        assert app.near_end == 0
        app.table.move_to(92)
        await pilot.pause()
        assert app.near_end > 0


async def test_the_scrollbar_covers_no_cell() -> None:
    app = _App()
    async with started(app, (30, 11)) as pilot:
        columns: list[Column[int]] = [
            Column("wide", "Wide", 5, lambda _, width: Text("x" * (width - 1) + "|"), most=90)
        ]
        app.table.show(range(3), columns)
        await pilot.pause()
        app.table.show(range(100), columns)
        await pilot.pause()
        assert app.table.show_vertical_scrollbar
        assert all("|" in line for line in shown(app).splitlines()[1:])


class _WideApp(_App):
    """A table of more columns than there is room for."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[str] = []

    def compose(self) -> ComposeResult:
        columns = [
            Column(f"c{place}", f"C{place}", 12, lambda row, _, place=place: Text(f"{row}.{place}"), priority=place)  # type: ignore[misc]  # the default binds the loop's value
            for place in range(9)
        ]
        yield Table(columns, lambda row: row, id="numbers")

    def on_table_heading_chosen(self, message: Table.HeadingChosen) -> None:
        self.chosen.append(message.column)


def _headings(app: App[None]) -> list[str]:
    return shown(app).splitlines()[0].split()


async def test_columns_that_have_no_room_are_brought_in_and_back_by_key_wheel_and_shifted_wheel() -> None:
    app = _WideApp()
    async with started(app, (60, 12)) as pilot:
        app.table.show(range(50))
        await pilot.pause()
        assert _headings(app) == ["C0", "C1", "C2", "C3"]
        assert (app.table.has_columns_left, app.table.has_columns_right) == (False, True)
        for _ in range(9):
            app.table.move_columns(1)
        await pilot.pause()
        assert _headings(app) == ["C0", "C6", "C7", "C8"], "the first stays, so that a row can be told"
        assert (app.table.has_columns_left, app.table.has_columns_right) == (True, False)
        place: dict[str, Any] = {"x": 5, "y": 3, "delta_x": 0, "delta_y": 0, "button": 0, "meta": False, "ctrl": False}
        widget = app.table
        widget.post_message(events.MouseScrollLeft(widget, **place, shift=False))
        await pilot.pause()
        assert _headings(app) == ["C0", "C5", "C6", "C7"]
        widget.post_message(events.MouseScrollUp(widget, **place, shift=True))
        await pilot.pause()
        assert _headings(app) == ["C0", "C4", "C5", "C6"]
        assert widget.scroll_offset.y == 0, "the rows stay where they are"
        widget.post_message(events.MouseScrollDown(widget, **place, shift=False))
        await pilot.pause()
        assert widget.scroll_offset.y > 0


async def test_a_click_on_a_heading_tells_its_column_and_leaves_the_cursor() -> None:
    app = _WideApp()
    async with started(app, (60, 12)) as pilot:
        app.table.show(range(50))
        await pilot.pause()
        await pilot.click("#numbers", offset=(2, 0))
        await pilot.click("#numbers", offset=(31, 0))
        await pilot.pause()
        assert app.chosen == ["c0", "c2"]
        assert app.table.cursor == 0


async def test_scrolling_by_a_line_draws_one_line_anew() -> None:
    app = _App()
    async with started(app, (40, 12)) as pilot:
        app.table.show(range(5_000))
        await pilot.pause()
        app.table.move(10)  # the last line in view
        await pilot.pause()
        app.drawn.clear()
        app.table.move(1)
        await pilot.pause()
        assert len(app.drawn) <= 3, "the new line, and the cursor's old and new one"


async def test_what_is_drawn_is_drawn_anew_when_the_rows_are_others() -> None:
    app = _App()
    async with started(app, (40, 12)) as pilot:
        app.table.show(range(5))
        await pilot.pause()
        app.table.show(range(100, 105))
        await pilot.pause()
        assert "row 102" in shown(app)
        assert "row 2" not in shown(app)
