"""The figures over all batches: honest about their number, live, exported unrounded."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from core.backfill import backfill
from core.batches import fail
from core.performance import Performance
from core.settings import Settings
from db.records import Action, Batting, DayPerformance, FinalExcess, FinalExcesses
from tests.databases import as_superuser
from tests.tui.driving import app_for, home, running, shown, started, until, write_as_another
from tests.tui.history import FAILED_WEEK, FIRST_WEEK, NEWEST_WEEK, drafts, settings_for
from tui.mode import Mode
from tui.outgoing import csv_text
from tui.performance_export import figures_of
from tui.screens.ask import AskScreen
from tui.screens.performance import PerformanceScreen
from tui.widgets.performance_parts import ENOUGH_BATCHES, performance_words

SAMPLE = Performance(
    active=2,
    completed=12,
    failed=3,
    days=tuple(
        DayPerformance(day, day % 7 and 11, 6, Decimal(day - 7) / 4 if day % 7 else None) for day in range(1, 15)
    ),
    all_picks=Batting(None, 11, 33, 20, Decimal("60.606060606")),
    buys=Batting(Action.BUY, 11, 25, 17, Decimal(68)),
    sells=Batting(Action.SELL, 8, 8, 3, Decimal("37.5")),
    finals=FinalExcesses(
        11, Decimal("0.125"), FinalExcess(FIRST_WEEK, Decimal("2.5")), FinalExcess(NEWEST_WEEK, Decimal("-3.125"))
    ),
)


def only_file(directory: Path) -> Path:
    """The one file there is."""
    [file] = directory.iterdir()
    return file


async def open_figures(pilot: Pilot[None]) -> PerformanceScreen:
    """Goes to the performance and waits for the figures."""
    await pilot.press("2")
    await until(pilot, lambda: "Mean excess by day" in shown(pilot.app), "the figures")
    screen = pilot.app.screen
    assert isinstance(screen, PerformanceScreen)
    return screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_every_figure_stands_with_its_number(settings: Settings, size: tuple[int, int]) -> None:
    app = app_for(settings)
    async with running(app, size) as pilot:
        screen = await open_figures(pilot)
        text = shown(app)
        assert "8 completed, and 2 active (in the days alone)" in text
        assert "1 failed (ended by an operator)" in text
        assert "! n=8: too few to tell skill from luck; look again from n=30 on" in text
        assert "all    66.7 %  16 of 24 picks, n=8" in text
        assert "SELL    0.0 %   0 of  8 picks, n=8" in text
        assert "best    ▲ +1.51  2024-09-09" in text
        assert "worst   ▲ +0.04  2024-09-02" in text
        lines = text.splitlines()
        for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12):
            assert sum(f"day {day:>2} " in line and "ahead" in line for line in lines) == 1, day
        assert not any("…" in line for line in lines if "! show" not in line), "only the line of problems is cut"
        if size[1] > 24:
            assert "with the prices of its own source." in " ".join(text.split())
        assert screen.movable is not None


async def test_the_keys_scroll_where_there_is_no_room(settings: Settings) -> None:
    async with running(app_for(settings), (80, 16)) as pilot:
        await open_figures(pilot)
        assert "day 12" not in shown(pilot.app)
        await pilot.press("G")
        await until(pilot, lambda: "day 12" in shown(pilot.app), "the end")
        await pilot.press("g")
        await until(pilot, lambda: "Counted" in shown(pilot.app), "the beginning")
        await pilot.press("pagedown", "j", "k", "pageup")


async def test_what_another_writes_changes_the_figures(settings: Settings) -> None:
    async with running(app_for(settings)) as pilot:
        await open_figures(pilot)
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: "2 failed" in shown(pilot.app), "the failed batch")
        assert "and 1 active" in shown(pilot.app)


async def test_what_was_written_while_elsewhere_shows_on_return(settings: Settings) -> None:
    app = app_for(settings)
    async with running(app) as pilot:
        await open_figures(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is home(app), "home")
        await write_as_another(settings, lambda services: fail(services, NEWEST_WEEK, "changed our mind"))
        await until(pilot, lambda: shown(app).count("✗ failed") == 2, "the failed batch")
        await pilot.press("2")
        await until(pilot, lambda: "2 failed" in shown(app), "the failed batch in the figures")


async def test_the_places_are_reached_by_mouse(settings: Settings) -> None:
    app = app_for(settings)
    async with running(app) as pilot:
        line = shown(app).splitlines()[1]
        await pilot.click(offset=(line.index("Performance") + 1, 1))
        await until(pilot, lambda: "Mean excess by day" in shown(app), "the figures")
        await pilot.click(offset=(line.index("Batches") + 1, 1))
        await until(pilot, lambda: app.screen is home(app), "home")


async def test_the_figures_are_exported_and_copied(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    app = app_for(settings, Mode.READ_ONLY)
    async with running(app) as pilot:
        screen = await open_figures(pilot)
        assert not [command for command in screen.applicable() if command.writes]
        assert "16 of 24 picks, n=8" in screen.copied_text()
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, AskScreen), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: bool(list(tmp_path.iterdir())), "the file")
    file = only_file(tmp_path)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("measure,of,value,batches,picks,above_benchmark,run_date\nmean_excess_pct,day 1,")
    assert "batting_average_pct,BUY,100.0000000000000000,8,16,16,\n" in text


async def test_an_empty_database_says_what_will_stand_here(conninfo: str, price_file: Path) -> None:
    settings = settings_for(conninfo, price_source="csv", price_file=str(price_file))
    app = app_for(settings)
    async with started(app, (80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "There is nothing to measure yet." in shown(app), "the words")
        for key in ("j", "G", "y", "x"):
            await pilot.press(key)
        assert app.screen.query_one("Nothing").display
        await write_as_another(settings, lambda services: backfill(services, {FIRST_WEEK: drafts(FIRST_WEEK)}))
        await until(pilot, lambda: "1 completed" in shown(app), "the first batch")
        assert "nothing to measure" not in shown(app)


async def test_a_batch_without_a_price_is_left_out_and_said_so(settings: Settings, filled: str) -> None:
    with psycopg.connect(as_superuser(filled)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update checkpoints set status = 'skipped', benchmark_price = null, benchmark_return_pct = null"
            " where batch_id = (select id from batches where run_date = %s)",
            (FIRST_WEEK,),
        )
    async with running(app_for(settings)) as pilot:
        await open_figures(pilot)
        assert "Counted   7 completed" in shown(pilot.app)
        assert "1 completed without one price" in shown(pilot.app)


def test_few_batches_are_called_too_few_and_many_are_not() -> None:
    def words(batches: int) -> str:
        finals = replace(SAMPLE.finals, batches=batches)
        return performance_words(replace(SAMPLE, finals=finals, completed=batches), 80, 20).plain

    assert f"n={ENOUGH_BATCHES - 1}: too few" in words(ENOUGH_BATCHES - 1)
    assert "too few" not in words(ENOUGH_BATCHES)
    assert f"n={ENOUGH_BATCHES}; batches overlap" in words(ENOUGH_BATCHES)


def test_nothing_behind_a_figure_is_no_figure() -> None:
    nothing = Batting(None, 0, 0, 0, None)
    words = performance_words(
        Performance(
            1, 0, 0, tuple(DayPerformance(day, 0, 0, None) for day in range(1, 15)), nothing, nothing, nothing,
            FinalExcesses(0, None, None, None),
        ),
        80, 20,
    ).plain  # fmt: skip
    assert "▲" not in words
    assert "%" not in words
    assert words.count("n=0") == 3 + 1 + 1 + 10


@given(st.integers(76, 260), st.integers(1, 80), st.integers(0, 5_000))
def test_no_line_is_wider_than_the_place(width: int, height: int, batches: int) -> None:
    found = replace(SAMPLE, completed=batches + 40, failed=batches, finals=replace(SAMPLE.finals, batches=batches))
    for line in performance_words(found, width, height).split("\n"):
        assert line.cell_len <= width


def test_gains_and_losses_are_told_by_sign() -> None:
    words = performance_words(SAMPLE, 100, 40).plain
    assert "day  1 Mon ▼ -1.50" in words
    assert "day 12 Fri ▲ +1.25" in words
    assert "worst   ▼ -3.12" in words


def test_the_export_is_unrounded_and_names_the_batches() -> None:
    text = csv_text(figures_of(SAMPLE))
    assert "batting_average_pct,all,60.606060606,11,33,20,\n" in text
    assert f"final_excess_pct,worst,-3.125,1,,,{NEWEST_WEEK}\n" in text
    assert "batches,failed,,3,,,\n" in text
    assert FAILED_WEEK.isoformat() not in text
