"""Columns fitted to a width: the least important go first, numbers are never cut."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from tui.widgets.columns import Column, fit, heading, line

GAP = 1


def column(key: str, width: int, priority: int = 0, *, most: int = 0, is_number: bool = False) -> Column[str]:
    return Column(key, key, width, lambda row, _: Text(row), priority, most, is_number)


COLUMNS = [
    column("week", 10),
    column("sessions", 5, 3, is_number=True),
    column("picks", 12, most=20),
    column("trend", 8, 4),
]


def test_the_least_important_go_first() -> None:
    kept = [[each.column.key for each in fit(COLUMNS, width, GAP)] for width in (38, 37, 28, 24)]
    assert kept == [
        ["week", "sessions", "picks", "trend"],
        ["week", "sessions", "picks"],
        ["week", "picks"],
        ["week", "picks"],
    ]


def test_spare_room_widens_what_wants_it() -> None:
    assert [each.width for each in fit(COLUMNS, 60, GAP)] == [10, 5, 20, 8]


@given(st.integers(24, 100), st.text(max_size=60))
def test_a_line_is_as_wide_as_its_columns(width: int, text: str) -> None:
    fitted = fit(COLUMNS, width, GAP)
    room = sum(each.width for each in fitted) + GAP * (len(fitted) - 1)
    assert room <= width
    clean = "".join(character for character in text if character.isprintable())
    assert line(fitted, clean, GAP).cell_len == room
    assert heading(fitted, GAP).cell_len == room


def test_a_number_that_does_not_fit_is_not_cut() -> None:
    fitted = fit([column("price", 6, is_number=True)], 6, GAP)
    assert line(fitted, "1234567", GAP).plain == "######"
    assert line(fitted, "123456", GAP).plain == "123456"
    assert line(fitted, "12", GAP).plain == "    12"


def test_a_span_takes_the_rest_of_the_line() -> None:
    fitted = fit(COLUMNS, 38, GAP)
    text = line(fitted, "x", GAP, ("picks", Text("a long reason " * 5)), 38)
    assert text.cell_len == 38
    assert text.plain.startswith("x" + " " * 14 + "x a long reason")
    assert text.plain.endswith("…")
