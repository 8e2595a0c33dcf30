"""Which kind of week a row is, told without importing the core, so that the first paint need not wait for it. Pure."""

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from core.week_list import MissedWeeks, StagedWeek, WeekRow
    from db.records import BatchOverview


def batch_of(row: "WeekRow | None") -> "BatchOverview | None":
    """The batch of a row that has one."""
    return getattr(row, "overview", None)


def is_staged(row: "WeekRow | None") -> bool:
    """Whether a row is picks that wait for their Monday."""
    return hasattr(row, "drafts")


def is_missed(row: "WeekRow | None") -> bool:
    """Whether a row is Mondays that passed unopened."""
    return hasattr(row, "oldest")


def unopened(row: "WeekRow | None") -> "StagedWeek | MissedWeeks | None":
    """A row that has no batch."""
    return cast("StagedWeek | MissedWeeks", row) if is_staged(row) or is_missed(row) else None
