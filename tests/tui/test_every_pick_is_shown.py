"""Whatever the size of the terminal, all three picks of a batch can be seen or scrolled to."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from core.settings import Settings
from core.week_list import WeekQuery
from db.records import Action, BatchStatus
from tests.tui.driving import app_for, has_arrived, running, shown, until
from tests.tui.widgets.views import RUN_DATE, USUAL, view
from tui.widgets.columns import fit
from tui.widgets.day_columns import day_columns
from tui.widgets.preview import Part, Preview
from tui.widgets.prose import Prose
from tui.widgets.week_columns import week_columns

TICKERS = ("NVDA", "TSLA", "BRK.B")
SIZES = [(width, height) for width in (80, 109, 110, 150, 169, 170, 180, 190, 200, 240) for height in (24, 34, 56, 70)]
symbols = st.from_regex(r"\A[A-Z][A-Z0-9.\-]{0,9}\Z")


@given(st.lists(symbols, min_size=3, max_size=3, unique=True), st.integers(20, 240), st.sampled_from((1, 2)))
def test_the_list_of_days_has_every_pick_or_none(tickers: list[str], width: int, gap: int) -> None:
    picks = [(ticker, Action.BUY) for ticker in tickers]
    found = view(USUAL, picks)
    kept = [each.column for each in fit(day_columns(found), width, gap)]
    assert len([column for column in kept if column.key in {str(pick.id) for pick in found.detail.picks}]) in {0, 3}
    assert kept[-1].label == "Excess"


@given(st.lists(symbols, min_size=3, max_size=3, unique=True), st.integers(40, 240))
def test_a_row_of_the_list_begins_every_pick(tickers: list[str], width: int) -> None:
    batch = SimpleNamespace(
        id=uuid4(), run_date=RUN_DATE, benchmark_symbol="SPY", status=BatchStatus.ACTIVE, tickers=tickers,
        actions=[Action.BUY, Action.SELL, Action.BUY], created_at=datetime(2024, 11, 18, tzinfo=UTC),
    )  # fmt: skip
    row = cast("Any", SimpleNamespace(overview=batch))
    columns = week_columns([row], RUN_DATE, WeekQuery())
    [picks] = [each for each in fit(columns, width, 1) if each.column.key == "picks"]
    cell = picks.column.cell(row, picks.width)
    assert cell.cell_len <= picks.width, "what sticks out would be cut"
    words = cell.plain.split()
    for letter, begun, ticker in zip(words[::2], words[1::2], tickers, strict=True):
        assert letter in {"B", "S", "BUY", "SELL"}
        assert ticker == begun or (begun.endswith("…") and ticker.startswith(begun[:-1])), cell.plain


def lines_of(pilot: Pilot[Any], preview: Preview, part_id: str) -> list[str]:
    """The lines of a part of the preview that are on the terminal now."""
    region = pilot.app.screen.find_widget(preview.query_one(f"#{part_id}", Part)).visible_region
    text = shown(pilot.app).splitlines()
    return [text[y][region.x : region.right] for y in range(region.y, region.bottom)]


async def everything_scrolled_to(pilot: Pilot[Any], prose: Prose) -> str:
    """What a text shows from its first line to its last, pressed through with the keys."""
    seen = []
    await pilot.press("g")
    while True:
        await pilot.pause()
        seen.append(shown(pilot.app))
        if prose.scroll_offset.y >= prose.max_scroll_y:
            return "\n".join(seen)
        await pilot.press("pagedown")


async def test_at_any_size_the_preview_shows_every_pick(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        preview = pilot.app.screen.query_one(Preview)
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            figures = "\n".join(lines_of(pilot, preview, "preview-figures"))
            row = next(line for line in shown(pilot.app).splitlines() if line.startswith("▌"))
            for ticker in TICKERS:
                assert ticker in figures, (width, height, figures)
                assert ticker in row, (width, height, row)
            if width >= 170 and height >= 34:  # the days stand beside the list there
                heading = lines_of(pilot, preview, "preview-list")[0]
                assert [ticker in heading for ticker in TICKERS] == [True] * 3, (width, height, heading)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (132, 43), (170, 34), (190, 56), (200, 60), (240, 70)])
async def test_at_any_size_every_tab_of_a_batch_has_every_pick(settings: Settings, size: tuple[int, int]) -> None:
    async with running(app_for(settings), size) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        for tab in ("picks", "days", "heat", "chart"):
            await pilot.pause()
            found = pilot.app.screen.query_one(f"#{tab}")
            text = await everything_scrolled_to(pilot, found) if isinstance(found, Prose) else shown(pilot.app)
            assert [ticker in text for ticker in TICKERS] == [True] * 3, (tab, text)
            await pilot.press("tab")


async def test_columns_that_have_no_room_can_be_brought_in(settings: Settings) -> None:
    async with running(app_for(settings), (52, 24)) as pilot:
        await pilot.press("enter", "tab")
        await until(pilot, lambda: has_arrived(pilot.app) and "Excess" in shown(pilot.app), "the days")
        headings = []
        for _ in range(6):  # one a column that stands before the last pick's
            headings += [line for line in shown(pilot.app).splitlines() if line.lstrip().startswith(("Day", "Date"))]
            await pilot.press("greater_than_sign")
            await pilot.pause()
        assert "TSLA" not in headings[0], "there is room for all of them"
        assert [any(ticker in heading for heading in headings) for ticker in TICKERS] == [True] * 3
