"""Which file staged picks stand in: the operator's picks file, or one of the product's own for the source manual."""

from pathlib import Path

from core.settings import Settings
from db.trusted_path import Weakness, weakness

FILE_PICKS = "file"
MANUAL_PICKS = "manual"
STAGED_FILE = "staged.csv"
_TAKE_STAGED = frozenset({FILE_PICKS, MANUAL_PICKS})


def picks_file_of(settings: Settings, pick_source: str) -> Path | None:
    """The picks file that the source called `pick_source` is made with; None where none is set.

    Without one of the operator's, manual keeps a file in the data directory, which the first staged week makes.
    """
    if settings.picks_file is None and pick_source == MANUAL_PICKS:
        return settings.data_dir / STAGED_FILE
    return settings.picks_file


def staged_file_weakness(settings: Settings, pick_source: str | None) -> Weakness | None:
    """As root, what others can change on the way to the product's own file of staged picks; None where it is not used.

    They could put a link in its place, for root to write through. Raises OSError.
    """
    is_used = settings.picks_file is None and pick_source == MANUAL_PICKS
    return weakness(settings.data_dir) if is_used else None


def takes_staged(settings: Settings) -> bool:
    """Whether Monday's job takes its picks from where they are staged."""
    return settings.pick_source in _TAKE_STAGED


def staging_file(settings: Settings) -> Path | None:
    """The file in which picks are staged for Monday's job; None where it takes none from a file, or none is set."""
    if settings.pick_source is None or not takes_staged(settings):
        return None
    return picks_file_of(settings, settings.pick_source)
