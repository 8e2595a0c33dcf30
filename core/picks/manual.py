"""Picks that the operator states: those that are staged for the week, in the form or by hand."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from core.file_at_rest import UnfinishedFileError
from core.picks.file import FilePicks
from core.picks.source import PickDraft, PickOptions, PicksNotYetError, PicksUnavailableError
from core.plugins import needed


class ManualPicks:
    """A pick source that has what was staged in a picks file, again whenever it changes.

    The file comes to be with the first staged week: until then nothing is staged, and nothing is wrong.
    """

    name = "manual"

    def __init__(self, path: Path, benchmark: str) -> None:
        self._staged = FilePicks(path, benchmark)

    @classmethod
    def from_options(cls, options: PickOptions) -> "ManualPicks":
        """Raises `MissingSettingError` where neither a picks file nor a place for one is known."""
        path = needed(options.picks_file, "pick source 'manual'", "ALPHA_MONDAY_PICKS_FILE")
        return cls(path, options.benchmark)

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        """The three picks that are staged for that week, in the order in which they were written.

        Raises `PicksNotYetError` while nothing is staged for it or the file may be unfinished, `PicksUnavailableError`
        if a file that is there cannot be read and `PicksMalformedError` if its content is wrong, in whichever week.
        """
        try:
            return await self._staged.picks(run_date)
        except PicksNotYetError as exc:
            if isinstance(exc.__cause__, UnfinishedFileError):
                raise
            raise _nothing_staged(run_date) from exc
        except PicksUnavailableError as exc:
            if _is_absent(exc):
                raise _nothing_staged(run_date) from exc
            raise


def _is_absent(exc: PicksUnavailableError) -> bool:
    unreadable = exc.__cause__
    return unreadable is not None and isinstance(unreadable.__cause__, FileNotFoundError)


def _nothing_staged(run_date: date) -> PicksNotYetError:
    # What is logged and kept of a week that waits is the message alone, so it says what to do as well.
    return PicksNotYetError(
        f"nothing is staged for the week of {run_date.isoformat()}; n in the TUI, or alpha-monday open --picks FILE, "
        "opens it",
        "State three picks for that week.",
    )
