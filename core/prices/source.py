"""What a price source is: the Protocol, its answer and its errors."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard

from db.errors import AlphaMondayError

if TYPE_CHECKING:
    from core.trading_calendar import TradingCalendar

ONE = Decimal(1)
LONGEST_REST = timedelta(days=1)
LONGEST_MESSAGE = 1000
TRY_ANOTHER = "The day is tried again; if it lasts, use another price source."
_PRICE = re.compile(r"[0-9]{1,32}(\.[0-9]{1,32})?", re.ASCII)
INTEGER_DIGITS = 12
DECIMAL_DIGITS = 12
_TOO_LARGE = Decimal(10) ** INTEGER_DIGITS


class Basis(StrEnum):
    """What a source's closes measure: price return, total return (dividends inside), or whatever a file holds."""

    PRICE = "price"
    TOTAL = "total"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True)
class Close:
    """One session's official close.

    `split_factor` is new shares per old share on the first session that trades on the new basis (7 for 7:1),
    and 1 on every other day and from every source whose closes are adjusted for splits already.
    """

    price: Decimal
    split_factor: Decimal = ONE


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source said to one question: dated closes per symbol it knows, and the symbols it does not know.

    `failed` holds the error of each symbol that the source refuses, or sends nonsense for, while it answers for others.
    `is_complete` is False while closes may still be added, in a file say: what the answer lacks is then no evidence.
    `is_cached` says that no source was queried for it.
    """

    source: str
    basis: Basis
    closes: Mapping[str, Mapping[date, Close]]
    unknown: frozenset[str] = frozenset()
    failed: "Mapping[str, PriceSourceError]" = field(default_factory=dict)
    is_complete: bool = True
    is_cached: bool = field(default=False, compare=False)


class PriceSource(Protocol):
    """A provider of daily closes.

    `settle_delay` is the time after a session's close that this source needs before its closes are final.

    A source that knows how many questions its provider still answers may also have `quota_left: int | None`, which
    screens show (None while it is unknown); it is looked at after each question, so it must not ask anybody.

    A source with a small quota may have `least_rest: timedelta`, for which it is not asked again after an answer that
    lacks something. A source whose closes the operator keeps himself has `is_taken_at_its_word = True`. Of any other, a
    session's move beyond all likelihood waits for an operator's word.
    """

    @property
    def name(self) -> str: ...

    @property
    def basis(self) -> Basis: ...

    @property
    def settle_delay(self) -> timedelta: ...

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        """Every close of `symbols` from `first` to `last`, both included.

        Raises a `PriceSourceError`: rate limited, unauthorised, unavailable or malformed.
        """
        ...


@dataclass(frozen=True, slots=True)
class PriceOptions:
    """What a price source may be made from; each takes what it needs."""

    calendar: "TradingCalendar"
    benchmark: str
    price_file: Path | None = None
    key: str | None = None
    url: str | None = None
    limit: str | None = None


def least_rest(source: PriceSource) -> timedelta:
    """How long `source` asks to be left alone after an answer that lacks something, at most a day; zero for most."""
    return bounded_rest(getattr(source, "least_rest", None)) or timedelta(0)


def bounded_rest(rest: object) -> timedelta | None:
    """`rest` if it is a duration, from zero to a day: a source must not put off its days for longer."""
    return min(max(rest, timedelta(0)), LONGEST_REST) if isinstance(rest, timedelta) else None


def is_taken_at_its_word(source: PriceSource) -> bool:
    """Whether `source` says that its closes are the operator's own."""
    return getattr(source, "is_taken_at_its_word", False) is True


class PriceSourceError(AlphaMondayError):
    """A source could not answer. Never a reason to skip a day."""

    code = "price_source"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message[:LONGEST_MESSAGE], remedy[:LONGEST_MESSAGE])


class RateLimitedError(PriceSourceError):
    """The source asked to be left alone, for `retry_after` where it said how long; at most a day."""

    code = "rate_limited"

    def __init__(self, message: str, remedy: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message, remedy)
        self.retry_after = bounded_rest(retry_after)


class UnauthorisedError(PriceSourceError):
    """The source does not accept the key."""

    code = "unauthorised"


class UnavailableError(PriceSourceError):
    """The source cannot be reached, or failed on its side."""

    code = "unavailable"


class SourceTimedOutError(UnavailableError):
    """The source did not respond in time."""

    code = "timed_out"


class SourceDefectError(UnavailableError):
    """The source raised what no price source may raise."""


class MalformedError(PriceSourceError):
    """The source answered nonsense."""

    code = "malformed"


def is_price(value: object) -> TypeGuard[Decimal]:
    """Whether `value` is a positive finite decimal of at most 12 integer and 12 decimal digits."""
    if type(value) is not Decimal or not value.is_finite() or not 0 < value < _TOO_LARGE:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMAL_DIGITS


def parse_price(text: str) -> Decimal:
    """The positive decimal that `text` spells, digit for digit.

    Raises ValueError for anything but plain digits with at most one point, for zero, and for more than
    12 digits before or after the point (leading zeros aside).
    """
    if not _PRICE.fullmatch(text):
        raise ValueError(f"not a plain decimal number: {text[:40]!r}")
    whole, _, fraction = text.partition(".")
    if len(whole.lstrip("0")) > INTEGER_DIGITS or len(fraction) > DECIMAL_DIGITS:
        raise ValueError(f"more than {INTEGER_DIGITS} integer or {DECIMAL_DIGITS} decimal digits: {text[:40]!r}")
    price = Decimal(text)
    if price <= 0:
        raise ValueError(f"not a positive price: {text[:40]!r}")
    return price
