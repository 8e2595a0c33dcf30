"""The one form in which tickers are written in the house."""

import re

_TICKER = re.compile(r"[A-Z][A-Z0-9.\-]{0,9}", re.ASCII)


def is_ticker(text: str) -> bool:
    """Whether `text` is a ticker as it is stored."""
    return _TICKER.fullmatch(text) is not None


def parse_ticker(text: str) -> str:
    """The ticker that `text` spells: 1 to 10 of A-Z 0-9 `.` `-`, starting with a letter, upper-cased.

    Classes are written with a point (BRK.B). Raises ValueError naming the text.
    """
    ticker = text.strip().upper() if text.isascii() else text
    if not _TICKER.fullmatch(ticker):
        raise ValueError(f"not a ticker (1 to 10 of A-Z 0-9 . -, starting with a letter): {text[:40]!r}")
    return ticker
