"""Bars around zero: in proportion to an eighth of a cell, and never wider than asked."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tui.widgets.bars import bars_by_day

VALUES = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.none() | st.decimals(-(10**9), 10**9, places=4),
        st.text(max_size=8),
    ),
    max_size=14,
)
EIGHTHS = " ▏▎▍▌▋▊▉█"


def lengths(values: list[Decimal], width: int) -> list[int]:
    """How long each bar is drawn, in eighths, negative to the left."""
    found = []
    for line in bars_by_day([("x", value, "") for value in values], width).split("\n"):
        axis = line.plain.index("│")
        reversed_at = {index for span in line.spans if span.style == "reverse" for index in range(span.start, span.end)}
        left = [
            8 - EIGHTHS.index(character) if index in reversed_at else EIGHTHS.index(character)
            for index, character in enumerate(line.plain[:axis])
            if character in EIGHTHS
        ]
        right = [EIGHTHS.index(character) for character in line.plain[axis + 1 :]]
        found.append(sum(right) - sum(left))
    return found


def test_a_line_says_label_value_and_note() -> None:
    shown = bars_by_day([("Mo 1", Decimal("1.5"), "n=38"), ("Tu 2", Decimal(-1), "n=37"), ("We 3", None, "n=0")], 60)
    first, second, third = (line.plain for line in shown.split("\n"))
    assert first.startswith("Mo 1 ▲ +1.50 ")
    assert first.endswith(" n=38")
    assert second.startswith("Tu 2 ▼ -1.00 ")
    assert third.split() == ["We", "3", "·", "│", "n=0"]
    assert first.index("n=38") == second.index("n=37") == third.index("n=0")


@given(VALUES, st.integers(-1, 120))
def test_they_are_never_wider_than_asked(values: list[tuple[str, Decimal | None, str]], width: int) -> None:
    assert max(line.cell_len for line in bars_by_day(values, width).split("\n")) <= max(0, width)


@given(st.lists(st.decimals(-100, 100, places=2), min_size=1, max_size=14), st.integers(40, 120))
def test_bars_are_in_proportion(values: list[Decimal], width: int) -> None:
    if not any(values):
        assert "│" not in bars_by_day([("x", value, "") for value in values], width).plain
        return
    drawn = lengths(values, width)
    longest = max(abs(value) for value in values)
    exact = max(abs(length) for length in drawn) / float(longest)
    for length, value in zip(drawn, values, strict=True):
        assert (length > 0) - (length < 0) == (value > 0) - (value < 0)
        assert abs(abs(length) - exact * float(abs(value))) <= 1.01


def test_a_side_without_values_takes_no_room() -> None:
    assert lengths([Decimal(1), Decimal(2)], 52) == [160, 320]
    assert lengths([Decimal(-1), Decimal(-2)], 52) == [-160, -320]


def test_nothing_to_draw() -> None:
    assert bars_by_day([], 80).plain == ""
    assert bars_by_day([("Mo 1", Decimal(0), "n=1")], 80).plain == "Mo 1   0.00  n=1"
    assert bars_by_day([("Mo 1", Decimal(1), "n=1")], 20).plain == "Mo 1 ▲ +1.00  n=1"
