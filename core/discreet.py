"""Third parties' sources, whose errors are kept from repeating what a source was told in confidence.

What a source says goes into the log, onto screens and into the database, where every reader sees it. The house's own
sources mask it themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from core.logs import redacted
from core.picks.source import PickDraft, PickOptions, PickSource
from core.prices.around import AroundSource
from core.prices.source import Answer, PriceOptions, PriceSource
from core.secrets import in_every_form, secrets_of_address
from db.errors import AlphaMondayError


class DiscreetPrices(AroundSource):
    """A price source that masks the key and the address's secrets of `options` in the errors of another."""

    def __init__(self, source: PriceSource, options: PriceOptions) -> None:
        super().__init__(source)
        self._options = options

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        with discreet(self._options):
            return await self._source.closes(symbols, first, last)


class DiscreetPicks:
    """A pick source that masks the key and the address's secrets of `options` in the errors of another."""

    def __init__(self, source: PickSource, options: PickOptions) -> None:
        self._source = source
        self._options = options

    @property
    def name(self) -> str:
        return self._source.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        with discreet(self._options):
            return await self._source.picks(run_date)


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
