"""The canvas under the charts: where lines meet, both stay."""

from hypothesis import given
from hypothesis import strategies as st

from tui.widgets.plot import Canvas, Series

VALUES = st.floats(-100, 100)


def series(mark: str, style: str) -> Series:
    return Series(mark, "", mark, style, ())


def dots(canvas: Canvas) -> set[tuple[int, int, int]]:
    """Every dot of the canvas: column, row, and its bit in the cell."""
    return {
        (column, row, 1 << bit)
        for row in range(canvas.rows)
        for column, character in enumerate(canvas.row(row).plain)
        for bit in range(8)
        if character > "\u2800" and (ord(character) - 0x2800) >> bit & 1
    }


def canvas_with(*lines: tuple[float, float]) -> Canvas:
    canvas = Canvas(30, 8, -100, 100)
    for start, end in lines:
        canvas.line((0, start), (29, end), series("x", "series-1"))
    return canvas


@given(VALUES, VALUES, VALUES, VALUES)
def test_lines_that_cross_keep_all_their_dots(a: float, b: float, c: float, d: float) -> None:
    both = dots(canvas_with((a, b), (c, d)))
    assert both == dots(canvas_with((a, b))) | dots(canvas_with((c, d)))


@given(VALUES, VALUES)
def test_a_line_has_no_holes(start: float, end: float) -> None:
    columns = {column for column, _, _ in dots(canvas_with((start, end)))}
    assert columns == set(range(30))


def test_a_dashed_line_has_holes() -> None:
    canvas = Canvas(30, 8, -100, 100)
    canvas.line((0, 0), (29, 0), Series("x", "", "x", "series-1", (), "#   "))
    assert 0 < len(dots(canvas)) < 30


def test_marks_that_coincide_stand_side_by_side() -> None:
    canvas = Canvas(10, 4, -1, 1)
    taken: set[tuple[int, int]] = set()
    for mark in "abcd":
        canvas.mark(4, 0, series(mark, "series-1"), taken)
    assert "".join(canvas.row(row).plain.strip() for row in range(4)) == "cabd"
