"""What workers tell the app and its screens."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual.message import Message

from db.errors import AlphaMondayError

if TYPE_CHECKING:
    from core.reading import BatchDetail, BatchPage
    from core.scheduler import SchedulerState
    from core.services import Services


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
class PageLoaded(Message):
    """Weeks were read; `is_next` says that they follow those that are loaded."""

    page: "BatchPage"
    is_next: bool


@dataclass
class DetailLoaded(Message):
    """A batch was read whole; None where there is none any more to show."""

    detail: "BatchDetail"
