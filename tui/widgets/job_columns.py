"""The columns of the list of jobs."""

from collections.abc import Callable, Sequence
from datetime import datetime

from rich.text import Text

from core.clock import span
from core.job_history import Job
from core.schedule_view import JobView
from core.trading_calendar import EXCHANGE_ZONE
from tui import format as formats
from tui.literal import literal
from tui.schedule_words import took_words
from tui.widgets.columns import Column

_INSTANT = 19
_NOTHING = "–"


def job_columns(
    now: Callable[[], datetime], running: Callable[[Job], bool], paused: Callable[[], bool]
) -> Sequence[Column[JobView]]:
    """Columns that count down to what is next as of `now`, unless the schedulers are `paused`.

    Of a job they say that it is `running`.
    """

    def following(row: JobView, _: int) -> Text:
        if running(row.job):
            return Text("running…", style="name")
        if paused():
            return Text("‖ paused", style="caution")
        if row.due:
            return Text("now", style="caution")
        return _instant(row.next_at)

    def remaining(row: JobView, _: int) -> Text:
        if row.next_at is None or row.due or running(row.job) or paused():
            return Text()
        return Text(span(row.next_at - now()), style="quiet")

    def last(row: JobView, _: int) -> Text:
        return _instant(row.last.at if row.last else None)

    def _instant(at: datetime | None) -> Text:
        # The local time stands below the list, of the job under the cursor.
        return Text(formats.exchange_time(at, now(), EXCHANGE_ZONE)) if at else Text(_NOTHING, style="quiet")

    return (
        Column("job", "Job", 18, lambda row, _: Text(str(row.job), style="strong")),
        Column("next", "Next", _INSTANT, following),
        Column("in", "In", 6, remaining, priority=1),
        Column("due", "Due", 4, _due, is_number=True),
        Column("last", "Last work", _INSTANT, last, priority=2),
        Column("took", "Took", 6, _took, priority=3),
        Column("outcome", "Outcome", 20, _outcome, priority=4, most=300),
    )


def _due(row: JobView, _: int) -> Text:
    return Text(str(row.due), style="caution" if row.due else "quiet")


def _took(row: JobView, _: int) -> Text:
    return Text(took_words(row.last.took) if row.last else "", style="quiet")


def _outcome(row: JobView, _: int) -> Text:
    return literal(row.last.outcome, limit=300) if row.last else Text("no run recorded", style="quiet")
