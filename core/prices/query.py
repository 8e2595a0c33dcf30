"""The only place where price sources are queried: with a deadline, and every failure as one of the known errors.

Sources are asked for tickers in the one spelling; their answer is found under the spelling that was asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from core.prices.source import (
    TRY_ANOTHER,
    Answer,
    Basis,
    Close,
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
from core.tickers import canonical_ticker
from db.text import storable

# Longer than three attempts at a provider with the waits between them.
QUERY_WITHIN = timedelta(minutes=3)
LONGEST_NAME = 100
_KNOWN = (SourceDefectError, SourceTimedOutError, RateLimitedError, UnauthorisedError, UnavailableError, MalformedError)


async def query(source: PriceSource, symbols: Sequence[str], first: date, last: date) -> Answer:
    """What `source` has for `symbols` from `first` to `last`. Raises a PriceSourceError, whatever the source raises.

    `symbols` may be spelled in any way, and one share may be among them in several.
    """
    try:
        asked = sorted({canonical_ticker(symbol) for symbol in symbols})
        answer = await within(QUERY_WITHIN, source.closes(asked, first, last))
        name = storable(answer.source)[:LONGEST_NAME]
        closes = _in_one_spelling(name, answer.closes)
        unknown = {canonical_ticker(symbol) for symbol in answer.unknown} - closes.keys()
        return replace(
            answer,
            source=name,
            basis=Basis(answer.basis),
            closes={symbol: closes[one] for symbol in symbols if (one := canonical_ticker(symbol)) in closes},
            unknown=frozenset(symbol for symbol in symbols if canonical_ticker(symbol) in unknown),
        )
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


def _in_one_spelling(source: str, closes: Mapping[str, Mapping[date, Close]]) -> dict[str, Mapping[date, Close]]:
    """An answer's closes by ticker in the one spelling. Raises MalformedError where two spellings contradict."""
    found: dict[str, Mapping[date, Close]] = {}
    for symbol, series in closes.items():
        one = canonical_ticker(symbol)
        held = found.get(one)
        if held is None:
            found[one] = series
            continue
        if twice := [day for day in held.keys() & series.keys() if held[day] != series[day]]:
            raise MalformedError(f"{source} has two closes of {one} on {min(twice)}, under two spellings.", TRY_ANOTHER)
        found[one] = {**held, **series}
    return found


def _known(problem: PriceSourceError) -> PriceSourceError:
    """The known error that stands for a third party's own: its code and its texts may be anything."""
    kind = next((kind for kind in _KNOWN if isinstance(problem, kind)), UnavailableError)
    message, remedy = (str(getattr(problem, name, "")) for name in ("message", "remedy"))
    if kind is RateLimitedError:
        return RateLimitedError(message, remedy, getattr(problem, "retry_after", None))
    return kind(message or type(problem).__name__, remedy)
