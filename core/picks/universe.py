"""The tickers that may be picked, and when each belonged: a file `ticker[,from,to]`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from core.csv_rows import line_error, parse_date, read_rows
from core.tickers import parse_ticker


@dataclass(frozen=True, slots=True)
class Universe:
    """Each ticker's spells of membership, both ends included; `undated` if the file bounds none of them."""

    spells: Mapping[str, Sequence[tuple[date, date]]]
    undated: bool

    def members(self, day: date) -> frozenset[str]:
        """The tickers that belong on `day`."""
        return frozenset(
            ticker for ticker, spells in self.spells.items() if any(first <= day <= last for first, last in spells)
        )


def parse_universe(text: str, label: str) -> Universe:
    """The universe in the text of a file called `label`; undated if no row has a date.

    Raises `FileError` for a bad ticker or date, a spell that ends before it begins, and spells of one ticker
    that overlap.
    """
    spells: dict[str, list[tuple[date, date]]] = {}
    undated = True
    for line, (ticker_text, first_text, last_text) in read_rows(text, label, ("ticker",), ("from", "to")):
        try:
            ticker = parse_ticker(ticker_text)
            first = parse_date(first_text) if first_text else date.min
            last = parse_date(last_text) if last_text else date.max
        except ValueError as exc:
            raise line_error(label, line, exc) from exc
        if last < first:
            raise line_error(label, line, f"{ticker!r} ends on {last_text!r}, before it begins on {first_text!r}")
        held = spells.setdefault(ticker, [])
        if any(first <= other_last and other_first <= last for other_first, other_last in held):
            raise line_error(label, line, f"{ticker!r} belongs twice on the same day")
        held.append((first, last))
        undated = undated and not (first_text or last_text)
    return Universe(spells, undated)
