"""Which of an address's hosts is used: of those that take writes, the one on the highest timeline."""

import asyncio
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db.fencing import Timelines, read_timeline
from db.sessions import session_address
from db.waiting import shut_down

SHUNNED_FOR_S = 60.0
_SILENT_AFTER_S = 3.0
# How long others may take once one host has answered that it takes writes, or one that is left out at all.
_OTHERS_WITHIN_S = 1.0
_CHOICE_STANDS_FOR_S = 1.0
_TAKE_WRITES = frozenset({"read-write", "primary"})
_PREFACE = re.compile(
    r"^(?:connection failed: )?(?:connection to server (?:at|on socket) .{1,300}? failed: )?(.*)", re.DOTALL
)
_SAID_LIMIT = 200

Place = tuple[str, int]


class NoHostTakesWritesError(psycopg.OperationalError):
    """Each host of the address was tried; the text has the error of each."""


@dataclass(frozen=True, slots=True)
class OldPrimary:
    """A host that takes writes on a lower timeline than another one that does, or than one that did."""

    host: str
    port: int
    timeline: int
    newest: int

    @property
    def words(self) -> str:
        """One sentence."""
        return (
            f"{self.host}:{self.port} is an old primary: it takes writes on timeline {self.timeline}, and "
            f"{self.newest} was seen. It is left out."
        )


class Hosts:
    """The hosts of `conninfo`. Those that are silent or old primaries are left out for a minute.

    An old primary takes writes like a true one and may stand first in the address. Where the address asks for the host
    that takes writes, `choose` therefore asks every host; any other address is left to libpq, which tries its hosts in
    their order.
    """

    def __init__(self, conninfo: str, timelines: Timelines | None = None) -> None:
        self._conninfo = conninfo
        self._timelines = timelines or Timelines()
        parts = conninfo_to_dict(conninfo)
        self._lists: dict[str, list[str]] = {
            name: str(parts[name]).split(",") for name in ("host", "hostaddr", "port") if name in parts
        }
        self._count = max((len(values) for values in self._lists.values()), default=1)
        self._shunned: dict[Place, float] = {}
        self._old: dict[Place, OldPrimary] = {}
        self._choosing = asyncio.Lock()
        self._chosen: tuple[Place, float] | None = None
        is_well_formed = all(len(values) in (1, self._count) for values in self._lists.values())
        self.are_several = self._count > 1 and is_well_formed and str(parts.get("target_session_attrs")) in _TAKE_WRITES

    @property
    def old_primaries(self) -> tuple[OldPrimary, ...]:
        """Those that were found when they were asked last."""
        return tuple(self._old.values())

    def shun(self, host: str, port: int) -> None:
        """Leaves a host out for a minute; it may be a sound standby by then."""
        self._shunned[host, port] = time.monotonic() + SHUNNED_FOR_S
        if self._chosen is not None and self._chosen[0] == (host, port):
            self._chosen = None

    def conninfo(self) -> str:
        """The address without the hosts that are left out; whole where no other is left."""
        kept = self._kept()
        return self._conninfo if not kept or len(kept) == self._count else self._narrowed(kept)

    async def choose(self) -> str:
        """The address of the host to use. Raises NoHostTakesWritesError with each host's own error."""
        if not self.are_several:
            return self.conninfo()
        place = await self.writable()
        return self._narrowed([number for number in range(self._count) if self._host_at(number) == place])

    async def writable(self, *, every_host: bool = False) -> Place:
        """Of the hosts that take writes, the one on the highest timeline, asked at most once a second.

        With `every_host` those that are left out are asked too: one that was slow may have become the primary. Raises
        NoHostTakesWritesError with each host's own error.
        """
        async with self._choosing:
            if self._chosen is not None and time.monotonic() - self._chosen[1] < _CHOICE_STANDS_FOR_S:
                return self._chosen[0]
            self._chosen = None
            kept = list(range(self._count)) if every_host else self._kept()
            found, problems = await self._ask(kept, _SILENT_AFTER_S)
            if not found:
                others = [number for number in range(self._count) if number not in kept]
                found, more = await self._ask(others, _OTHERS_WITHIN_S)
                problems |= more
            if not found:
                raise NoHostTakesWritesError("; ".join(problems[number] for number in sorted(problems)))
            # The first in the address of several on one timeline, or of those that do not tell theirs.
            best = min(found, key=lambda number: (-found[number], number))
            place = self._host_at(best)
            self._compare(found)
            self._chosen = place, time.monotonic()
            return place

    def _compare(self, found: dict[int, int]) -> None:
        """Notes the highest timeline, and which of those that take writes are below it."""
        self._timelines.highest = newest = max(self._timelines.highest, *found.values())
        for number, timeline in found.items():
            host, port = place = self._host_at(number)
            if 0 < timeline < newest:
                self._old[place] = OldPrimary(host, port, timeline, newest)
                self.shun(host, port)
            else:
                self._old.pop(place, None)
                self._shunned.pop(place, None)

    async def _ask(self, numbers: Sequence[int], within_s: float) -> tuple[dict[int, int], dict[int, str]]:
        """The timelines of hosts that take writes (0: not told), and what is wrong with the others."""
        found: dict[int, int] = {}
        problems: dict[int, str] = {}
        asking = {asyncio.ensure_future(self._timeline_at(number)): number for number in numbers}
        deadline, pending = time.monotonic() + within_s, set(asking)
        try:
            while pending and (left := deadline - time.monotonic()) > 0:
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    number = asking[task]
                    try:
                        found[number] = task.result()
                    except psycopg.Error as exc:
                        problems[number] = f"{self._named(number)}: {words_of(exc)}"
                        self._old.pop(self._host_at(number), None)  # it takes no writes
                        if isinstance(exc, psycopg.errors.ConnectionTimeout):
                            self.shun(*self._host_at(number))
                    else:
                        deadline = min(deadline, time.monotonic() + _OTHERS_WITHIN_S)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        for task in pending:
            problems[asking[task]] = f"{self._named(asking[task])}: no answer"
            self.shun(*self._host_at(asking[task]))
        return found, problems

    async def _timeline_at(self, number: int) -> int:
        connection = await AsyncConnection.connect(self._narrowed([number]), autocommit=True)
        # Cancelling would have the driver ask the server to cancel, and wait for a silent one.
        asking = asyncio.ensure_future(read_timeline(connection))
        try:
            return await asyncio.shield(asking)
        finally:
            if not asking.done():
                shut_down(connection.pgconn)
                await asyncio.gather(asking, return_exceptions=True)
            await connection.close()

    def _kept(self) -> list[int]:
        now = time.monotonic()
        self._shunned = {host: until for host, until in self._shunned.items() if until > now}
        return [place for place in range(self._count) if self._host_at(place) not in self._shunned]

    def _narrowed(self, numbers: Iterable[int]) -> str:
        """The address of some of its hosts."""
        kept = list(numbers)
        lists = {
            name: ",".join(values[place] for place in kept)
            for name, values in self._lists.items()
            if len(values) == self._count  # a single port stands for every host
        }
        return make_conninfo(self._conninfo, **lists)

    def _named(self, number: int) -> str:
        host, port = self._host_at(number)
        return f"{host}:{port}"

    def _host_at(self, place: int) -> Place:
        def at(name: str) -> str:
            values = self._lists.get(name, [""])
            return values[place if len(values) == self._count else 0]

        return at("host") or at("hostaddr"), int(at("port") or 5432)


def words_of(exc: psycopg.Error) -> str:
    """What a connection attempt failed with, in one line without libpq's preface, which names the host again."""
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    found = _PREFACE.match(lines[0])
    return (found[1] if found else lines[0])[:_SAID_LIMIT]


async def chosen_address(url: str) -> str:
    """`url` with the one host that is to be used, for programs and connections that would take its first.

    An address whose hosts all refuse is given back whole: whoever connects to it gets the server's own error, or makes
    the missing database.
    """
    hosts = Hosts(session_address(url, "alpha-monday db"))
    if not hosts.are_several:
        return url
    try:
        return await hosts.choose()
    except psycopg.Error:
        return url
