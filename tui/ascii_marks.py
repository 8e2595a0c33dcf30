"""ASCII spellings of everything that is drawn or printed, for terminals that are not told to take UTF-8."""

import codecs
import os
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_LOCALE_NAMES = ("LC_ALL", "LC_CTYPE", "LANG")  # the C library takes the first that is not empty
_UNKNOWN = "?"
_CONTROL_PICTURES = range(0x2400, 0x2420)
_BOX = range(0x2500, 0x2580)
_BRAILLE = range(0x2800, 0x2900)
# The dots of a Braille cell in its upper and its lower half.
_UPPER_DOTS, _LOWER_DOTS = 0b00011011, 0b11100100
# What is drawn, each mark in the one cell that it has.
_CELLS = {
    "…": "~",
    "·": ".",
    "‐": "-",
    "–": "-",
    "—": "-",
    "‖": "|",
    "¦": "|",
    "→": ">",
    "←": "<",
    "↑": "^",
    "↓": "v",
    "▸": ">",
    "›": ">",
    "‹": "<",
    "▲": "^",
    "▼": "v",
    "●": "*",
    "○": "o",
    "■": "#",
    "◆": "@",
    "✓": "+",
    "✗": "x",
    "↵": "<",
    "⏎": "|",
    "␡": "^",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "∕": "/",
    "∗": "*",
    "∼": "~",
    "ˋ": "`",
    "−": "-",
    "€": "E",
    "×": "x",
    "\N{REPLACEMENT CHARACTER}": _UNKNOWN,
    # Bars and sparklines by height; frames are drawn with some of them.
    "▁": "_",
    "▂": ".",
    "▃": ",",
    "▄": "-",
    "▅": "=",
    "▆": "+",
    "▇": "*",
    "█": "#",
    "▔": "-",
    "▀": "-",
    "░": ".",
    "▒": ":",
    "▓": "%",
    **dict.fromkeys("▏▎▍▌▋▊▉▐▕", "|"),
    **dict.fromkeys("▖▗▘▙▚▛▜▝▞▟", "#"),
}
# What is printed as a sentence has room for a longer spelling.
_LONGER = {
    "…": "...",
    "·": "-",
    "—": "--",
    "→": "->",
    "←": "<-",
    "⏎": "\\n",
    "␡": "^?",
    "€": "EUR",
    **{chr(picture): f"^{chr(picture - 0x2400 + 64)}" for picture in _CONTROL_PICTURES},
}


def needs_ascii(encoding: str | None, environment: Mapping[str, str]) -> bool:
    """Whether a stream of `encoding`, started in `environment`, is told of no UTF-8.

    Under LANG=C Python writes UTF-8 whatever the terminal takes, so a locale that is named decides. One that is not
    named says nothing about the terminal, and PYTHONUTF8=1 and PYTHONIOENCODING are the operator's own choice.
    """
    try:
        codec = codecs.lookup(encoding or "ascii").name
    except LookupError:
        return True
    if not codec.startswith("utf"):
        return True
    if environment.get("PYTHONUTF8") == "1" or environment.get("PYTHONIOENCODING"):
        return False
    locale = next(filter(None, map(environment.get, _LOCALE_NAMES)), None)
    return locale is not None and "utf8" not in locale.lower().replace("-", "")


@cache
def initial_environment() -> Mapping[str, str]:
    """The environment that this process was started with: Python writes LC_CTYPE=C.UTF-8 into its own under LANG=C."""
    try:
        block = Path("/proc/self/environ").read_bytes()
    except OSError:
        return os.environ
    return dict(os.fsdecode(line).partition("=")[::2] for line in block.split(b"\0"))


def ascii_cells(text: str) -> str:
    """`text` in ASCII with every character as wide as it was; what has no ASCII spelling becomes question marks."""
    return text if text.isascii() else "".join(map(_cells, text))


def ascii_text(text: str) -> str:
    """`text` in ASCII, as long as that takes; what has no ASCII spelling becomes an escape such as `\\u65e5`."""
    return text if text.isascii() else "".join(map(_longer, text))


@cache
def _cells(character: str) -> str:
    spelling = _spelling(character)
    if spelling is not None:
        return spelling
    from rich.cells import cell_len  # not needed where all that is printed has a spelling

    return _UNKNOWN * cell_len(character)


@cache
def _longer(character: str) -> str:
    spelling = _LONGER.get(character, _spelling(character))
    return character.encode("ascii", "backslashreplace").decode() if spelling is None else spelling


def _spelling(character: str) -> str | None:
    """One ASCII character for `character`, or none for what only adds to the one before; None where there is none."""
    if character.isascii():
        return character
    if character in _CELLS:
        return _CELLS[character]
    code = ord(character)
    if code in _CONTROL_PICTURES:
        return "^"
    if code in _BOX:
        return _line(unicodedata.name(character))
    if code in _BRAILLE:
        return _dots(code - _BRAILLE.start)
    if unicodedata.combining(character):
        return ""
    letters = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    is_one_cell = unicodedata.east_asian_width(character) not in "WF"
    return letters[0] if len(letters) == 1 and letters[0].isascii() and is_one_cell else None


def _line(name: str) -> str:
    across = any(word in name for word in ("HORIZONTAL", "LEFT", "RIGHT"))
    upright = any(word in name for word in ("VERTICAL", "UP", "DOWN"))
    if "DIAGONAL" in name:
        return "X" if "CROSS" in name else "/" if "UPPER RIGHT TO LOWER LEFT" in name else "\\"
    return "+" if across and upright else "-" if across else "|"


def _dots(dots: int) -> str:
    if not dots:
        return " "
    if not dots & _LOWER_DOTS:
        return "'"
    return ":" if dots & _UPPER_DOTS else "."
