"""One answer of one source, arranged for looking up: closes, splits, renamed symbols, unlikely moves. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from core import metrics
from core.moves import Move
from core.prices.source import ONE, TRY_ANOTHER, Answer, Close, MalformedError, PriceSourceError, is_price
from core.symbol_changes import SymbolChange, names_of

NO_CLOSES: Mapping[date, Close] = {}
# Closes of one company, revised or of two sources, differ by less; those of two companies are so near by chance only.
_NEAR = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class TracedClose:
    """Where a stored price came from: both raw closes, and the split factor between them.

    `quoted_as` is the name under which the later close was quoted, where the symbol was renamed.
    """

    baseline: Decimal
    close: Decimal
    split_factor: Decimal
    quoted_as: str | None = None


class History:
    """One answer, arranged for looking up: closes by symbol and date, and each symbol's splits in order."""

    def __init__(
        self,
        answer: Answer,
        last: date,
        *,
        is_taken_at_its_word: bool = False,
        least_rest: timedelta = timedelta(0),
        quoted: Mapping[str, tuple[SymbolChange, ...]] | None = None,
        failed: Mapping[str, PriceSourceError] | None = None,
    ) -> None:
        """Takes from `answer` nothing later than `last`, whatever the source sent.

        `least_rest` is how long the source asks to be left alone after an answer that lacks something.
        `quoted` tells under which names the closes of renamed symbols stood in the source's own answer.
        `failed` holds the error of each symbol without a usable response; reading its closes raises that error.
        A symbol with a malformed split factor or date is added to them, and the other symbols are not affected.
        """
        self._last = last
        self._quoted = quoted or {}
        self.source = answer.source
        self.is_taken_at_its_word = is_taken_at_its_word
        self.least_rest = least_rest
        self.basis = answer.basis
        self._failed = dict(failed or {})
        self._closes: dict[str, Mapping[date, Close]] = {}
        self._splits: dict[str, list[tuple[date, Decimal]]] = {}
        self._moves: dict[str, tuple[Move, ...]] = {}
        for symbol, closes in answer.closes.items():
            try:
                self._add(symbol, closes)
            except MalformedError as problem:
                self._failed.setdefault(symbol, problem)

    def _add(self, symbol: str, closes: Mapping[date, Close]) -> None:
        """Adds the closes of one symbol. Raises MalformedError."""
        try:
            if closes and max(closes) > self._last:
                closes = {day: close for day, close in closes.items() if day <= self._last}
            factors = [(day, close.split_factor) for day, close in closes.items()]
        except (AttributeError, TypeError) as exc:  # a plug-in may send anything
            raise MalformedError(f"{self.source} sent no dated closes for {symbol}.", TRY_ANOTHER) from exc
        self._splits[symbol] = sorted(
            (day, factor) for day, number in factors if (factor := self._checked(symbol, day, number)) != ONE
        )
        self._closes[symbol] = closes

    def _checked(self, symbol: str, day: date, number: object) -> Decimal:
        """`number` if it can be a price or a factor. Raises MalformedError: nothing else is ever computed with."""
        if not is_price(number):
            shown = repr(str(number)[:40]) if isinstance(number, Decimal) else f"a {type(number).__name__}"
            raise MalformedError(
                f"{self.source} gave a number for {symbol} on {day} that is no price: {shown}.", TRY_ANOTHER
            )
        return number

    def _closes_of(self, symbol: str) -> Mapping[date, Close]:
        """The closes of `symbol`. Raises the error of a symbol without a usable response."""
        if (problem := self._failed.get(symbol)) is not None:
            raise problem.with_traceback(None)  # raised again and again, it would collect tracebacks
        return self._closes.get(symbol, NO_CLOSES)

    def has_close(self, symbol: str, day: date) -> bool:
        """Whether the source sent anything for `symbol` on `day`; what that is worth, `close` tells."""
        return day in self._closes.get(symbol, NO_CLOSES)

    def close(self, symbol: str, day: date) -> Decimal | None:
        """The close of `symbol` on `day`, as the source sent it. Raises a PriceSourceError."""
        close = self._closes_of(symbol).get(day)
        return self._checked(symbol, day, close.price) if close else None

    def split_factor(self, symbol: str, after: date, until: date) -> Decimal:
        """The product of the split factors after one day up to and including another. Raises a PriceSourceError."""
        self._closes_of(symbol)
        product = ONE
        for day, factor in self._splits.get(symbol, ()):
            if after < day <= until:
                product = metrics.CONTEXT.multiply(product, factor)
        return product

    def trace(self, symbol: str, baseline_date: date, day: date) -> "TracedClose | None":
        """Both ends of a return of `symbol`, None where either has no close. Raises a PriceSourceError."""
        baseline, close = self.close(symbol, baseline_date), self.close(symbol, day)
        if baseline is None or close is None:
            return None
        return TracedClose(baseline, close, self.split_factor(symbol, baseline_date, day), self._quoted_as(symbol, day))

    def has_close_from(self, symbol: str, day: date) -> bool:
        """Whether there is a close of `symbol` on `day` or later."""
        return any(known >= day for known in self._closes.get(symbol, NO_CLOSES))

    def has_close_after(self, symbol: str, day: date) -> bool:
        """Whether there is a close of `symbol` later than `day`."""
        return any(known > day for known in self._closes.get(symbol, NO_CLOSES))

    def last_session(self, symbol: str) -> date | None:
        """The date of the latest close of `symbol`; None without any."""
        return max(self._closes.get(symbol, NO_CLOSES), default=None)

    def closes_after(self, symbol: str, day: date) -> int:
        """How many closes of `symbol` are later than `day`."""
        return sum(known > day for known in self._closes.get(symbol, NO_CLOSES))

    def moves(self, symbol: str, after: date, until: date) -> list[Move]:
        """The moves beyond all likelihood from the session `after` up to and including `until`, each once.

        There are none in the closes of a source that is taken at its word. Raises a PriceSourceError.
        """
        if self.is_taken_at_its_word:
            return []
        if (found := self._moves.get(symbol)) is None:
            found = self._moves[symbol] = tuple(self._moves_of(symbol))
        return [move for move in found if after <= move.previous_session and move.session <= until]

    def _moves_of(self, symbol: str) -> Iterator[Move]:
        closes = self._closes_of(symbol)
        for before, day in pairwise(sorted(closes)):
            move = Move(
                symbol,
                self.source,
                before,
                day,
                self._checked(symbol, before, closes[before].price),
                self._checked(symbol, day, closes[day].price),
                self._checked(symbol, day, closes[day].split_factor),
            )
            if move.is_beyond:
                yield move

    def renamed(
        self, changes: Mapping[str, tuple[SymbolChange, ...]], baseline_date: date, stored: Mapping[str, Decimal]
    ) -> "History":
        """The same answer with the closes of renamed symbols under the names that they had on `baseline_date`.

        Providers carry a company's whole history over to its new name, and some keep it under the old one as well.
        Where the newest name's close at the baseline is the old name's, or the `stored` one where the old name has
        none, its closes are taken alone, on one share basis; otherwise each name's for the time in which it was in use.
        """
        if not changes:
            return self
        joined = {
            symbol: self._joined(symbol, since, baseline_date, stored.get(symbol)) for symbol, since in changes.items()
        }
        closes = {**self._closes, **{symbol: found for symbol, (found, _) in joined.items()}}
        return History(
            Answer(self.source, self.basis, closes),
            self._last,
            is_taken_at_its_word=self.is_taken_at_its_word,
            least_rest=self.least_rest,
            quoted={symbol: names for symbol, (_, names) in joined.items()},
            failed=self._failed,
        )

    def _joined(
        self, symbol: str, changes: tuple[SymbolChange, ...], baseline_date: date, stored: Decimal | None
    ) -> tuple[Mapping[date, Close], tuple[SymbolChange, ...]]:
        newest = changes[-1].successor
        old, new = self.close(symbol, baseline_date), self.close(newest, baseline_date)
        if new is not None and (_is_carried_over(new, stored) if old is None else metrics.is_same_close(old, new)):
            return self._closes[newest], (SymbolChange(symbol, newest, date.min),)
        joined: dict[date, Close] = {}
        begins = [date.min, *(change.date for change in changes)]
        ends = [*begins[1:], date.max]
        for name, begin, end in zip(names_of(symbol, {symbol: changes}), begins, ends, strict=True):
            joined.update((day, close) for day, close in self._closes_of(name).items() if begin <= day < end)
        return joined, changes

    def _quoted_as(self, symbol: str, day: date) -> str | None:
        names = [change.successor for change in self._quoted.get(symbol, ()) if change.date <= day]
        return names[-1] if names else None


def _is_carried_over(new: Decimal, stored: Decimal | None) -> bool:
    """Whether a new name's close at the baseline can be that of the company whose close was stored, if one was.

    Before it was this company's, the name may have been another security's.
    """
    if stored is None or metrics.explained_by_split(stored, new) is not None:
        return True
    return abs(metrics.CONTEXT.subtract(new, stored)) <= metrics.CONTEXT.multiply(_NEAR, stored)
