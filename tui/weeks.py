"""The weeks that a list has loaded: pages put together, newest first, without gaps. Pure."""

from datetime import date
from typing import TYPE_CHECKING

from db.records import MissedWeek

if TYPE_CHECKING:
    from core.reading import BatchPage, BatchRow


def run_date_of(row: "BatchRow | MissedWeek") -> date:
    """The Monday of a row."""
    return row.run_date if isinstance(row, MissedWeek) else row.overview.run_date


class LoadedWeeks:
    """Rows by run date from the newest on; `next_cursor` asks for those not loaded yet, None where there are none."""

    def __init__(self) -> None:
        self._by_date: dict[date, BatchRow | MissedWeek] = {}
        self.next_cursor: date | None = None
        self.is_begun = False

    def __len__(self) -> int:
        return len(self._by_date)

    @property
    def rows(self) -> list["BatchRow | MissedWeek"]:
        """Every loaded row, newest first."""
        return [self._by_date[run_date] for run_date in sorted(self._by_date, reverse=True)]

    @property
    def batches(self) -> list[date]:
        """The run dates that have a batch."""
        return [run_date for run_date, row in self._by_date.items() if not isinstance(row, MissedWeek)]

    def reaches(self, run_date: date) -> bool:
        """Whether a week belongs to what is loaded, were it there."""
        return self.next_cursor is None or run_date >= self.next_cursor

    def take(self, page: "BatchPage", *, is_next: bool) -> None:
        """Adds a page, replacing what is there of it; weeks never go away, a missed one may be opened after all.

        `is_next` says that it was asked for with `next_cursor`, or as the first.
        """
        self._by_date |= {row.overview.run_date: row for row in page.batches}
        self._by_date |= {row.run_date: row for row in page.missed}
        if is_next:
            self.next_cursor = page.next_cursor
        self.is_begun = True
