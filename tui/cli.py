"""The command line: what can be typed.

Nothing heavy is imported before the command is known: `--version` answers at once, and Textual is imported only
where the TUI opens.
"""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from core import __version__
from tui.streams import FAILED, end_streams, prepare_streams, terminal_columns, write_output
from tui.uncaught import tell_uncaught, uncaught_errors_in_a_sentence

PROGRAM = "alpha-monday"
WRONG_USAGE = 2
INTERRUPTED = 130
HIGHEST_LIMIT = 500
_LONGEST_MESSAGE = 1_000
_LIMIT = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
# The settings that have an option; secrets (DATABASE_URL, keys) have none, because arguments are public.
SETTING_OPTIONS = (
    "data-dir", "price-source", "price-file", "pick-source", "picks-file", "symbol-changes", "universe", "llm-model",
    "llm-prompt", "benchmark", "open-at", "open-until", "settle-delay", "give-up-after", "tick-every", "overdue-after",
    "notify-on", "source-failing-after",
)  # fmt: skip


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps at the terminal's own width, whatever COLUMNS says; at 80 columns where there is no terminal."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{**options, "width": (terminal_columns(sys.stdout) or 80) - 2})


class Parser(argparse.ArgumentParser):
    """Exits with 2 on wrong usage, and tells it as JSON where `--json` was asked for."""

    tells_json = False

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_HelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        from tui.output import print_error, print_error_json  # reached on wrong usage only

        message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"
        remedy = f"{self.prog} --help shows what can be typed."
        if Parser.tells_json:
            print_error_json("usage", message, remedy)
        else:
            print_error(message, remedy)  # argparse repeats what was typed, escape sequences and all
        sys.exit(WRONG_USAGE)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Prints help and the version as all output is printed; argparse passes over what cannot be written."""
        write_output(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed, 2 wrong usage, 3 due work is left."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    prepare_streams()
    # The limit of `health`, counted from `began`, includes the imports.
    args = argparse.Namespace(only_prints=True, debug="--debug" in arguments, began=time.monotonic())
    with uncaught_errors_in_a_sentence(has_tracebacks=args.debug):
        try:
            code = _run(arguments, args)
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 0
        except KeyboardInterrupt:
            code = INTERRUPTED
        except Exception as exc:  # noqa: BLE001 - before a command runs, an installation that is damaged for one
            tell_uncaught(exc, has_traceback=args.debug)
            code = FAILED
        return end_streams(code, only_prints=args.only_prints or getattr(args, "dry_run", False))


def _run(arguments: Sequence[str], args: argparse.Namespace) -> int:
    """Parses `arguments` into `args` and runs the command."""
    Parser.tells_json = "--json" in arguments
    parser = build_parser()
    parser.parse_args(arguments, args)
    args.only_prints = args.only_prints and args.command is not None
    _check_combinations(parser, args)
    from tui.shell.run import run_command  # the driver and the settings take a quarter of a second to import

    return run_command(args, parser.error)


def build_parser() -> Parser:
    """Everything that can be typed."""
    common = _common_options()
    parser = Parser(
        prog=PROGRAM,
        description="Weekly stock picks, measured against a benchmark day by day. Without a command: the TUI.",
        parents=[common],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.set_defaults(command=None)
    modes = parser.add_argument_group("ways to run")
    modes.add_argument("--no-scheduler", action="store_true", help="the TUI without a scheduler: inspect only")
    modes.add_argument("--read-only", action="store_true", help="the TUI on a read-only database session")
    modes.add_argument("--headless", action="store_true", help="the scheduler alone, until SIGINT or SIGTERM")
    modes.add_argument("--once", action="store_true", help="with --headless: all work due, then exit")
    _as_of(modes)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def add(name: str, summary: str, under: Any = commands, *, only_prints: bool = False) -> Parser:
        """`only_prints` is a command that is of no use without its output, and fails without it."""
        command: Parser = under.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", parents=[common], allow_abbrev=False
        )
        command.set_defaults(only_prints=only_prints)
        return command

    demo = add("demo", "the TUI on simulated prices, on a database of its own")
    demo.add_argument("--reset", action="store_true", help="begin the demo's database anew")
    add("setup", "asks for the sources, tests them and writes your settings file", only_prints=True)

    opening = add("open", "opens the batch of one week")
    opening.add_argument("run_date", nargs="?", type=_date, metavar="RUN_DATE", help="a Monday, by default this week's")
    picks = opening.add_mutually_exclusive_group()
    picks.add_argument("--picks", type=Path, metavar="FILE", help="take the picks from a file, - for standard input")
    picks.add_argument("--source", metavar="NAME", help="take the picks from this pick source")
    opening.add_argument("--late", action="store_true", help="also after the opening has ended")
    opening.add_argument("--dry-run", action="store_true", help="show what would be written, write nothing")

    backfill = add("backfill", "opens the weeks of a file and writes all their due days")
    backfill.add_argument("--picks", type=Path, metavar="FILE", required=True, help="run_date,ticker,action,reasoning")
    backfill.add_argument("--from", dest="first", type=_date, metavar="D", help="only weeks from this date on")
    backfill.add_argument("--to", dest="last", type=_date, metavar="D", help="only weeks up to this date")
    _as_of(backfill)
    backfill.add_argument("--dry-run", action="store_true", help="show what would be written, write nothing")

    fail = add("fail", "marks a batch failed, which is final")
    fail.add_argument("run_date", type=_date, metavar="RUN_DATE")
    fail.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the log")

    accepting = add("accept", "takes closes that moved beyond all likelihood at their word")
    accepting.add_argument("run_date", type=_date, metavar="RUN_DATE")
    accepting.add_argument(
        "--symbol",
        dest="symbols",
        type=_ticker,
        nargs="+",
        action="extend",
        default=[],
        metavar="TICKER",
        help="only the moves of these symbols",
    )
    accepting.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the log")
    accepting.add_argument("--dry-run", action="store_true", help="list what waits for a word, write nothing")

    add("latest", "the newest batch, its picks and its latest checkpoint", only_prints=True)
    listing = add("batches", "the batches, newest first", only_prints=True)
    listing.add_argument("--limit", type=_limit, default=20, metavar="N", help="at most N (20)")
    listing.add_argument("--cursor", type=_date, metavar="D", help="only weeks before this date")
    listing.add_argument("--status", choices=("active", "completed", "failed"), help="only batches in this state")
    show = add("show", "one batch whole", only_prints=True)
    show.add_argument("run_date", type=_date, metavar="RUN_DATE")
    log = add("events", "the log, newest first", only_prints=True)
    log.add_argument("--limit", type=_limit, default=50, metavar="N", help="at most N (50)")
    log.add_argument("--cursor", type=_uuid, metavar="ID", help="only events before this one")
    log.add_argument("--type", dest="event_type", type=_event_type, metavar="TYPE", help="only events of this type")
    log.add_argument(
        "--batch", dest="run_date", type=_date, metavar="RUN_DATE", help="only events of this week's batch"
    )

    pausing = add("pause", "tells the schedulers of every process to do nothing by themselves")
    pausing.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the log")
    add("resume", "lets the schedulers go on")
    health = add("health", "for probes: exit 0 while the schedulers keep up, 1 otherwise")
    health.add_argument(
        "--max-age",
        type=_max_age,
        metavar="D",
        help="the last look for work may be this old, 2 min at least, for it is noted once a minute (5 min, or three "
        "times TICK_EVERY; a daily timer wants 25 h)",
    )
    notifying = add("notify", "tries the channels for alerts")
    notifying.add_argument("--test", action="store_true", required=True, help="send a test message to each of them")
    add("doctor", "what is wrong and what to do about it; exit 1 on any problem")
    add("config", "the settings in force and where each came from", only_prints=True)

    database = add("db", "the database: tables, address, shell, backup, moving, upgrading")
    actions = database.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    add("up", "creates the database and brings its tables to this version", actions)
    add("status", "which migrations are applied and which are not", actions, only_prints=True)
    add("url", "the database's address, without its password", actions, only_prints=True)
    add("roles", "SQL that gives a writer and a reader their rights, for the owner to run", actions, only_prints=True)
    add("psql", "PostgreSQL's own shell on the database", actions)
    for name, summary in (
        ("backup", "writes everything to a file, and proves that it restores"),
        ("restore", "fills an empty database with the rows in a file; runs nothing of the file, but believes its rows"),
    ):
        add(name, summary, actions).add_argument("file", type=Path, metavar="FILE")
    add("move", "takes the embedded database to a server, whole, and pauses it here", actions).add_argument(
        "url", type=_public_address, metavar="URL", help="where to, without a password; - reads it from standard input"
    )
    add("upgrade", "carries the embedded database to the installed version of PostgreSQL", actions).add_argument(
        "--old-programs", type=Path, metavar="DIR", help="where postgres of the version that made it is"
    )
    return parser


def _common_options() -> argparse.ArgumentParser:
    """Options that may stand before and after the command."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    common.add_argument("--env-file", type=Path, metavar="FILE", help="settings file instead of .env")
    settings = common.add_argument_group("settings (see .env.example)")
    for option in SETTING_OPTIONS:
        settings.add_argument(f"--{option}", metavar="VALUE")
    return common


def _check_combinations(parser: Parser, args: argparse.Namespace) -> None:
    if args.command is None:
        if (args.once or args.as_of is not None) and not args.headless:
            parser.error("--once and --as-of go with --headless")
        if args.as_of is not None and not args.once:
            parser.error("--as-of goes with --once")
        if args.headless and (args.no_scheduler or args.read_only):
            parser.error("--headless does not go with --no-scheduler or --read-only")
        if getattr(args, "json", False) and not args.once:
            parser.error("--json goes with a command or with --headless --once")
    elif args.headless or args.no_scheduler or args.read_only or args.once:
        parser.error(f"{args.command} does not go with --headless, --once, --no-scheduler or --read-only")
    elif args.command == "backfill" and args.first and args.last and args.first > args.last:
        parser.error(f"--from {args.first} is later than --to {args.last}")


def _as_of(parser: Any) -> None:
    parser.add_argument(
        "--as-of",
        metavar="T",
        help="as if it were T (ISO; exchange time unless it has an offset); nothing later is seen",
    )


def _date(text: str) -> date:
    from core.csv_rows import parse_date  # needed by the commands that take a date

    try:
        return parse_date(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _ticker(text: str) -> str:
    from core.tickers import parse_ticker  # needed by one option of one command

    try:
        return parse_ticker(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _limit(text: str) -> int:
    if not _LIMIT.fullmatch(text) or int(text) > HIGHEST_LIMIT:
        raise argparse.ArgumentTypeError(f"not a number from 1 to {HIGHEST_LIMIT}: {text[:40]!r}")
    return int(text)


def _duration(text: str) -> Any:
    from core.settings import parse_duration  # needed by one option of one command

    try:
        return parse_duration(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{exc}: {text[:40]!r}") from None


def _max_age(text: str) -> Any:
    from core.health import LEAST_MAX_AGE  # needed by one option of one command

    if (age := _duration(text)) < LEAST_MAX_AGE:
        raise argparse.ArgumentTypeError(f"less than 2 min, and looks are noted once a minute: {text[:40]!r}")
    return age


def _event_type(text: str) -> str:
    from db.events import EventType  # needed by one option of one command

    try:
        return EventType(text).value
    except ValueError:
        raise argparse.ArgumentTypeError(f"not one of {', '.join(EventType)}: {text[:40]!r}") from None


def _public_address(text: str) -> str:
    """An address that may stand on a command line, which everyone on the machine can read; - stands for none."""
    if text == "-":
        return text
    if not text.strip():  # to libpq it would be the address of the environment
        raise argparse.ArgumentTypeError("it is empty: name the database to move to")
    from db.address import secrets_of  # needed by one command
    from db.errors import DatabaseRefusedError
    from db.moving import address_without_secrets

    try:
        address_without_secrets(text)
    except DatabaseRefusedError:
        raise argparse.ArgumentTypeError("not a PostgreSQL address, such as postgresql://user@host/database") from None
    if any(secrets_of(text)):
        raise argparse.ArgumentTypeError(
            "it holds a password, and everyone on this machine can read a command line: "
            "give - and the address on standard input, or leave the password to PGPASSWORD or ~/.pgpass"
        )
    return text


def _uuid(text: str) -> str:
    from uuid import UUID  # needed by one option of one command

    try:
        return str(UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"not an event's id: {text[:40]!r}") from None
