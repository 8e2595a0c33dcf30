"""What commands print: tables and sentences for people, JSON for programs."""

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core import metrics
from core.batch_log import StoppedSymbol
from core.reading import BatchDetail, BatchRow, Day
from core.trading_calendar import EXCHANGE_ZONE
from db.records import Batch, Event, Pick, PickCheckpointMetric
from tui import format as formats
from tui.ascii_marks import ascii_cells
from tui.streams import has_styles, is_ascii, is_output_lost, spelled_for, terminal_columns, write_error, write_output

Json = dict[str, Any]
_LIMIT = 100_000  # of a line, a cell or a traceback
_WIDEST = 1_000_000  # of a table that is not on a terminal, so that nothing is cut
_BASES = {"price": "price return", "total": "total return"}


def print_json(value: Mapping[str, Any]) -> None:
    """Prints `value` in ASCII, so that no text from outside reaches the terminal as anything but itself."""
    write_output(f"{json.dumps(value, indent=2, default=_json_value)}\n")


def _json_value(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")  # digits, never an exponent
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def print_error_json(code: str, message: str, remedy: str) -> None:
    """Prints an error as programs read it, on stdout; on stderr in words where stdout cannot be written."""
    print_json({"error": {"code": code, "message": message, "remedy": remedy}})
    if is_output_lost():
        print_error(message, remedy)


def print_error(message: str, remedy: str) -> None:
    """Prints what happened and what to do about it, on stderr."""
    print_line(f"alpha-monday: {message}", error=True)
    if remedy:
        print_line(f"  {remedy}", error=True)


def print_line(text: str, *, error: bool = False) -> None:
    """Prints one line in which anything from outside is shown literally."""
    from tui.literal import clean  # it imports Rich, which a command that prints JSON does not need

    line = f"{clean(text, limit=_LIMIT)}\n"
    if error:
        write_error(line)
    else:
        write_output(line)


def print_traceback(text: str) -> None:
    """Prints a traceback on stderr, line by line, with anything from outside shown literally."""
    from tui.literal import clean  # as above

    write_error(clean(text, limit=_LIMIT, lines=True))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: frozenset[str] = frozenset()
) -> None:
    """Prints rows under column titles; cells of the columns in `right` are numbers. None prints as a dash.

    A terminal's lines are as wide as it is. Anywhere else nothing is cut, and no line is filled up with blanks.
    """
    if sys.stdout is None:
        write_output("")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tui.literal import clean

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True, overflow="ellipsis")
    for row in rows:
        cells = (clean("-" if cell is None else cell, limit=_LIMIT) for cell in row)
        table.add_row(*(Text(spelled_for(sys.stdout, cell)) for cell in cells))
    styled = has_styles(sys.stdout, os.environ)
    width = terminal_columns(sys.stdout) or _WIDEST
    drawn = io.StringIO()
    console = Console(
        file=drawn,
        width=width,
        height=1,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=styled,
        color_system="standard" if styled else None,
        legacy_windows=False,
        _environ={},  # FORCE_COLOR, COLUMNS and the like have been taken into account, or are none of its business
    )
    console.print(table)
    for line in drawn.getvalue().splitlines():
        shown = ascii_cells(line) if is_ascii(sys.stdout) else line
        write_output(f"{shown.rstrip()}\n")


def batch_json(detail_or_row: BatchDetail | BatchRow) -> Json:
    """A batch: its columns, and how it came to be and was priced."""
    if isinstance(detail_or_row, BatchDetail):
        batch: Batch = detail_or_row.batch
        source, basis = detail_or_row.source, detail_or_row.basis
        latest = detail_or_row.latest_computed
        excess = detail_or_row.excess_pct(latest) if latest else None
    else:
        batch, source, basis = detail_or_row.overview, detail_or_row.overview.source, detail_or_row.overview.basis
        excess = detail_or_row.excess_pct
    return {
        "id": batch.id,
        "created_at": batch.created_at,
        "run_date": batch.run_date,
        "benchmark_symbol": batch.benchmark_symbol,
        "benchmark_initial_price": batch.benchmark_initial_price,
        "status": batch.status,
        "origin": detail_or_row.origin,
        "source": source,
        "basis": basis,
        "excess_pct": None if excess is None else metrics.rounded(excess),
    }


def pick_json(pick: Pick) -> Json:
    """A pick: its columns."""
    return {
        "id": pick.id,
        "batch_id": pick.batch_id,
        "ticker": pick.ticker,
        "action": pick.action,
        "reasoning": pick.reasoning,
        "initial_price": pick.initial_price,
    }


def checkpoint_json(detail: BatchDetail, day: Day) -> Json:
    """A checkpoint: its columns, its metrics in the order of the picks, and the reason where it was skipped."""
    checkpoint = day.checkpoint
    shown: Json = {
        "id": checkpoint.id,
        "batch_id": checkpoint.batch_id,
        "checkpoint_date": checkpoint.checkpoint_date,
        "status": checkpoint.status,
        "benchmark_price": checkpoint.benchmark_price,
        "benchmark_return_pct": checkpoint.benchmark_return_pct,
        "source": day.source,
        "basis": day.basis,
        "metrics": [_metric_json(pick, day.metrics[pick.id]) for pick in detail.picks if pick.id in day.metrics],
    }
    if day.reason is not None:
        shown |= {"reason": day.reason, "symbols": day.symbols}
    return shown


def _metric_json(pick: Pick, metric: PickCheckpointMetric) -> Json:
    return {
        "id": metric.id,
        "checkpoint_id": metric.checkpoint_id,
        "pick_id": metric.pick_id,
        "ticker": pick.ticker,
        "current_price": metric.current_price,
        "absolute_return_pct": metric.absolute_return_pct,
        "vs_benchmark_pct": metric.vs_benchmark_pct,
    }


def stopped_json(stopped: StoppedSymbol) -> Json:
    """A symbol that trades no more."""
    return {"symbol": stopped.symbol, "last_session": stopped.last_session}


def event_json(event: Event) -> Json:
    """An event: its columns."""
    return {
        "id": event.id,
        "created_at": event.created_at,
        "batch_id": event.batch_id,
        "event_type": event.event_type,
        "payload": event.payload,
    }


def percent(value: Decimal | None) -> str | None:
    """A percentage for people: a sign and two decimals."""
    return None if value is None else formats.percent(value)


def basis_words(basis: str | None) -> str:
    """What the prices of a source measure, for people."""
    return _BASES.get(basis or "", "return basis unspecified")


def exchange_time(instant: datetime) -> str:
    """An instant for people, in exchange time."""
    return f"{instant.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M} ET"
