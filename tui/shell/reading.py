"""The commands that read: latest, batches, show, events."""

import argparse
from collections.abc import Iterable, Sequence
from uuid import UUID

from core.logs import redacted
from core.reading import BatchDetail, Day, batch_detail, batch_page, event_page
from core.services import Access, open_services
from core.settings_layers import LoadedSettings
from db.events import EventType
from db.records import BatchStatus
from tui.output import (
    basis_words,
    batch_json,
    checkpoint_json,
    event_json,
    exchange_time,
    percent,
    pick_json,
    print_json,
    print_line,
    print_table,
    stopped_json,
)
from tui.shell.operating import tell_pause

NO_BATCHES = "There are no batches yet: alpha-monday open or alpha-monday backfill makes the first."


async def latest(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints the newest batch, its picks and its latest checkpoint."""
    async with open_services(loaded.settings, Access.READ, with_sources=False) as services:
        detail = await batch_detail(services)
        if not args.json:
            await tell_pause(services)
    day = detail.days[-1] if detail and detail.days else None
    if args.json:
        print_json(
            {
                "batch": batch_json(detail) if detail else None,
                "picks": [pick_json(pick) for pick in detail.picks] if detail else [],
                "latest_checkpoint": checkpoint_json(detail, day) if detail and day else None,
            }
        )
    elif detail is None:
        print_line(NO_BATCHES)
    else:
        # A batch's last days are a weekend: the newest day that has prices says how it stands.
        shown = [each for each in detail.days if each in (detail.latest_computed, day)]
        _print_batch(detail, shown, loaded.settings.secrets())
    return 0


async def show(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints one batch whole."""
    async with open_services(loaded.settings, Access.READ, with_sources=False) as services:
        detail = await batch_detail(services, args.run_date)
    assert detail is not None  # a week without a batch is an error of its own
    if args.json:
        print_json(
            {
                "batch": batch_json(detail),
                "picks": [pick_json(pick) for pick in detail.picks],
                "checkpoints": [checkpoint_json(detail, day) for day in detail.days],
                "stopped": [stopped_json(each) for each in detail.stopped],
            }
        )
    else:
        _print_batch(detail, detail.days, loaded.settings.secrets())
        for pick in detail.picks:
            print_line("")
            print_line(f"{pick.action} {pick.ticker}")
            print_line(f"  {pick.reasoning}")
    return 0


async def batches(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints a page of batches."""
    status = BatchStatus(args.status) if args.status else None
    async with open_services(loaded.settings, Access.READ, with_sources=False) as services:
        page = await batch_page(services, cursor=args.cursor, limit=args.limit, status=status)
        if not args.json:
            await tell_pause(services)
    if args.json:
        print_json({"batches": [batch_json(row) for row in page.batches], "next_cursor": page.next_cursor})
        return 0
    if not page.batches:
        print_line(NO_BATCHES if status is None and args.cursor is None else "There are no such batches.")
        return 0
    print_table(
        ("week", "state", "origin", "days", "sessions", "picks", "benchmark", "return %", "excess %", "source"),
        [
            (
                row.overview.run_date,
                row.overview.status,
                row.origin,
                f"{row.overview.written}/14",
                f"{row.overview.computed}/{row.sessions}",
                " ".join(
                    f"{action} {ticker}"
                    for action, ticker in zip(row.overview.actions, row.overview.tickers, strict=True)
                ),
                row.overview.benchmark_symbol,
                percent(row.overview.benchmark_return_pct),
                percent(row.excess_pct),
                row.overview.source,
            )
            for row in page.batches
        ],
        right=frozenset({"days", "sessions", "return %", "excess %"}),
    )
    if page.next_cursor:
        print_line(f"Older ones: --cursor {page.next_cursor}")
    return 0


async def events(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Prints a page of the log."""
    event_type = EventType(args.event_type) if args.event_type else None
    async with open_services(loaded.settings, Access.READ, with_sources=False) as services:
        page = await event_page(
            services,
            cursor=UUID(args.cursor) if args.cursor else None,
            limit=args.limit,
            event_type=event_type,
            run_date=args.run_date,
        )
    if args.json:
        print_json({"events": [event_json(event) for event in page.events], "next_cursor": page.next_cursor})
        return 0
    if not page.events:
        narrowed = args.cursor or args.event_type or args.run_date
        print_line("There are no such events." if narrowed else "There are no events yet.")
        return 0
    print_table(
        ("when", "event", "about"),
        [(exchange_time(event.created_at), event.event_type, _about(event.payload)) for event in page.events],
    )
    if page.next_cursor:
        print_line(f"Older ones: --cursor {page.next_cursor}")
    return 0


def _about(payload: object) -> str:
    if not isinstance(payload, dict):
        return ""
    plain = {key: value for key, value in payload.items() if isinstance(value, str)}
    return "  ".join(f"{key}={value}" for key, value in plain.items())


def _print_batch(detail: BatchDetail, days: Sequence[Day], secrets: Iterable[str]) -> None:
    from tui.words import served_words, stopped_words  # they import Rich, which JSON does not need

    batch = detail.batch
    print_line(
        f"{batch.run_date}  {batch.status}, {detail.origin}  ·  day {len(detail.days)} of 14"
        f"  ·  baseline {detail.baseline_date}  ·  {served_words(detail.served)}, {basis_words(detail.basis)}"
    )
    for each in detail.stopped:
        print_line(stopped_words(each).plain)
    for waiting in detail.waiting:
        print_line(f"{waiting.checkpoint_date} waits: {redacted(waiting.detail, secrets)}")
    print_line(f"{batch.benchmark_symbol} {batch.benchmark_initial_price}")
    print_table(
        ("action", "ticker", "initial price"),
        [(pick.action, pick.ticker, pick.initial_price) for pick in detail.picks],
        right=frozenset({"initial price"}),
    )
    if not days:
        return
    print_line("")
    tickers = [f"{pick.ticker} %" for pick in detail.picks]
    print_table(
        ("day", "date", "status", f"{batch.benchmark_symbol} %", *tickers, "excess %"),
        [
            (
                (day.checkpoint.checkpoint_date - batch.run_date).days + 1,
                f"{day.checkpoint.checkpoint_date:%a %Y-%m-%d}",
                day.reason or day.checkpoint.status,
                percent(day.checkpoint.benchmark_return_pct),
                *(
                    percent(day.metrics[pick.id].absolute_return_pct) if pick.id in day.metrics else None
                    for pick in detail.picks
                ),
                percent(detail.excess_pct(day)),
            )
            for day in days
        ],
        right=frozenset({"day", f"{batch.benchmark_symbol} %", *tickers, "excess %"}),
    )
