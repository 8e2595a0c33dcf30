"""The words of alerts: figures, days and reasons, and text from outside made harmless. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from core.metrics import CONTEXT
from core.trading_calendar import EXCHANGE_ZONE

ELLIPSIS = "…"
MARK = "\N{REPLACEMENT CHARACTER}"
_HUNDREDTH = Decimal("0.01")
# Controls, formats (bidi, zero width, tags), surrogates, private use, unassigned, line and paragraph separators.
_REPLACED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COMBINING = frozenset({"Mn", "Me"})
_MOST_COMBINING = 2
# What mail clients and chat services take for mentions, links or markup becomes a character that looks alike.
_LOOK_ALIKES = str.maketrans(
    {"<": "‹", ">": "›", "@": "＠", "`": "ˋ", "*": "∗", "[": "(", "]": ")", "|": "¦", "~": "∼", "#": "♯", "\\": "⧵"}
)
# A dot in a name that may be a host's: its last label has two characters or more and begins with a letter. So `BRK.B`
# and `18.6.3` are none, but `SAP.DE` is. IDNA reads the three other dots as dots too.
_DOT_IN_HOST = re.compile(r"(?<=[^\s/])[.。．｡](?=[^\W\d_](?:[\w-]|[^\x00-\x7f…]))")
_IPV4_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3,}")
_SAME_LENGTH = (
    (re.compile(r"//"), "∕∕"),
    (re.compile(r"(?<=[^\W\d_]):(?=[^\s\d])"), "∶"),  # the colon of a scheme, `mailto:`, but not of a port
    (re.compile(r"(?:(?<=\btel)|(?<=\bsms)|(?<=\blocalhost)):(?=\d)", re.IGNORECASE), "∶"),
    (re.compile(r"(?<!\w):(?=[\w+-]+:)"), "∶"),  # the first of `:smile:`
    (re.compile(r"(?<!\w)/(?=\w+(?![\w/]))"), "∕"),  # a bot's command, `/start`
    (re.compile(r"&(?=#?\w+;)"), "＆"),  # an entity, `&#46;`
    (re.compile(r"(?<![^\W_])_|_(?![^\W_])"), "＿"),  # emphasis; an underscore inside a word is none
)
# What begins a list, a heading or a rule.
_LIST_NUMBER = re.compile(r"^(\s*\d+)[.)](?=\s)", re.MULTILINE)
_LINE_OF_SIGNS = re.compile(r"^\s*[-+=]+(?=\s|$)", re.MULTILINE)
_SIGNS = str.maketrans({"-": "‐", "+": "＋", "=": "＝"})
_REASONS = {
    "market_closed": "market closed",
    "price_missing": "no close",
    "benchmark_has_no_close": "nobody traded",
    "stopped_trading": "it stopped trading",
    "close_missing": "no close yet",
    "source_behind": "the source is behind",
    "other_basis": "no source of this basis",
    "baseline_missing": "no close at the baseline",
    "doubtful_move": "a doubtful move",
    "batch_malformed": "the batch's rows are malformed",
    "too_late": "it was too late",
    "rate_limited": "the source's limit is reached",
    "unauthorised": "the source refuses the key",
    "unavailable": "the source is unavailable",
    "timed_out": "the source did not respond",
    "row_refused": "the database refused a value",
    "malformed": "the source's answer is malformed",
    "not_running": "no scheduler ran",
    "paused": "the schedulers were paused",
    "no_pick_source": "no pick source is set",
    "picks_not_yet": "no picks in time",
    "picks_unavailable": "the pick source is unavailable",
    "picks_timed_out": "the pick source did not respond",
    "picks_malformed": "the picks are malformed",
    "picks_given_up": "the pick source gave up",
}


def plain(value: object, *, limit: int = 200) -> str:
    """`value` as one line of at most `limit` characters, each of which is drawn."""
    # Cut before looking at each character: a megabyte costs what a line does.
    return cut(_drawn(" ".join(str(value)[: 2 * limit + 2].split())), limit)


def _drawn(text: str) -> str:
    """`text` with a mark for whatever draws nothing, and for heaps of combining characters."""
    shown: list[str] = []
    combining = 0
    for character in text:
        category = unicodedata.category(character)
        combining = combining + 1 if category in _COMBINING else 0
        shown.append(MARK if category in _REPLACED or combining > _MOST_COMBINING else character)
    return "".join(shown)


def harmless(text: str) -> str:
    """`text`, in whose lines no client finds a link, a host, a mention or markup: `https∶∕∕evil(.)example`.

    Done twice, it changes nothing more; and what is cut from it grows no longer by doing it again.
    """
    text = "\n".join(map(_drawn, text.split("\n"))).translate(_LOOK_ALIKES)
    for dangerous, replacement in _SAME_LENGTH:
        text = dangerous.sub(replacement, text)
    text = _LIST_NUMBER.sub(r"\1․", text)
    text = _LINE_OF_SIGNS.sub(lambda found: found[0].translate(_SIGNS), text)
    text = _IPV4_ADDRESS.sub(lambda found: found[0].replace(".", "(.)"), text)
    return _DOT_IN_HOST.sub("(.)", text)


def cut(text: str, limit: int) -> str:
    """`text`, or its beginning with an ellipsis where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def points(value: Decimal) -> str:
    """A difference in percentage points: `+1.08 pp`, `-0.40 pp`, `0.00 pp`."""
    rounded = value.quantize(_HUNDREDTH, context=CONTEXT)
    return f"{rounded:+f} pp" if rounded else f"{rounded.copy_abs():f} pp"


def excess_words(value: Decimal | None) -> str:
    """A batch's excess, or that there is none."""
    return "no computed day" if value is None else f"excess {points(value)}"


def day_words(day: date) -> str:
    """`Fri 13 Nov`."""
    return f"{day:%a} {day.day} {day:%b}"


def moment(instant: datetime) -> str:
    """`Fri 13 Nov 16:31` in exchange time."""
    there = instant.astimezone(EXCHANGE_ZONE)
    return f"{day_words(there.date())} {there:%H:%M}"


def reason_words(reason: str) -> str:
    """Why a day was skipped or waits, or a week was missed."""
    return _REASONS.get(reason) or plain(reason.replace("_", " ") or "unknown", limit=40)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 day`, `1,204 days`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names from outside in a row, the rest of many as a number."""
    shown = ", ".join(plain(name, limit=12) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
