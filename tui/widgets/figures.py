"""Numbers and words of the product as coloured text, the same on every screen."""

from collections.abc import Sequence
from decimal import Decimal

from rich.text import Text

from db.records import Action
from tui import format as formats
from tui.literal import literal

ABSENT = Text("·", style="quiet")
_STYLES = {1: "gain", 0: "", -1: "loss"}


def signed(value: Decimal | None) -> Text:
    """A return in percent; neither good nor bad, so without colour."""
    return ABSENT if value is None else Text(formats.percent(value))


def excess(value: Decimal | None) -> Text:
    """What an operator reads as success: arrow, sign and colour."""
    return ABSENT if value is None else Text(formats.excess(value), style=_STYLES[formats.direction(value)])


def short_excess(value: Decimal | None) -> Text:
    """An excess for narrow cells: sign and colour."""
    return ABSENT if value is None else Text(formats.short_percent(value), style=_STYLES[formats.direction(value)])


def price(value: Decimal | None) -> Text:
    """A price."""
    return ABSENT if value is None else Text(formats.price(value))


def trend(values: Sequence[Decimal], width: int) -> Text:
    """Bars of the newest values, in the colour of the last."""
    return Text(formats.sparkline(values, width), style=_STYLES[formats.direction(values[-1])] if values else "")


def pick(action: Action, ticker: str, *, in_words: bool) -> Text:
    """`BUY NVDA`, or `B NVDA` where room is short."""
    word = str(action) if in_words else str(action)[0]
    return Text.assemble((word, "quiet"), " ", literal(ticker, limit=10))
