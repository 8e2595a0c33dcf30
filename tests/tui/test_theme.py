"""Every text style can be read in every theme, and without colour nothing is lost."""

from itertools import combinations, pairwise

import pytest
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.color import Color
from textual.theme import Theme

from tests.tui.driving import started
from tui import theme as themes
from tui.widgets.columns import Column
from tui.widgets.table import Table

LEVELS = range(-themes.HEAT_LEVELS, themes.HEAT_LEVELS + 1)
# Rules and tick lines only lead the eye.
DECORATION = {"grid"}


def variables_of(theme: Theme) -> dict[str, str]:
    return {**theme.to_color_system().generate(), **theme.variables}


def styles_of(theme: Theme) -> dict[str, Style]:
    return themes.text_styles(variables_of(theme)).styles


def ground(style: Style, default: str) -> Color:
    return Color.parse(default) if style.bgcolor is None else Color.from_rich_color(style.bgcolor)


@pytest.mark.parametrize(("first", "second", "ratio"), [("#000", "#fff", 21), ("#777", "#fff", 4.48), ("#1", "#1", 1)])
def test_contrast_is_wcags(first: str, second: str, ratio: float) -> None:
    first, second = (colour.replace("#1", "#111") for colour in (first, second))
    for pair in ((first, second), (second, first)):
        assert themes.contrast(*map(Color.parse, pair)) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("place", ["background", "surface"])
def test_every_style_can_be_read(theme: Theme, place: str) -> None:
    variables = variables_of(theme)
    for name, style in styles_of(theme).items():
        colour = Color.parse(variables["foreground"]) if style.color is None else Color.from_rich_color(style.color)
        if name not in DECORATION:
            assert themes.contrast(colour, ground(style, variables[place])) >= 4.5, name


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_every_style_can_be_read_under_the_cursor(theme: Theme) -> None:
    cursor = Color.parse(variables_of(theme)["cursor"])
    for name, style in styles_of(theme).items():
        if style.color is not None and style.bgcolor is None and name not in DECORATION:
            assert themes.contrast(Color.from_rich_color(style.color), cursor) >= 4, name


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_heat_grows_from_none_to_the_colours_of_gain_and_loss(theme: Theme) -> None:
    variables, styles = variables_of(theme), styles_of(theme)
    background = Color.parse(variables["background"])
    for sign in (1, -1):
        shades = [ground(styles[themes.heat(sign * level)], "#000") for level in range(1, themes.HEAT_LEVELS + 1)]
        ratios = [themes.contrast(shade, background) for shade in shades]
        assert ratios == sorted(ratios)
        assert all(later / earlier > 1.1 for earlier, later in pairwise(ratios))
    assert len({ground(styles[themes.heat(level)], "#000").hex for level in LEVELS}) == len(LEVELS)


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_series_are_told_apart(theme: Theme) -> None:
    variables = variables_of(theme)
    for first, second in combinations([*themes.SERIES], 2):
        one, other = Color.parse(variables[first]).rgb, Color.parse(variables[second]).rgb
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 60, (first, second)


def test_the_names_are_the_same_with_and_without_colour() -> None:
    assert len({frozenset(styles_of(theme)) for theme in (*themes.THEMES, *themes.FEW_COLOURS, themes.MONOCHROME)}) == 1


def test_without_colour_no_style_has_any() -> None:
    for name, style in styles_of(themes.MONOCHROME).items():
        assert (style.color, style.bgcolor) == (None, None), name
    assert styles_of(themes.MONOCHROME)["chosen"].reverse


@pytest.mark.parametrize("value", ["1", ""])
def test_no_color_leaves_one_theme(value: str) -> None:
    assert themes.themes_for({"NO_COLOR": value}) == (themes.MONOCHROME,)
    assert themes.themes_for({"NO_COLOR": value}) == (themes.MONOCHROME,)


def test_otherwise_the_first_is_dark() -> None:
    for terminal in ({"TERM": "xterm-256color"}, {"TERM": "linux", "COLORTERM": "truecolor"}):
        assert themes.themes_for(terminal) == themes.THEMES


@pytest.mark.parametrize("terminal", ["linux", "xterm", "vt100", "screen", "xterm-16color", ""])
def test_a_terminal_of_few_colours_has_themes_of_its_own(terminal: str) -> None:
    assert themes.themes_for({"TERM": terminal}) == themes.FEW_COLOURS
    assert themes.themes_for({"TERM": terminal, "NO_COLOR": ""}) == (themes.MONOCHROME,)


# The Linux console's colours; bold gives the second of a pair, and a background is always the first.
CONSOLE = {
    "black": ("#000000", "#555555"), "red": ("#aa0000", "#ff5555"), "green": ("#00aa00", "#55ff55"),
    "yellow": ("#aa5500", "#ffff55"), "blue": ("#0000aa", "#5555ff"), "magenta": ("#aa00aa", "#ff55ff"),
    "cyan": ("#00aaaa", "#55ffff"), "white": ("#aaaaaa", "#ffffff"),
}  # fmt: skip


def on_the_console(style: Style) -> tuple[Color, Color]:
    """The text and the ground of `style` as the Linux console draws them."""
    names = [
        "" if colour is None or colour.is_default else [*CONSOLE][colour.number or 0]
        for colour in (style.color, style.bgcolor)
    ]
    text, on = CONSOLE[names[0] or "white"], CONSOLE[names[1] or "black"]
    return Color.parse(text[bool(style.bold)]), Color.parse(on[0])


@pytest.mark.parametrize("theme", themes.FEW_COLOURS, ids=lambda theme: theme.name)
def test_with_few_colours_every_style_uses_the_eight_and_can_be_read(theme: Theme) -> None:
    styles = styles_of(theme)
    cursor = Style.parse("bold on blue")
    for name, style in styles.items():
        for colour in (style.color, style.bgcolor):
            assert colour is None or colour.is_default or (colour.number is not None and colour.number < 8), name
        assert themes.contrast(*on_the_console(style)) >= 4, name
        if style.bgcolor is None:
            assert themes.contrast(*on_the_console(cursor + style + styles["under-cursor"])) >= 4.5, name
    assert on_the_console(styles["gain"])[0].rgb != (255, 255, 255)
    assert len({on_the_console(styles[name])[0].hex for name in ("gain", "loss", "quiet", "strong")}) == 4
    assert len({on_the_console(styles[name])[0].hex for name in themes.SERIES}) == len(themes.SERIES)


class _Colourless(App[None]):
    """What the application does with its themes under NO_COLOR, around a table and a toast."""

    CSS = "Table > .table--cursor { background: $cursor; text-style: $cursor-style; } Toast { background: $panel; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self.register_theme(themes.MONOCHROME)
        self.theme = themes.MONOCHROME.name
        self.console.push_theme(themes.text_styles(self.get_css_variables()))

    def compose(self) -> ComposeResult:
        def words(row: int, _: int) -> Text:
            return Text(f"row {row}", style="quiet")

        yield Table([Column("n", "Number", 10, words)], lambda row: row)


async def test_under_no_color_the_terminals_own_colours_are_left_and_the_cursor_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = _Colourless()
    async with started(app, (60, 12)) as pilot:
        app.query_one(Table).show(range(5))
        app.notify("copied", markup=False)
        await pilot.pause()
        assert app.no_color
        strips = app.screen._compositor.render_strips(app.size)
    segments = [segment for strip in strips for segment in strip if segment.style]
    for segment in segments:
        assert segment.style is not None
        for colour in (segment.style.color, segment.style.bgcolor):
            assert colour is None or colour.is_default, segment
    under_cursor = [segment for segment in segments if "row 0" in segment.text]
    others = [segment for segment in segments if "row 1" in segment.text]
    assert [bool(segment.style and segment.style.reverse) for segment in (*under_cursor, *others)] == [True, False]
    assert any("copied" in segment.text for segment in segments)
