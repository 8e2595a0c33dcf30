"""Closes from Yahoo through yfinance, without a key: one symbol at a time, in a thread that nobody has to wait for."""

from collections.abc import Iterable
from datetime import date, timedelta
from urllib.parse import urlsplit

from core.daemon_thread import BlockedError, DaemonThread
from core.plugins import require_extra
from core.prices.limiter import Limiter
from core.prices.provider_errors import setting_of
from core.prices.retries import attempts
from core.prices.source import Answer, Basis, Close, PriceOptions
from core.settings import SettingsError, is_safe

# Yahoo documents none. Users were refused after 950 questions in one run:
# https://github.com/ranaroussi/yfinance/issues/2128
LIMIT = "30/minute, 900/hour"
_HOST = "query2.finance.yahoo.com"
WITHIN = timedelta(seconds=30)
# Only if the network library breaks its own deadline is its thread given up.
_GRACE = timedelta(seconds=2)

_Found = dict[date, Close] | None


class YahooPrices:
    """A price source that asks Yahoo, whose closes are adjusted for splits and not for dividends.

    Yahoo's US prices come up to 20 minutes late, and a day's row goes on following the closing auctions' last prints;
    an hour leaves room for both.
    """

    name = "yahoo"
    basis = Basis.PRICE
    settle_delay = timedelta(minutes=60)

    def __init__(self, address: str | None = None, within: timedelta = WITHIN, limit: str | None = None) -> None:
        """`within` bounds the answer for one symbol. Imports the extra's packages, which takes a second or two.

        Raises `MissingExtraError` without them, SettingsError for an address or a limit that cannot be one.
        """
        host = _HOST if address is None else _host_of(self.name, address)
        self._limiter = Limiter(self.name, LIMIT, limit)
        for module in ("curl_cffi", "yfinance"):
            require_extra(module, "yahoo", f"price source {self.name!r}")
        from core.prices.yahoo_chart import YahooChart
        from core.prices.yahoo_transport import YahooErrors

        self._errors = YahooErrors(self.name, host, [])
        self._chart = YahooChart(address, self._errors)
        self._thread = DaemonThread(f"prices of {self.name}")
        self._within = within
        self._kept: dict[tuple[str, date, date], _Found] = {}

    @classmethod
    def from_options(cls, options: PriceOptions) -> "YahooPrices":
        """Raises `MissingExtraError` without the extra's packages."""
        return cls(options.url, limit=options.limit)

    @property
    def quota_left(self) -> int | None:
        """How many more questions the limits allow; a question is one symbol."""
        return self._limiter.quota_left

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """Every close from `first` to `last`; a symbol that Yahoo does not find is unknown.

        Raises a `PriceSourceError`; what was answered by then is kept for when the same is asked again.
        """
        kept, self._kept = self._kept, {}
        answered: dict[str, _Found] = {}
        for symbol in sorted(set(symbols)):
            question = (symbol, first, last)
            answered[symbol] = kept[question] if question in kept else await self._ask(*question)
            self._kept[question] = answered[symbol]
        self._kept = {}
        return Answer(
            source=self.name,
            basis=self.basis,
            closes={symbol: closes for symbol, closes in answered.items() if closes is not None},
            unknown=frozenset(symbol for symbol, closes in answered.items() if closes is None),
        )

    async def _ask(self, symbol: str, first: date, last: date) -> _Found:
        async for attempt in attempts():
            with attempt:
                await self._limiter.take()
                try:
                    return await self._thread.run(
                        self._within + _GRACE, self._chart.closes, symbol, first, last, self._within
                    )
                except BlockedError as exc:
                    raise self._errors.unavailable(f"{symbol}: {exc}") from exc
        raise AssertionError("the last attempt returns or raises")


def _host_of(source: str, address: str) -> str:
    parts = urlsplit(address) if is_safe(address) else None
    if parts is None or not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(
            f"{setting_of(source, 'URL')} is not an address of scheme, host, port and path alone.",
            "Correct it or leave it unset.",
        )
    return parts.hostname
