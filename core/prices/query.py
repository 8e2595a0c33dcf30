"""The only place where price sources are queried: with a deadline, and every failure as one of the known errors."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from core.prices.source import (
    Answer,
    Basis,
    MalformedError,
    PriceSource,
    PriceSourceError,
    RateLimitedError,
    SourceDefectError,
    SourceTimedOutError,
    UnauthorisedError,
    UnavailableError,
)
from core.source_calls import log_defect, within, words_of
from db.text import storable

# Longer than three attempts at a provider with the waits between them.
QUERY_WITHIN = timedelta(minutes=3)
LONGEST_NAME = 100
_KNOWN = (SourceDefectError, SourceTimedOutError, RateLimitedError, UnauthorisedError, UnavailableError, MalformedError)


async def query(source: PriceSource, symbols: Sequence[str], first: date, last: date) -> Answer:
    """What `source` has for `symbols` from `first` to `last`. Raises a PriceSourceError, whatever the source raises."""
    try:
        answer = await within(QUERY_WITHIN, source.closes(symbols, first, last))
        return replace(answer, source=storable(answer.source)[:LONGEST_NAME], basis=Basis(answer.basis))
    except PriceSourceError as problem:
        if type(problem) in _KNOWN:
            raise
        raise _known(problem) from problem
    except TimeoutError as exc:
        raise SourceTimedOutError(
            f"The price source {source.name} did not respond: {words_of(exc)}.",
            "The query is repeated later; if it lasts, use another price source.",
        ) from exc
    except Exception as exc:
        log_defect(source.name, exc)
        raise SourceDefectError(
            f"The price source {source.name} failed: {type(exc).__name__}.",
            "The log has the details; update or replace it.",
        ) from exc


def _known(problem: PriceSourceError) -> PriceSourceError:
    """The known error that stands for a third party's own: its code and its texts may be anything."""
    kind = next((kind for kind in _KNOWN if isinstance(problem, kind)), UnavailableError)
    message, remedy = (str(getattr(problem, name, "")) for name in ("message", "remedy"))
    if kind is RateLimitedError:
        return RateLimitedError(message, remedy, getattr(problem, "retry_after", None))
    return kind(message or type(problem).__name__, remedy)
