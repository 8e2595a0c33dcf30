"""The list of weeks, batches and missed Mondays in one order: a connection in, the keys of one page out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection

from db.records import OriginEnd, WeekKey, actions_and_others
from db.rows import RUN_DATE_PATH, record_row
from db.statements import load

_SQL = load("week_list")


@dataclass(frozen=True, slots=True)
class Matching:
    """Which weeks are wanted: those that match every word, a piece of text each, none of them a pattern.

    BUY and SELL are a pick's action; what else is looked for in a pick is then looked for in those of that action.

    `origins` tell how a batch came to be, in the zone `zone`; `staged` are Mondays that are not shown as missed.
    """

    words: Sequence[str]
    origins: Sequence[OriginEnd]
    zone: str
    staged: Sequence[date]


@dataclass(frozen=True, slots=True)
class Order:
    """By which value: week, state, sessions, benchmark or excess; `states` are all state words in their order."""

    sort: str
    states: Sequence[str]
    descending: bool


async def page(
    connection: AsyncConnection[Any],
    matching: Matching,
    order: Order,
    *,
    cursor: tuple[Decimal | None, date] | None,
    limit: int,
) -> list[WeekKey]:
    """At most `limit` weeks that follow the value and run date of `cursor`; None asks for the first."""
    value, run_date = cursor or (None, None)
    actions, words = actions_and_others(matching.words)
    async with connection.cursor(row_factory=record_row(WeekKey)) as rows:
        await rows.execute(
            _SQL["page"],
            {
                "words": words,
                "actions": actions,
                "origins": [end.origin for end in matching.origins],
                "origin_days": [end.days for end in matching.origins],
                "origin_times": [end.clock_time for end in matching.origins],
                "zone": matching.zone,
                "staged": list(matching.staged),
                "sort": order.sort,
                "states": list(order.states),
                "direction": -1 if order.descending else 1,
                "cursor_value": value,
                "cursor_run_date": run_date,
                "limit": limit,
                "run_date_path": RUN_DATE_PATH,
            },
        )
        return await rows.fetchall()
