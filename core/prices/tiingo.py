"""Closes from Tiingo's end-of-day service: raw closes and split factors, one symbol a request."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from http import HTTPStatus

from core.csv_rows import parse_date
from core.plugins import needed
from core.prices.exact_json import parse_json
from core.prices.http import Patience, Provider, Question, Reply
from core.prices.limiter import Limiter
from core.prices.provider_errors import LIMIT_IN_WORDS, REFUSAL_IN_WORDS, checked_key, setting_of
from core.prices.source import Answer, Basis, Close, PriceOptions, UnauthorisedError, is_price
from core.prices.split_factors import exact_factor
from core.tickers import canonical_ticker

ADDRESS = "https://api.tiingo.com"
# Of a free account, as of 2026: https://www.tiingo.com/about/pricing
LIMIT = "50/hour, 1000/day"
# A close belongs to a date, not to a moment: any time but midnight would leave open which date is meant.
_MIDNIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T00:00:00(\.0{1,6})?(Z|\+00:00))?", re.ASCII)
_KEY_REFUSED = re.compile(r"token|api ?key|credential|unauthori[sz]ed", re.IGNORECASE)
_LARGEST_FACTOR = 10**12
_NOT_FOUND = re.compile(r"not found", re.IGNORECASE)


class TiingoPrices:
    """A price source that asks Tiingo. Its closes are ready about 17:30 at the exchange, after a close at 16:00."""

    name = "tiingo"
    basis = Basis.PRICE
    settle_delay = timedelta(minutes=90)

    def __init__(
        self, key: str, address: str = ADDRESS, patience: Patience | None = None, limit: str | None = None
    ) -> None:
        """Raises SettingsError for a key, an address or a limit that cannot be one."""
        key = checked_key(self.name, key)
        self._provider = Provider(
            self.name,
            address=address,
            secrets=[key],
            limiter=Limiter(self.name, LIMIT, limit),
            headers={"Authorization": f"Token {key}"},
            judged=(HTTPStatus.FORBIDDEN,),
            patience=patience,
        )

    @classmethod
    def from_options(cls, options: PriceOptions) -> "TiingoPrices":
        """Raises `MissingSettingError` without a key."""
        key = needed(options.key, "price source 'tiingo'", "ALPHA_MONDAY_TIINGO_KEY")
        return cls(key, options.url or ADDRESS, limit=options.limit)

    @property
    def quota_left(self) -> int | None:
        """How many more questions the limits allow; a question is one symbol."""
        return self._provider.quota_left

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """Every close from `first` to `last`; a symbol that Tiingo does not find is unknown.

        Raises a `PriceSourceError`.
        """
        query = {"startDate": first.isoformat(), "endDate": last.isoformat(), "format": "json"}
        questions = {
            symbol: Question(("tiingo", "daily", _ticker(symbol), "prices"), query) for symbol in sorted(set(symbols))
        }
        answered = await self._provider.ask(questions, lambda symbol, reply: self._outcome(symbol, reply, first, last))
        failed = {symbol: found for symbol, found in answered.items() if isinstance(found, UnauthorisedError)}
        if failed and len(failed) == len(answered):
            raise next(iter(failed.values()))  # nothing shows that the key is accepted at all
        return Answer(
            source=self.name,
            basis=self.basis,
            closes={symbol: found for symbol, found in answered.items() if isinstance(found, dict)},
            unknown=frozenset(symbol for symbol, found in answered.items() if found is None),
            failed=failed,
        )

    def _outcome(
        self, symbol: str, reply: Reply, first: date, last: date
    ) -> dict[date, Close] | UnauthorisedError | None:
        """What `_read` gives, or the error of a symbol that is refused by itself. Raises a `PriceSourceError`."""
        if reply.status == HTTPStatus.FORBIDDEN:
            return self._refusal(symbol, reply.body)
        return self._read(symbol, reply, first, last)

    def _read(self, symbol: str, reply: Reply, first: date, last: date) -> dict[date, Close] | None:
        """The closes in one answer in order of time; None if the symbol is unknown. Raises a `PriceSourceError`."""
        try:
            content = parse_json(reply.body)
        except ValueError as exc:
            status = "" if reply.status == HTTPStatus.OK else f" (HTTP {reply.status})"
            why = f"no JSON for {symbol}{status}: {self._provider.said(exc)}"
            raise self._provider.in_plain_text(reply.body, why) from exc
        if reply.status != HTTPStatus.OK or not isinstance(content, list):
            self._check_unknown(symbol, content, reply.status)
            return None
        closes: dict[date, Close] = {}
        for row in content:
            try:
                day, close = _read_row(row)
            except ValueError as exc:
                raise self._provider.malformed(f"{symbol}: {self._provider.said(exc)}") from None  # it may say the key
            if not first <= day <= last:
                raise self._provider.malformed(f"a close of {symbol} on {day}, which was not asked for")
            if day in closes:
                raise self._provider.malformed(f"a second close of {symbol} on {day}")
            closes[day] = close
        return dict(sorted(closes.items()))

    def _refusal(self, symbol: str, body: bytes) -> UnauthorisedError:
        """The error of a symbol that this account may not ask for. Raises one that is about the key or a limit."""
        try:
            content = parse_json(body)
        except ValueError:
            content = None
        detail = content.get("detail") if isinstance(content, dict) else content
        words = detail.replace(_ticker(symbol), "") if isinstance(detail, str) else ""
        said = f"HTTP {HTTPStatus.FORBIDDEN.value}" + (f", {self._provider.said(detail)}" if words else "")
        if LIMIT_IN_WORDS.search(words):
            raise self._provider.rate_limited(said)
        if _KEY_REFUSED.search(words):
            raise self._provider.unauthorised(said)
        return UnauthorisedError(
            f"{self.name} refuses {symbol} to this account: {said}.",
            f"Correct the ticker or {setting_of(self.name, 'KEY')}, or add another source to PRICE_SOURCE.",
        )

    def _check_unknown(self, symbol: str, content: object, status: int) -> None:
        """Returns if `symbol` is unknown; raises for limits and refusals, which come under any status, and the rest."""
        detail = content.get("detail") if isinstance(content, dict) else content
        if not isinstance(detail, str):
            raise self._provider.malformed(f"neither closes nor a reason for {symbol} (HTTP {status})")
        said, words = self._provider.said(detail), detail.replace(_ticker(symbol), "")
        if LIMIT_IN_WORDS.search(words):
            raise self._provider.rate_limited(said)
        if REFUSAL_IN_WORDS.search(words):
            raise self._provider.unauthorised(said)
        if status != HTTPStatus.NOT_FOUND or not _NOT_FOUND.search(words):
            raise self._provider.malformed(f"{symbol}: {said}")


def _ticker(symbol: str) -> str:
    return canonical_ticker(symbol).replace(".", "-")


def _read_row(row: object) -> tuple[date, Close]:
    """The date and the close in one row. Raises ValueError, whose text the caller shortens and redacts."""
    if not isinstance(row, dict):
        raise ValueError("a row that is no object")  # noqa: TRY004 - wrong content is one error, whatever its type
    written = row.get("date")
    found = _MIDNIGHT.fullmatch(written) if isinstance(written, str) else None
    if not found:
        raise ValueError(f"not a date: {_shown(written)}")
    return parse_date(found[1]), Close(_price(row, "close"), _factor(row))


def _factor(row: dict[str, object]) -> Decimal:
    """The split factor; of a binary fraction such as 0.16666666666666666, the ratio that it stands for."""
    value = row.get("splitFactor")
    if isinstance(value, Decimal) and value.is_finite() and 0 < value < _LARGEST_FACTOR:
        row = {"splitFactor": exact_factor(value)}
    return _price(row, "splitFactor")


def _price(row: dict[str, object], name: str) -> Decimal:
    value = row.get(name)
    if not isinstance(value, Decimal) or not is_price(value):
        raise ValueError(f"no positive number of at most 12 and 12 digits for {name}: {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return str(value) if isinstance(value, str | Decimal) else type(value).__name__
