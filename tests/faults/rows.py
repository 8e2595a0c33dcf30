"""What a database holds, apart from ids and clock times, and whether it is whole."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import NamedTuple

import psycopg


class Row(NamedTuple):
    """One row: its table, what makes it the only one of its kind there, and what it says."""

    table: str
    key: str
    value: str

    @property
    def run_date(self) -> date | None:
        """The week that it is about; None for an event that is about none."""
        words = self.key.split()[self.table == "events" :]
        return date.fromisoformat(words[0]) if words else None

    @property
    def is_missed(self) -> bool:
        """Whether it notes that a Monday passed unopened."""
        return self.table == "events" and self.key.startswith("batch_missed")

    @property
    def is_of_schedule(self) -> bool:
        """Whether it tells that the schedule was paused or resumed."""
        return self.table == "events" and self.key.startswith("schedule_")

    @property
    def without_status(self) -> "Row":
        """A batch without its status, which changes once; any other row as it is."""
        return Row(self.table, self.key, self.value.partition(" ")[2]) if self.table == "batches" else self


_CONTENT = """
select 'batches' as table, run_date::text as key,
       concat_ws(' ', status, benchmark_symbol, benchmark_initial_price) as value
from batches
union all
select 'picks', concat_ws(' ', run_date, ticker), concat_ws(' ', action, p.initial_price, reasoning)
from picks p join batches b on b.id = p.batch_id
union all
select 'checkpoints', concat_ws(' ', run_date, checkpoint_date),
       concat_ws(' ', c.status, benchmark_price, benchmark_return_pct)
from checkpoints c join batches b on b.id = c.batch_id
union all
select 'metrics', concat_ws(' ', run_date, checkpoint_date, ticker),
       concat_ws(' ', current_price, absolute_return_pct, vs_benchmark_pct)
from pick_checkpoint_metrics m
join checkpoints c on c.id = m.checkpoint_id
join picks p on p.id = m.pick_id
join batches b on b.id = c.batch_id
union all
select 'events',
       concat_ws(' ', event_type, coalesce(b.run_date::text, payload ->> 'run_date'),
                 payload ->> 'checkpoint_date', payload ->> 'symbol', payload ->> 'answered'),
       (payload - 'as_of' - 'pick_source')::text
from events e left join batches b on b.id = e.batch_id
order by 1, 2, 3
"""

# Each query gives the weeks or days that break one rule; of a whole database all of them give nothing.
_BROKEN = {
    "a batch without exactly three picks": """
        select run_date::text from batches b
        where (select count(*) from picks p where p.batch_id = b.id) <> 3
    """,
    "a checkpoint without all its metrics, or with some that do not belong": """
        select concat_ws(' ', run_date, checkpoint_date) from checkpoints c join batches b on b.id = c.batch_id
        where (select count(*) from pick_checkpoint_metrics m where m.checkpoint_id = c.id)
              <> case c.status when 'computed' then 3 else 0 end
    """,
    "a checkpoint outside the fourteen days of its batch": """
        select concat_ws(' ', run_date, checkpoint_date) from checkpoints c join batches b on b.id = c.batch_id
        where checkpoint_date not between run_date and run_date + 13
    """,
    "a batch that is not completed exactly when it has fourteen rows": """
        select run_date::text from batches b
        where status <> 'failed'
          and (status = 'completed') <> ((select count(*) from checkpoints c where c.batch_id = b.id) = 14)
    """,
    "a batch that was not opened by exactly one event": """
        select run_date::text from batches b
        where (select count(*) from events e where e.batch_id = b.id and event_type = 'batch_opened') <> 1
    """,
    "a batch whose end does not agree with its events": """
        select run_date::text from batches b
        where (select array_agg(event_type order by event_type) from events e
               where e.batch_id = b.id and event_type in ('batch_completed', 'batch_failed'))
              is distinct from case status when 'active' then null else array['batch_' || status] end
    """,
    "a checkpoint that does not agree with exactly one event": """
        select concat_ws(' ', run_date, coalesce(c.checkpoint_date::text, told.checkpoint_date))
        from (select batch_id, payload ->> 'checkpoint_date' as checkpoint_date,
                     array_agg(replace(event_type, 'checkpoint_', '')) as statuses
              from events where event_type in ('checkpoint_computed', 'checkpoint_skipped') group by 1, 2) told
        full join checkpoints c
               on c.batch_id = told.batch_id and c.checkpoint_date::text = told.checkpoint_date
        join batches b on b.id = coalesce(c.batch_id, told.batch_id)
        where told.statuses is distinct from array[c.status]
    """,
    "a Monday that was noted as missed twice": """
        select payload ->> 'run_date' from events where event_type = 'batch_missed' group by 1 having count(*) > 1
    """,
    "a day that still waits although it is written, or its batch has ended": """
        select concat_ws(' ', run_date, w.checkpoint_date)
        from waiting_days w
        join batches b on b.id = w.batch_id
        left join checkpoints c using (batch_id, checkpoint_date)
        where c.id is not null or b.status <> 'active'
    """,
}


def content(conninfo: str) -> list[Row]:
    """Every row of the five tables in one snapshot, in a fixed order."""
    with psycopg.connect(conninfo) as connection:
        return [Row(*row) for row in connection.execute(_CONTENT).fetchall()]


def broken(conninfo: str) -> list[str]:
    """What is not whole, in words; nothing in a database as it has to be."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        return [
            f"{rule}: {which}"
            for rule, query in _BROKEN.items()
            for (which,) in connection.execute(query.encode()).fetchall()
        ]


@dataclass(frozen=True, slots=True)
class Difference:
    """How rows differ from those of an undisturbed run: `lost` are not there, `repeated` are there more often than
    they should be or should not be there, `changed` say something else."""

    compared: int = 0
    lost: int = 0
    repeated: int = 0
    changed: int = 0

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def is_none(self) -> bool:
        """Whether the rows are the same."""
        return not (self.lost or self.repeated or self.changed)


def difference(expected: Iterable[Row], found: Iterable[Row]) -> Difference:
    """Compares rows by table and key, and those of one key by what they say."""
    expected, found = list(expected), list(found)
    expected_keys, found_keys = (Counter((row.table, row.key) for row in rows) for rows in (expected, found))
    lost, repeated = expected_keys - found_keys, found_keys - expected_keys
    unequal = (Counter(expected) - Counter(found)).total()
    return Difference(len(expected), lost.total(), repeated.total(), max(unequal - lost.total(), 0))
