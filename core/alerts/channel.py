"""The channels that alerts go over: addresses in Apprise's form, each in a thread of its own, none ever told.

Apprise's log repeats addresses, which hold tokens and passwords. It is heard here alone, to learn what went wrong, and
only what is sure to be no secret of it is passed on.
"""

import asyncio
import logging
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from core.alerts.message import Message
from core.back_off import back_off
from core.daemon_thread import BlockedError, DaemonThread
from core.plugins import MissingExtraError, require_extra
from core.settings import PREFIX, Settings
from db.errors import AlphaMondayError

if TYPE_CHECKING:
    from apprise import NotifyBase

WITHIN = timedelta(seconds=30)
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(hours=1)
_STATUS = re.compile(r"\berror=([1-5]\d\d)\b", re.ASCII)
_CONNECTION = re.compile(r"connection|socket|i/o|timed? ?out", re.IGNORECASE)

log = logging.getLogger(__name__)


class ChannelError(AlphaMondayError):
    """An address of NOTIFY_URLS cannot be used."""

    code = "notify_urls"


class Channel:
    """One address. `name` is its service's with a number: `slack 1`, `json 2`."""

    def __init__(self, name: str, plugin: "NotifyBase") -> None:
        self.name = name
        self.problem: str | None = None
        self._plugin = plugin
        self._thread = DaemonThread(f"alerts over {name}")
        self._draw = random.Random()  # noqa: S311 - spreads attempts, keeps no secret
        self._failures = 0
        self._rests_until = 0.0

    def __repr__(self) -> str:
        return f"<Channel {self.name}>"

    @property
    def rest(self) -> timedelta:
        """How long it is still to be left alone after a failure; zero if it is not."""
        return timedelta(seconds=max(self._rests_until - time.monotonic(), 0))

    async def send(self, message: Message) -> bool:
        """Whether the service took `message`, within half a minute. It raises nothing but CancelledError.

        A failure is logged when it begins and when it ends, and makes a `rest`, longer with each.
        """
        try:
            problem = await self._thread.run(WITHIN, _say, self._plugin, message)
        except BlockedError as exc:
            problem = str(exc)
        except Exception as exc:  # noqa: BLE001 - told by its type
            # A plugin may raise anything, and the text of it may repeat the address.
            problem = f"something unforeseen happened: {type(exc).__name__}"
        self._judge(problem)
        return problem is None

    def _judge(self, problem: str | None) -> None:
        if problem is None:
            if self.problem is not None:
                log.info("alerts are taken again", extra={"event": "alerts_work", "channel": self.name})
            self._failures, self._rests_until = 0, 0.0
        else:
            self._failures += 1
            rest = back_off(self._failures, FIRST_REST, LONGEST_REST, self._draw).total_seconds()
            self._rests_until = time.monotonic() + rest
            if self.problem is None:
                log.warning(
                    "alerts are not taken",
                    extra={
                        "event": "alerts_failed",
                        "channel": self.name,
                        "problem": problem,
                        "retry_in_s": round(rest, 1),
                    },
                )
        self.problem = problem


class Channels:
    """The channels of NOTIFY_URLS, made when they are first asked for. Without that setting there are none."""

    def __init__(self, settings: Settings) -> None:
        self._urls = settings.notify_urls
        self._made: tuple[Channel, ...] | None = None
        self._making = asyncio.Lock()

    @property
    def are_set(self) -> bool:
        """Whether there may be any."""
        return self._urls is not None

    async def ready(self) -> tuple[Channel, ...]:
        """Those that can be used; what cannot be is logged, once."""
        if self._urls is None:
            return ()
        async with self._making:
            if (made := self._made) is None:
                usable, problems = await asyncio.to_thread(_usable, self._urls.get_secret_value())
                self._made = made = usable
                for problem in problems:
                    log.warning(
                        "a channel for alerts cannot be used",
                        extra={"event": "alerts_unusable", "problem": problem.message, "remedy": problem.remedy},
                    )
        return made


def _usable(urls: str) -> tuple[tuple[Channel, ...], Sequence[AlphaMondayError]]:
    try:
        return open_channels(urls)
    except MissingExtraError as exc:
        return (), (exc,)


def open_channels(urls: str) -> tuple[tuple[Channel, ...], tuple[ChannelError, ...]]:
    """The channels of `urls`, which blanks or lines separate, and an error for each that cannot be understood.

    An address is told by its place alone. Raises MissingExtraError without the extra. It imports for some tenths of a
    second: call it in a thread.
    """
    _quieten()
    require_extra("apprise", "notify", f"{PREFIX}NOTIFY_URLS")
    # Its client would send what ~/.netrc holds for a host, or for any, to an address that holds no password itself.
    os.environ["NETRC"] = os.devnull
    import urllib3
    from apprise import Apprise, AppriseAsset

    # That an address says verify=no is its owner's choice; the warning would hold the host, and stand on the screen.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    # A redirect leads to where the operator has not sent anything.
    asset = AppriseAsset(app_id="alpha-monday", app_desc="Alpha Monday", http_redirects=False, async_mode=False)
    channels: list[Channel] = []
    errors: list[ChannelError] = []
    names: Counter[str] = Counter()
    for place, url in enumerate(urls.split(), start=1):
        plugin = Apprise.instantiate(url, asset=asset)
        if plugin is None:
            errors.append(
                ChannelError(
                    f"Address {place} of {PREFIX}NOTIFY_URLS is none that Apprise understands.",
                    "Correct it; https://appriseit.com/services/ shows the form of each service.",
                )
            )
            continue
        service = _service(url, plugin)
        names[service] += 1
        channels.append(Channel(f"{service} {names[service]}", plugin))
    return tuple(channels), tuple(errors)


def _service(url: str, plugin: "NotifyBase") -> str:
    """What Apprise calls the service: the address's own beginning, if it is one of the service's names."""
    known: list[str] = []
    protocols: tuple[str | Sequence[str] | None, ...] = (plugin.secure_protocol, plugin.protocol)
    for protocol in protocols:
        known += [protocol] if isinstance(protocol, str) else protocol or ()
    scheme = url.partition("://")[0].lower()
    return scheme if scheme in known else next(iter(known), "channel")


def _say(plugin: "NotifyBase", message: Message) -> str | None:
    """What went wrong in words without a secret, None where the service took it. Blocks for as long as it likes."""
    from apprise import NotifyFormat, NotifyType
    from apprise.common import OverflowMode

    # A body that a service refuses as too long would be refused for ever; an address may ask for `overflow=split`.
    overflow = OverflowMode.TRUNCATE if plugin.overflow_mode is OverflowMode.UPSTREAM else None
    with _overheard() as sayings:
        taken = plugin.notify(
            body=message.body,
            title=message.title,
            notify_type=NotifyType(message.severity.value),
            body_format=NotifyFormat.TEXT,
            overflow=overflow,
        )
    return None if taken else _problem(sayings)


def _problem(sayings: Sequence[str]) -> str:
    """What may be told of a failure: a status, or its kind; the sentences themselves may hold the address."""
    for saying in sayings:
        if status := _STATUS.search(saying):
            return f"HTTP {status[1]}"
    if any(_CONNECTION.search(saying) for saying in sayings):
        return "it cannot be connected to, or does not answer"
    return "the service did not take it"


class _Listener(logging.Handler):
    """Keeps what is logged in the thread that made it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sayings: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.sayings.append(record.getMessage())


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What Apprise says meanwhile in this thread."""
    listener = _Listener()
    logger = logging.getLogger("apprise")
    logger.addHandler(listener)
    try:
        yield listener.sayings
    finally:
        logger.removeHandler(listener)


def _quieten() -> None:
    """Keeps what Apprise and the client below it say, which may be an address, out of every log and off stderr."""
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
