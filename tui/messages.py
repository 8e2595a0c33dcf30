"""What workers tell the app and its screens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from textual.message import Message

from db.errors import AlphaMondayError
from tui.weeks import LoadedWeeks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from core.catch_up import Report
    from core.given_path import Finding
    from core.job_history import Job
    from core.opening_preview import OpeningPreview
    from core.pausing import Pause
    from core.performance import Performance
    from core.picks.source import PickDraft
    from core.problems import Problem
    from core.reading import BatchDetail, BatchRow, EventPage
    from core.schedule_view import ScheduleView, WhoSchedules
    from core.scheduler_state import SchedulerState
    from core.services import Services
    from core.settings import Settings
    from core.setup import Answers, Trial
    from core.week_list import WeekQuery
    from tui.batch_draft import WeekStanding
    from tui.event_pages import EventQuery


@dataclass
class ServicesOpened(Message):
    """The core is wired; `source_problem` says why it had to be without sources."""

    services: "Services"
    source_problem: AlphaMondayError | None


@dataclass
class ServicesFailed(Message):
    """The core could not be opened; it is tried again."""

    problem: AlphaMondayError


@dataclass
class PreparationEnded(Message):
    """What was to be done before the scheduler starts is done, or failed."""

    problem: AlphaMondayError | None


@dataclass
class DatabaseLost(Message):
    """The database does not answer."""

    problem: AlphaMondayError


@dataclass
class DatabaseAnswered(Message):
    """The database answered a question at `at`."""

    at: datetime

    def can_replace(self, message: Message) -> bool:
        """Only the newest answer matters."""
        return isinstance(message, DatabaseAnswered)


@dataclass
class SchedulerChanged(Message):
    """The scheduler of this process is in another state."""

    state: "SchedulerState"

    def can_replace(self, message: Message) -> bool:
        """Only the newest state matters."""
        return isinstance(message, SchedulerChanged)


@dataclass
class WeeksRead(Message):
    """The weeks of a query were read, from the first on."""

    query: "WeekQuery"
    weeks: LoadedWeeks


@dataclass
class BatchesRead(Message):
    """Some weeks were read anew, each to be shown in its place."""

    rows: "tuple[BatchRow, ...]"


@dataclass
class DetailLoaded(Message):
    """A batch was read whole, and where it matters which batches stand before and after it."""

    detail: "BatchDetail"
    older: date | None = None
    newer: date | None = None


@dataclass
class ProblemsRead(Message):
    """What went wrong since the operator last looked was read."""

    problems: "tuple[Problem, ...]"
    since: datetime | None

    def can_replace(self, message: Message) -> bool:
        """Only what was read last matters."""
        return isinstance(message, ProblemsRead)


@dataclass
class PathsLooked(Message):
    """The paths typed in set-up were looked for: by field, what was typed and what was found."""

    found: "Mapping[str, tuple[str, Finding]]"


@dataclass
class SourcesTried(Message):
    """The sources of set-up were asked, or could not be; `winning` are the settings that go before the file's."""

    answers: "Answers"
    outcome: "Trial | AlphaMondayError"
    winning: tuple[str, ...] = ()


@dataclass
class SourcesSaved(Message):
    """What was answered in set-up is written to `file`, or could not be; `settings` are in force from now on."""

    outcome: "tuple[Path, Settings] | AlphaMondayError"


@dataclass
class WeekLookedUp(Message):
    """What stands for the week of a form was read."""

    standing: "WeekStanding"


@dataclass
class PicksFetched(Message):
    """A pick source named picks for a form, or said why it does not."""

    source: str
    run_date: date
    picks: "Sequence[PickDraft]"
    problem: AlphaMondayError | None = None


@dataclass
class OpeningPreviewed(Message):
    """What opening a week would write was asked of the price sources."""

    preview: "OpeningPreview"


@dataclass
class WeekWritten(Message):
    """A week was opened or its picks were staged; `words` say which."""

    run_date: date
    words: str


@dataclass
class WritingRefused(Message):
    """A week could not be opened or staged, or not be previewed; nothing was written."""

    problem: AlphaMondayError


@dataclass
class EventsRead(Message):
    """Events of a query were read, from the newest on."""

    query: "EventQuery"
    page: "EventPage"


@dataclass
class PerformanceRead(Message):
    """The figures over all batches were read."""

    performance: "Performance"

    def can_replace(self, message: Message) -> bool:
        """Only the newest figures matter."""
        return isinstance(message, PerformanceRead)


@dataclass
class ScheduleRead(Message):
    """What the schedulers of every process do was read."""

    view: "ScheduleView"

    def can_replace(self, message: Message) -> bool:
        """Only what was read last matters."""
        return isinstance(message, ScheduleRead)


@dataclass
class SchedulersSeen(Message):
    """Who leads, and whether the schedulers are paused, was read."""

    found: "WhoSchedules"

    def can_replace(self, message: Message) -> bool:
        """Only what was read last matters."""
        return isinstance(message, SchedulersSeen)


@dataclass
class JobEnded(Message):
    """A job that was run by hand is done, or failed."""

    job: "Job"
    outcome: "Report | AlphaMondayError"


@dataclass
class PauseSet(Message):
    """The pause that is in force now, None for none; or why it could not be changed."""

    outcome: "Pause | AlphaMondayError | None"


@dataclass
class AnswerTaken(Message):
    """What was filled in was taken, or refused for `problem`."""

    answer: str
    problem: AlphaMondayError | None
