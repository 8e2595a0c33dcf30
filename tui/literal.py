"""The one way in for text from outside: what it says is shown, what it would do to a terminal is not.

Reasoning, tickers, error texts, payloads, file names and setting values pass through here before they are drawn.
"""

import unicodedata

from rich.text import Text

ELLIPSIS = "…"
MARK = "\N{REPLACEMENT CHARACTER}"
LINE_MARK = "⏎"
_CONTROL_PICTURES = 0x2400
_DELETE = "\x7f"
_DELETE_PICTURE = "␡"
# Controls, formats (bidi, zero width, tags), surrogates, private use, unassigned, line and paragraph separators.
_REPLACED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COMBINING = frozenset({"Mn", "Me"})
_MOST_COMBINING = 2
# Letters and symbols that draw nothing: the Hangul fillers and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# They ask for another drawing of the character before, whose width terminals then disagree about.
_VARIATION_SELECTORS = frozenset("\ufe0e\ufe0f")


def literal(value: object, *, limit: int = 200, lines: bool = False, style: str = "") -> Text:
    """`value` as text that is drawn exactly as it stands, at most `limit` characters with the ellipsis.

    Whatever would command the terminal, reorder the line or hide in it becomes a visible mark. Line breaks do too,
    unless `lines` keeps them.
    """
    return Text(clean(value, limit=limit, lines=lines), style=style)


def clean(value: object, *, limit: int = 200, lines: bool = False) -> str:
    """The characters that `literal` draws."""
    text = str(value)
    # Cut before looking at each character: a megabyte costs what a line does. A line break may be two characters.
    text = text[: 2 * limit + 2].replace("\r\n", "\n")
    shown: list[str] = []
    combining = 0
    for character in text:
        if len(shown) > limit:
            break
        if character.isascii() and character.isprintable():
            combining = 0
            shown.append(character)
            continue
        if character in _VARIATION_SELECTORS:
            continue
        combining = combining + 1 if unicodedata.category(character) in _COMBINING else 0
        shown.append(MARK if combining > _MOST_COMBINING else _harmless(character, lines=lines))
    if len(shown) > limit:
        shown[limit - 1 :] = [ELLIPSIS]
    return "".join(shown)


def _harmless(character: str, *, lines: bool) -> str:
    if character == "\n":
        return "\n" if lines else LINE_MARK
    if character < " ":
        return chr(_CONTROL_PICTURES + ord(character))
    if character == _DELETE:
        return _DELETE_PICTURE
    return MARK if character in _BLANK or unicodedata.category(character) in _REPLACED else character
