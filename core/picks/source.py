"""What a pick source is: the Protocol, its answer and its errors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.prices.source import LONGEST_MESSAGE, PriceSource, bounded_rest
from db.errors import AlphaMondayError
from db.records import Action
from db.text import storable

if TYPE_CHECKING:
    from core.trading_calendar import TradingCalendar


_LONGEST_ANSWER = 4_000
_MOST_ANSWERS = 100


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
    Raises TypeError or ValueError for values of another form.
    """

    model: str
    prompt_sha256: str
    attempts: int
    answers: tuple[str, ...]

    def __post_init__(self) -> None:
        kept = tuple(storable(answer)[:_LONGEST_ANSWER] for answer in self.answers[:_MOST_ANSWERS])
        for name, value in (
            ("model", storable(self.model)[:_LONGEST_ANSWER]),
            ("prompt_sha256", storable(self.prompt_sha256)[:_LONGEST_ANSWER]),
            ("attempts", int(self.attempts)),
            ("answers", kept),
        ):
            object.__setattr__(self, name, value)


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

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message[:LONGEST_MESSAGE], remedy[:LONGEST_MESSAGE])


class PicksNotYetError(PickSourceError):
    """The source has nothing for this week yet: it is asked again until trading starts."""

    code = "picks_not_yet"


class PicksUnavailableError(PickSourceError):
    """The source cannot be reached or lacks what it needs; `retry_after`, at most a day, is its wish."""

    code = "picks_unavailable"

    def __init__(self, message: str, remedy: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = bounded_rest(retry_after)


class PicksTimedOutError(PicksUnavailableError):
    """The source did not respond in time."""

    code = "picks_timed_out"


class PicksMalformedError(PickSourceError):
    """The source answered something that is not three picks."""

    code = "picks_malformed"


class PicksGivenUpError(PickSourceError):
    """The source has no valid picks for this week, and asking it again by itself would not help."""

    code = "picks_given_up"

    def __init__(self, message: str, remedy: str, account: Account | None = None) -> None:
        super().__init__(message, remedy)
        self.account = account if isinstance(account, Account) else None  # a third party's may be anything
