"""From a driver's row to a frozen dataclass, with text columns turned into their enums."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from psycopg import AsyncCursor
from psycopg.rows import BaseRowFactory, RowMaker

Record = TypeVar("Record")
# The date that an event's payload tells, and nothing where it is none: the log takes events of any program.
RUN_DATE_PATH = '$.run_date ? (@ like_regex "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$").datetime("YYYY-MM-DD")'


def record_row(record: type[Record], **convert: Callable[[Any], object]) -> "BaseRowFactory[Record]":
    """A row factory that makes `record` from columns of the same names; `convert` maps a column's value first."""

    def factory(cursor: "AsyncCursor[Any]") -> RowMaker[Record]:
        names = [column.name for column in cursor.description or ()]
        converters = [convert.get(name) for name in names]

        def make(values: Sequence[Any]) -> Record:
            return record(
                **{
                    name: value if converter is None else converter(value)
                    for name, converter, value in zip(names, converters, values, strict=True)
                }
            )

        return make

    return factory  # type: ignore[return-value]  # psycopg types its factories by cursor base class, which is private


def json_object(value: object) -> dict[str, Any]:
    """A json column's value where it is an object; an empty one where another program has written something else."""
    return value if isinstance(value, dict) else {}
