"""Closes from Alpha Vantage: raw daily closes and the splits beside them, two questions a symbol."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from http import HTTPStatus

from core.clock import Clock, SystemClock
from core.metrics import CONTEXT
from core.plugins import needed
from core.prices.alpha_vantage_answers import (
    CLOSES,
    COMPACT,
    COMPACT_POINTS,
    FULL,
    SPLITS,
    Asked,
    Numbers,
    read_closes,
    read_splits,
    shown,
    ticker_of,
)
from core.prices.exact_json import parse_json
from core.prices.http import Patience, Provider, Reply
from core.prices.limiter import Limiter
from core.prices.provider_errors import checked_key
from core.prices.source import ONE, Answer, Basis, Close, PriceOptions, UnauthorisedError, is_price
from core.trading_calendar import TradingCalendar

ADDRESS = "https://www.alphavantage.co"
# Of a free key, as of 2026: https://www.alphavantage.co/premium/ and its notices, which allow one question a second;
# a question every two leaves the network its share.
LIMIT = "1/2 seconds, 5/minute, 25/day"
_NOTICES = ("Note", "Information", "Error Message")
# Notices of a limit advertise premium plans, too: only what "is a premium feature" is one.
_PREMIUM = re.compile(r"is a premium", re.IGNORECASE)
_SHORT_LIMIT = re.compile(
    r"per (second|minute)|minute-level|burst pattern|spreading out|call (frequency|volume)", re.IGNORECASE
)
_DAILY_LIMIT = re.compile(r"rate limit|(per |/)day|daily (request )?limit", re.IGNORECASE)
_KEY_REFUSED = re.compile(r"api ?key is|demo\W+api ?key|invalid or missing", re.IGNORECASE)
_NO_SUCH_SYMBOL = re.compile(r"invalid api call", re.IGNORECASE)
# When a day's quota begins again is told nowhere, so it is tried every hour.
_SHORT_WAIT, _DAILY_WAIT = timedelta(minutes=1), timedelta(hours=1)


class AlphaVantagePrices:
    """A price source that asks Alpha Vantage.

    It names no time at which closes are ready. At 17:00 some symbols still lack theirs (pydata/pandas-datareader#918),
    and a question in vain costs a share of a small quota: closes are asked for when extended trading ends, at 20:00.
    """

    name = "alpha_vantage"
    basis = Basis.PRICE
    settle_delay = timedelta(hours=4)
    least_rest = timedelta(hours=6)  # each try costs two of the day's 25 questions

    def __init__(
        self,
        key: str,
        calendar: TradingCalendar,
        address: str = ADDRESS,
        patience: Patience | None = None,
        limit: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Raises SettingsError for a key, an address or a limit that cannot be one."""
        key = checked_key(self.name, key)
        self._calendar = calendar
        self._clock = clock or SystemClock()
        self._provider = Provider(
            self.name,
            address=address,
            secrets=[key],
            limiter=Limiter(self.name, LIMIT, limit),
            secret_query={"apikey": key},
            patience=patience,
        )

    @classmethod
    def from_options(cls, options: PriceOptions) -> "AlphaVantagePrices":
        """Raises `MissingSettingError` without a key."""
        key = needed(options.key, "price source 'alpha_vantage'", "ALPHA_MONDAY_ALPHA_VANTAGE_KEY")
        return cls(key, options.calendar, options.url or ADDRESS, limit=options.limit)

    @property
    def quota_left(self) -> int | None:
        """How many more questions the limits allow; a symbol takes two."""
        return self._provider.quota_left

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """Every close from `first` to `last`; a symbol that Alpha Vantage does not find is unknown.

        Raises a `PriceSourceError`: closes without their splits are malformed, and without a premium key days before
        the newest 100 sessions are unauthorised.
        """
        wanted = sorted(set(symbols))
        size = {"outputsize": COMPACT if first >= self._compact_from() else FULL}
        questions = {
            f"{function} {symbol}": Asked(
                ("query",), {"function": function, "symbol": ticker_of(symbol), **more}, symbol, first, last
            )
            for symbol in wanted
            for function, more in ((CLOSES, size), (SPLITS, {}))
        }
        answered = await self._provider.ask(questions, lambda name, reply: self._read(questions[name], reply))
        known: dict[str, dict[date, Close]] = {}
        for symbol in wanted:
            closes, splits = answered[f"{CLOSES} {symbol}"], answered[f"{SPLITS} {symbol}"]
            if closes is not None and splits is None:
                raise self._provider.malformed(f"closes of {symbol}, but nothing about its splits")
            if closes is not None and splits is not None:
                known[symbol] = self._joined(symbol, closes, splits)
        return Answer(self.name, self.basis, known, frozenset(wanted) - known.keys())

    def _compact_from(self) -> date:
        """The first of the newest sessions that a compact answer holds, whether or not it holds today's already."""
        day = self._calendar.next_session(self._calendar.exchange_date(self._clock.now()))
        for _ in range(COMPACT_POINTS):
            day = self._calendar.previous_session(day)
        return day

    def _read(self, asked: Asked, reply: Reply) -> Numbers | None:
        """The closes or split factors in one answer, by day; None if the symbol is unknown.

        Raises a `PriceSourceError`.
        """
        about = f"{asked.query['function']} of {asked.symbol}"
        try:
            content = parse_json(reply.body)
        except ValueError as exc:
            why = f"no JSON for {about} (HTTP {reply.status}): {self._provider.said(exc)}"
            raise self._provider.in_plain_text(reply.body, why) from exc
        if not isinstance(content, dict):
            raise self._provider.malformed(f"no object for {about} (HTTP {reply.status})")
        if self._is_unknown(about, content, reply.status):
            return None
        try:
            if asked.query["function"] == SPLITS:
                return read_splits(content, asked)
            return read_closes(content, asked, self._calendar)
        except ValueError as exc:
            problem = self._provider.malformed(f"{about}: {self._provider.said(exc)}")
        raise problem  # without its cause, which may say the key

    def _is_unknown(self, about: str, content: Mapping[str, object], status: int) -> bool:
        """Whether the answer says that there is no such symbol.

        Raises for whatever else it says in the place of numbers, which it mostly does under 200.
        """
        words = " ".join(shown(content[name]) for name in _NOTICES if name in content)
        said = self._provider.said(words)
        if _PREMIUM.search(words):
            raise UnauthorisedError(
                f"{self.name} gives {about} to premium keys alone: {said}.",
                "Use a premium key, or another source in PRICE_SOURCE; to any key it gives the newest 100 sessions.",
            )
        if _SHORT_LIMIT.search(words):
            raise self._provider.rate_limited(said, _SHORT_WAIT)
        if _DAILY_LIMIT.search(words):
            raise self._provider.rate_limited(said, _DAILY_WAIT)
        if _KEY_REFUSED.search(words):
            raise self._provider.unauthorised(said)
        if isinstance(content.get("Note"), str) and words.strip():  # it was never used but for limits
            raise self._provider.rate_limited(said)
        if status == HTTPStatus.OK and (not content or _NO_SUCH_SYMBOL.search(words)):
            return True
        if status != HTTPStatus.OK or words:
            raise self._provider.malformed(f"{about}: {said} (HTTP {status})")
        return False

    def _joined(self, symbol: str, closes: Numbers, splits: Numbers) -> dict[date, Close]:
        """Each close with the product of the splits since the close before it."""
        days = list(closes)
        factors = dict.fromkeys(days, ONE)
        for effective, factor in splits.items():
            if (index := bisect_left(days, effective)) < len(days):
                day = days[index]
                factors[day] = CONTEXT.multiply(factors[day], factor)
                if not is_price(factors[day]):
                    raise self._provider.malformed(f"splits of {symbol} up to {day} whose product is out of all bounds")
        return {day: Close(closes[day], factors[day]) for day in days}
