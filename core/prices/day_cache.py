"""One question for each symbol and day: closes of finished sessions are kept until the exchange's day is over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from core.clock import Clock
from core.price_history import History
from core.prices.around import AroundSource
from core.prices.source import Answer, Close, MalformedError, PriceSource
from core.trading_calendar import TradingCalendar


@dataclass(frozen=True, slots=True)
class _Kept:
    """One symbol's closes in one answer, the span that was asked for, and the exchange's date at that time."""

    on: date
    first: date
    last: date
    closes: Mapping[date, Close]


class DayCache(AroundSource):
    """A price source that queries another one only for closes that it does not hold yet from today.

    It keeps a symbol's closes only if the provider has nothing left to correct: a close on every session of the span,
    numbers that can be prices, and no move of more than 40 % in one session. All of a symbol's closes in an answer come
    from one response, so both ends of its return are on one share basis.
    """

    def __init__(self, source: PriceSource, calendar: TradingCalendar, clock: Clock) -> None:
        super().__init__(source)
        self._calendar = calendar
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """What the source says, as PriceSource does. Raises its errors."""
        today = self._calendar.exchange_date(self._clock.now())
        self._kept = {symbol: kept for symbol, kept in self._kept.items() if kept.on == today}
        wanted = frozenset(symbols)
        known = {
            symbol: kept
            for symbol in wanted
            if (kept := self._kept.get(symbol)) is not None and kept.first <= first and last <= kept.last
        }
        closes = {
            symbol: {day: close for day, close in kept.closes.items() if first <= day <= last}
            for symbol, kept in known.items()
        }
        if not (asked := wanted - known.keys()):
            return Answer(self.name, self.basis, closes, is_cached=True)
        answer = await self._source.closes(sorted(asked), first, last)
        history, sessions = History(answer, last), frozenset(self._calendar.sessions(first, last))
        for symbol, found in answer.closes.items():
            if sessions and _is_sound(history, symbol, sessions):
                self._kept[symbol] = _Kept(today, first, last, found)
        return replace(answer, closes={**closes, **answer.closes})


def _is_sound(history: History, symbol: str, sessions: frozenset[date]) -> bool:
    """Whether `symbol` has a close on all of `sessions`, and none that is malformed or may be wrong."""
    try:
        return not history.moves(symbol, min(sessions), max(sessions)) and all(
            history.close(symbol, day) is not None for day in sessions
        )
    except MalformedError:
        return False
