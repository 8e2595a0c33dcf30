"""The plainest Textual app that shows a table: what `first_paint` and `keys` are measured against."""

import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable

ROWS = 432
COLUMNS = 10


class BareTable(App[None]):
    """One DataTable, filled on mount."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self._rows = rows
        self._columns = columns

    def compose(self) -> ComposeResult:
        yield DataTable[str]()

    def on_mount(self) -> None:
        table: DataTable[str] = self.query_one(DataTable)
        table.add_columns(*(f"column {number}" for number in range(self._columns)))
        for number in range(self._rows):
            table.add_row(f"batch {number}", *(f"cell {number}" for _ in range(self._columns - 1)))


if __name__ == "__main__":
    rows, columns = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (ROWS, COLUMNS)
    BareTable(rows, columns).run()
