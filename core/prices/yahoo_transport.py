"""What yfinance's requests to Yahoo go over, and which of Yahoo's answers it gets to see.

yfinance takes network failures, refusals and nonsense alike for a ticker that is "possibly delisted". Here an answer of
the chart service comes through only if it is whole, about the symbol that was asked for, and made of numbers; every
other is an error of a price source.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import urljoin, urlsplit

from curl_cffi import CurlOpt
from curl_cffi.requests import Response, Session

from core.prices.exact_json import parse_json
from core.prices.http import LARGEST_BODY
from core.prices.provider_errors import (
    LIMIT_IN_WORDS,
    REFUSAL_IN_WORDS,
    TRIED_AGAIN,
    ProviderErrors,
    retry_delay,
)
from core.prices.source import MalformedError, UnauthorisedError
from core.trading_calendar import EXCHANGE_ZONE

_CHART = "/v8/finance/chart/"
_COOKIE = "https://fc.yahoo.com"
# Nothing that two readers of addresses could take for different hosts.
_OF_YAHOO = re.compile(r"https://([a-z0-9-]+\.)*yahoo\.com(:443)?([/?#][!-\[\]-~]*)?", re.ASCII | re.IGNORECASE)
_MOST_REDIRECTS = 10
_REPEATED = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)  # with method and body; others are fetched
_BODY = frozenset({"data", "json", "content", "files", "multipart"})
_CURRENCY = "USD"
_DELISTED = "YHD"  # the exchange of what trades nowhere any more
# Cookies and crumbs, which the chart service mostly does without: they may not use up a question's time.
_COOKIE_PATIENCE_S = 5.0
_REQUEST_DENIED = 999  # Yahoo's own status for whom it takes for a program
# A row's time is the session's opening or the last trade; in the evening yfinance takes it for the next day's.
_EVENING = 20
_TOO_FAR = 10**11  # seconds; beyond, a number of few bytes may need more memory than there is


class YahooErrors(ProviderErrors):
    """The errors of Yahoo, which knows no keys."""

    def unauthorised(self, why: str) -> UnauthorisedError:
        return UnauthorisedError(
            f"{self.source} refuses to answer: {why}.",
            "Update alpha-monday, or use another price source: this one is unofficial and turns programs away at will.",
        )

    def other_listing(self, ticker: str, currency: object, zone: object) -> MalformedError:
        """The error for a symbol that is quoted elsewhere."""
        return MalformedError(
            f"{self.source} has {ticker} in {self.said(currency)} at {self.said(zone)}, "
            f"not in {_CURRENCY} at {EXCHANGE_ZONE.key}.",
            f"Correct the ticker: one exchange and one currency are measured. {TRIED_AGAIN}",
        )


class NoClosesError(Exception):
    """Yahoo said that it has no closes: of a symbol that it does not know, or of one that it knows, for those dates."""

    def __init__(self, *, is_known: bool) -> None:
        super().__init__()
        self.is_known = is_known


class Transport(Session[Response]):
    """A session like a browser's, bounded in time and size, believing nothing.

    `refused` is the status by which the question was refused last, None if it was not; `is_checked` says whether the
    last answer was the chart service's and made sense.
    """

    def __init__(self, address: str | None, errors: YahooErrors) -> None:
        """`address` takes the place of Yahoo's hosts."""
        is_encrypted = address is None or address.startswith("https:")
        super().__init__(
            impersonate="chrome",
            use_thread_local_curl=False,  # the threads that ask follow one another, and share a connection
            trust_env=is_encrypted,  # no proxy of the environment leads to a loopback address
            curl_options={CurlOpt.MAXFILESIZE_LARGE: LARGEST_BODY},
        )
        self._address = address
        self._errors = errors
        self._ticker = ""
        self._until = 0.0
        self._cookie: Response | None = None
        self.refused: int | None = None
        self.is_checked = False

    def begin(self, ticker: str, within: timedelta) -> None:
        """Takes what is requested from now on as one question about `ticker`."""
        self._ticker = ticker
        self._until = monotonic() + within.total_seconds()
        self.refused = None
        self.is_checked = False

    def request(self, method: Any, url: str, **request: Any) -> Response:  # type: ignore[override]
        """The answer to one request.

        Raises OSError where there is none in time, and of the chart service's answers a `PriceSourceError` or
        `NoClosesError`.
        """
        self.is_checked = False
        if (left := self._until - monotonic()) <= 0:
            raise TimeoutError("the answer took too long")
        if url == _COOKIE and self._cookie is not None and len(self.cookies):
            return self._cookie  # yfinance fetches it for every question, unless it may keep it in a file
        is_chart = _CHART in url
        request["allow_redirects"] = False  # the library would follow them to any host
        until = monotonic() + (left if is_chart else min(left, _COOKIE_PATIENCE_S))
        response = self._sent(method, self._directed(url), until, **request)
        if not is_chart and self._address is None:
            response = self._followed(response, method, until, **request)
        if is_chart:
            self._check(response)
        elif url == _COOKIE:
            self._cookie = response
        return response

    def _sent(self, method: Any, url: str, until: float, **request: Any) -> Response:
        if self._address is None and not _OF_YAHOO.fullmatch(url):
            raise ConnectionError("it leads to a host that is not Yahoo's")
        return super().request(method, url, **{**request, "timeout": max(until - monotonic(), 0.01)})  # 0: for ever

    def _followed(self, response: Response, method: Any, until: float, **request: Any) -> Response:
        """Where `response` leads to at last: consent pages, say. A redirect to a host of others is left as it is."""
        for _ in range(_MOST_REDIRECTS):
            place = response.headers.get("Location")
            if not 300 <= response.status_code < 400 or not place:
                break
            if (url := _joined(response.url, place)) is None:
                break
            if response.status_code not in _REPEATED:
                method, request = "GET", {name: value for name, value in request.items() if name not in _BODY}
            request.pop("params", None)  # the place holds its own
            response = self._sent(method, url, until, **request)
        return response

    def _directed(self, url: str) -> str:
        if self._address is None:
            return url
        parts = urlsplit(url)
        return f"{self._address.rstrip('/')}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    def _check(self, response: Response) -> None:
        status = response.status_code
        if status in (HTTPStatus.TOO_MANY_REQUESTS, _REQUEST_DENIED):
            wait = retry_delay(response.headers.get("Retry-After"), datetime.now(UTC))
            raise self._errors.rate_limited(f"HTTP {status}", wait)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            if self.refused is not None:
                raise self._errors.unauthorised(f"HTTP {status}")
            self.refused = status  # a crumb does not last; yfinance fetches another and asks again
            return
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._errors.unavailable(f"it answered with HTTP {status}")
        try:
            content = parse_json(response.content)
        except ValueError as exc:
            if b"Will be right back" in response.content:
                raise self._errors.unavailable("it says that it is down") from exc
            why = f"no JSON for {self._ticker} (HTTP {status}): {self._errors.said(exc)}"
            raise self._errors.in_plain_text(response.content, why) from exc
        try:
            self._check_content(status, content)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError) as exc:
            why = f"{self._ticker} (HTTP {status}): {type(exc).__name__} {self._errors.said(exc)}"
            raise self._errors.malformed(why) from exc
        self.refused, self.is_checked = None, True

    def _check_content(self, status: int, content: Any) -> None:
        """Raises ValueError, and whatever else wrong shapes lead to; a PriceSourceError for a limit or a refusal."""
        if isinstance(refusal := content.get("finance"), dict):
            words = " ".join(map(str, refusal["error"].values()))
            if LIMIT_IN_WORDS.search(words):
                raise self._errors.rate_limited(self._errors.said(words))
            if REFUSAL_IN_WORDS.search(words):
                raise self._errors.unauthorised(self._errors.said(words))
        chart = content["chart"]
        if (error := chart["error"]) is not None:
            code, description = error["code"], str(error["description"])
            if (status, code) == (HTTPStatus.NOT_FOUND, "Not Found") and description.startswith("No data found"):
                raise NoClosesError(is_known=False)
            if code == "Bad Request" and description.startswith("Data doesn't exist for startDate"):
                raise NoClosesError(is_known=True)
            raise ValueError(description)
        if status != HTTPStatus.OK:
            raise ValueError("neither closes nor a reason")
        [result] = chart["result"]
        meta = result["meta"]
        if meta["symbol"] != self._ticker:
            raise ValueError(f"an answer about {meta['symbol']}")
        times, closes = result.get("timestamp"), result["indicators"]["quote"][0].get("close")
        has_no_rows = times in (None, []) and closes in (None, [])
        currency, zone = meta["currency"], meta["exchangeTimezoneName"]
        if has_no_rows and currency is None and meta["exchangeName"] == _DELISTED:
            # A placeholder for a symbol that was delisted, or that there never was: no other listing.
            raise NoClosesError(is_known=meta["firstTradeDate"] is not None)
        if (currency, zone) != (_CURRENCY, EXCHANGE_ZONE.key):
            raise self._errors.other_listing(self._ticker, currency, zone)
        if has_no_rows:
            raise NoClosesError(is_known=True)
        _check_rows(times, closes)


def _joined(url: str, place: str) -> str | None:
    """Where a redirect from `url` to `place` leads, on Yahoo's own hosts; None if elsewhere."""
    try:
        joined = urljoin(url, place)
    except ValueError:
        return None
    return joined if _OF_YAHOO.fullmatch(joined) else None


def _check_rows(times: list[object], closes: list[object]) -> None:
    """Raises ValueError or TypeError for times that are not whole seconds by day, and closes that are no numbers."""
    # pandas would make numbers of text and of truth values.
    if any(close is not None and type(close) is not Decimal for close in closes):
        raise ValueError("a close that is no number")
    for seconds in times:
        if type(seconds) is not Decimal or abs(seconds) >= _TOO_FAR or seconds != int(seconds):
            raise ValueError(f"a time that is none: {seconds}")
        if datetime.fromtimestamp(int(seconds), EXCHANGE_ZONE).hour >= _EVENING:
            raise ValueError(f"a time that leaves the date open: {seconds}")
