"""When this operator last looked at a database: a small file of the user's, one instant a database.

The file is replaced whole, so that it is never half-written. Two programs that write at once may lose one of the two
instants, and then something is shown as new once more; nothing else rests on it.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from core.settings import APPLICATION, Settings
from core.whole_file import replace_whole
from db.database import Database
from db.errors import AlphaMondayError
from db.regular_files import read_regular

_MOST_BYTES = 64 << 10
_MOST_DATABASES = 200  # about a third of the bytes
_IDENTITY = ("host", "hostaddr", "port", "dbname", "user", "service")


class LastLookError(AlphaMondayError):
    """The instant cannot be kept. Nothing else suffers, so that a caller may show it and go on."""

    code = "last_look"


def last_look_file() -> Path:
    """The file in the user's state directory."""
    return platformdirs.user_state_path(APPLICATION) / "last-look.json"


def read(settings: Settings, database: Database) -> datetime | None:
    """When this operator last looked at `database`; None if never, or if the file cannot be read or understood."""
    return _looks(last_look_file()).get(_key(settings, database))


def write(settings: Settings, database: Database, at: datetime) -> None:
    """Keeps `at`, an aware instant. Raises LastLookError if the file cannot be written."""
    file = last_look_file()
    newest = sorted(_looks(file).items(), key=lambda look: look[1])[-_MOST_DATABASES:]
    looks = {**dict(newest), _key(settings, database): at.astimezone(UTC)}
    text = json.dumps({key: instant.isoformat() for key, instant in looks.items()}, indent=1)
    try:
        replace_whole(file, text)
    except OSError as exc:
        raise LastLookError(
            f"When you last looked cannot be kept in {str(file)!r}: {exc.strerror}.",
            "Make the file's directory writable; until then old problems are shown as new.",
        ) from exc


def _looks(file: Path) -> dict[str, datetime]:
    """What the file holds; nothing where it is missing, unreadable or damaged, which only shows old problems again."""
    try:
        found = json.loads(read_regular(file, _MOST_BYTES))
        return {key: _instant(text) for key, text in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant without its offset")
    return instant.astimezone(UTC)


def _key(settings: Settings, database: Database) -> str:
    """A digest of what makes a database this one and no other: never of a password.

    The embedded server is told by its directory, since its socket may move from start to start.
    """
    given = conninfo_to_dict(database.conninfo)
    if settings.database_url is None:
        identity = ["embedded", str(settings.data_dir), given.get("dbname")]
    else:
        usual = {
            option.keyword.decode(): option.val.decode(errors="surrogateescape")
            for option in Conninfo.get_defaults()
            if option.val is not None
        }
        identity = [given.get(name) or usual.get(name) for name in _IDENTITY]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()
