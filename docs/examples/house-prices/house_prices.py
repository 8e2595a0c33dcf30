"""A service of one's own: GET <address>/closes/AAPL answers {"2026-11-20": "171.20", ...}, split-adjusted closes."""

from collections.abc import Iterable
from datetime import date, timedelta

from core.plugins import needed
from core.prices.exact_json import parse_json
from core.prices.http import Provider, Question, Reply
from core.prices.limiter import Limiter
from core.prices.source import Answer, Basis, Close, PriceOptions, parse_price


class HousePrices:
    name, basis, settle_delay = "house", Basis.PRICE, timedelta(hours=1)

    def __init__(self, options: PriceOptions) -> None:
        key = needed(options.key, "price source 'house'", "ALPHA_MONDAY_HOUSE_KEY")
        address = needed(options.url, "price source 'house'", "ALPHA_MONDAY_HOUSE_URL")
        limiter, headers = Limiter(self.name, "60/minute", options.limit), {"Authorization": f"Bearer {key}"}
        self._provider = Provider(self.name, address=address, secrets=[key], limiter=limiter, headers=headers)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        span = {"from": first.isoformat(), "to": last.isoformat()}
        questions = {symbol: Question(("closes", symbol), span) for symbol in symbols}
        answered = await self._provider.ask(questions, self._read)
        known = {symbol: closes for symbol, closes in answered.items() if closes is not None}
        return Answer(self.name, self.basis, known, unknown=frozenset(answered.keys() - known.keys()))

    def _read(self, symbol: str, reply: Reply) -> dict[date, Close] | None:
        if reply.status == 404:
            return None  # the service's way of not knowing a symbol
        try:
            return {date.fromisoformat(day): Close(parse_price(text)) for day, text in parse_json(reply.body).items()}
        except (ValueError, TypeError, AttributeError) as exc:
            raise self._provider.malformed(f"{symbol}: {self._provider.said(exc)}") from None
