"""The list of weeks as a file holds it: every week of a query, whole and unrounded."""

from core.services import Services
from core.week_list import MissedWeeks, StagedWeek, WeekQuery, WeekRow, week_page
from tui.outgoing import Export

_PAGE = 500
HEADER = (
    "run_date", "state", "origin", "source", "basis", "benchmark", "computed_sessions", "expected_sessions", "waiting",
    "picks", "last_computed", "benchmark_return_pct", "excess_pct", "detail",
)  # fmt: skip


async def every_week(services: Services, query: WeekQuery) -> Export:
    """Reads all pages of `query`. Raises a DatabaseError."""
    rows: list[tuple[object, ...]] = []
    cursor = None
    while True:
        page = await week_page(services, query, cursor=cursor, limit=_PAGE)
        rows += map(_values, page.rows)
        cursor = page.next_cursor
        if cursor is None:
            return Export("alpha-monday-weeks", HEADER, rows)


def _values(row: WeekRow) -> tuple[object, ...]:
    if isinstance(row, MissedWeeks):
        detail = f"{row.cause} {row.detail}".strip()
        return (row.run_date, "missed", *[None] * 11, detail if row.count == 1 else f"{row.oldest} to this: {detail}")
    if isinstance(row, StagedWeek):
        picks = " ".join(f"{draft.action} {draft.ticker}" for draft in row.drafts)
        return (row.run_date, "staged", *[None] * 7, picks, None, None, None, f"opens {row.opens_at.isoformat()}")
    batch = row.overview
    return (
        batch.run_date, str(batch.status), str(row.origin), batch.source, batch.basis, batch.benchmark_symbol,
        batch.computed, row.sessions, batch.waiting,
        " ".join(f"{action} {ticker}" for action, ticker in zip(batch.actions, batch.tickers, strict=True)),
        batch.last_computed, batch.benchmark_return_pct, row.excess_pct, None,
    )  # fmt: skip
