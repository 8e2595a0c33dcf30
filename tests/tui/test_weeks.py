"""Pages put together: in order, each week once, and true to what was read last."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from core.week_list import MissedWeeks, WeekCursor
from tui.week_kinds import batch_of, is_missed, is_staged
from tui.weeks import LoadedWeeks, key_of

MONDAY = date(2024, 1, 1)


@dataclass(frozen=True)
class _Overview:
    run_date: date


@dataclass(frozen=True)
class _Row:
    overview: _Overview
    version: int = 1


def row(number: int, version: int = 1) -> Any:
    return _Row(_Overview(MONDAY + timedelta(days=7 * number)), version)


def missed(number: int) -> MissedWeeks:
    run_date = MONDAY + timedelta(days=7 * number)
    return MissedWeeks(run_date, run_date, "not_running", "")


def cursor(number: int) -> WeekCursor:
    return WeekCursor(None, MONDAY + timedelta(days=7 * number))


@given(st.lists(st.integers(0, 60), unique=True), st.integers(1, 7))
def test_pages_in_turn_give_every_week_once_in_the_order_read(numbers: list[int], limit: int) -> None:
    loaded = LoadedWeeks()
    for start in range(0, len(numbers), limit):
        some = numbers[start : start + limit]
        loaded = loaded.followed_by([row(number) for number in some], cursor(some[-1]))
    assert [batch_of(each).run_date for each in loaded.rows] == [  # type: ignore[union-attr]  # all are batches
        row(number).overview.run_date for number in numbers
    ]


def test_a_week_that_moved_between_pages_stands_once_where_it_was_read_last() -> None:
    loaded = LoadedWeeks().followed_by([row(3), row(2)], cursor(2)).followed_by([row(3, 2), row(1)], None)
    assert loaded.rows == (row(2), row(3, 2), row(1))
    assert loaded.next_cursor is None


@given(st.lists(st.integers(0, 30), unique=True), st.sets(st.integers(0, 40)))
def test_what_is_read_anew_stands_in_its_place_and_nothing_comes_or_goes(loaded: list[int], anew: set[int]) -> None:
    weeks = LoadedWeeks().followed_by([row(number) for number in loaded], None)
    changed = weeks.with_batches([row(number, 2) for number in anew])
    assert [cast("_Row", each).version for each in changed.rows] == [2 if number in anew else 1 for number in loaded]
    assert list(map(key_of, changed.rows)) == list(map(key_of, weeks.rows))


def test_a_missed_week_and_a_batch_of_one_monday_are_two_rows() -> None:
    loaded = LoadedWeeks().followed_by([missed(1)], None).followed_by([row(1)], None)
    assert len(loaded) == 2
    assert loaded.batches() == {row(1).overview.run_date}
    assert is_missed(missed(1))
    assert not is_missed(row(1))
    assert not is_staged(row(1))
