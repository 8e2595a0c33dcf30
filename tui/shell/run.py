"""From parsed arguments to a command that runs, and from what it raises to an exit code."""

import argparse
import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from datetime import datetime
from enum import IntEnum
from typing import Any, NoReturn

from core.settings import FIELDS, LoadedSettings, load_settings
from core.trading_calendar import EXCHANGE_ZONE
from db.errors import AlphaMondayError
from tui.output import print_error, print_error_json


class Exit(IntEnum):
    """What a command's exit status says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNFINISHED = 3


Command = Callable[[argparse.Namespace, LoadedSettings], Coroutine[Any, Any, int]]


def run_command(args: argparse.Namespace, usage_error: Callable[[str], NoReturn]) -> int:
    """Runs the command of `args`. An operator's error is told on stderr, or as JSON on stdout."""
    args.json = getattr(args, "json", False)
    debug = getattr(args, "debug", False)
    args.as_of = _instant(args.as_of, usage_error) if getattr(args, "as_of", None) else None
    try:
        loaded = load_settings(_command_line(args), env_file=getattr(args, "env_file", None))
        return _dispatch(args, loaded)
    except AlphaMondayError as exc:
        if debug:
            traceback.print_exc()
        if args.json:
            print_error_json(exc.code, exc.message, exc.remedy)
        else:
            print_error(exc.message, exc.remedy)
        return exc.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone; what is left in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as exc:
        if debug:
            raise
        print_error(
            f"Something unforeseen happened: {type(exc).__name__}: {str(exc)[:300]}",
            "Run it again with --debug and report what it prints.",
        )
        return Exit.FAILED


def _dispatch(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    if args.command is None and not args.headless:
        from tui.shell.screens import open_screens  # the only way that imports Textual

        return open_screens(args, loaded)
    if args.command == "demo":
        from tui.shell.screens import open_demo

        return open_demo(args, loaded)
    return asyncio.run(_command(args)(args, loaded))


def _command(args: argparse.Namespace) -> Command:
    """The coroutine function of a command, its module imported only now."""
    name = "headless" if args.command is None else args.command
    match name:
        case "latest" | "batches" | "show" | "events":
            from tui.shell import reading

            return {
                "latest": reading.latest,
                "batches": reading.batches,
                "show": reading.show,
                "events": reading.events,
            }[name]
        case "open" | "backfill" | "fail" | "headless":
            from tui.shell import writing

            return {
                "open": writing.open_,
                "backfill": writing.backfill,
                "fail": writing.fail,
                "headless": writing.once if args.once else writing.headless,
            }[name]
        case "db":
            from tui.shell import database

            return {
                "up": database.up,
                "status": database.status,
                "url": database.url,
                "psql": database.psql,
                "backup": database.backup,
                "restore": database.restore,
            }[args.action]
        case "doctor":
            from tui.shell.doctor import doctor

            return doctor
        case "config":
            from tui.shell.config import config

            return config
        case "setup":
            from tui.shell.setup import setup

            return setup
    raise AssertionError(name)  # the parser admits no other


def _command_line(args: argparse.Namespace) -> dict[str, str]:
    return {field: getattr(args, field) for field in FIELDS.values() if getattr(args, field, None) is not None}


def _instant(text: str, usage_error: Callable[[str], NoReturn]) -> datetime:
    """The instant that `--as-of` names: exchange time unless it has an offset, and not in the future."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        usage_error(f"--as-of: not an ISO date and time: {text[:40]!r}")
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=EXCHANGE_ZONE)
    if instant > datetime.now(EXCHANGE_ZONE):
        usage_error(f"--as-of: {text[:40]!r} is in the future")
    return instant
