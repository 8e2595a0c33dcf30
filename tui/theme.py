"""The themes, and the names under which text is coloured: in style sheets as `$gain`, in text as `gain`.

With NO_COLOR there is one theme, and text is set apart by weight, dimness and reversal alone. A terminal of 8 or 16
colours has themes of its own, made of the eight that all of them have: the nearest to a shade of green is white there.
"""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.theme import Theme as TextTheme
from textual.color import Color
from textual.theme import Theme

from tui.streams import has_colour

HEAT_LEVELS = 4
# How far each level goes from the background to the colour of gains or losses; past eight tenths, levels look alike.
_HEAT_SHARES = (0.2, 0.38, 0.58, 0.8)
SERIES = ("series-1", "series-2", "series-3", "series-4")
_LEGIBLE = 4.5
_TERMINALS_OWN = "ansi_default"
# The same names without colour: signs, arrows and marks carry the meaning, these the hierarchy.
_PLAIN = {
    **dict.fromkeys(("gain", "loss", *SERIES), "none"),
    **dict.fromkeys(("quiet", "grid"), "dim"),
    **dict.fromkeys(("strong", "name", "key", "caution", "trouble"), "bold"),
    "chosen": "reverse",
    "simulated": "bold reverse",
    "under-cursor": "none",
}

DARK = Theme(
    name="alpha-monday-dark",
    dark=True,
    primary="#7aa2c8",
    secondary="#5b7a99",
    accent="#d3b06a",
    foreground="#d5d9df",
    background="#12161c",
    surface="#171c23",
    panel="#212832",
    success="#7fb98a",
    warning="#d9a85b",
    error="#e5817f",
    variables={
        "gain": "#7fc08e",
        "loss": "#e5817f",
        "quiet": "#8b95a3",
        "rule": "#303a46",
        "cursor": "#263545",
        "series-1": "#6fb3e0",
        "series-2": "#d8b45f",
        "series-3": "#cf86e0",
        "series-4": "#a9b2bd",
        "cursor-style": "bold",
        "footer-key-foreground": "#d3b06a",
    },
)
LIGHT = Theme(
    name="alpha-monday-light",
    dark=False,
    primary="#2c5d8a",
    secondary="#587a9a",
    accent="#8a5a00",
    foreground="#1f2933",
    background="#fbfaf7",
    surface="#f4f2ec",
    panel="#e8e5dc",
    success="#1e7040",
    warning="#8f5b00",
    error="#b3261e",
    variables={
        "gain": "#1b7340",
        "loss": "#b3261e",
        "quiet": "#606974",
        "rule": "#d3cfc4",
        "cursor": "#dbe6f0",
        "series-1": "#1f6aa5",
        "series-2": "#8a5a00",
        "series-3": "#8a3d9c",
        "series-4": "#5b6570",
        "cursor-style": "bold",
        "footer-key-foreground": "#8a5a00",
    },
)
# Blue and orange of Okabe and Ito's palette, told apart in every common form of colour blindness.
COLOUR_SAFE = Theme(
    name="alpha-monday-colour-safe",
    dark=True,
    primary="#56b4e9",
    secondary="#4a86ab",
    accent="#f0e442",
    foreground="#dcdfe3",
    background="#101418",
    surface="#161b21",
    panel="#20272f",
    success="#56b4e9",
    warning="#f0e442",
    error="#e69f00",
    variables={
        "gain": "#56b4e9",
        "loss": "#e69f00",
        "quiet": "#8f99a5",
        "rule": "#2f3944",
        "cursor": "#253848",
        "series-1": "#f0e442",
        "series-2": "#e089bd",
        "series-3": "#2fbf95",
        "series-4": "#b6bec7",
        "cursor-style": "bold",
        "footer-key-foreground": "#f0e442",
    },
)
THEMES = (DARK, LIGHT, COLOUR_SAFE)
# Every colour is the terminal's own, so that nothing can come out dark on dark.
MONOCHROME = Theme(
    name="alpha-monday-no-colour",
    ansi=True,
    primary=_TERMINALS_OWN,
    secondary=_TERMINALS_OWN,
    accent=_TERMINALS_OWN,
    foreground=_TERMINALS_OWN,
    background=_TERMINALS_OWN,
    success=_TERMINALS_OWN,
    warning=_TERMINALS_OWN,
    error=_TERMINALS_OWN,
    variables={
        **dict.fromkeys(DARK.variables, _TERMINALS_OWN),
        "cursor-style": "bold reverse",
        "ansi-background": _TERMINALS_OWN,
        "ansi-foreground": _TERMINALS_OWN,
        "block-cursor-background": _TERMINALS_OWN,
        # Textual drops `reverse` from the parts of its own widgets, except where it writes a cursor.
        "block-cursor-text-style": "bold underline",
        "block-cursor-blurred-text-style": "underline",
        "border": _TERMINALS_OWN,
        "border-blurred": _TERMINALS_OWN,
        "link-background-hover": _TERMINALS_OWN,
        "scrollbar-background": _TERMINALS_OWN,
    },
)


def _few_colours(name: str, gain: str, loss: str) -> Theme:
    """A theme of the terminal's own colours, `gain` and `loss` among them.

    Bold makes the foreground bright where the terminal has bright colours, and no background is bright: the Linux
    console has none. Its cursor is blue, on which bold white can be read best.
    """
    assert MONOCHROME.variables is not None
    return Theme(
        name=name,
        ansi=True,
        primary="ansi_cyan",
        secondary="ansi_cyan",
        accent="ansi_yellow",
        foreground=_TERMINALS_OWN,
        background=_TERMINALS_OWN,
        success=gain,
        warning="ansi_yellow",
        error=loss,
        variables={
            **MONOCHROME.variables,
            "gain": gain,
            "loss": loss,
            "cursor": "ansi_blue",
            "cursor-style": "bold",
            "block-cursor-background": "ansi_blue",
            "block-cursor-foreground": "ansi_white",
            "block-cursor-text-style": "bold",
            "footer-key-foreground": "ansi_yellow",
        },
    )


SIXTEEN = _few_colours("alpha-monday-16-colours", "ansi_green", "ansi_red")
SIXTEEN_COLOUR_SAFE = _few_colours("alpha-monday-16-colours-safe", "ansi_cyan", "ansi_yellow")
FEW_COLOURS = (SIXTEEN, SIXTEEN_COLOUR_SAFE)


def has_few_colours(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is one of 8 or 16 colours, as Textual finds out: by COLORTERM and TERM."""
    system: Any = environment.get("TEXTUAL_COLOR_SYSTEM", "auto")
    terminal = {name: value for name, value in environment.items() if name != "NO_COLOR"}
    return Console(color_system=system, force_terminal=True, _environ=terminal).color_system == "standard"


def themes_for(environment: Mapping[str, str]) -> tuple[Theme, ...]:
    """The themes to choose from, the first of them the usual one."""
    if not has_colour(environment):
        return (MONOCHROME,)
    return FEW_COLOURS if has_few_colours(environment) else THEMES


def heat(level: int) -> str:
    """The name of the style for a cell of a heat map, from -HEAT_LEVELS, the greatest loss, to HEAT_LEVELS."""
    return f"heat{level:+d}" if level else "heat-none"


def contrast(first: Color, second: Color) -> float:
    """How well one can be read on the other: WCAG's contrast ratio, 1 to 21."""
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    """WCAG's relative luminance."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def text_styles(variables: Mapping[str, str]) -> TextTheme:
    """The styles by name for text, from the style sheets' variables of the theme in force."""
    if variables["background"] == _TERMINALS_OWN:
        plain = variables["gain"] == _TERMINALS_OWN
        styles = _plain_styles() if plain else _few_colours_styles(variables["gain"], variables["loss"])
        return TextTheme({name: Style.parse(style) for name, style in styles.items()}, inherit=False)
    return TextTheme(
        {
            "gain": Style.parse(variables["gain"]),
            "loss": Style.parse(variables["loss"]),
            "quiet": Style.parse(variables["quiet"]),
            "strong": Style.parse(f"bold {variables['foreground']}"),
            "name": Style.parse(f"bold {variables['primary']}"),
            "key": Style.parse(f"bold {variables['accent']}"),
            "chosen": Style.parse(f"on {variables['cursor']}"),
            "caution": Style.parse(f"bold {variables['warning']}"),
            "simulated": Style.parse(f"bold {variables['background']} on {variables['warning']}"),
            "trouble": Style.parse(f"bold {variables['error']}"),
            "grid": Style.parse(variables["rule"]),
            "under-cursor": Style.null(),
            **{name: Style.parse(variables[name]) for name in SERIES},
            **_heat_styles(variables),
        },
        inherit=False,
    )


def _plain_styles() -> dict[str, str]:
    """Numbers far from zero are bold, in place of the strong shades."""
    levels = range(-HEAT_LEVELS, HEAT_LEVELS + 1)
    return {**_PLAIN, **{heat(level): "bold" if abs(level) > HEAT_LEVELS // 2 else "none" for level in levels}}


def _few_colours_styles(gain: str, loss: str) -> dict[str, str]:
    """Styles of the eight colours that every terminal has; where two are close, bold tells them apart."""
    of_gain, of_loss = (colour.removeprefix("ansi_") for colour in (gain, loss))
    heat_of = {heat(0): "none"}
    for sign, colour in ((1, of_gain), (-1, of_loss)):
        on = f"bold white on {colour}" if colour == "red" else f"black on {colour}"
        for level in range(1, HEAT_LEVELS + 1):
            heat_of[heat(sign * level)] = on if level > HEAT_LEVELS // 2 else f"bold {colour}"
    return {
        **_PLAIN,
        "gain": f"bold {of_gain}",
        "loss": f"bold {of_loss}",
        "quiet": "none",
        "grid": "none",
        "name": "bold cyan",
        "key": "bold yellow",
        "caution": "bold yellow",
        "trouble": "bold red",
        "chosen": "bold white on blue",
        "simulated": "bold white on magenta",
        "under-cursor": "bold white",
        "series-1": "bold cyan",
        "series-2": "bold yellow",
        "series-3": "bold magenta",
        "series-4": "none",
        **heat_of,
    }


def _heat_styles(variables: Mapping[str, str]) -> dict[str, Style]:
    """Shades from the background to gain or loss, each with a text colour that can be read on it."""
    background = Color.parse(variables["background"])
    shades = {heat(0): Color.parse(variables["panel"])}
    for sign, name in ((1, "gain"), (-1, "loss")):
        for level, share in enumerate(_HEAT_SHARES, 1):
            shades[heat(sign * level)] = background.blend(Color.parse(variables[name]), share)
    return {
        name: Style.from_color(_legible_on(shade, variables).rich_color, shade.rich_color)
        for name, shade in shades.items()
    }


def _legible_on(shade: Color, variables: Mapping[str, str]) -> Color:
    """The theme's own foreground or background where they can be read, else black or white, one of which always can."""
    own = [Color.parse(variables[name]) for name in ("foreground", "background")]
    for colour in own:
        if contrast(colour, shade) >= _LEGIBLE:
            return colour
    return max((Color(0, 0, 0), Color(255, 255, 255)), key=lambda colour: contrast(colour, shade))
