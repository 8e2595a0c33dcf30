"""What a tick failed with that no part of it foresaw: a defect, or the end of its time."""

from datetime import timedelta

from db.errors import AlphaMondayError


def defect(exc: Exception) -> AlphaMondayError:
    """The error that stands for one of no kind that is known."""
    return AlphaMondayError(
        f"Something unforeseen happened: {type(exc).__name__}.",  # its text may hold a secret, which the log masks
        "The log has the details; please report it.",
    )


def timed_out(limit: timedelta) -> AlphaMondayError:
    """The error of a tick that was ended at its limit."""
    return AlphaMondayError(
        f"The tick was ended: it took longer than {limit.total_seconds():.0f} s.",
        "What it wrote stays written, and the next tick continues. If it goes on, look into the log.",
    )
