"""Errors that nothing catches, also in threads and tasks: a sentence, and the traceback only with --debug."""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tui.streams import write_error

REMEDY = "Run it again with --debug and report what it prints."
log = logging.getLogger(__name__)
_secrets: set[str] = set()


class _OnStderr(logging.Handler):
    """For commands, which keep no log: the first line of each record, with `_secrets` masked."""

    def __init__(self, *, has_tracebacks: bool) -> None:
        super().__init__(logging.WARNING)
        self._has_tracebacks = has_tracebacks

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        first, *_ = record.getMessage().splitlines() or [""]
        # The text of an error may hold what is secret and is no setting; with --debug it is asked for.
        _write(f"alpha-monday: {first}{f': {type(error).__name__}' if error else ''}\n", error, self._has_tracebacks)


def mask(secrets: frozenset[str]) -> None:
    """Masks `secrets` in whatever is told here from now on."""
    _secrets.update(secrets)


def tell_uncaught(error: BaseException, *, has_traceback: bool) -> None:
    """Tells on stderr of an error that ended the program."""
    _write(
        f"alpha-monday: Internal error: {type(error).__name__}: {str(error)[:300]}\n  {REMEDY}\n", error, has_traceback
    )


@contextmanager
def uncaught_errors_in_a_sentence(*, has_tracebacks: bool) -> Iterator[None]:
    """What Python would print a traceback of becomes a line of the log; without a log, a sentence on stderr."""
    before = threading.excepthook, sys.unraisablehook, logging.lastResort, warnings.showwarning

    def in_a_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            _log(f"Internal error in the thread {args.thread.name if args.thread else 'unknown'}", args.exc_value)

    def in_a_finalizer(args: Any) -> None:
        if args.exc_value is not None:
            _log("Internal error while an object was given up", args.exc_value)

    threading.excepthook, sys.unraisablehook = in_a_thread, in_a_finalizer
    warnings.showwarning = _log_warning
    logging.lastResort = _OnStderr(has_tracebacks=has_tracebacks)
    _secrets.clear()
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook, logging.lastResort, warnings.showwarning = before


def _log(words: str, error: BaseException) -> None:
    log.error(words, exc_info=error, extra={"event": "uncaught"})


def _log_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Python itself would print it unmasked, with the line of the source."""
    log.warning("%s: %s", category.__name__, str(message)[:300], extra={"event": "python_warning"})


def _write(words: str, error: BaseException | None, has_traceback: bool) -> None:
    from core.logs import redacted  # needed where something has failed
    from tui.literal import clean

    told = "".join(traceback.format_exception(error)) if error is not None and has_traceback else ""
    write_error(clean(redacted(told + words, _secrets), limit=100_000, lines=True))
