"""Where logs go and how a line looks: one JSON object with a stable `event` and its fields, and no secret."""

import json
import logging
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from db.embedded_files import check_way, lineage, make_directory
from db.regular_files import append_privately, make_private

MASK = "***"
_SHORTEST_SECRET = 4  # masking shorter ones would leave no text readable
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BYTES = 1_000_000
_KEPT = 3


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` with every one of `secrets` masked: what a driver or an adapter repeats may hold a key.

    So is a secret of which the end was cut off with the end of the text.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
            begins = text.find(secret[:_SHORTEST_SECRET], max(0, len(text) - len(secret)))
            while begins >= 0:
                if secret.startswith(text[begins:]):
                    text = text[:begins] + MASK
                    break
                begins = text.find(secret[:_SHORTEST_SECRET], begins + 1)
    return text


class JsonFormatter(logging.Formatter):
    """One record as one line of JSON in ASCII, with `secrets` masked in every value."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def mask(self, secrets: Iterable[str]) -> None:
        """Masks `secrets` too from now on."""
        self._secrets = (*self._secrets, *secrets)

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": fields.pop("event", record.name),
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: self._masked(value) for name, value in line.items()})

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {redacted(str(key), self._secrets): self._masked(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._masked(inner) for inner in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return redacted(str(value), self._secrets)


def log_to_stderr(secrets: Iterable[str] = ()) -> None:
    """For headless: every line to stderr, with `secrets` masked."""
    _set_up(logging.StreamHandler(sys.stderr), secrets)


def log_file_in(data_dir: Path) -> Path:
    """The log that the TUI writes."""
    return data_dir / "logs" / "alpha-monday.log"


def log_to_file(data_dir: Path, secrets: Iterable[str] = ()) -> Path:
    """For the TUI: a rotating file that only its owner may read, since nothing may be written over the screen.

    Raises OSError when the directory cannot be written, NotRegularFileError for something else in a log's place,
    EmbeddedServerError for a directory that, as root, others can exchange.
    """
    file = log_file_in(data_dir)
    check_way(data_dir)
    # The embedded server's user has to reach its directory beside the logs, whatever the umask.
    for directory in lineage(data_dir):
        if not directory.exists():
            make_directory(directory, for_all=os.geteuid() == 0)
    make_directory(file.parent, for_all=False)
    for number in range(1, _KEPT + 1):
        make_private(file.with_name(f"{file.name}.{number}"))
    os.close(append_privately(file))
    _set_up(_PrivateFileHandler(file, maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8", delay=True), secrets)
    return file


class _PrivateFileHandler(RotatingFileHandler):
    """Each of its files is its owner's alone, the one that a rotation begins too, and none is opened through a link."""

    def _open(self) -> TextIOWrapper:
        return open(append_privately(Path(self.baseFilename)), "a", encoding=self.encoding)  # noqa: PTH123 - no path, a descriptor


def mask_also(secrets: Iterable[str]) -> None:
    """Masks `secrets` in everything that is logged from now on: keys that were typed while the program runs."""
    added = tuple(secrets)
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.mask(added)


def _set_up(handler: logging.Handler, secrets: Iterable[str]) -> None:
    handler.setFormatter(JsonFormatter(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    quieten_libraries()


def quieten_libraries() -> None:
    """Keeps out what libraries say beside our own words, in logs and, where there is no log, on stderr."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO lines carry addresses with keys in them
    for name in ("openai", "httpx2", "httpcore2", "pydantic_ai"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below it they tell of addresses and whole questions
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # every retry would be a line; the scheduler tells once
