"""The plainest Textual app that shows 432 rows: what `first_paint` is measured against."""

from textual.app import App, ComposeResult
from textual.widgets import DataTable

ROWS = 432
COLUMNS = 10


class BareTable(App[None]):
    """One DataTable, filled on mount."""

    def compose(self) -> ComposeResult:
        yield DataTable[str]()

    def on_mount(self) -> None:
        table: DataTable[str] = self.query_one(DataTable)
        table.add_columns(*(f"column {number}" for number in range(COLUMNS)))
        for number in range(ROWS):
            table.add_row(f"batch {number}", *(f"cell {number}" for _ in range(COLUMNS - 1)))


if __name__ == "__main__":
    BareTable().run()
