"""The one spelling of tickers: upper case, share classes after a point (BRK.B)."""

import re

_TICKER = re.compile(r"[A-Z][A-Z0-9.]{0,9}", re.ASCII)
_STORED_TICKER = re.compile(r"[A-Z][A-Z0-9./\-]{0,9}", re.ASCII)
_POINTS = str.maketrans("-/", "..")


def canonical_ticker(ticker: str) -> str:
    """The spelling under which a ticker is compared: BRK.B for BRK-B and BRK/B. Stored rows may have any of them."""
    return ticker.translate(_POINTS)


def is_ticker(text: str) -> bool:
    """Whether `text` is a ticker as a stored row may spell it."""
    return _STORED_TICKER.fullmatch(text) is not None


def parse_ticker(text: str) -> str:
    """The ticker that `text` spells: 1 to 10 of A-Z 0-9 `.` `-` `/`, starting with a letter, in the one spelling.

    BRK.B, brk-b and BRK/B are BRK.B. Raises ValueError naming the text.
    """
    ticker = canonical_ticker(text.strip().upper()) if text.isascii() else text
    if not _TICKER.fullmatch(ticker):
        raise ValueError(f"not a ticker (1 to 10 of A-Z 0-9 . -, starting with a letter): {text[:40]!r}")
    return ticker
