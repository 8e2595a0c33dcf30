"""The weeks that a list has loaded: pages put together in the order of the query. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.reading import BatchRow
    from core.week_list import WeekCursor, WeekRow


@dataclass(frozen=True, slots=True)
class LoadedWeeks:
    """Rows from the first on; `next_cursor` asks for those not loaded yet, None where there are none."""

    rows: tuple["WeekRow", ...] = ()
    next_cursor: "WeekCursor | None" = None
    is_begun: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def followed_by(self, rows: Sequence["WeekRow"], next_cursor: "WeekCursor | None") -> "LoadedWeeks":
        """With the page that was asked for by `next_cursor`; a week that moved there meanwhile stands once."""
        there = {key_of(row) for row in rows}
        kept = tuple(row for row in self.rows if key_of(row) not in there)
        return LoadedWeeks((*kept, *rows), next_cursor, is_begun=True)

    def with_batches(self, batches: Iterable["BatchRow"]) -> "LoadedWeeks":
        """With what was read anew of batches that are loaded, each in its place."""
        anew = {key_of(row): row for row in batches}
        return replace(self, rows=tuple(anew.get(key_of(row), row) for row in self.rows))

    def batches(self) -> set[date]:
        """The run dates of the loaded batches."""
        return {run_date for is_batch, run_date in map(key_of, self.rows) if is_batch}


def key_of(row: "WeekRow") -> tuple[bool, date]:
    """What tells a row from every other: whether it is a batch, and its Monday."""
    overview = getattr(row, "overview", None)
    return (False, row.run_date) if overview is None else (True, overview.run_date)  # type: ignore[union-attr]  # told apart without importing the driver
