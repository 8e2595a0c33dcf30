"""Third parties' sources: no secret in their errors, and no call of theirs in the loop of the program.

What a source says goes into the log, onto screens and into the database, where every reader sees it. A source that
blocks would hold up heartbeats and alerts too, so each has a thread of its own. Built-in sources need neither.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from core.daemon_thread import DaemonLoop
from core.logs import redacted
from core.picks.query import PICKS_WITHIN
from core.picks.source import PickDraft, PickOptions, PickSource
from core.prices.around import AroundSource
from core.prices.query import LONGEST_NAME, QUERY_WITHIN
from core.prices.source import Answer, Basis, PriceOptions, PriceSource, is_taken_at_its_word, least_rest
from core.secrets import secrets_of_address
from db.errors import AlphaMondayError
from db.secret_forms import in_every_form
from db.text import storable


class DiscreetPrices(AroundSource):
    """Another price source in a thread of its own; the key and the address's secrets of `options` are masked.

    What it says of itself is asked once, when it is made, and its answers bear its own name.
    """

    def __init__(self, source: PriceSource, options: PriceOptions) -> None:
        """Raises TypeError or ValueError for what no price source has, and whatever `source` raises."""
        super().__init__(source)
        self._options = options
        self._name = _name_of(source)
        self._basis = Basis(source.basis)
        delay: object = source.settle_delay
        if not isinstance(delay, timedelta) or delay < timedelta(0):
            raise TypeError("settle_delay is no duration")
        self._settle_delay = delay
        self.least_rest = least_rest(source)
        self.is_taken_at_its_word = is_taken_at_its_word(source)
        self._loop = DaemonLoop(f"prices of {self.name}")

    @property
    def name(self) -> str:
        return self._name

    @property
    def basis(self) -> Basis:
        return self._basis

    @property
    def settle_delay(self) -> timedelta:
        return self._settle_delay

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        with discreet(self._options):
            answer = await self._loop.run(QUERY_WITHIN, lambda: self._source.closes(symbols, first, last))
        return replace(answer, source=self._name)


class PricesForAnotherLoop(AroundSource):
    """A price source that a third party's pick source queries from its own loop; the query runs in the program's."""

    loop: asyncio.AbstractEventLoop | None = None

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        if self.loop is None or self.loop is asyncio.get_running_loop():
            return await self._source.closes(symbols, first, last)

        async def query() -> Answer:
            return await self._source.closes(symbols, first, last)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(query(), self.loop))


class DiscreetPicks:
    """Another pick source in a thread of its own; the key and the address's secrets of `options` are masked."""

    def __init__(self, source: PickSource, options: PickOptions, prices: PricesForAnotherLoop | None = None) -> None:
        """`prices` are those that `source` was made with."""
        self._source = source
        self._options = options
        self._prices = prices
        self._name = _name_of(source)
        self._loop = DaemonLoop(f"picks of {self.name}")

    @property
    def name(self) -> str:
        return self._name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        if self._prices is not None:
            self._prices.loop = asyncio.get_running_loop()
        with discreet(self._options):
            return await self._loop.run(PICKS_WITHIN, lambda: self._source.picks(run_date))


def _name_of(source: PriceSource | PickSource) -> str:
    """Raises TypeError for a source without a name."""
    name: object = source.name
    if not isinstance(name, str) or not name:
        raise TypeError("a source has no name")
    return storable(str(name))[:LONGEST_NAME]


@contextmanager
def discreet(options: PriceOptions | PickOptions) -> Iterator[None]:
    """Masks in operators' errors what a source was told by `options`."""
    try:
        yield
    except AlphaMondayError as exc:
        key = {options.key, *options.key.split(":")} - {""} if options.key else set()
        secrets = in_every_form(key | (secrets_of_address(options.url) if options.url else set()))
        exc.message, exc.remedy = redacted(exc.message, secrets), redacted(exc.remedy, secrets)
        exc.args = (exc.message,)
        raise
