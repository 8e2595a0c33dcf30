"""One question for each symbol and day: closes of finished sessions are kept until the exchange's day is over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from core.clock import Clock
from core.prices.around import AroundSource
from core.prices.source import Answer, Close, PriceSource
from core.trading_calendar import TradingCalendar


@dataclass(frozen=True, slots=True)
class _Kept:
    """One symbol's closes in one answer, the span that was asked for, and the exchange's date at that time."""

    on: date
    first: date
    last: date
    closes: Mapping[date, Close]


class DayCache(AroundSource):
    """A price source that asks another one only for what that has not told yet today.

    Kept are a symbol's closes with one on the span's last session; what lacks that close is asked for again. All of a
    symbol's closes in an answer are of one question, so both ends of its return are on one share basis.
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
            return Answer(self.name, self.basis, closes)
        answer = await self._source.closes(sorted(asked), first, last)
        finished = self._last_session(last)
        for symbol, found in answer.closes.items():
            if finished in found:
                self._kept[symbol] = _Kept(today, first, last, found)
        return Answer(answer.source, answer.basis, {**closes, **answer.closes}, answer.unknown)

    def forget(self, symbols: Iterable[str]) -> None:
        """Has the source asked again for `symbols`."""
        for symbol in symbols:
            self._kept.pop(symbol, None)

    def _last_session(self, last: date) -> date:
        return last if self._calendar.is_session(last) else self._calendar.previous_session(last)
