"""How a provider over HTTP is asked: one client for each set of questions, within bounds of time, size and number."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from core.prices.limiter import Limiter
from core.prices.provider_errors import ProviderErrors, setting_of
from core.prices.retries import attempts
from core.prices.source import PriceSourceError, UnavailableError
from core.settings import SettingsError

LARGEST_BODY = 8 * 1024 * 1024
AT_ONCE = 4
# Somewhat longer than the longest rest before a day is tried again.
_KEPT_FOR_S = 3 * 3600

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

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """What tells it from other questions."""
        return self.path, tuple(sorted(self.query.items()))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that only the provider's own adapter can judge: its status, its whole body, and its headers.

    The status is 200, 404, or one of those that the adapter said it judges itself.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Provider(ProviderErrors):
    """An HTTP service with a key, which travels in `headers` or in `secret_query` and nowhere else.

    `judged` names statuses, besides 200 and 404, that only the adapter can tell the meaning of.
    """

    def __init__(
        self,
        source: str,
        *,
        address: str,
        secrets: Iterable[str],
        limiter: Limiter,
        headers: Mapping[str, str] | None = None,
        secret_query: Mapping[str, str] | None = None,
        judged: Iterable[int] = (),
        patience: Patience | None = None,
    ) -> None:
        """Raises SettingsError for an address that cannot be one; keys were looked at by `checked_key`."""
        self._address = _checked_address(source, address)
        super().__init__(source, self._address.host, secrets)
        # Without compression the bound on the body is a bound on memory.
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        self._secret_query = dict(secret_query or {})
        self._judged = tuple(judged)
        self._limiter = limiter
        self._patience = patience or Patience()
        self._kept: dict[Any, Any] = {}
        self._kept_until = 0.0

    @property
    def quota_left(self) -> int | None:
        """How many more questions the limits allow before a long wait; None where none is that long."""
        return self._limiter.quota_left

    async def ask(self, questions: Mapping[str, Question], read: Callable[[str, Reply], Result]) -> dict[str, Result]:
        """What `read` makes of each answer, by the name of its question; a few are under way at once.

        `read` runs in a thread. The first PriceSourceError, from asking or reading, ends all and is raised; what was
        answered by then is kept for when the same is asked again, once, so that no quota is spent on it twice.
        """
        permits = asyncio.Semaphore(AT_ONCE)
        kept, self._kept = self._kept if time.monotonic() < self._kept_until else {}, {}
        answered: dict[str, Result] = {
            name: kept[question.key] for name, question in questions.items() if question.key in kept
        }

        async def one(client: httpx.AsyncClient, name: str, question: Question) -> None:
            # A task that starts at once and fails at once would end the group before its other tasks are made.
            await asyncio.sleep(0)
            async with permits:
                reply = await self._reply(client, question)
            answered[name] = await asyncio.to_thread(read, name, reply)

        try:
            # A client for each set of questions: sources have no end at which a lasting one would be closed.
            async with await self._client() as client, asyncio.TaskGroup() as group:
                for name, question in questions.items():
                    if name not in answered:
                        group.create_task(one(client, name, question))
        except* PriceSourceError as failed:
            failures = failed
        else:
            return {name: answered[name] for name in questions}
        finally:
            if len(answered) < len(questions):  # also when the query's deadline ends it
                self._kept = {questions[name].key: result for name, result in answered.items()}
                self._kept_until = time.monotonic() + _KEPT_FOR_S
        raise _first(failures)

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
        async for attempt in attempts():
            with attempt:
                await self._limiter.take()
                return await self._one_reply(client, question)
        raise AssertionError("the last attempt returns or raises")

    async def _one_reply(self, client: httpx.AsyncClient, question: Question) -> Reply:
        path = "/".join([self._address.path.rstrip("/"), *(quote(part, safe="") for part in question.path)])
        query = httpx.QueryParams({**question.query, **self._secret_query})
        url = self._address.copy_with(raw_path=f"{path}?{query}".encode())
        patience = self._patience
        try:
            async with asyncio.timeout(patience.whole), client.stream("GET", url) as response:
                self.refuse(response, self._judged)
                return Reply(response.status_code, await self._body(response), response.headers)
        except httpx.TimeoutException as exc:
            # Causes are left out here and below: they hold the address, and a provider may have said the key.
            problem = self.unavailable(f"nothing was heard for {patience.read:g} s ({type(exc).__name__})")
        except httpx.HTTPError as exc:
            problem = self.unavailable(f"{type(exc).__name__} {self.said(exc)}")
        except TimeoutError:
            problem = self.unavailable(f"the answer took longer than {patience.whole:g} s")
        raise problem from None

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LARGEST_BODY:
                raise self.malformed(f"it sent more than {LARGEST_BODY // 1024**2} MB")
        return bytes(body)


def _first(failures: BaseExceptionGroup[PriceSourceError]) -> PriceSourceError:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, PriceSourceError)  # a group that was split by that type holds no other
    return found


def _checked_address(source: str, address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = None
    # A user in an address takes the place of the key's header; a query would not survive the joining.
    if url is None or not url.host or url.userinfo or url.query or url.fragment:
        raise SettingsError(
            f"{setting_of(source, 'URL')} is not an address of scheme, host, port and path alone.",
            "Correct it or leave it unset.",
        ) from None  # the cause repeats what may be a password
    return url
