"""The chosen theme: in force at once on every screen, and again at the next start."""

from pathlib import Path
from typing import Any

import pytest
from textual.app import App

from core.settings import Settings
from tests.planting import plant, within
from tests.tui.driving import app_for, has_arrived, running, shown, until
from tui import chosen_theme, program
from tui import theme as themes
from tui.app import AlphaMondayApp
from tui.mode import Mode

FIRST, SECOND, THIRD = (theme.name for theme in themes.THEMES)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def colours_on(app: App[Any]) -> set[str]:
    """Every colour on the terminal, as it is drawn."""
    styles = [segment.style for strip in app.screen._compositor.render_strips(app.size) for segment in strip]
    found = [colour for style in styles if style for colour in (style.color, style.bgcolor) if colour is not None]
    return {colour.get_truecolor().hex for colour in found}


def of_the_theme(theme: Any, *others: Any) -> set[str]:
    """The colours that no other theme of `others` has."""

    def named(each: Any) -> set[str]:
        own = (each.foreground, each.background, each.surface, each.accent, each.warning, *each.variables.values())
        return {value.lower() for value in own if value.startswith("#")}

    return named(theme) - set().union(*map(named, others))


async def test_after_a_change_no_colour_of_the_theme_before_is_left(settings: Settings) -> None:
    dark, light, _ = themes.THEMES
    old, new = of_the_theme(dark, light), of_the_theme(light, dark)
    async with running(app_for(settings)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "batch missed" in shown(pilot.app), "the events")
        await pilot.press("3")
        await until(pilot, lambda: "open the week" in shown(pilot.app), "the schedule")
        await pilot.press("1", "enter")
        await until(pilot, lambda: has_arrived(pilot.app), "the batch")
        await pilot.pause()
        assert old & colours_on(pilot.app)
        await pilot.press("t")
        await pilot.pause()
        for key in ("", "escape", "3", "4"):
            await pilot.press(*filter(None, [key]))
            await pilot.pause()
            assert not old & colours_on(pilot.app), key
            assert new & colours_on(pilot.app), key


async def test_no_frame_mixes_new_style_sheets_with_old_colours_of_text(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark, light, _ = themes.THEMES
    old, frames = of_the_theme(dark, light), []
    app = app_for(settings)
    renew = app.refresh_css

    def renew_and_paint(animate: bool = True) -> None:
        renew(animate)
        frames.append(colours_on(app))

    async with running(app) as pilot:
        monkeypatch.setattr(app, "refresh_css", renew_and_paint)
        await pilot.press("t")
        await until(pilot, lambda: bool(frames), "a frame")
    assert [old & frame for frame in frames] == [set()] * len(frames)


async def test_the_choice_is_in_force_at_the_next_start(settings: Settings) -> None:
    assert chosen_theme.read() is None
    app = app_for(settings)
    async with running(app) as pilot:
        assert app.theme == FIRST
        await pilot.press("t", "t")
        assert app.theme == THIRD
        await until(pilot, lambda: chosen_theme.read() == THIRD, "the file")
    assert AlphaMondayApp(settings, Mode.READ_ONLY, theme=chosen_theme.read()).theme == THIRD


@pytest.mark.parametrize("name", [None, "dracula", "\x1b[2J", "alpha-monday-16-colours"])
def test_a_theme_that_this_terminal_does_not_have_is_left_out_of_account(settings: Settings, name: str | None) -> None:
    assert AlphaMondayApp(settings, Mode.READ_ONLY, theme=name).theme == FIRST


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\n \n"])
def test_a_file_that_says_nothing_is_none(content: bytes) -> None:
    chosen_theme.theme_file().parent.mkdir(parents=True)
    chosen_theme.theme_file().write_bytes(content)
    assert chosen_theme.read() is None


async def test_a_choice_that_cannot_be_kept_is_told_and_is_in_force(settings: Settings, state: Path) -> None:
    chosen_theme.theme_file().parent.write_text("a file in the place of the directory")
    app = app_for(settings)
    async with running(app) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: "The theme cannot be kept in" in shown(app), "the reason")
        assert app.theme == SECOND


async def test_with_few_colours_the_terminals_own_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.delenv("COLORTERM")
    async with running(app_for(settings)) as pilot:
        strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
        await pilot.press("colon")
        await until(pilot, lambda: "Open the week under the cursor" in shown(pilot.app), "the palette")
        palette = pilot.app.screen._compositor.render_strips(pilot.app.size)
        segments = [segment for strip in strips for segment in strip if segment.style is not None]
    gains = set()
    for segment in segments:
        assert segment.style is not None
        text, ground = segment.style.color, segment.style.bgcolor
        for colour in (text, ground):
            assert colour is None or colour.is_default or (colour.number is not None and colour.number < 8), segment
        if segment.text.strip().startswith("▲") and text is not None and (ground is None or ground.is_default):
            gains.add(text.number)
    assert gains == {2}, "green"
    helping = [each for strip in palette for each in strip if "Open the week under" in each.text]
    assert [each.style is not None and bool(each.style.dim) for each in helping] == [False], "dark grey on blue"


def test_the_program_starts_with_the_theme_chosen_last(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen_theme.write(SECOND)
    seen = []

    async def ended_at_once(app: AlphaMondayApp) -> None:
        seen.append(app.theme)

    monkeypatch.setattr(AlphaMondayApp, "run_async", ended_at_once)
    monkeypatch.setattr(program, "leave_on_signals", lambda *_: None)
    assert program.run(settings, Mode.READ_ONLY) == 0
    assert seen == [SECOND]


@pytest.mark.parametrize("kind", ["a link", "a FIFO"])
def test_nothing_is_read_through_what_stands_in_the_files_place(kind: str) -> None:
    chosen_theme.write(SECOND)
    file = chosen_theme.theme_file()
    file.rename(file.with_name("kept"))
    plant(file, kind, file.with_name("kept"))
    with within(10):
        assert chosen_theme.read() is None
        chosen_theme.write(THIRD)
    assert chosen_theme.read() == THIRD
