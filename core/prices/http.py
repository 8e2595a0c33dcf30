"""What price sources over HTTP share: how a provider is asked, within which bounds, and what each failure means."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from core.logs import redacted
from core.prices.source import MalformedError, PriceSourceError, RateLimitedError, UnauthorisedError, UnavailableError
from core.settings import PREFIX, SettingsError

LARGEST_BODY = 8 * 1024 * 1024
LONGEST_RETRY = timedelta(days=1)
AT_ONCE = 4
_LONGEST_QUOTE = 160
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_KEY = re.compile(r"[!-~]+", re.ASCII)
TRIED_AGAIN = "The day is tried again; if it lasts, use another price source."

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which a connection, the next piece of an answer, and a whole answer are given up."""

    connect: float = 5.0
    read: float = 15.0
    whole: float = 30.0


@dataclass(frozen=True, slots=True)
class Question:
    """A path below the provider's address, each part as it reads before escaping, and the query."""

    path: tuple[str, ...]
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that only the provider's own adapter can judge: its status, 200 or 404, and its whole body."""

    status: int
    body: bytes


class Provider:
    """An HTTP service with a key, which travels in `headers` and nowhere else: the address holds no secret."""

    def __init__(
        self, source: str, *, address: str, key: str, headers: Mapping[str, str], patience: Patience | None = None
    ) -> None:
        """Raises SettingsError for an address that cannot be one; the key was looked at by `checked_key`."""
        self.source = source
        self._address = _checked_address(source, address)
        self._secrets = frozenset({key, quote(key, safe="")})
        # Without compression the bound on the body is a bound on memory.
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        self._patience = patience or Patience()

    async def ask(self, questions: Mapping[str, Question], read: Callable[[str, Reply], Result]) -> dict[str, Result]:
        """What `read` makes of each answer, by the name of its question; a few are under way at once.

        `read` runs in a thread. The first PriceSourceError, from asking or reading, ends all and is raised.
        """
        permits = asyncio.Semaphore(AT_ONCE)

        async def one(client: httpx.AsyncClient, name: str, question: Question) -> Result:
            async with permits:
                reply = await self._reply(client, question)
            return await asyncio.to_thread(read, name, reply)

        try:
            # A client for each set of questions: sources have no end at which a lasting one would be closed.
            async with await self._client() as client, asyncio.TaskGroup() as group:
                asking = {name: group.create_task(one(client, name, question)) for name, question in questions.items()}
        except* PriceSourceError as failed:
            failures = failed
        else:
            return {name: task.result() for name, task in asking.items()}
        raise _first(failures)

    def said(self, text: object) -> str:
        """What a provider said, short and without the key, to be quoted in an error."""
        return repr(redacted(str(text), self._secrets)[:_LONGEST_QUOTE])

    async def _client(self) -> httpx.AsyncClient:
        is_encrypted = self._address.scheme == "https"
        patience = self._patience
        try:
            return httpx.AsyncClient(
                headers=self._headers,
                timeout=httpx.Timeout(patience.read, connect=patience.connect, pool=patience.whole),
                follow_redirects=False,  # the key would go along to wherever the answer says
                verify=await asyncio.to_thread(httpx.create_ssl_context) if is_encrypted else False,
                trust_env=is_encrypted,  # over plain HTTP, a proxy of the environment would be shown the key
            )
        except (ImportError, ValueError, OSError) as exc:
            raise UnavailableError(
                f"{self.source} cannot be asked: {type(exc).__name__} while preparing the connection.",
                "Correct HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE in the environment.",
            ) from exc

    async def _reply(self, client: httpx.AsyncClient, question: Question) -> Reply:
        path = "/".join([self._address.path.rstrip("/"), *(quote(part, safe="") for part in question.path)])
        url = self._address.copy_with(raw_path=f"{path}?{httpx.QueryParams(dict(question.query))}".encode())
        patience = self._patience
        try:
            async with asyncio.timeout(patience.whole), client.stream("GET", url) as response:
                self._refuse(response)
                return Reply(response.status_code, await self._body(response))
        except httpx.TimeoutException as exc:
            raise self._unavailable(f"nothing was heard for {patience.read:g} s ({type(exc).__name__})") from exc
        except httpx.HTTPError as exc:
            # The cause would repeat what was said, and a provider may have said the key.
            raise self._unavailable(f"{type(exc).__name__} {self.said(exc)}") from None
        except TimeoutError as exc:
            raise self._unavailable(f"the answer took longer than {patience.whole:g} s") from exc

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LARGEST_BODY:
                raise self.malformed(f"it sent more than {LARGEST_BODY // 1024**2} MB")
        return bytes(body)

    def _refuse(self, response: httpx.Response) -> None:
        """Raises what a status means on its own, whatever else the answer holds."""
        status = response.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = retry_delay(response.headers.get("Retry-After"), datetime.now(UTC))
            raise self.rate_limited("HTTP 429", wait)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise self.unauthorised(f"HTTP {status}")
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._unavailable(f"it answered with HTTP {status}")
        if response.is_redirect:
            raise self.malformed(f"it redirects (HTTP {status}), and a key is not sent on to another address")
        if status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise self.malformed(f"it answered with HTTP {status}")
        if (encoding := response.headers.get("Content-Encoding", "identity")).lower() != "identity":
            raise self.malformed(f"it sent the encoding {self.said(encoding)}, which was not asked for")

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
            f"Correct {_setting(self.source, 'KEY')}, or run alpha-monday setup.",
        )

    def malformed(self, why: str) -> MalformedError:
        """The error for an answer that makes no sense."""
        return MalformedError(f"{self.source} answered nonsense: {why}.", TRIED_AGAIN)

    def _unavailable(self, why: str) -> UnavailableError:
        return UnavailableError(f"{self.source} at {self._address.host} cannot be reached: {why}.", TRIED_AGAIN)


def _first(failures: BaseExceptionGroup[PriceSourceError]) -> PriceSourceError:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, PriceSourceError)  # a group that was split by that type holds no other
    return found


def _setting(source: str, what: str) -> str:
    return f"{PREFIX}{source.upper().replace('-', '_')}_{what}"


def checked_key(source: str, key: str) -> str:
    """`key` if it can stand in a header. Raises SettingsError, which does not repeat it."""
    if not _KEY.fullmatch(key):
        raise SettingsError(
            f"{_setting(source, 'KEY')} holds a blank or a character that is not ASCII.", "Copy the key again."
        )
    return key


def _checked_address(source: str, address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = None
    # A user in an address takes the place of the key's header; a query would not survive the joining.
    if url is None or not url.host or url.userinfo or url.query or url.fragment:
        raise SettingsError(
            f"{_setting(source, 'URL')} is not an address of scheme, host, port and path alone.",
            "Correct it or leave it unset.",
        ) from None  # the cause repeats what may be a password
    return url


def retry_delay(header: str | None, now: datetime) -> timedelta | None:
    """How long a Retry-After asks to wait, seconds or an HTTP date, at most a day; None if it says nothing usable."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(timedelta(seconds=int(text)), LONGEST_RETRY)
    try:
        until = parsedate_to_datetime(text)
        wait = until.replace(tzinfo=until.tzinfo or UTC) - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # a limit without a usable delay is still a limit; the back-off decides
    return min(max(wait, timedelta(0)), LONGEST_RETRY)


def parse_json(body: bytes) -> Any:
    """The JSON value in `body`, its numbers decimals digit for digit.

    Raises ValueError for anything that is not UTF-8 and JSON, NaN and Infinity included, and for a name that stands
    twice in one object, of which either could be meant.
    """
    try:
        return json.loads(
            body.decode(),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("a number is out of all bounds") from None


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return held
