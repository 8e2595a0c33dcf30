"""What each failure of a provider over HTTP means, in words that hold no key."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from core.logs import redacted
from core.prices.source import (
    LONGEST_REST,
    MalformedError,
    PriceSourceError,
    RateLimitedError,
    UnauthorisedError,
    UnavailableError,
)
from core.settings import PREFIX, SettingsError
from db.secret_forms import in_every_form

TRIED_AGAIN = "The day is tried again; if it lasts, use another price source."
# "You have run over your hourly request allocation", "... your 500 symbol look up for this month", "Too Many Requests".
LIMIT_IN_WORDS = re.compile(r"limit|allocation|quota|run over|exceed|too many|look ?up|throttl", re.IGNORECASE)
REFUSAL_IN_WORDS = re.compile(
    r"token|api ?key|credential|unauthori[sz]ed|not authori[sz]ed|forbidden|permission|subscription|access denied",
    re.IGNORECASE,
)
_LONGEST_QUOTE = 160
_LONGEST_TEXT = 1000
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_KEY = re.compile(r"[!-~]+", re.ASCII)


class ProviderErrors:
    """The errors of one provider. `secrets` are masked in whatever it said, in every form."""

    def __init__(self, source: str, host: str, secrets: Iterable[str]) -> None:
        self.source = source
        self._host = host
        self._secrets = in_every_form(secrets)

    def said(self, text: object) -> str:
        """What a provider said, short and without the key, to be quoted in an error."""
        return repr(redacted(str(text), self._secrets)[:_LONGEST_QUOTE])

    def refuse(self, response: httpx.Response, judged: Iterable[int] = ()) -> None:
        """Raises what a status means on its own, whatever else the answer holds.

        Those that `judged` names besides 200 and 404 are left to the adapter.
        """
        status = response.status_code
        if status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND, *judged):
            if (encoding := response.headers.get("Content-Encoding", "identity")).lower() != "identity":
                raise self.malformed(f"it sent the encoding {self.said(encoding)}, which was not asked for")
            return
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = retry_delay(response.headers.get("Retry-After"), datetime.now(UTC))
            raise self.rate_limited("HTTP 429", wait)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise self.unauthorised(f"HTTP {status}")
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self.unavailable(f"it answered with HTTP {status}")
        if response.is_redirect:
            raise self.malformed(f"it redirects (HTTP {status}), and a key is not sent on to another address")
        raise self.malformed(f"it answered with HTTP {status}")

    def rate_limited(self, why: str, retry_after: timedelta | None = None) -> RateLimitedError:
        """The error for a limit that was reached."""
        return RateLimitedError(
            f"{self.source} has a limit, and it is reached: {why}.",
            "Wait; it is asked again later. Several sources in PRICE_SOURCE are asked in turn.",
            retry_after,
        )

    def unauthorised(self, why: str) -> UnauthorisedError:
        """The error for a key that is not accepted."""
        return UnauthorisedError(
            f"{self.source} does not accept the key: {why}.",
            f"Correct {setting_of(self.source, 'KEY')}, or run alpha-monday setup.",
        )

    def malformed(self, why: str) -> MalformedError:
        """The error for an answer that makes no sense."""
        return MalformedError(f"{self.source} answered nonsense: {why}.", TRIED_AGAIN)

    def in_plain_text(self, body: bytes, why: str) -> PriceSourceError:
        """The error for a body that is no JSON: a limit or a refusal that it tells in words, or else malformed."""
        words = body[:_LONGEST_TEXT].decode(errors="replace").strip().strip('"')
        # A web page may speak of anything.
        if words and words[0] not in "<[{" and words.isprintable():
            if LIMIT_IN_WORDS.search(words):
                return self.rate_limited(self.said(words))
            if REFUSAL_IN_WORDS.search(words):
                return self.unauthorised(self.said(words))
        return self.malformed(why)

    def unavailable(self, why: str) -> UnavailableError:
        """The error for a provider that cannot be reached, or fails on its side."""
        return UnavailableError(f"{self.source} at {self._host} cannot be reached: {why}.", TRIED_AGAIN)


def setting_of(source: str, what: str) -> str:
    """The name of a provider's setting: its KEY, URL or LIMIT."""
    return f"{PREFIX}{source.upper().replace('-', '_')}_{what}"


def checked_key(source: str, key: str) -> str:
    """`key` if it can stand in a header. Raises SettingsError, which does not repeat it."""
    if not _KEY.fullmatch(key):
        raise SettingsError(
            f"{setting_of(source, 'KEY')} holds a blank or a character that is not ASCII.", "Copy the key again."
        )
    return key


def retry_delay(header: str | None, now: datetime) -> timedelta | None:
    """How long a Retry-After asks to wait, seconds or an HTTP date, at most a day; None if it says nothing usable."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(timedelta(seconds=int(text)), LONGEST_REST)
    try:
        until = parsedate_to_datetime(text)
        wait = until.replace(tzinfo=until.tzinfo or UTC) - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # a limit without a usable delay is still a limit; the back-off decides
    return min(max(wait, timedelta(0)), LONGEST_REST)
