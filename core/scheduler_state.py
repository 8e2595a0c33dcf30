"""What a scheduler tells of itself, to the screens of its own process."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.catch_up import NextDue, Report
from core.pausing import Pause
from db.errors import AlphaMondayError


class Phase(StrEnum):
    """What the scheduler of this process is doing."""

    STARTING = "starting"
    LEADING = "leading"
    PAUSED = "paused"
    STANDING_BY = "standing by"
    DATABASE_LOST = "database lost, retrying"
    NOT_RUNNING = "not running"


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The scheduler of this process at a moment. `leader` and `since` tell of the process that leads, whoever it is.

    `paused` is set while the operators' pause holds; a leader's phase says so too, one that stands by goes on doing so.
    """

    phase: Phase
    leader: str | None = None
    since: datetime | None = None
    paused: Pause | None = None
    next_due: NextDue | None = None
    last_tick: datetime | None = None
    last_work: datetime | None = None
    last_report: Report | None = None
    problem: AlphaMondayError | None = None
