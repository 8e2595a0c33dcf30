"""The commands that open the terminal's screens: the TUI itself, and the demo."""

import argparse
import os
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.logs import log_to_file
from core.settings import Settings
from core.settings_layers import LoadedSettings
from db.errors import AlphaMondayError
from db.regular_files import NotRegularFileError
from tui.mode import Mode
from tui.streams import is_dumb

if TYPE_CHECKING:
    from core.services import Services


_WITHOUT_SCREENS = "use alpha-monday --headless or a command (alpha-monday --help)"


class LogUnwritableError(AlphaMondayError):
    """The log cannot be written, and nothing may be written over the screen instead."""

    code = "log"


class NoTerminalError(AlphaMondayError):
    """There is nothing to draw on, or nobody to press keys."""

    code = "no_terminal"


def open_screens(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Opens the TUI and gives its exit code."""
    _require_terminal()
    log_file = _log(loaded.settings)
    from tui.program import run

    mode = Mode.READ_ONLY if args.read_only else Mode.NO_SCHEDULER if args.no_scheduler else Mode.SCHEDULER
    return run(loaded.settings, mode, log_file=log_file, layers=loaded.layers)


def open_demo(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Opens the TUI on the demo's own database, filled up to now, and gives its exit code."""
    _require_terminal()
    log_file = _log(loaded.settings)
    from tui.program import run

    resets = [args.reset]  # once: a database that comes back after it was lost is not to be dropped again

    def opener(clock: Clock) -> AbstractAsyncContextManager["Services"]:
        from core.demo import open_demo as open_services

        return open_services(loaded.settings, reset=resets.pop() if resets else False, clock=clock)

    async def prepare(services: "Services") -> None:
        from core.demo import fill

        await fill(services)

    return run(loaded.settings, Mode.DEMO, opener=opener, prepare=prepare, log_file=log_file)


def _require_terminal() -> None:
    """The screens are drawn on stderr, so that is what has to be a terminal, and stdin for the keys."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise NoTerminalError("The TUI needs a terminal.", f"Without one, {_WITHOUT_SCREENS}.")
    if is_dumb(os.environ):
        raise NoTerminalError(
            f"The TUI cannot be drawn on a terminal of the kind {os.environ['TERM']!r} (TERM).",
            f"Set TERM to the terminal's kind, such as xterm-256color; or {_WITHOUT_SCREENS}.",
        )


def _log(settings: Settings) -> Path:
    try:
        return log_to_file(settings.data_dir, settings.secrets())
    except NotRegularFileError as exc:
        raise LogUnwritableError(f"The log {exc.filename} cannot be written: {exc.strerror}.", exc.remedy) from exc
    except OSError as exc:
        raise LogUnwritableError(
            f"The log in {settings.data_dir} cannot be written: {exc.strerror}.",
            "Set ALPHA_MONDAY_DATA_DIR to a directory that you can write in.",
        ) from exc
