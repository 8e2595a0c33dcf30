"""The commands that write: open, backfill, fail, and the headless scheduler."""

import argparse
import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

from core import backfill as backfilling
from core import batches
from core.catch_up import Report
from core.due_work import run_due_work
from core.health import note_tick
from core.logs import redacted
from core.pausing import Pause, read_pause
from core.pick_accounts import record_refused_picks
from core.picks.query import query_picks
from core.picks.source import PickDraft, PicksGivenUpError
from core.scheduler import Scheduler
from core.services import Access, Services, open_services, pick_source_called
from core.settings_layers import LoadedSettings
from core.stopping import run_until
from core.trading_calendar import monday_of
from core.upkeep import Upkeep
from tui.output import print_json, print_line
from tui.shell.given_picks import label_of, pick_source_of, read_given_picks

log = logging.getLogger(__name__)
UNFINISHED = 3
_ENDS_WITHIN_S = 1.8


async def open_(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Opens one week."""
    async with open_services(loaded.settings, _access(args)) as services:
        services.require_sources()
        run_date = args.run_date or monday_of(services.calendar.exchange_date(services.clock.now()))
        batches.check_run_date(run_date)
        drafts, pick_source = await _drafts(args, services, run_date)
        report = await batches.open_week(services, run_date, drafts, pick_source, late=args.late, dry_run=args.dry_run)
    return _tell(args, loaded, report, would=args.dry_run)


def _access(args: argparse.Namespace) -> Access:
    """A dry run leaves even tables that are behind as they are."""
    return Access.READ if args.dry_run else Access.WRITE


async def _drafts(args: argparse.Namespace, services: Services, run_date: date) -> tuple[Sequence[PickDraft], str]:
    """The week's picks and the name of what they came from."""
    if args.picks is not None:
        weeks = await read_given_picks(args.picks)
        if run_date not in weeks:
            raise batches.NotFoundError(
                f"{label_of(args.picks)} has no picks for the week of {run_date}.",
                "Add three rows, or name another week.",
            )
        return weeks[run_date], pick_source_of(args.picks)
    if args.source is not None:
        source = pick_source_called(args.source, services.settings, services.calendar, services.sources)
    else:
        source = services.require_pick_source()
    try:
        return await query_picks(source, run_date), source.name
    except PicksGivenUpError as exc:
        if not args.dry_run:
            await record_refused_picks(services, run_date, source.name, exc, None)
        raise


async def backfill(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Opens the weeks of a file and writes their due days."""
    weeks = await read_given_picks(args.picks)
    chosen = {
        run_date: drafts
        for run_date, drafts in weeks.items()
        if (args.first is None or run_date >= args.first) and (args.last is None or run_date <= args.last)
    }
    with _stop_on_signals(UNFINISHED) as stopping:
        async with open_services(loaded.settings, _access(args)) as services:
            report = await run_until(
                stopping,
                backfilling.backfill(
                    services, chosen, as_of=args.as_of, dry_run=args.dry_run, stopping=stopping.is_set
                ),
            )
    return _tell(args, loaded, report or Report(), would=args.dry_run, stopped=stopping.is_set())


async def fail(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Marks a batch failed."""
    async with open_services(loaded.settings, Access.WRITE, with_sources=False) as services:
        batch = await batches.fail(services, args.run_date, args.reason)
    if args.json:
        print_json({"batch": {"id": batch.id, "run_date": batch.run_date, "status": "failed"}})
    else:
        print_line(f"The batch of {batch.run_date} is marked failed.")
    return 0


async def once(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Does all work due, or that was due at `--as-of`, and ends; during a pause it does nothing."""
    with _stop_on_signals(UNFINISHED) as stopping:
        async with open_services(loaded.settings, Access.WRITE) as services:
            _require_everything(services)
            async with services.database.connection() as connection:
                paused = await read_pause(connection)
            if paused is not None:
                return _tell_paused(args, paused)
            report = await run_until(stopping, _work_once(services, args.as_of, stopping))
    return _tell(args, loaded, report or Report(), stopped=stopping.is_set())


async def _work_once(services: Services, as_of: datetime | None, stopping: asyncio.Event) -> Report:
    """One catch-up; for the present it counts as a look for work, and what a leader does beside its ticks follows."""
    report, planned = await run_due_work(services, as_of, stopping=stopping.is_set, heeds_pause=True)
    if as_of is None and not stopping.is_set():
        await note_tick(services, planned)
        upkeep = Upkeep(services)
        try:
            await upkeep.after_run(report)
        finally:
            await upkeep.close()
    return report


def _tell_paused(args: argparse.Namespace, paused: Pause) -> int:
    """Says that nothing was done, and why."""
    if args.json:
        print_json(Report().counts())
    log.warning(
        "nothing is done while the schedulers are paused; alpha-monday resume lets them go on",
        extra={"event": "paused", "who": paused.who, "since": paused.since.isoformat(), "reason": paused.reason},
    )
    return UNFINISHED


async def headless(_: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Schedules until SIGINT or SIGTERM."""
    with _stop_on_signals(0) as stopping:
        async with open_services(loaded.settings, Access.WRITE) as services:
            _require_everything(services)
            scheduler = Scheduler(services)
            stopper = asyncio.create_task(_stop_when(stopping, scheduler))
            log.info("started", extra={"event": "started", "sources": [s.name for s in services.sources]})
            await scheduler.run()
            stopper.cancel()
    log.info("stopped", extra={"event": "stopped"})
    return 0


def _require_everything(services: Services) -> None:
    """A scheduler that could not price or open anything must not look alive."""
    services.require_sources()
    services.require_pick_source()


async def _stop_when(stopping: asyncio.Event, scheduler: Scheduler) -> None:
    await stopping.wait()
    scheduler.stop()


@contextmanager
def _stop_on_signals(exit_code: int) -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set: work ends between transactions instead of inside one.

    What still hangs after that, a server that does not answer or a source in a thread, ends with the process: an open
    transaction is undone by the server.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        if not stopping.is_set():
            stopping.set()
            ending = threading.Timer(_ENDS_WITHIN_S, os._exit, [exit_code])
            ending.daemon = True
            ending.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)
    try:
        yield stopping
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _tell(
    args: argparse.Namespace, loaded: LoadedSettings, report: Report, *, would: bool = False, stopped: bool = False
) -> int:
    """Prints what was done and what is left, and gives the exit code."""
    counts = report.counts()
    if args.json:
        print_json(counts)
    else:
        print_line(
            f"{'Would be opened' if would else 'Opened'} {counts['opened']}, already there {counts['already_there']}; "
            f"days computed {counts['computed']}, skipped {counts['skipped']}, waiting {counts['waiting']}."
        )
    secrets = loaded.settings.secrets()
    is_logging = args.command is None  # then stderr holds the log's lines, and not sentences
    for run_date, delay in report.unopened.items():
        detail = redacted(delay.detail, secrets)
        sentence = f"{run_date} not opened: {detail}"
        if is_logging:
            log.warning(
                sentence,
                extra={
                    "event": "week_unopened",
                    "run_date": run_date.isoformat(),
                    "cause": delay.cause,
                    "detail": detail,
                },
            )
        else:
            print_line(sentence, error=True)
    for cause, detail in sorted({(delay.cause, redacted(delay.detail, secrets)) for delay in report.delays}):
        if is_logging:
            log.warning("waiting: %s", detail, extra={"event": "day_waits", "cause": cause, "detail": detail})
        else:
            print_line(f"waiting: {detail}", error=True)
    if stopped:
        sentence = "Stopped before everything was done; run it again to go on."
        if is_logging:
            log.warning(sentence, extra={"event": "stopped"})
        else:
            print_line(sentence, error=True)
    return UNFINISHED if report.is_unfinished or stopped else 0
