"""The only place where pick sources are queried: with a deadline, and every failure as one of the known errors."""

from collections.abc import Sequence
from datetime import date, timedelta

from core.picks.source import (
    PickDraft,
    PicksGivenUpError,
    PicksMalformedError,
    PicksNotYetError,
    PickSource,
    PickSourceError,
    PicksTimedOutError,
    PicksUnavailableError,
)
from core.source_calls import log_defect, within, words_of
from db.errors import AlphaMondayError

# Longer than the whole conversation with a language model; several tries fit into the half hour of an opening.
PICKS_WITHIN = timedelta(minutes=5)
_KNOWN = (PicksTimedOutError, PicksGivenUpError, PicksNotYetError, PicksMalformedError, PicksUnavailableError)


async def query_picks(source: PickSource, run_date: date) -> Sequence[PickDraft]:
    """The picks of `source` for the week of `run_date`, unchecked. Raises a PickSourceError, whatever it raises."""
    try:
        return await within(PICKS_WITHIN, source.picks(run_date))
    except PickSourceError as problem:
        if type(problem) in _KNOWN:
            raise
        raise _known(problem) from problem
    except TimeoutError as exc:
        raise PicksTimedOutError(
            f"The pick source {source.name} did not respond: {words_of(exc)}.",
            "The query is repeated until the opening ends; alpha-monday open RUN_DATE --picks FILE opens the week.",
        ) from exc
    except AlphaMondayError as problem:
        raise PicksUnavailableError(problem.message, problem.remedy) from problem
    except Exception as exc:
        log_defect(source.name, exc)
        raise PicksUnavailableError(
            f"The pick source {source.name} failed: {type(exc).__name__}.",
            "The log has the details; update or replace it.",
        ) from exc


def _known(problem: PickSourceError) -> PickSourceError:
    """The known error that stands for a third party's own: its code and its texts may be anything."""
    kind = next((kind for kind in _KNOWN if isinstance(problem, kind)), PicksUnavailableError)
    message, remedy = (str(getattr(problem, name, "")) for name in ("message", "remedy"))
    if kind is PicksGivenUpError:
        return PicksGivenUpError(message, remedy, getattr(problem, "account", None))
    return kind(message or type(problem).__name__, remedy)
