"""Tickers that were renamed: the operator's file `ticker,successor,date`, and which names a symbol has had since."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from core.csv_rows import FileUnreadableError, line_error, parse_date, read_rows
from core.daemon_thread import BlockedError
from core.file_at_rest import FileAtRest
from core.tickers import canonical_ticker, parse_ticker


@dataclass(frozen=True, slots=True)
class SymbolChange:
    """A ticker that trades as `successor` from the session of `date` on."""

    ticker: str
    successor: str
    date: date


class SymbolChanges:
    """Any number of changes; a ticker that was given to another company may have several."""

    def __init__(self, changes: Iterable[SymbolChange] = ()) -> None:
        self._of: dict[str, list[SymbolChange]] = {}
        for change in sorted(changes, key=lambda change: change.date):
            self._of.setdefault(change.ticker, []).append(change)

    def __bool__(self) -> bool:
        return bool(self._of)

    def of(self, symbol: str, since: date, until: date) -> tuple[SymbolChange, ...]:
        """What became of the company that `symbol` named on `since`, up to and including `until`, in order.

        `symbol` may be spelled in any way; a company that takes the name back has it in that spelling.
        """
        found: list[SymbolChange] = []
        first = name = canonical_ticker(symbol)
        after = since
        while (change := self._next(name, after)) is not None and change.date <= until:
            found.append(replace(change, successor=symbol) if change.successor == first else change)
            name, after = change.successor, change.date
        return tuple(found)

    def names(self, symbol: str) -> frozenset[str]:
        """`symbol` in the one spelling, and every name that any company may have had after it."""
        found, new = {canonical_ticker(symbol)}, {canonical_ticker(symbol)}
        while new := {change.successor for name in new for change in self._of.get(name, ())} - found:
            found |= new
        return frozenset(found)

    def _next(self, name: str, after: date) -> SymbolChange | None:
        return next((change for change in self._of.get(name, ()) if change.date > after), None)


NO_CHANGES = SymbolChanges()


class SymbolChangesFile:
    """The changes in a file, read again whenever it was changed; without a file there are none."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else FileAtRest(path, parse_changes)

    async def changes(self) -> SymbolChanges:
        """What the file holds, all of it: a change that it lacks would be a rename that is overlooked.

        Raises `FileError`, also when the file does not respond for a minute.
        """
        if self._file is None:
            return NO_CHANGES
        try:
            return (await self._file.read(whole=True)).content
        except BlockedError as exc:
            raise FileUnreadableError(
                f"cannot read {self._file.label!r}: {exc}", "Look whether its disk or its mount responds."
            ) from exc


def parse_changes(text: str, label: str) -> SymbolChanges:
    """The changes in the text of a file called `label`. Raises `FileError`."""
    found: dict[tuple[str, date], SymbolChange] = {}
    for line, (ticker, successor, day) in read_rows(text, label, ("ticker", "successor", "date")):
        try:
            change = SymbolChange(parse_ticker(ticker), parse_ticker(successor), parse_date(day))
        except ValueError as exc:
            raise line_error(label, line, exc) from exc
        if change.ticker == change.successor:
            raise line_error(label, line, f"{change.ticker!r} is its own successor")
        if (change.ticker, change.date) in found:
            raise line_error(label, line, f"a second change of {change.ticker!r} on {change.date.isoformat()}")
        found[change.ticker, change.date] = change
    return SymbolChanges(found.values())


def names_of(symbol: str, changes: Mapping[str, tuple[SymbolChange, ...]]) -> tuple[str, ...]:
    """`symbol` and every name that it has had since."""
    return (symbol, *(change.successor for change in changes.get(symbol, ())))
