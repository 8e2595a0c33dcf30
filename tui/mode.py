"""The ways in which the terminal can be opened."""

from enum import Enum


class Mode(Enum):
    """What the terminal does beside showing: run the scheduler, offer writes, or neither."""

    SCHEDULER = "scheduler"
    NO_SCHEDULER = "no scheduler"
    READ_ONLY = "read-only"
    DEMO = "demo"

    @property
    def runs_scheduler(self) -> bool:
        """Whether the scheduler runs inside."""
        return self in (Mode.SCHEDULER, Mode.DEMO)

    @property
    def may_write(self) -> bool:
        """Whether the database session takes writes, and so whether any are offered."""
        return self is not Mode.READ_ONLY
