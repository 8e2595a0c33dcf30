"""The figures that news are told with, read when a message is made."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from core import metrics
from core.alerts.news import News
from core.alerts.telling import FEW, BatchResult, Figures, PickResult
from core.alerts.words import plain
from core.batches import NotFoundError
from core.mixing import SIMULATED
from core.reading import BatchDetail, batch_detail
from core.services import Services
from core.week_list import batch_rows


async def read_figures(services: Services, news: News) -> Figures:
    """What is told of weeks and days that are told one by one. Raises a DatabaseError."""
    opened, completed = _if_few(news.opened), _if_few(news.completed)
    days = {each.run_date for batches in news.days.values() for each in batches} if len(news.days) <= FEW else set()
    details = {run_date: detail for run_date in {*opened, *completed} if (detail := await _read(services, run_date))}
    excess: dict[tuple[date, date], Decimal] = {}
    if days:
        for row in await batch_rows(services, days):
            for day in row.excess_by_day:
                excess[row.overview.run_date, day.checkpoint_date] = day.excess_pct
    return Figures(
        excess=excess,
        results={run_date: batch_result(details[run_date]) for run_date in completed if run_date in details},
        picks={run_date: _picks(details[run_date]) for run_date in opened if run_date in details},
    )


def _if_few(run_dates: Iterable[date]) -> list[date]:
    found = list(run_dates)
    return found if len(found) <= FEW else []


async def _read(services: Services, run_date: date) -> BatchDetail | None:
    try:
        return await batch_detail(services, run_date)
    except NotFoundError:
        return None  # events of another database's rows, restored without them


def batch_result(detail: BatchDetail) -> BatchResult:
    """How a batch ended: on its last computed day, signed by what each pick said to do."""
    day = detail.latest_computed
    simulated = detail.source == SIMULATED
    if day is None:
        return BatchResult(None, is_simulated=simulated)
    picks = tuple(
        PickResult(pick.action, pick.ticker, metrics.excess_pct(pick.action, day.metrics[pick.id].vs_benchmark_pct))
        for pick in detail.picks
        if pick.id in day.metrics
    )
    return BatchResult(detail.excess_pct(day), picks, simulated)


def _picks(detail: BatchDetail) -> str:
    picks = ", ".join(f"{pick.action} {plain(pick.ticker, limit=12)}" for pick in detail.picks)
    return f"{picks}, against {plain(detail.batch.benchmark_symbol, limit=12)} ({detail.origin})"
