"""How an OpenAI-compatible endpoint is asked: what is sent, within which bounds, and what each failure means.

pydantic-ai and the OpenAI client are imported here: seconds, so only once this source is chosen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from core.logs import redacted
from core.picks.source import PicksUnavailableError
from core.prices.provider_errors import retry_delay
from core.settings import SettingsError
from db.secret_forms import in_every_form

LARGEST_BODY = 1024 * 1024
_LONGEST_QUOTE = 160
# The client would add organisation, project and more from OPENAI_ variables, and what machine this is.
_SENT = frozenset({"host", "accept", "connection", "content-type", "content-length", "user-agent"})
_TRIED_AGAIN = "It is asked again until the opening ends; if it lasts, use another endpoint or open the week by hand."


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which a connection, an answer, and a whole question with its re-asks are given up."""

    connect: float = 5.0
    answer: float = 90.0
    whole: float = 180.0


class Endpoint:
    """A model at an address, with a key that is sent there and nowhere else; None sends none."""

    def __init__(self, address: str, key: str | None, model: str, patience: Patience) -> None:
        """Raises SettingsError for an address that cannot be one."""
        self._address = _checked_address(address)
        self._key = key
        self._model = model
        self._patience = patience
        self._secrets = in_every_form([key] if key else [])

    def masked(self, text: str) -> str:
        """`text` without the key, whoever repeated it."""
        return redacted(text, self._secrets)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Model]:
        """The model, to be asked; what it raises, `meaning` explains."""
        async with await self._client() as connection:
            client = AsyncOpenAI(
                base_url=str(self._address),
                # Without one the client would look for OPENAI_API_KEY; what is sent, `_leave_bare` says.
                api_key=self._key or "none",
                http_client=connection,
                timeout=connection.timeout,
                max_retries=0,  # the scheduler tries again, ever more rarely
            )
            provider = OpenAICompatibleProvider("llm", openai_client=client)
            # The templates of many servers take one system message, at the beginning.
            profile = ModelProfile(supports_inline_system_prompts=False, default_framing_announcement="never")
            yield OpenAIChatModel(self._model, provider=provider, profile=profile)

    def meaning(self, failure: Exception) -> PicksUnavailableError:
        """What a failed request means; `failure` may repeat what was said, and is not to be shown."""
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, PicksUnavailableError):
                return cause  # it was raised below, and the client has wrapped it
            if isinstance(cause, httpx2.TimeoutException):
                waited = self._patience.connect if isinstance(cause, httpx2.ConnectTimeout) else self._patience.answer
                return self._unreachable(f"nothing was heard for {waited:g} s ({type(cause).__name__})")
            if isinstance(cause, httpx2.HTTPError):
                return self._unreachable(f"{type(cause).__name__} {self._said(str(cause))}")
            cause = cause.__cause__
        if isinstance(failure, ModelAPIError):
            return self._unreachable(type(failure).__name__)
        return self._nonsense(f"no chat completion ({type(failure).__name__})")

    async def _client(self) -> httpx2.AsyncClient:
        is_encrypted = self._address.scheme == "https"
        patience = self._patience
        try:
            return httpx2.AsyncClient(
                timeout=httpx2.Timeout(patience.answer, connect=patience.connect),
                follow_redirects=False,  # the key would go along to wherever the answer says
                verify=await asyncio.to_thread(httpx2.create_ssl_context) if is_encrypted else False,
                trust_env=is_encrypted,  # over plain HTTP, a proxy of the environment would be shown the key
                event_hooks={"request": [self._leave_bare], "response": [self._judge]},
            )
        except (ImportError, ValueError, OSError) as exc:
            raise PicksUnavailableError(
                f"The language model cannot be asked: {type(exc).__name__} while preparing the connection.",
                "Correct HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE in the environment.",
            ) from exc

    async def _leave_bare(self, request: httpx2.Request) -> None:
        for name in {name.lower() for name in request.headers} - _SENT:
            del request.headers[name]
        # Without compression the bound on the body is a bound on memory.
        request.headers["Accept-Encoding"] = "identity"
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"

    async def _judge(self, response: httpx2.Response) -> None:
        """Lets through what may be an answer, its body bounded. Raises PicksUnavailableError for the rest."""
        status = response.status_code
        if (encoding := response.headers.get("Content-Encoding", "identity")).lower() != "identity":
            raise self._nonsense(f"the encoding {self._said(encoding)}, which was not asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # an asynchronous client has no other
        response.stream = _Bounded(response.stream, self._nonsense(f"more than {LARGEST_BODY // 1024**2} MB"))
        if status == HTTPStatus.OK:
            return
        if response.has_redirect_location:
            raise self._nonsense(f"a redirect (HTTP {status}), and a key is not sent on to another address")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise PicksUnavailableError(
                f"The language model's endpoint at {self._address.host} does not accept the key: HTTP {status}.",
                "Correct ALPHA_MONDAY_LLM_KEY.",
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = retry_delay(response.headers.get("Retry-After"), datetime.now(UTC))
            when = "" if wait is None else f"; it asks to wait {wait.total_seconds():.0f} s"
            raise PicksUnavailableError(
                f"The language model's endpoint at {self._address.host} has a limit, and it is reached{when}.",
                "Wait; it is asked again until the opening ends. Credit that is used up is answered alike.",
                wait,
            )
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._unreachable(f"it answered with HTTP {status}")
        await response.aread()
        raise PicksUnavailableError(
            f"The language model's endpoint at {self._address.host} refuses the question for the model"
            f" {self._model!r}: HTTP {status} {self._said(response.text)}.",
            "Correct ALPHA_MONDAY_LLM_MODEL or ALPHA_MONDAY_LLM_URL.",
        )

    def _said(self, text: str) -> str:
        return repr(self.masked(text)[:_LONGEST_QUOTE])

    def _unreachable(self, why: str) -> PicksUnavailableError:
        return PicksUnavailableError(
            f"The language model's endpoint at {self._address.host} cannot be reached: {why}.", _TRIED_AGAIN
        )

    def _nonsense(self, what: str) -> PicksUnavailableError:
        return PicksUnavailableError(
            f"The language model's endpoint at {self._address.host} answered nonsense: {what}.",
            "Correct ALPHA_MONDAY_LLM_URL: it ends where /chat/completions is added, often in /v1.",
        )


class _Bounded(httpx2.AsyncByteStream):
    """A body that is read up to LARGEST_BODY."""

    def __init__(self, stream: httpx2.AsyncByteStream, too_long: PicksUnavailableError) -> None:
        self._stream = stream
        self._too_long = too_long

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for piece in self._stream:
            length += len(piece)
            if length > LARGEST_BODY:
                raise self._too_long
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def _checked_address(address: str) -> httpx2.URL:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        url = None
    # A user in an address takes the place of the key's header; a query would not survive the joining.
    if url is None or not url.host or url.userinfo or url.query or url.fragment:
        raise SettingsError(
            "ALPHA_MONDAY_LLM_URL is not an address of scheme, host, port and path alone.",
            "Correct it or leave it unset.",
        ) from None  # the cause repeats what may be a password
    return url
