"""One answer of one source, arranged for looking up: closes, splits, renamed symbols, unlikely moves. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from core import metrics
from core.moves import LARGEST_MOVE, LARGEST_MOVE_AT_A_RENAME, Move
from core.prices.source import ONE, TRY_ANOTHER, Answer, Close, MalformedError, is_price
from core.renames import JoinedCloses, join
from core.symbol_changes import SymbolChange, names_of

NO_CLOSES: Mapping[date, Close] = {}


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
        joined: Mapping[str, JoinedCloses] | None = None,
    ) -> None:
        """Takes from `answer` nothing later than `last`, whatever the source sent.

        `least_rest` is how long the source asks to be left alone after an answer that lacks something.
        `joined` holds how the closes of renamed symbols were put together.
        Reading the closes of a symbol that failed in `answer` raises its error. A symbol with a malformed split factor
        or date is one of them, and the other symbols are not affected.
        """
        self._last = last
        self._joined = joined or {}
        self.source = answer.source
        self.is_taken_at_its_word = is_taken_at_its_word
        self.least_rest = least_rest
        self.basis = answer.basis
        self.is_complete = answer.is_complete
        self._failed = dict(answer.failed)
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

    def check(self, symbol: str) -> None:
        """Raises a PriceSourceError if there is no usable response for `symbol`, or a close in it is no price."""
        for day, close in self._closes_of(symbol).items():
            self._checked(symbol, day, close.price)

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

    def shows_closure(self, day: date, benchmark: str, symbols: Iterable[str]) -> bool:
        """Whether the exchange was closed on `day`, though the calendar expected a session.

        No symbol has a close on it, and the benchmark has one before and one after. Where the source has no close of
        the benchmark at all, those of `symbols` count in its place. A symbol without a usable response proves nothing.
        """
        symbols = tuple(symbols)
        if not self._failed.keys().isdisjoint((benchmark, *symbols)):
            return False
        asked = [self._closes.get(symbol, NO_CLOSES) for symbol in (benchmark, *symbols)]
        if any(day in closes for closes in asked):
            return False
        known = asked[:1] if asked[0] else asked
        return any(min(closes) < day < max(closes) for closes in known if closes)

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
        """The moves that need an operator's approval after the session `after`, up to and including `until`, each once.

        There are none in the closes of a source that is taken at its word. Raises a PriceSourceError.
        """
        if self.is_taken_at_its_word:
            return []
        if (found := self._moves.get(symbol)) is None:
            found = self._moves[symbol] = tuple(self._moves_of(symbol))
        return [move for move in found if after <= move.previous_session and move.session <= until]

    def _moves_of(self, symbol: str) -> Iterator[Move]:
        closes, joined = self._closes_of(symbol), self._joined.get(symbol)
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
            if joined is not None and any(before < change <= day for change in joined.changes):
                move = replace(move, successor=joined.names[day])
                is_proven = not any(before < change <= day for change in joined.unproven)
                if not is_proven or move.exceeds(LARGEST_MOVE_AT_A_RENAME):
                    yield move
            elif move.exceeds(LARGEST_MOVE):
                yield move

    def renamed(
        self,
        changes: Mapping[str, tuple[SymbolChange, ...]],
        baseline_date: date,
        stored: Mapping[str, Mapping[date, Decimal]],
    ) -> "History":
        """The same answer with the closes of renamed symbols under the names that they had on `baseline_date`.

        `stored` holds the prices by symbol and day that the batch has stored. Raises MalformedError.
        """
        if not changes:
            return self
        sessions = {day for closes in self._closes.values() for day in closes}
        joined = {}
        for symbol, since in changes.items():
            for name in names_of(symbol, changes):
                for day, close in self._closes_of(name).items():
                    self._checked(name, day, close.price)
            joined[symbol] = join(
                symbol,
                since,
                self._closes,
                baseline_date=baseline_date,
                stored=stored.get(symbol, {}),
                sessions=sessions,
                is_operators_own=self.is_taken_at_its_word,
            )
        return History(
            Answer(
                self.source,
                self.basis,
                {**self._closes, **{name: each.closes for name, each in joined.items()}},
                failed=self._failed,
                is_complete=self.is_complete,
            ),
            self._last,
            is_taken_at_its_word=self.is_taken_at_its_word,
            least_rest=self.least_rest,
            joined=joined,
        )

    def _quoted_as(self, symbol: str, day: date) -> str | None:
        joined = self._joined.get(symbol)
        name = symbol if joined is None else joined.names.get(day, symbol)
        return None if name == symbol else name
