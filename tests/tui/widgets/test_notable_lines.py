"""What stands out in a batch is wrapped where there are lines for it, and never more than those."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from tests.tui.widgets.views import USUAL, view
from tui.batch_view import BatchView
from tui.widgets.batch_parts import notable_lines

CONSOLE = Console(width=80)
CAUSE = "no close on 2024-11-28 for PEP from simulated, yahoo and tiingo, which was asked at 17:05, 17:10 and 17:20"


def waiting(causes: list[str]) -> BatchView:
    """A batch of which one day waits for each of `causes`."""
    found = view([*USUAL[:10], *["waiting"] * len(causes)])
    days = (replace(day, detail=cause) for day, cause in zip(found.detail.waiting, causes, strict=True))
    found.detail = replace(found.detail, waiting=tuple(days))
    by_date = {day.checkpoint_date: day for day in found.detail.waiting}
    found.days = tuple(replace(day, waiting=by_date.get(day.date)) for day in found.days)
    return found


def words(lines: list[Text]) -> str:
    return " ".join(" ".join(line.plain for line in lines).split())


def test_the_cause_is_whole_where_there_are_lines_for_it() -> None:
    for width, rows in ((62, 4), (73, 8), (40, 5), (200, 1)):
        assert words(notable_lines(waiting([CAUSE]), width, rows, CONSOLE)).endswith(CAUSE), (width, rows)


def test_every_cause_begins_before_one_goes_on() -> None:
    lines = notable_lines(waiting([CAUSE, "the other cause"]), 62, 2, CONSOLE)
    assert [line.plain[0] for line in lines] == ["!", "!"]
    assert lines[0].plain.endswith("…")
    assert lines[1].plain.endswith("the other cause")


def test_causes_that_have_no_line_are_counted() -> None:
    lines = notable_lines(waiting(["one", "two", "three"]), 62, 2, CONSOLE)
    assert lines[0].plain.endswith("one")
    assert lines[1].plain == "  and 2 more"


@given(st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=4, unique=True), st.integers(20, 200),
       st.integers(1, 8))  # fmt: skip
def test_there_are_never_more_lines_than_rows_nor_wider_ones(causes: list[str], width: int, rows: int) -> None:
    lines = notable_lines(waiting(causes), width, rows, CONSOLE)
    assert len(lines) <= rows
    assert all(line.cell_len <= width for line in lines)
