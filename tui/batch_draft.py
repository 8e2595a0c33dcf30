"""What is filled in for a batch to be: what is wrong with it, and what could be done with it now. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from core.batches import NotPossibleError, check_run_date
from core.csv_rows import parse_date
from core.picks.check import PICKS_PER_BATCH, REASONING_LIMIT, check_reasoning
from core.picks.source import PickDraft
from core.services import Services
from core.staging import why_not
from core.tickers import canonical_ticker, parse_ticker
from core.trading_calendar import monday_of
from db.records import Action
from tui.format import exchange_time

_WEEK = timedelta(days=7)
EMPTY_PICK = PickDraft("", Action.BUY, "")


@dataclass(frozen=True, slots=True)
class BatchDraft:
    """The fields as they stand, nothing of them checked."""

    week: str
    picks: tuple[PickDraft, ...] = (EMPTY_PICK,) * PICKS_PER_BATCH


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a pick; `is_gap`: nothing stands there yet."""

    field: str
    words: str
    is_gap: bool = False


def week_of(text: str) -> date:
    """The Monday that `text` spells as YYYY-MM-DD. Raises ValueError saying what is wrong with it."""
    run_date = parse_date(text.strip())
    try:
        return check_run_date(run_date)
    except NotPossibleError as exc:
        raise ValueError(exc.in_one_line) from exc


def week_beside(text: str, weeks: int, otherwise: date) -> date:
    """The Monday `weeks` after (or, negative, before) the date that `text` spells; `otherwise` if it spells none."""
    try:
        day = parse_date(text.strip())
    except ValueError:
        return otherwise
    monday = monday_of(day)
    # From a Thursday, the Monday before is that of its own week.
    return monday + _WEEK * (weeks + (1 if weeks < 0 and day != monday else 0))


def problems_of(picks: Sequence[PickDraft], benchmark: str) -> tuple[Problem | None, ...]:
    """For each pick the first thing that keeps `check_picks` from accepting it."""
    tickers: list[str] = []
    found: list[Problem | None] = []
    for pick in picks:
        found.append(_ticker_problem(pick.ticker, tickers, benchmark) or _reasoning_problem(pick.reasoning))
        tickers.append(canonical_ticker(pick.ticker.strip().upper()))
    return tuple(found)


def _ticker_problem(text: str, earlier: Sequence[str], benchmark: str) -> Problem | None:
    if not text.strip():
        return Problem("ticker", "ticker missing", is_gap=True)
    try:
        ticker = parse_ticker(text)
    except ValueError:
        return Problem("ticker", "no ticker: up to 10 of A-Z 0-9 . -")
    if ticker == canonical_ticker(benchmark):
        return Problem("ticker", "the benchmark cannot be picked")
    if ticker in earlier:
        return Problem("ticker", "picked twice")
    return None


def _reasoning_problem(text: str) -> Problem | None:
    if not text.strip():
        return Problem("reasoning", "reasoning missing", is_gap=True)
    if len(text) > REASONING_LIMIT:
        return Problem("reasoning", f"{len(text):,} characters, at most {REASONING_LIMIT:,}")
    try:
        check_reasoning(text)
    except ValueError as exc:
        return Problem("reasoning", str(exc))
    return None


class Doing(StrEnum):
    """What going on does."""

    OPEN = "open"
    OPEN_LATE = "open late"
    STAGE = "stage"
    NOTHING = "go on"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What going on does now, or why it can do nothing, as a sentence."""

    doing: Doing
    words: str


@dataclass(frozen=True, slots=True)
class WeekStanding:
    """What was found out about a week: whether it has a batch, or picks that wait for it.

    `staging_problem` says why the picks file cannot be read.
    """

    run_date: date
    has_batch: bool
    is_staged: bool = False
    staging_problem: str = ""


def suggested_week(services: Services, now: datetime) -> date:
    """The Monday of the exchange's present week: whatever day it is, it can be opened late."""
    return monday_of(services.calendar.exchange_date(now))


def outlook(
    services: Services,
    run_date: date,
    standing: WeekStanding | None,
    now: datetime,
    local: tzinfo | None,
    *,
    is_paused: bool = False,
) -> Outlook:
    """What can be done now for a week; `standing` is None as long as it is not known."""
    if standing is not None and standing.has_batch:
        return Outlook(Doing.NOTHING, f"{run_date} has a batch already; picks are never changed.")
    opens_at = services.rules.opens_at(services.calendar, run_date)
    when = exchange_time(opens_at, now, local)
    if now < opens_at:
        problem = why_not(services) or (standing.staging_problem if standing is not None else "")
        if problem:
            return Outlook(Doing.NOTHING, f"Cannot be opened before {when}, nor staged: {problem}")
        instead = " Replaces the picks staged already." if standing is not None and standing.is_staged else ""
        resumed = ", if the schedulers are resumed by then" if is_paused else ""
        return Outlook(Doing.STAGE, f"Stages: Monday's job opens it, {when}{resumed}.{instead}")
    if not services.sources:
        return Outlook(Doing.NOTHING, "Cannot be opened: no price source is set.")
    ends_at = services.rules.opens_until(services.calendar, run_date)
    end = exchange_time(ends_at, now, local)
    if now < ends_at:
        return Outlook(Doing.OPEN, f"Opens now: the opening lasts until {end}.")
    is_over = services.calendar.exchange_date(now) >= run_date + _WEEK
    how = "late, backfilled" if is_over else "late"
    return Outlook(Doing.OPEN_LATE, f"Opens {how}: the opening ended {end}.")
