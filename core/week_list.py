"""The list of weeks that the home screen shows: staged, batches and missed Mondays, filtered, sorted and paged."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from core.batches import origin_ends
from core.reading import BatchRow, batch_rows_of
from core.services import Services
from core.staging import StagedWeek as StagedWeek  # one of the rows, for whoever shows them
from core.staging import StagingError, weeks_in_file, without_opened
from core.tickers import canonical_ticker
from db import batches, week_list
from db.records import WeekKey, actions_and_others

WORDS_LIMIT = 1_000
_DAY_ZERO = date(1900, 1, 1)  # as in week_list.sql
_STATES = ("active", "completed", "failed", "missed", "staged")


class WeekSort(StrEnum):
    """What the list can be sorted by: the Monday, the state word, computed sessions, both returns in percent."""

    WEEK = "week"
    STATE = "state"
    SESSIONS = "sessions"
    BENCHMARK = "benchmark"
    EXCESS = "excess"


@dataclass(frozen=True, slots=True)
class WeekQuery:
    """Which weeks, and in what order.

    Every word of `words` must match, in whatever case and literally: the beginning of a ticker or of the benchmark (in
    any spelling of its class), a state (active, completed or done, failed, missed, staged, waiting, live, late,
    backfilled) or an ISO date, or a piece of a reasoning. BUY and SELL mean a pick's action: the other words are then
    looked for in the tickers and reasonings of those picks alone. Of longer text than 1,000 characters the rest is not
    looked at.
    """

    words: str = ""
    sort: WeekSort = WeekSort.WEEK
    descending: bool = True


@dataclass(frozen=True, slots=True)
class WeekCursor:
    """Where a page ends: the sort value of its last week (None where it has none) and its run date."""

    value: Decimal | None
    run_date: date


@dataclass(frozen=True, slots=True)
class MissedWeeks:
    """Mondays in a row that passed unopened for the same cause and have no batch, from `oldest` to `run_date`."""

    run_date: date
    oldest: date
    cause: str
    detail: str

    @property
    def count(self) -> int:
        """How many Mondays they are."""
        return (self.run_date - self.oldest).days // 7 + 1


WeekRow: TypeAlias = BatchRow | MissedWeeks | StagedWeek


@dataclass(frozen=True, slots=True)
class WeekPage:
    """One page of weeks; `next_cursor` asks for the one after, None at the end."""

    rows: tuple[WeekRow, ...]
    next_cursor: WeekCursor | None


def run_date_of(row: WeekRow) -> date:
    """The Monday that names a row: its own, and the newest of missed ones."""
    return row.overview.run_date if isinstance(row, BatchRow) else row.run_date


async def week_page(
    services: Services, query: WeekQuery = WeekQuery(), *, cursor: WeekCursor | None = None, limit: int = 50
) -> WeekPage:
    """At most `limit` batches and missed runs after `cursor`, and the staged weeks that stand among them.

    Weeks without the value that is sorted by come last in either direction; the newer of equal ones comes first.
    Staged weeks are left out while the picks file cannot be read: `core.staging.staged` says why.
    """
    if limit < 1:
        raise ValueError(f"a page holds at least one week, not {limit}")
    words = _words(query.words)
    if words is None:
        return WeekPage((), None)
    try:
        in_file = await weeks_in_file(services)
    except StagingError:
        in_file = ()  # one bad file must not take the whole history off the screen
    async with services.database.snapshot() as connection:
        waiting = await without_opened(connection, in_file) if in_file else ()
        found = await week_list.page(
            connection,
            week_list.Matching(
                words, origin_ends(services.rules), services.calendar.zone.key, [week.run_date for week in waiting]
            ),
            week_list.Order(query.sort.value, _STATES, query.descending),
            cursor=(cursor.value, cursor.run_date) if cursor else None,
            limit=limit + 1,
        )
        keys = found[:limit]
        overviews = await batches.overviews(connection, [key.batch_id for key in keys if key.batch_id])
        rows = {row.overview.id: row for row in await batch_rows_of(services, connection, overviews)}
    next_cursor = WeekCursor(keys[-1].value, keys[-1].run_date) if len(found) > limit else None
    placed: list[tuple[_Place, WeekRow]] = [
        (_place(key.value, key.run_date, query), rows[key.batch_id] if key.batch_id else _missed(key)) for key in keys
    ]
    after = _place(cursor.value, cursor.run_date, query) if cursor else None
    until = _place(next_cursor.value, next_cursor.run_date, query) if next_cursor else None
    for week in waiting:
        place = _place(_staged_value(week, query.sort), week.run_date, query)
        here = (after is None or after < place) and (until is None or place < until)
        if here and _is_wanted(week, words, services.rules.benchmark):
            placed.append((place, week))
    return WeekPage(tuple(row for _, row in sorted(placed, key=lambda pair: pair[0])), next_cursor)


async def batch_rows(services: Services, run_dates: Collection[date]) -> tuple[BatchRow, ...]:
    """The rows of those of some weeks that have a batch, newest first."""
    async with services.database.snapshot() as connection:
        found = await batches.by_run_dates(connection, run_dates)
        overviews = await batches.overviews(connection, [batch.id for batch in found.values()])
        return await batch_rows_of(services, connection, overviews)


def _words(text: str) -> tuple[str, ...] | None:
    """The words that are typed, each once; None where one holds what no stored text can hold."""
    words = tuple(dict.fromkeys(text[:WORDS_LIMIT].split()))
    try:
        "".join(words).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return None
    return None if any("\0" in word for word in words) else words


_Place: TypeAlias = tuple[bool, Decimal, int]


def _place(value: Decimal | None, run_date: date, query: WeekQuery) -> _Place:
    """What sorts as the statement does: those without a value last, then by value, then the newest first."""
    if value is None:
        return True, Decimal(0), -run_date.toordinal()
    return False, value.copy_negate() if query.descending else value, -run_date.toordinal()


def _staged_value(week: StagedWeek, sort: WeekSort) -> Decimal | None:
    if sort is WeekSort.WEEK:
        return Decimal((week.run_date - _DAY_ZERO).days)
    return Decimal(_STATES.index("staged") + 1) if sort is WeekSort.STATE else None


def _is_wanted(week: StagedWeek, words: Sequence[str], benchmark: str) -> bool:
    actions, others = actions_and_others(words)
    picks = [draft for draft in week.drafts if not actions or draft.action in actions]
    states, tickers = ("staged", week.run_date.isoformat()), (benchmark, *(pick.ticker for pick in picks))
    pieces = [pick.reasoning.lower() for pick in picks]
    return set(actions) <= {pick.action for pick in picks} and all(
        any(text.startswith(word) for text in states)
        or any(canonical_ticker(ticker.lower()).startswith(canonical_ticker(word)) for ticker in tickers)
        or any(word in text for text in pieces)
        for word in (word.lower() for word in others)
    )


def _missed(key: WeekKey) -> MissedWeeks:
    assert key.oldest is not None  # a week without a batch is a run of missed ones
    return MissedWeeks(key.run_date, key.oldest, key.cause or "", key.detail or "")
