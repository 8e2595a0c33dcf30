"""The only place where price sources are queried: with a deadline, and every failure as one of the known errors.

Sources are asked for tickers in the one spelling; their answer is found under the spelling that was asked for.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain

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
    is_taken_at_its_word,
)
from core.source_calls import log_defect, within, words_of
from core.tickers import canonical_ticker
from db.text import storable

# Longer than three attempts at a provider with the waits between them.
QUERY_WITHIN = timedelta(minutes=3)
LONGEST_NAME = 100
# Bounds the queries that look for malformed symbols: one among 60 takes about seven malformed responses.
_MOST_MALFORMED = 20
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
        failed = {canonical_ticker(symbol): _as_known(problem) for symbol, problem in answer.failed.items()}
        unknown = {canonical_ticker(symbol) for symbol in answer.unknown} - closes.keys()
        return replace(
            answer,
            source=name,
            basis=Basis(answer.basis),
            closes={symbol: closes[one] for symbol in symbols if (one := canonical_ticker(symbol)) in closes},
            unknown=frozenset(symbol for symbol in symbols if canonical_ticker(symbol) in unknown),
            failed={symbol: failed[one] for symbol in symbols if (one := canonical_ticker(symbol)) in failed},
        )
    except PriceSourceError as problem:
        if type(problem) in _KNOWN:
            raise
        raise _as_known(problem) from problem
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


async def query_each(
    source: PriceSource, symbols: Sequence[str], essential: Set[str], first: date, last: date
) -> Answer:
    """What `query` gives, with the error of each symbol that has no usable response in the answer's `failed`.

    One malformed symbol must not cost the others their closes, so they are queried in halves. If the `essential` ones
    alone (benchmarks) are malformed too, the fault is the source's. Raises a PriceSourceError without any response.
    """
    failed: dict[str, PriceSourceError] = {}
    answers = await _answers(source, symbols, essential, first, last, failed)
    # The closes of one batch-day come from one source, on one basis.
    for odd in (answer for answer in answers if answer.basis != answers[0].basis):
        mixed = MalformedError(f"{source.name} mixes the bases of its closes.", TRY_ANOTHER)
        failed.update((symbol, mixed) for symbol in odd.closes)
    return Answer(
        answers[0].source,
        answers[0].basis,
        {symbol: closes for answer in answers for symbol, closes in answer.closes.items()},
        unknown=frozenset(symbol for answer in answers for symbol in answer.unknown),
        failed={**{symbol: problem for answer in answers for symbol, problem in answer.failed.items()}, **failed},
        is_complete=all(answer.is_complete for answer in answers),
        is_cached=all(answer.is_cached for answer in answers),
    )


async def _answers(
    source: PriceSource,
    symbols: Sequence[str],
    essential: Set[str],
    first: date,
    last: date,
    failed: dict[str, PriceSourceError],
) -> Sequence[Answer]:
    """One response for all `symbols`, or several where it is malformed; adds to `failed` what has none."""
    try:
        return [await query(source, symbols, first, last)]
    except (MalformedError, SourceDefectError) as failure:
        others = [symbol for symbol in symbols if symbol not in essential]
        if is_taken_at_its_word(source) or not others or len(symbols) == 1:
            raise
        whole = failure
        needed = sorted(set(symbols) & essential)
        answers = [await query(source, needed, first, last)] if needed else []
    malformed, parts = 1, _halves(others)
    while parts:
        part = parts.pop()
        try:
            answers.append(await query(source, part, first, last))
        except PriceSourceError as failure:
            malformed += 1
            if not isinstance(failure, MalformedError | SourceDefectError) or malformed > _MOST_MALFORMED:
                failed.update((symbol, failure) for symbol in (*part, *chain.from_iterable(parts)))
                break
            if len(part) == 1:
                failed[part[0]] = failure
            else:
                parts += _halves(part)
    if not answers:
        raise whole
    return answers


def _halves(symbols: Sequence[str]) -> list[Sequence[str]]:
    """`symbols` in two parts of equal size; one part where there is a single symbol."""
    half = len(symbols) // 2
    return [part for part in (symbols[:half], symbols[half:]) if part]


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


def _as_known(problem: PriceSourceError) -> PriceSourceError:
    """The known error that stands for a third party's own: its code and its texts may be anything."""
    if type(problem) in _KNOWN:
        return problem
    if not isinstance(problem, PriceSourceError):
        raise TypeError(f"a failure that is a {type(problem).__name__}")
    kind = next((kind for kind in _KNOWN if isinstance(problem, kind)), UnavailableError)
    message, remedy = (str(getattr(problem, name, "")) for name in ("message", "remedy"))
    if kind is RateLimitedError:
        return RateLimitedError(message, remedy, getattr(problem, "retry_after", None))
    return kind(message or type(problem).__name__, remedy)
