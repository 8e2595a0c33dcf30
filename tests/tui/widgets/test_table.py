"""The list to move in: the cursor keeps its row, only what is visible is drawn."""

from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult

from tests.tui.driving import shown
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
    async with app.run_test(size=(40, 11)) as pilot:
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
    async with app.run_test(size=(40, 11)) as pilot:
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
    async with app.run_test(size=(40, 11)) as pilot:
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
    async with app.run_test(size=(40, 11)) as pilot:
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
    async with app.run_test(size=(40, 11)) as pilot:
        app.table.show(range(100))
        await pilot.pause()
        app.table.move_to(50)
        await pilot.pause()
        assert app.near_end == 0
        app.table.move_to(92)
        await pilot.pause()
        assert app.near_end > 0
