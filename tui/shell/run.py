"""From parsed arguments to a command that runs, and from what it raises to an exit code."""

import argparse
import asyncio
import logging
import resource
import traceback
from collections.abc import Callable, Coroutine
from datetime import datetime, time, timedelta
from enum import IntEnum
from typing import Any, NoReturn

from core.file_at_rest import showing_waits
from core.logs import log_to_stderr, quieten_libraries, redacted
from core.settings_layers import FIELDS, LoadedSettings, load_settings
from core.trading_calendar import EXCHANGE_ZONE, FIRST_RUN_DATE
from db.errors import AlphaMondayError, DatabaseError
from tui.output import (
    print_error,
    print_error_json,
    print_line,
    print_traceback,
)
from tui.shell.signals import terminated_as_interrupted
from tui.uncaught import REMEDY, mask

log = logging.getLogger(__name__)


class Exit(IntEnum):
    """What a command's exit status says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNFINISHED = 3


# The doctor has a finding of its own, and a probe asks too often to be told each time.
_CONNECT_NOWHERE = frozenset({"config", "doctor", "health", "notify", "setup"})
Command = Callable[[argparse.Namespace, LoadedSettings], Coroutine[Any, Any, int]]


def run_command(args: argparse.Namespace, usage_error: Callable[[str], NoReturn]) -> int:
    """Runs the command of `args`. An operator's error is told on stderr, or as JSON on stdout; no secret is shown."""
    # A core dump would hold the keys. Programs that are started inherit it, the embedded server among them.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quieten_libraries()
    args.json = getattr(args, "json", False)
    as_of = getattr(args, "as_of", None)
    args.as_of = None if as_of is None else _instant(as_of, usage_error)
    loaded: LoadedSettings | None = None
    secrets: frozenset[str] = frozenset()
    try:
        loaded = load_settings(_command_line(args), env_file=getattr(args, "env_file", None))
        secrets = loaded.settings.secrets()
        mask(secrets)
        if loaded.settings.provider_settings:
            from core.services import check_providers  # imports much, which not every command needs

            check_providers(loaded.settings)
        return _dispatch(args, loaded, secrets)
    except KeyboardInterrupt:
        return 130
    except AlphaMondayError as exc:
        if loaded is not None and (places := loaded.places(exc.message, exc.remedy)):
            exc.remedy = f"{exc.remedy} {places}".lstrip()
        return _fail(args, exc, exc, secrets)
    except Exception as exc:  # noqa: BLE001 - the last line: whatever it is, it is told without a traceback
        return _fail(args, exc, _internal(exc), secrets)


def _internal(exc: Exception) -> AlphaMondayError:
    return AlphaMondayError(f"Internal error: {type(exc).__name__}: {str(exc)[:300]}", REMEDY)


def _fail(args: argparse.Namespace, exc: Exception, told: AlphaMondayError, secrets: frozenset[str]) -> int:
    """Tells `told`, and with --debug where `exc` came from; gives the exit code."""
    if getattr(args, "debug", False):
        print_traceback(redacted("".join(traceback.format_exception(exc)), secrets))
    message, remedy = redacted(told.message, secrets), redacted(told.remedy, secrets)
    if args.command == "doctor" and told is exc:
        from core.finding import Finding
        from tui.shell.doctor import print_findings  # imports much, which not every command needs

        what = "database" if isinstance(exc, DatabaseError) else "settings"
        return print_findings([Finding(what, False, message, remedy)], is_json=args.json)
    if args.command == "health" and isinstance(exc, DatabaseError):
        from core.health import Health
        from tui.shell.operating import print_health  # as above

        return print_health(Health((message,), (remedy,) if remedy else ()), is_json=args.json)
    if args.json:
        print_error_json(told.code, message, remedy)
    elif args.command is None and args.headless:
        log_to_stderr(secrets)
        log.error(message, extra={"event": "failed", "code": told.code, "remedy": remedy})
    else:
        print_error(message, remedy)
    return told.exit_code


def _dispatch(args: argparse.Namespace, loaded: LoadedSettings, secrets: frozenset[str]) -> int:
    if args.command is None and args.headless:
        log_to_stderr(secrets)
    if args.command is None and not args.headless:
        from tui.shell.screens import open_screens  # the only way that imports Textual

        return open_screens(args, loaded)
    if args.command == "demo":
        from tui.shell.screens import open_demo

        return open_demo(args, loaded)
    command = _command(args)
    if args.command not in _CONNECT_NOWHERE:
        _warn_unencrypted(args, loaded)
    if args.command is None:
        with terminated_as_interrupted():
            return asyncio.run(command(args, loaded))
    from db.waiting import showing_database_waits  # the driver takes time to import, which --version does not need

    def show(text: str) -> None:
        print_line(redacted(text, secrets), error=True)

    with terminated_as_interrupted(), showing_waits(show), showing_database_waits(show):
        return asyncio.run(command(args, loaded))


def _warn_unencrypted(args: argparse.Namespace, loaded: LoadedSettings) -> None:
    """Says on stderr that the connection to the database may be read on its way."""
    if (url := loaded.settings.database_url) is None:
        return
    from db.transport import transport_problem  # the driver takes time to import, which other commands do not need

    problem = transport_problem(url.get_secret_value())
    if problem is not None and args.command is None:
        log.warning("unencrypted", extra={"event": "unencrypted", "problem": problem})
    elif problem is not None:
        print_line(problem, error=True)


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
        case "accept":
            from tui.shell.accepting import accept_

            return accept_
        case "db":
            from tui.shell import database

            return {
                "up": database.up,
                "status": database.status,
                "url": database.url,
                "roles": database.roles,
                "psql": database.psql,
                "backup": database.backup,
                "restore": database.restore,
                "move": database.move,
                "upgrade": database.upgrade,
            }[args.action]
        case "pause" | "resume" | "health":
            from tui.shell import operating

            return {"pause": operating.pause, "resume": operating.resume_, "health": operating.health}[name]
        case "notify":
            from tui.shell.alerts import notify

            return notify
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
    """The instant that `--as-of` names: exchange time unless it has an offset; in the calendar, not in the future."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        usage_error(f"--as-of: not an ISO date and time: {text[:40]!r}")
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=EXCHANGE_ZONE)
    if instant > datetime.now(EXCHANGE_ZONE):
        usage_error(f"--as-of: {text[:40]!r} is in the future")
    if instant.replace(tzinfo=None) < datetime.combine(FIRST_RUN_DATE + timedelta(days=1), time()):
        usage_error(f"--as-of: {text[:40]!r} is before the trading calendar begins")
    return instant
