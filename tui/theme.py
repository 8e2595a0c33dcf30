"""The themes, and the names under which text is coloured: in style sheets as `$gain`, in text as `gain`."""

from collections.abc import Mapping

from rich.style import Style
from rich.theme import Theme as TextTheme
from textual.theme import Theme

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
    error="#e0787a",
    variables={
        "gain": "#7fc08e",
        "loss": "#e5817f",
        "quiet": "#7d8896",
        "rule": "#303a46",
        "cursor": "#263545",
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
        "quiet": "#6b7480",
        "rule": "#d3cfc4",
        "cursor": "#dbe6f0",
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
        "quiet": "#848e99",
        "rule": "#2f3944",
        "cursor": "#253848",
        "footer-key-foreground": "#f0e442",
    },
)
THEMES = (DARK, LIGHT, COLOUR_SAFE)


def text_styles(variables: Mapping[str, str]) -> TextTheme:
    """The styles by name for text, from the style sheets' variables of the theme in force."""
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
        },
        inherit=False,
    )
