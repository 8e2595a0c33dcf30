"""The demo: sixty weeks of simulated batches up to now, with one of everything that can happen."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from core import batches
from core.backfill import backfill
from core.clock import Clock, SystemClock
from core.due_work import run_due_work
from core.mixing import SIMULATED
from core.picks.source import PickDraft
from core.prices.simulated import SimulatedPrices
from core.prices.source import ONE, Answer
from core.services import DEMO_DATABASE, Access, Services, open_address, open_services
from core.settings import Settings
from core.trading_calendar import TradingCalendar, batch_days, monday_of
from db.database_creation import drop_database
from db.records import Action

WEEKS = 60
BENCHMARK = "SPY"
TICKERS = (
    "AAPL", "ADBE", "AMD", "AMGN", "AMZN", "AVGO", "BA", "BAC", "BRK.B", "C", "CAT", "COST", "CRM", "CSCO", "CVX", "DE",
    "DIS", "F", "GE", "GILD", "GOOG", "GS", "HD", "IBM", "INTC", "JNJ", "JPM", "KO", "LLY", "LMT", "LOW", "MA", "MCD",
    "META", "MMM", "MRK", "MSFT", "NFLX", "NKE", "NVDA", "ORCL", "PEP", "PFE", "PG", "QCOM", "SBUX", "T", "TGT", "TSLA",
    "TXN", "UNH", "UPS", "V", "VZ", "WMT", "XOM",
)  # fmt: skip
_BUY = (
    "Orders ran ahead of guidance for a second quarter, and the shares have lagged their sector since.",
    "Inventories are back to normal; margins should follow before the consensus moves.",
    "Buy-backs now outpace dilution, and the balance sheet carries more cash than debt.",
    "The sell-off after results priced in a lost contract that has since been renewed.",
    "Pricing held while input costs fell: a small beat compounds at this operating leverage.",
    "Crowded shorts, an easy comparison, and an investor day in the second week.",
)
_SELL = (
    "Receivables grew twice as fast as revenue; the next quarter has to pay for it.",
    "The multiple assumes a product cycle that the supply chain does not show yet.",
    "Two large holders have been selling into strength, and guidance was only repeated.",
    "Freight and wages rise faster than the price list allows.",
    "A strong run into results leaves no room for an ordinary quarter.",
    "Regulatory review has moved from questions to remedies; the discount looks too small.",
)
# Every fortieth week goes wrong in one way and twenty weeks later in another: one of each in any sixty.
_CYCLE = 40
_MISSED, _FAILED = 7, 27
_SPLIT_EVERY = 6
_FAILED_AFTER = timedelta(days=8)
_FAILURE = "Demo: the picks were entered for the wrong week."


@dataclass(frozen=True, slots=True)
class DemoPicks:
    """Three picks a week, made from the week's date and, where one falls into the week, a ticker that splits."""

    calendar: TradingCalendar
    prices: SimulatedPrices
    name: str = "demo"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        """The week's three picks."""
        return (await self.weeks([run_date]))[run_date]

    async def weeks(self, run_dates: Sequence[date]) -> dict[date, tuple[PickDraft, ...]]:
        """The picks of several weeks, from one look at the splits."""
        if not run_dates:
            return {}
        first, last = self.calendar.previous_session(min(run_dates)), batch_days(max(run_dates))[-1]
        answer = await self.prices.closes(TICKERS, first, last)
        return {run_date: self._week(run_date, answer) for run_date in run_dates}

    def _week(self, run_date: date, answer: Answer) -> tuple[PickDraft, ...]:
        days = set(batch_days(run_date))
        splitting = [
            ticker
            for ticker in TICKERS
            if _draw(run_date, "split") % _SPLIT_EVERY == 0
            and any(close.split_factor != ONE and day in days for day, close in answer.closes[ticker].items())
        ]
        order = sorted(TICKERS, key=lambda ticker: _draw(run_date, ticker))
        chosen = [*splitting[:1], *(ticker for ticker in order if ticker not in splitting[:1])][:3]
        seller = _draw(run_date, "sell") % 3
        return tuple(
            _draft(run_date, ticker, Action.SELL if place == seller else Action.BUY)
            for place, ticker in enumerate(chosen)
        )


def _draft(run_date: date, ticker: str, action: Action) -> PickDraft:
    texts = _BUY if action is Action.BUY else _SELL
    return PickDraft(ticker, action, f"{texts[_draw(run_date, ticker, action) % len(texts)]} (Simulated.)")


def _draw(*what: object) -> int:
    """A number that depends on `what` alone, the same on every machine."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, what)).encode()).digest()[:8])


@asynccontextmanager
async def open_demo(settings: Settings, *, reset: bool = False, clock: Clock | None = None) -> AsyncIterator[Services]:
    """The services of the demo: its own database on the embedded server, simulated prices, its own picks."""
    settings = demo_settings(settings)
    if reset:
        async with open_address(settings, Access.WRITE, name="postgres") as conninfo:
            await asyncio.to_thread(drop_database, conninfo, DEMO_DATABASE)
    clock = clock or SystemClock()
    async with open_services(settings, Access.WRITE, clock=clock, database_name=DEMO_DATABASE) as services:
        calendar = services.calendar
        picks = DemoPicks(calendar, SimulatedPrices(calendar, BENCHMARK))
        late_ticker, late_day = await _one_late_close(services, picks)
        prices = SimulatedPrices(calendar, BENCHMARK, lambda symbol, day: symbol == late_ticker and day == late_day)
        yield replace(services, sources=(prices,), pick_source=picks)


def demo_settings(settings: Settings) -> Settings:
    """`settings` with everything replaced that would lead the demo to a real database or source."""
    return Settings.model_construct(
        data_dir=settings.data_dir, tick_every=settings.tick_every, price_source=(SIMULATED,), benchmark=BENCHMARK
    )


async def _one_late_close(services: Services, picks: DemoPicks) -> tuple[str, date]:
    """The ticker whose newest close is kept back, so that a day waits: the last pick of that session's week."""
    day = services.rules.last_due_session(services.calendar, services.clock.now())
    monday = monday_of(day)
    if _goes_wrong(monday) is not None:
        monday -= timedelta(days=7)
    return (await picks.picks(monday))[-1].ticker, day


def _goes_wrong(run_date: date) -> int | None:
    turn = run_date.toordinal() // 7 % _CYCLE
    return turn if turn in {_MISSED, _FAILED} else None


async def fill(services: Services) -> None:
    """Brings the demo forward to now: opens the weeks that are missing, writes their days, lets things go wrong."""
    picks = services.pick_source
    assert isinstance(picks, DemoPicks)  # `open_demo` made it
    now = services.clock.now()
    monday = monday_of(services.calendar.exchange_date(now))
    run_dates = [monday - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]
    if services.rules.opens_at(services.calendar, monday) > now:
        run_dates.pop()
    failing = [day for day in run_dates if _goes_wrong(day) == _FAILED and day + _FAILED_AFTER < monday]
    weeks = await picks.weeks([day for day in run_dates if _goes_wrong(day) != _MISSED])
    await backfill(services, {day: drafts for day, drafts in weeks.items() if day not in failing})
    for run_date in failing:
        await _fail_midway(services, run_date, weeks[run_date])
    await run_due_work(services)


async def _fail_midway(services: Services, run_date: date, drafts: Sequence[PickDraft]) -> None:
    as_of = datetime.combine(run_date + _FAILED_AFTER, time(17), tzinfo=services.calendar.zone)
    if (await backfill(services, {run_date: drafts}, as_of=as_of)).opened:
        await batches.fail(services, run_date, _FAILURE)
