"""Where logs go and how a line looks: one JSON object with a stable `event` and its fields."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from db.embedded_files import lineage, make_directory

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BYTES = 1_000_000
_KEPT = 3


class JsonFormatter(logging.Formatter):
    """One record as one line of JSON in ASCII."""

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
        return json.dumps(line, default=str)


def log_to_stderr() -> None:
    """For headless: every line to stderr."""
    _set_up(logging.StreamHandler(sys.stderr))


def log_file_in(data_dir: Path) -> Path:
    """The log that the TUI writes."""
    return data_dir / "logs" / "alpha-monday.log"


def log_to_file(data_dir: Path) -> Path:
    """For the TUI: a rotating file that only its owner may read, since nothing may be written over the screen.

    Raises OSError when the directory cannot be written.
    """
    file = log_file_in(data_dir)
    # The embedded server's user has to reach its directory beside the logs, whatever the umask.
    for directory in lineage(data_dir):
        if not directory.exists():
            make_directory(directory, for_all=os.geteuid() == 0)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(mode=0o600)
    _set_up(RotatingFileHandler(file, maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8", delay=True))
    return file


def _set_up(handler: logging.Handler) -> None:
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO lines carry addresses with keys in them
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # every retry would be a line; the scheduler tells once
