"""What a pick source is: the Protocol, its answer and its errors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
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


@dataclass(frozen=True, slots=True)
class Account:
    """How a source that was asked in words came to its picks; it is kept in an event.

    `answers` are the raw ones in the order given, each shortened to 4,000 characters; `prompt_sha256` is in hex.
    """

    model: str
    prompt_sha256: str
    attempts: int
    answers: tuple[str, ...]


class AccountedPicks(tuple[PickDraft, ...]):  # noqa: SLOT001 - a tuple's subclass cannot have slots of its own
    """Picks with an account of how they came to be."""

    account: Account

    def __new__(cls, drafts: Iterable[PickDraft], account: Account) -> "AccountedPicks":
        picks = super().__new__(cls, drafts)
        picks.account = account
        return picks


class PickSource(Protocol):
    """Something that names three picks for a week, as `AccountedPicks` where there is more to tell."""

    @property
    def name(self) -> str: ...

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        """The three picks for the week of `run_date`.

        Raises `PicksNotYetError`, `PicksUnavailableError`, `PicksMalformedError` or `PicksGivenUpError`.
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
    llm_model: str | None = None
    llm_prompt: Path | None = None
    key: str | None = None
    url: str | None = None


class PickSourceError(AlphaMondayError):
    """No picks could be had."""

    code = "pick_source"


class PicksNotYetError(PickSourceError):
    """The source has nothing for this week yet: it is asked again until trading starts."""

    code = "picks_not_yet"


class PicksUnavailableError(PickSourceError):
    """The source cannot be reached or lacks what it needs; `retry_after` is how long it asked to be left alone."""

    code = "picks_unavailable"

    def __init__(self, message: str, remedy: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class PicksMalformedError(PickSourceError):
    """The source answered something that is not three picks."""

    code = "picks_malformed"


class PicksGivenUpError(PickSourceError):
    """The source has no valid picks for this week, and asking it again by itself would not help."""

    code = "picks_given_up"

    def __init__(self, message: str, remedy: str, account: Account | None = None) -> None:
        super().__init__(message, remedy)
        self.account = account
