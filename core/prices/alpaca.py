"""Closes from Alpaca's market data: daily bars of all US exchanges, adjusted for splits, many symbols a question."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from http import HTTPStatus

from core.clock import Clock, SystemClock
from core.plugins import needed
from core.prices.alpaca_bars import InvalidSymbol, Page, Series, Span, read_page
from core.prices.exact_json import parse_json
from core.prices.http import Patience, Provider, Reply
from core.prices.limiter import Limiter
from core.prices.provider_errors import TRIED_AGAIN, checked_key, retry_delay, setting_of
from core.prices.source import LONGEST_REST, Answer, Basis, PriceOptions, PriceSourceError, UnavailableError
from core.settings import SettingsError
from core.tickers import canonical_ticker

ADDRESS = "https://data.alpaca.markets"
# Of a free account, as of 2026: https://docs.alpaca.markets/docs/about-market-data-api
LIMIT = "200/minute"
MOST_SYMBOLS = 100
_SYMBOL_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_JUDGED = (*_SYMBOL_REFUSED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
_COUNT = re.compile(r"[0-9]{1,12}", re.ASCII)
_INVALID_SYMBOL = re.compile(r"invalid symbol: (\S{1,20})", re.ASCII)
# In the words of 2021, 2022 and later; under 422 and 403.
_TOO_RECENT = re.compile(r"recent (sip )?data|past 15 minutes|too late for subscription", re.IGNORECASE)
_LIMIT = re.compile(r"too many requests|rate limit|limit exceeded", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"subscription", re.IGNORECASE)


class AlpacaPrices:
    """A price source that asks Alpaca, whose closes are those of the consolidated tape (`sip`), not of one exchange.

    The bars come adjusted for splits and spin-offs, since raw ones carry no factors: another service tells those, which
    may know of a split sooner or later than the bars do. Dividends are not adjusted for. What traded under a symbol on
    a day is what is told of it, whoever bore the symbol before or after (`asof=-`). The data begin with 2016.

    Closes are ready 45 minutes after the close: what is asked for ends 20 minutes ago, and the closing auctions'
    last prints take some of the other 25.
    """

    name = "alpaca"
    basis = Basis.PRICE
    settle_delay = timedelta(minutes=45)

    def __init__(
        self,
        key: str,
        address: str = ADDRESS,
        patience: Patience | None = None,
        limit: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Takes the key as `KEY_ID:SECRET`. Raises SettingsError for a key, address or limit that cannot be one."""
        self._key_id, self._secret = _key_parts(self.name, key)
        self._address = address
        self._limiter = Limiter(self.name, LIMIT, limit)
        self._patience = patience
        self._clock = clock or SystemClock()
        self._remaining: int | None = None
        self._errors = self._provider()

    @classmethod
    def from_options(cls, options: PriceOptions) -> "AlpacaPrices":
        """Raises `MissingSettingError` without a key."""
        key = needed(options.key, "price source 'alpaca'", "ALPHA_MONDAY_ALPACA_KEY")
        return cls(key, options.url or ADDRESS, limit=options.limit)

    @property
    def quota_left(self) -> int | None:
        """How many more questions Alpaca said it answers this minute, or the limits allow if that is fewer."""
        known = [count for count in (self._remaining, self._limiter.quota_left) if count is not None]
        return min(known, default=None)

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """Every close from `first` to `last`.

        Unknown is only what Alpaca calls no symbol at all; one that nobody bears has no closes, like one that did not
        trade. Raises a `PriceSourceError`.
        """
        spelled = {symbol: canonical_ticker(symbol) for symbol in sorted(set(symbols))}
        wanted = sorted(set(spelled.values()))
        span = Span(first, last, self._clock.now())
        every = [Series(wanted[at : at + MOST_SYMBOLS]) for at in range(0, len(wanted), MOST_SYMBOLS)]
        # One for each call: a page that was kept from an earlier call may be on the share basis of another day.
        provider = self._provider()
        while asking := {str(number): series for number, series in enumerate(every) if not series.is_whole}:
            questions = {number: series.question(span) for number, series in asking.items()}
            pages = await provider.ask(questions, partial(self._read, asking, span))
            for number, page in pages.items():
                try:
                    asking[number].take(page)
                except ValueError as exc:
                    raise self._malformed(exc) from None
        found = {symbol: closes for series in every for symbol, closes in series.in_order()}
        closes = {symbol: found[one] for symbol, one in spelled.items() if one in found}
        return Answer(self.name, self.basis, closes, frozenset(spelled) - closes.keys())

    def _provider(self) -> Provider:
        return Provider(
            self.name,
            address=self._address,
            secrets=[self._key_id, self._secret],
            limiter=self._limiter,
            headers={"APCA-API-KEY-ID": self._key_id, "APCA-API-SECRET-KEY": self._secret},
            judged=_JUDGED,
            patience=self._patience,
        )

    def _read(self, asking: Mapping[str, Series], span: Span, number: str, reply: Reply) -> Page | InvalidSymbol:
        """What one answer holds. Raises a `PriceSourceError`."""
        symbols = asking[number].symbols
        remaining = reply.headers.get("X-RateLimit-Remaining", "")
        self._remaining = int(remaining) if _COUNT.fullmatch(remaining) else None
        if reply.status != HTTPStatus.OK or _message(reply.body):
            return self._invalid_symbol(symbols, reply)
        try:
            content = parse_json(reply.body)
        except ValueError as exc:
            raise self._errors.in_plain_text(reply.body, self._errors.said(exc)) from None
        try:
            return read_page(content, symbols, span)
        except ValueError as exc:
            raise self._malformed(exc) from None

    def _invalid_symbol(self, symbols: Iterable[str], reply: Reply) -> InvalidSymbol:
        """The symbol that Alpaca says is none; raises what any other answer means that is not 200."""
        words = _message(reply.body)
        said = f"HTTP {reply.status}" + (f", {self._errors.said(words)}" if words else "")
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS or _LIMIT.search(words):
            raise self._errors.rate_limited(said, _wait_asked_for(reply.headers, self._clock.now()))
        if _TOO_RECENT.search(words):
            raise self._too_recent(said)
        if reply.status == HTTPStatus.FORBIDDEN or _SUBSCRIPTION.search(words):
            raise self._errors.unauthorised(said)
        found = _INVALID_SYMBOL.fullmatch(words) if reply.status in _SYMBOL_REFUSED else None
        if found is None or found[1] not in symbols:
            raise self._errors.malformed(said)
        return InvalidSymbol(found[1])

    def _too_recent(self, said: str) -> PriceSourceError:
        # Unavailable rather than unauthorised: the key is good, and minutes later the same question is answered.
        return UnavailableError(
            f"{self.name} tells this account nothing of the last 15 minutes: {said}.",
            f"{TRIED_AGAIN} See whether this machine's clock is fast.",
        )

    def _malformed(self, problem: ValueError) -> PriceSourceError:
        """The error for what cannot be read; raise it `from None`, for the problem's text may hold the key."""
        return self._errors.malformed(self._errors.said(problem))


def _message(body: bytes) -> str:
    """What an answer that is not 200 says in words; empty where it says nothing in the documented form."""
    try:
        content = parse_json(body)
    except ValueError:
        return ""
    words = content.get("message") if isinstance(content, dict) else None
    return words if isinstance(words, str) else ""


def _wait_asked_for(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long a limit asks to wait, at most a day: by `Retry-After`, or until the second in `X-RateLimit-Reset`."""
    wait, reset = retry_delay(headers.get("Retry-After"), now), headers.get("X-RateLimit-Reset", "")
    if wait is not None or not _COUNT.fullmatch(reset):
        return wait
    return timedelta(seconds=min(max(int(reset) - now.timestamp(), 0.0), LONGEST_REST.total_seconds()))


def _key_parts(source: str, key: str) -> tuple[str, str]:
    key_id, _, secret = checked_key(source, key).partition(":")
    if not key_id or not secret or ":" in secret:
        raise SettingsError(
            f"{setting_of(source, 'KEY')} is not a key ID and a secret key with one colon between them.",
            "Write KEY_ID:SECRET; Alpaca shows both when the key is made, and the secret never again.",
        )
    return key_id, secret
