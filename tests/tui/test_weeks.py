"""Pages put together: in order, without gaps, and true to what was read last."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from core.reading import BatchPage
from db.records import MissedWeek
from tui.weeks import LoadedWeeks, run_date_of

MONDAY = date(2024, 1, 1)


@dataclass(frozen=True)
class _Overview:
    run_date: date
    version: int


@dataclass(frozen=True)
class _Row:
    overview: _Overview


@dataclass
class _Table:
    """What a database holds: weeks with a version each, and missed ones."""

    batches: dict[date, int] = field(default_factory=dict)
    missed: set[date] = field(default_factory=set)

    def page(self, before: date | None, limit: int) -> BatchPage:
        """As `core.reading.batch_page` answers."""
        found = sorted((day for day in self.batches if before is None or day < before), reverse=True)
        shown = found[:limit]
        cursor = shown[-1] if len(found) > limit else None
        rows = tuple(_Row(_Overview(day, self.batches[day])) for day in shown)
        missed = tuple(
            MissedWeek(day, "not_running", "")
            for day in sorted(self.missed - self.batches.keys(), reverse=True)
            if (before is None or day < before) and (cursor is None or day > cursor)
        )
        return BatchPage(cast("Any", rows), missed, cursor)

    def all(self) -> list[date]:
        return sorted({*self.batches, *self.missed}, reverse=True)


weeks = st.integers(0, 30).map(lambda number: MONDAY + timedelta(days=7 * number))


@given(st.sets(weeks), st.sets(weeks), st.integers(1, 7))
def test_pages_in_turn_give_every_week_once_and_in_order(batches: set[date], missed: set[date], limit: int) -> None:
    table = _Table(dict.fromkeys(batches, 1), missed)
    loaded = LoadedWeeks()
    loaded.take(table.page(None, limit), is_next=True)
    while loaded.next_cursor is not None:
        loaded.take(table.page(loaded.next_cursor, limit), is_next=True)
    assert [run_date_of(row) for row in loaded.rows] == table.all()


@given(st.sets(weeks, min_size=1), st.integers(1, 7), st.lists(st.tuples(weeks, st.booleans()), max_size=8))
def test_looking_again_at_named_weeks_shows_what_is_there_now(
    batches: set[date], limit: int, writes: list[tuple[date, bool]]
) -> None:
    table = _Table(dict.fromkeys(batches, 1))
    loaded = LoadedWeeks()
    loaded.take(table.page(None, limit), is_next=True)
    for number, (run_date, is_missed) in enumerate(writes, 2):
        if is_missed and run_date not in table.batches:
            table.missed.add(run_date)
        else:
            table.batches[run_date] = number
        if loaded.reaches(run_date):
            before = run_date + timedelta(days=1)
            loaded.take(table.page(before, 1), is_next=False)
    while loaded.next_cursor is not None:
        loaded.take(table.page(loaded.next_cursor, limit), is_next=True)
    assert [run_date_of(row) for row in loaded.rows] == table.all()
    versions = {
        row.overview.run_date: cast("Any", row.overview).version
        for row in loaded.rows
        if not isinstance(row, MissedWeek)
    }
    assert versions == table.batches
