"""The schedule as a file holds it: a row for each job and for each day that waits; whole and unrounded. Pure."""

from datetime import UTC, datetime

from core.schedule_view import JobView, ScheduleView, WaitingView
from tui.outgoing import Export

_HEADER = (
    "kind", "job", "next_at", "due", "last_at", "took_s", "outcome", "who", "run_date", "checkpoint_date", "cause",
    "detail", "attempts", "first_tried_at",
)  # fmt: skip


def schedule_as_table(view: ScheduleView) -> Export:
    """The jobs, then what waits; `next_at` is when a job has something to do, or a day is tried again."""
    return Export("alpha-monday-schedule", _HEADER, [*map(_job, view.jobs), *map(_waiting, view.waiting)])


def _job(row: JobView) -> tuple[object, ...]:
    last = row.last
    ran = (_instant(last.at), last.took.total_seconds(), last.outcome, last.who) if last else (None,) * 4
    return ("job", str(row.job), _instant(row.next_at) if row.next_at else None, row.due, *ran, *(None,) * 6)


def _waiting(row: WaitingView) -> tuple[object, ...]:
    return (
        "waiting", None, _instant(row.next_try_at), *(None,) * 5, row.run_date, row.checkpoint_date, row.cause,
        row.detail, row.attempts, _instant(row.first_tried_at),
    )  # fmt: skip


def _instant(at: datetime) -> str:
    """In one zone, whichever the process that noted it lives in."""
    return at.astimezone(UTC).isoformat()
