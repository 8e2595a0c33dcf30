"""The heartbeat: an address that is called while all is well, so that its silence tells of a dead scheduler."""

import asyncio
import logging
from typing import TYPE_CHECKING

from core.catch_up import Report
from core.health import read_backlog
from core.services import Services
from db.errors import DatabaseError

if TYPE_CHECKING:
    import httpx

WITHIN_S = 10.0

log = logging.getLogger(__name__)


class Heartbeat:
    """Calls HEARTBEAT_URL after ticks that leave nothing overdue. Without that setting it does nothing at all.

    A call that fails neither fails a tick nor holds one up; it is logged when calls begin to fail and when they succeed
    again. The address is told nowhere: its path is a secret.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._url = services.settings.heartbeat_url
        self._client: httpx.AsyncClient | None = None
        self._beating: asyncio.Task[None] | None = None
        self._problem: str | None = None
        self._withheld: str | None = None

    def after_tick(self, report: Report) -> None:
        """Starts the call in the background, unless one is under way still."""
        if self._url is None or (self._beating is not None and not self._beating.done()):
            return
        self._beating = asyncio.get_running_loop().create_task(self.beat(report))

    async def beat(self, report: Report) -> None:
        """Calls the address if `report` and the backlog leave nothing overdue. Raises nothing but CancelledError."""
        if self._url is None:
            return
        try:
            self._withhold(await self._why_withheld(report))
            if self._withheld is None:
                self._judge(await self._call(self._url.get_secret_value()))
        except Exception as exc:  # noqa: BLE001 - told by its type
            # Whatever it is, the schedule goes on; the text is left out, for it may repeat the address.
            self._judge(f"something unforeseen happened: {type(exc).__name__}")

    async def close(self) -> None:
        """Ends a call that is under way, and its connections."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            self._beating = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _why_withheld(self, report: Report) -> str | None:
        if report.unopened:
            return "the week could not be opened yet"
        try:
            behind = await read_backlog(self._services)
        except DatabaseError as exc:
            return exc.message
        return f"days that are overdue: {behind.overdue}" if behind.overdue else None

    async def _call(self, url: str) -> str | None:
        """What went wrong, in words without the address; None where the answer is a 2xx, whatever its body."""
        import httpx  # a quarter of a second, for those alone who have set an address

        try:
            if (client := self._client) is None:
                client = self._client = await asyncio.to_thread(_new_client, url)
            # The body is never read: leaving the block hangs up.
            async with asyncio.timeout(WITHIN_S), client.stream("GET", url) as response:
                return None if response.is_success else f"HTTP {response.status_code}"
        except (TimeoutError, httpx.TimeoutException):
            return f"no answer within {WITHIN_S:g} s"
        except httpx.ConnectError:
            return "it cannot be connected to"
        except httpx.NetworkError:
            return "the connection broke off"
        except httpx.RemoteProtocolError:
            return "it does not answer in HTTP"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as exc:
            return type(exc).__name__

    def _withhold(self, reason: str | None) -> None:
        if reason is not None and self._withheld is None:
            log.warning("heartbeat URL withheld", extra={"event": "heartbeat_url_withheld", "reason": reason})
        self._withheld = reason

    def _judge(self, problem: str | None) -> None:
        if problem is not None and self._problem is None:
            log.warning("heartbeat URL failed", extra={"event": "heartbeat_url_failed", "problem": problem})
        elif problem is None and self._problem is not None:
            log.info("heartbeat URL works again", extra={"event": "heartbeat_url_works"})
        self._problem = problem


def _new_client(url: str) -> "httpx.AsyncClient":
    """Made in a thread: reading the machine's certificates takes some hundredths of a second."""
    import httpx  # as above

    is_encrypted = url.startswith("https:")
    return httpx.AsyncClient(
        timeout=WITHIN_S,
        follow_redirects=False,  # where a redirect leads was not set by the operator, and may not be encrypted
        headers={"User-Agent": "alpha-monday", "Accept-Encoding": "identity"},
        verify=is_encrypted,
        trust_env=is_encrypted,  # over plain HTTP, a proxy of the environment would be shown the path
    )
