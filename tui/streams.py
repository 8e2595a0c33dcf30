"""The standard streams: in which characters and how wide they are written, and what follows when they cannot be.

Every command and `--headless` write through this file, `--version` and `--help` included.
"""

import io
import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

from db.errors import AlphaMondayError
from tui.ascii_marks import ascii_text, initial_environment, needs_ascii

FAILED = 1
_DESCRIPTORS = {0: os.O_RDONLY, 1: os.O_WRONLY, 2: os.O_WRONLY}


class OutputError(AlphaMondayError):
    """Standard output cannot be written."""

    code = "output"


class _Output:
    """What became of standard output since the program began."""

    lost: OutputError | None = None
    has_no_reader = False
    is_closed = False
    is_told = False


def prepare_streams() -> None:
    """To be called first: a closed stream becomes the null device, before a file or a connection takes its number.

    A character that a stream's encoding lacks is written as an escape, never as a question mark.
    """
    _Output.lost, _Output.has_no_reader, _Output.is_closed, _Output.is_told = None, False, False, False
    for descriptor, mode in _DESCRIPTORS.items():
        try:
            os.fstat(descriptor)
        except OSError:
            _point(descriptor, mode)
    logging.raiseExceptions = False  # a log that cannot be written must not print a traceback for each line
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_output(text: str) -> None:
    """Writes on standard output; that it cannot be written is told by `end_streams`, once the command has ended."""
    if _Output.lost is not None:
        return
    if sys.stdout is None:
        _Output.is_closed = True
        _Output.lost = OutputError(
            "The output cannot be written: standard output is closed.", "Open it, or send it to a file."
        )
        return
    try:
        sys.stdout.write(spelled_for(sys.stdout, text))
    except OSError as exc:
        _lose(exc)


def flush_output() -> None:
    """Empties the buffer: a full disk, or a reader that has exited, is found only then.

    Raises OutputError, for a command that cannot go on without its output.
    """
    _flush()
    if _Output.lost is not None:
        _Output.is_told = True
        raise _Output.lost


def is_output_lost() -> bool:
    """Whether what was written on standard output so far has gone nowhere."""
    _flush()
    return _Output.lost is not None


def write_error(text: str) -> None:
    """Writes on standard error; where that cannot be written, nobody can be told, and the exit code has to do."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(spelled_for(sys.stderr, text))
        sys.stderr.flush()
    except OSError:
        _point(2, os.O_WRONLY)


def end_streams(code: int, *, only_prints: bool) -> int:
    """Flushes both streams and gives the exit code of a command that ended with `code`.

    A command that `only_prints` fails without its output. One that does more is done all the same, and fails only
    where its report was wanted and is lost, on a full disk. A reader that exited needs no sentence.
    """
    _flush()
    lost = _Output.lost
    if lost is not None and (only_prints or not (_Output.is_closed or _Output.has_no_reader)):
        if not (_Output.has_no_reader or _Output.is_told):
            done = "" if only_prints or code else "The command has done its work; only its report is missing. "
            write_error(f"alpha-monday: {lost.message}\n  {done}{lost.remedy}\n")
        code = code or FAILED
    write_error("")  # the interpreter would end with 120 for what it cannot flush
    return code


def spelled_for(stream: TextIO, text: str) -> str:
    """`text` in the characters that `stream` is told to take."""
    return ascii_text(text) if is_ascii(stream) else text


def is_ascii(stream: TextIO) -> bool:
    """Whether only ASCII may be written on `stream`."""
    return needs_ascii(stream.encoding, initial_environment())


def has_colour(environment: Mapping[str, str]) -> bool:
    """Whether the operator lets programs use colour; an empty NO_COLOR counts, as it does to Textual."""
    return "NO_COLOR" not in environment


def has_styles(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether bold type may be written on `stream`: a terminal that knows it, or a pipe with FORCE_COLOR."""
    if not has_colour(environment):
        return False
    forced = environment.get("FORCE_COLOR", "") not in {"", "0", "false"}
    return forced or (stream.isatty() and not is_dumb(environment))


def is_dumb(environment: Mapping[str, str]) -> bool:
    """Whether TERM says that the terminal knows no escape sequences."""
    return environment.get("TERM", "").lower() in {"dumb", "unknown"}


def terminal_columns(stream: TextIO | None) -> int | None:
    """How wide the terminal behind `stream` is, in cells, whatever COLUMNS says; None where none is."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream is not None else None
    except (OSError, ValueError):  # no terminal, or no file at all
        return None


def _flush() -> None:
    if _Output.lost is None and sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as exc:
            _lose(exc)


def _lose(exc: OSError) -> None:
    """Remembers the failure. What is left in the buffer goes to the null device, lest it fail again at exit."""
    _Output.has_no_reader = isinstance(exc, BrokenPipeError)
    _Output.lost = OutputError(
        f"The output cannot be written: {exc.strerror}.", "Make room, or send it to another place."
    )
    _point(1, os.O_WRONLY)


def _point(descriptor: int, mode: int) -> None:
    """Points a standard stream's descriptor at the null device."""
    null = os.open(os.devnull, mode)
    if null == descriptor:
        os.set_inheritable(null, True)
    else:
        os.dup2(null, descriptor)
        os.close(null)
