"""What opening a week would write, asked of the price chain before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core.batches import NotPossibleError, check_run_date, refuse_unopened, rehearse, there_already, week_to_open
from core.picks.check import check_picks
from core.picks.source import PickDraft
from core.services import Services


@dataclass(frozen=True, slots=True)
class OpeningPreview:
    """The baseline's closes, for the benchmark and by ticker, that a week would be opened at, and their source.

    Prices are in the exchange's currency; `is_late` says that the opening has ended.
    """

    run_date: date
    baseline_date: date
    benchmark: str
    benchmark_price: Decimal
    prices: Mapping[str, Decimal]
    source: str
    basis: str
    is_late: bool


async def preview_opening(
    services: Services, run_date: date, drafts: Sequence[PickDraft], *, late: bool
) -> OpeningPreview:
    """What `open_week` would write now. Raises what it would raise, and NotPossibleError for a week that exists."""
    checked = check_picks(drafts, services.rules.benchmark)
    check_run_date(run_date)
    if await there_already(services, {run_date: checked}):
        raise NotPossibleError(
            f"The week of {run_date} exists already with these picks.", f"alpha-monday show {run_date} shows it."
        )
    now = services.clock.now()
    week = week_to_open(services, run_date, checked, "", now, late=late)
    report = await rehearse(services, [week], now)
    refuse_unopened(report, run_date)
    opening = week.opening
    assert opening is not None  # a week without one is reported as unopened
    return OpeningPreview(
        run_date=run_date,
        baseline_date=opening.baseline_date,
        benchmark=opening.batch.benchmark_symbol,
        benchmark_price=opening.batch.benchmark_initial_price,
        prices={pick.ticker: pick.initial_price for pick in opening.picks},
        source=opening.source,
        basis=opening.basis,
        is_late=now >= services.rules.opens_until(services.calendar, run_date),
    )
