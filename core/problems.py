"""What an operator should know after having been away: what stands in the way now, and what went wrong meanwhile."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.prices.source import (
    MalformedError,
    PriceSourceError,
    RateLimitedError,
    SourceTimedOutError,
    UnauthorisedError,
    UnavailableError,
)
from core.rules import WaitCause
from core.services import Services
from db import problems as rows
from db.events import EventType
from db.records import BatchWaitingDay, LoggedEvent

USUAL_SPAN = timedelta(days=14)
MOST = 200
# The causes by which a waiting day blames its source.
SOURCE_CODES = frozenset(
    error.code
    for error in (
        PriceSourceError,
        RateLimitedError,
        UnauthorisedError,
        UnavailableError,
        SourceTimedOutError,
        MalformedError,
    )
)
_WEEK = timedelta(days=7)


class ProblemKind(StrEnum):
    """What went wrong, or waits for an operator.

    A Monday unopened, picks that were refused; a day that waits, or that was skipped for a close, a symbol that trades
    no more; a move that is hard to believe, a baseline changed, a source that fails.
    """

    MISSED = "missed"
    PICKS_REFUSED = "picks_refused"
    WAITING = "waiting"
    NO_CLOSE = "no_close"
    STOPPED_TRADING = "stopped_trading"
    DOUBTFUL_MOVE = "doubtful_move"
    BASELINE_REVISED = "baseline_revised"
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to know. `cause` is a stable code, `detail` a sentence that may hold words from outside.

    `at` is when it was noted, and since when what waits stands. `checkpoint_date` is the last session of a symbol
    that trades no more. A fold of `count` missed Mondays
    carries the newest one's `run_date`, time and detail; the others are the weeks right before it. An outage counts
    the days it holds up, and names week and day only where all of them share it. A doubtful move counts the days of
    its batch that wait for an operator's word on it, and names the first.
    """

    kind: ProblemKind
    at: datetime
    run_date: date | None
    checkpoint_date: date | None
    symbols: tuple[str, ...]
    cause: str
    detail: str
    count: int = 1
    next_try_at: datetime | None = None


async def problems(services: Services, since: datetime | None) -> tuple[Problem, ...]:
    """At most 200 problems, newest first: all that stands now, and the newest that was noted after `since`.

    None stands for the last 14 days. What stands takes precedence where 200 do not hold both. An event's time is the
    beginning of its transaction: give a `since` somewhat before the last look, or one that was being written then
    is never shown.
    """
    since = since if since is not None else services.clock.now() - USUAL_SPAN
    async with services.database.snapshot() as connection:
        waiting = await rows.standing(connection)
        missed = await rows.missed(connection, since)
        noted = await rows.noted(connection, since, MOST)
    standing = _newest_first(standing_problems(waiting))
    happened = _newest_first([*fold_missed(missed), *map(_noted_problem, noted)])
    return tuple(_newest_first([*standing, *happened][:MOST]))


def _newest_first(found: Iterable[Problem]) -> list[Problem]:
    def age(problem: Problem) -> tuple[datetime, date, date]:
        return problem.at, problem.run_date or date.min, problem.checkpoint_date or date.min

    return sorted(found, key=age, reverse=True)


def standing_problems(waiting: Iterable[BatchWaitingDay]) -> Iterator[Problem]:
    """Each day that waits for a close, and one problem for all days that wait for the same thing.

    That is a source which they blame in the same words, or an operator's word on a move of their batch's.
    """
    outages: dict[tuple[str, str], list[BatchWaitingDay]] = {}
    doubts: dict[tuple[UUID, str], list[BatchWaitingDay]] = {}
    for day in waiting:
        if day.cause in SOURCE_CODES:
            outages.setdefault((day.cause, day.detail), []).append(day)
        elif day.cause == WaitCause.DOUBTFUL_MOVE:
            doubts.setdefault((day.batch_id, day.detail), []).append(day)
        else:
            yield Problem(
                ProblemKind.WAITING,
                day.first_tried_at,
                day.run_date,
                day.checkpoint_date,
                day.missing if day.cause == WaitCause.CLOSE_MISSING else (),
                day.cause,
                day.detail,
                next_try_at=day.next_try_at,
            )
    for (cause, detail), days in outages.items():
        run_dates, dates = {day.run_date for day in days}, {day.checkpoint_date for day in days}
        yield Problem(
            ProblemKind.OUTAGE,
            min(day.first_tried_at for day in days),
            run_dates.pop() if len(run_dates) == 1 else None,
            dates.pop() if len(dates) == 1 else None,
            (),
            cause,
            detail,
            len(days),
            min(day.next_try_at for day in days),
        )
    for days in doubts.values():
        first = min(days, key=lambda day: day.checkpoint_date)
        yield Problem(
            ProblemKind.DOUBTFUL_MOVE,
            min(day.first_tried_at for day in days),
            first.run_date,
            first.checkpoint_date,
            first.moved,
            first.cause,
            first.detail,
            len(days),
            min(day.next_try_at for day in days),
        )


def fold_missed(missed: Sequence[LoggedEvent]) -> Iterator[Problem]:
    """Missed Mondays, given newest first, with those that follow each other for the same cause made one."""
    fold: Problem | None = None
    for event in missed:
        cause, detail = _text(event.payload, "cause"), _text(event.payload, "detail")
        if fold is not None and fold.run_date is not None and fold.cause == cause:
            oldest = fold.run_date - (fold.count - 1) * _WEEK
            if event.run_date == oldest - _WEEK:
                fold = replace(fold, count=fold.count + 1)
                continue
        if fold is not None:
            yield fold
        fold = Problem(ProblemKind.MISSED, event.created_at, event.run_date, None, (), cause, detail)
    if fold is not None:
        yield fold


def _noted_problem(event: LoggedEvent) -> Problem:
    payload = event.payload
    if event.event_type == EventType.PICKS_ANSWERED:
        return Problem(
            ProblemKind.PICKS_REFUSED,
            event.created_at,
            event.run_date,
            None,
            (),
            event.event_type,
            f"{_text(payload, 'pick_source')}: {_text(payload, 'detail')}",
        )
    if event.event_type == EventType.SYMBOL_STOPPED:
        symbol, sources = _text(payload, "symbol"), _texts(payload, "sources")
        return Problem(
            ProblemKind.STOPPED_TRADING,
            event.created_at,
            event.run_date,
            _date(payload, "last_session"),
            (symbol,),
            event.event_type,
            f"the last close of {symbol} is that of {_text(payload, 'last_session')}, from {', '.join(sources)}",
        )
    if event.event_type == EventType.BASELINE_REVISED:
        stored, answered = _text(payload, "stored"), _text(payload, "answered")
        return Problem(
            ProblemKind.BASELINE_REVISED,
            event.created_at,
            event.run_date,
            None,
            (_text(payload, "symbol"),),
            event.event_type,
            f"{_text(payload, 'source')} now has {answered} for the baseline close stored as {stored}",
        )
    symbols, sources = _texts(payload, "symbols"), _texts(payload, "sources")
    return Problem(
        ProblemKind.NO_CLOSE,
        event.created_at,
        event.run_date,
        _date(payload, "checkpoint_date"),
        symbols,
        _text(payload, "reason"),
        f"no close for {', '.join(symbols)} from {', '.join(sources)}",
    )


def _text(payload: Mapping[str, Any], key: str) -> str:
    return str(payload.get(key) or "")


def _texts(payload: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = payload.get(key)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _date(payload: Mapping[str, Any], key: str) -> date | None:
    """A date; None for anything else, since one event of another form must not take the screens down."""
    try:
        return date.fromisoformat(_text(payload, key))
    except ValueError:
        return None
