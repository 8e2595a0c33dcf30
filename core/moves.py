"""Closes that moved beyond all likelihood within a session: an unflagged split or an error, until an operator says so.

The bound is the product's rule, 40 %; the largest move of the S&P 500 in a session since 1928 was 22.6 %
(Federal Reserve History, "Stock Market Crash of 1987").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from core import metrics
from core.prices.source import is_price
from core.tickers import canonical_ticker

LARGEST_MOVE = Decimal("0.4")
# A split often comes with a rename, and a source that ends one series and begins another need not flag it.
LARGEST_MOVE_AT_A_RENAME = Decimal("0.1")
# Providers round a close in different ways; a move that was accepted is known again in spite of that.
_SAME_MOVE = Decimal("1e-3")
_BACK_AGAIN = Decimal("0.1")
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Move:
    """A close against that of the session before it in one answer, both as the source sent them.

    `split_factor` is new shares per old on the later session. A move by -85 % has the `ratio` 0.15.
    `successor` is the name of the later close where the symbol was renamed in between.
    """

    symbol: str
    source: str
    previous_session: date
    session: date
    previous: Decimal
    close: Decimal
    split_factor: Decimal = _ONE
    successor: str = ""

    @property
    def ratio(self) -> Decimal:
        """What one share of before is worth after, per unit of what it was worth."""
        return metrics.CONTEXT.divide(metrics.CONTEXT.multiply(self.close, self.split_factor), self.previous)

    def exceeds(self, bound: Decimal) -> bool:
        """Whether it moved by more than `bound`, a fraction, up or down."""
        return abs(metrics.CONTEXT.subtract(self.ratio, _ONE)) > bound

    @property
    def words(self) -> str:
        """`AAPL moved -85.49 % from 645.57 on 2014-06-06 to 93.7 on 2014-06-09 without a split at tiingo`."""
        percent = metrics.return_pct(_ONE, self.ratio).quantize(Decimal("0.01"), context=metrics.CONTEXT)
        split = "without a split" if self.split_factor == _ONE else f"beyond its split by {self.split_factor:f}"
        renamed = f" as {self.successor}, its new name," if self.successor else ""
        return (
            f"{self.symbol} moved {percent:+} % from {self.previous:f} on {self.previous_session} "
            f"to {self.close:f} on {self.session}{renamed} {split} at {self.source}"
        )

    def is_like(self, other: "Move") -> bool:
        """Whether `other`, of whichever source, is the same move: symbol, session, and size to a tenth of a percent."""
        if self.session != other.session or canonical_ticker(self.symbol) != canonical_ticker(other.symbol):
            return False
        return abs(metrics.CONTEXT.subtract(metrics.CONTEXT.divide(self.ratio, other.ratio), _ONE)) <= _SAME_MOVE

    def payload(self) -> dict[str, str]:
        """Its values as text, by the names that `move_in` reads."""
        return {
            "symbol": self.symbol,
            "source": self.source,
            "previous_session": self.previous_session.isoformat(),
            "session": self.session.isoformat(),
            "previous": format(self.previous, "f"),
            "close": format(self.close, "f"),
            "split_factor": format(self.split_factor, "f"),
            **({"successor": self.successor} if self.successor else {}),
        }


def move_in(payload: Mapping[str, Any]) -> Move | None:
    """The move that an event or a waiting day tells of; None for a form that is not this version's."""
    try:
        move = Move(
            symbol=str(payload["symbol"]),
            source=str(payload["source"]),
            previous_session=date.fromisoformat(payload["previous_session"]),
            session=date.fromisoformat(payload["session"]),
            previous=Decimal(payload["previous"]),
            close=Decimal(payload["close"]),
            split_factor=Decimal(payload["split_factor"]),
            successor=str(payload.get("successor") or ""),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None  # what is not understood accepts nothing, and the day waits
    return move if all(map(is_price, (move.previous, move.close, move.split_factor))) else None


def standing_moves(moves: Sequence[Move]) -> tuple[Move, ...]:
    """Those of `moves`, of one symbol and in order, that make a later close incomparable with an earlier one.

    A wrong close, or a split factor on the wrong date, moves a series there and back: where moves lead back to where
    they began, to a tenth, what comes after them compares as if they had not been. Two closes of different names are
    comparable only with evidence, whatever else moved.
    """
    ratio = _ONE
    within = [move for move in moves if not move.successor]
    for move in within:
        ratio = metrics.CONTEXT.multiply(ratio, move.ratio)
    undo_each_other = len(within) > 1 and abs(metrics.CONTEXT.subtract(ratio, _ONE)) <= _BACK_AGAIN
    return tuple(move for move in moves if move.successor or not undo_each_other)


def without_accepted(moves: Iterable[Move], accepted: Iterable[Move]) -> tuple[Move, ...]:
    """Those of `moves` that no operator has accepted."""
    known = tuple(accepted)
    return tuple(move for move in moves if not any(move.is_like(other) for other in known))
