"""What a pick source is: the Protocol, its answer and its errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.prices.source import PriceSource
from db.errors import AlphaMondayError
from db.records import Action

if TYPE_CHECKING:
    from core.trading_calendar import TradingCalendar


@dataclass(frozen=True, slots=True)
class PickDraft:
    """A pick before it has a price: the ticker in the house's form, what to do, and why."""

    ticker: str
    action: Action
    reasoning: str


class PickSource(Protocol):
    """Something that names three picks for a week."""

    @property
    def name(self) -> str: ...

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        """The three picks for the week of `run_date`.

        Raises `PicksNotYetError`, `PicksUnavailableError` or `PicksMalformedError`.
        """
        ...


@dataclass(frozen=True, slots=True)
class PickOptions:
    """What a pick source may be made from; each takes what it needs."""

    calendar: "TradingCalendar"
    prices: PriceSource | None
    benchmark: str
    picks_file: Path | None = None
    universe: Path | None = None
    key: str | None = None
    url: str | None = None


class PickSourceError(AlphaMondayError):
    """No picks could be had."""

    code = "pick_source"


class PicksNotYetError(PickSourceError):
    """The source has nothing for this week yet: it is asked again until trading starts."""

    code = "picks_not_yet"


class PicksUnavailableError(PickSourceError):
    """The source cannot be reached or lacks what it needs."""

    code = "picks_unavailable"


class PicksMalformedError(PickSourceError):
    """The source answered something that is not three picks."""

    code = "picks_malformed"
