"""A history in which much went wrong: a fallback, a symbol renamed, one stopped, one hard to believe, picks refused."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from core.clock import Clock
from core.due_work import run_due_work
from core.picks.source import Account, PickDraft, PicksGivenUpError
from core.prices.day_cache import DayCache
from core.prices.source import Close, PriceSource, RateLimitedError
from core.services import Access, Services, open_services
from core.settings import Settings
from core.symbol_changes import SymbolChangesFile
from core.trading_calendar import EXCHANGE_ZONE, TradingCalendar
from db.records import Action
from tests.fakes import FixedClock, ScriptedPrices, exchange
from tests.tui.history import settings_for
from tui.app import AlphaMondayApp
from tui.mode import Mode
from tui.session import Pauses

NOW = exchange("2022-06-16", "17:10")
RENAMED_WEEK, DOUBTFUL_WEEK, STOPPED_WEEK, REFUSED_WEEK = (
    date(2022, 5, 23), date(2022, 5, 30), date(2022, 6, 6), date(2022, 6, 13)
)  # fmt: skip
UNFLAGGED_SPLIT, LAST_OF_CERN, RENAMED_ON = date(2022, 6, 6), date(2022, 6, 7), date(2022, 5, 31)
HOSTILE_ANSWER = "\x1b]0;gotcha\x07 [bold]BUY[/bold] ‮EVIL"
_FIRST, _LAST = date(2022, 5, 16), date(2022, 6, 16)
_PRICES = {
    "SPY": "410.50", "FB": "191.63", "META": "191.63", "JPM": "128.27", "KO": "63.20", "AMZN": "2302.93",
    "MSFT": "273.24", "XOM": "96.30", "CERN": "94.70", "PEP": "167.30", "WMT": "125.20",
}  # fmt: skip
_PICKS = {
    RENAMED_WEEK: ("FB", "JPM", "KO"),
    DOUBTFUL_WEEK: ("AMZN", "MSFT", "XOM"),
    STOPPED_WEEK: ("CERN", "PEP", "WMT"),
}
_LIMIT = RateLimitedError("Tiingo allows 50 questions an hour, and they are spent.", "Wait.", timedelta(minutes=40))


class Picks:
    """A model that names the picks of three weeks and then answers nonsense."""

    name = "llm"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        if run_date == REFUSED_WEEK:
            raise PicksGivenUpError(
                "The model named no three picks in 3 attempts: SELL is no ticker.",
                "Open the week by hand.",
                Account("gpt-5.1", "e3b0c44298fc1c14", 3, (HOSTILE_ANSWER, "HOLD everything", "[]")),
            )
        actions = (Action.BUY, Action.SELL, Action.BUY)
        return [
            PickDraft(ticker, action, f"{ticker}: the model's reasons, for the week of {run_date}.")
            for ticker, action in zip(_PICKS[run_date], actions, strict=True)
        ]


def closes() -> dict[str, dict[date, Close]]:
    """Closes that wander a little, but for one split that nobody flags, and symbols that begin and end."""
    found: dict[str, dict[date, Close]] = {}
    for number, (symbol, price) in enumerate(_PRICES.items()):
        found[symbol] = {}
        for step, day in enumerate(TradingCalendar().sessions(_FIRST, _LAST)):
            share = Decimal(1) + Decimal((step * (number + 3)) % 11 - 5) / 400
            if symbol == "AMZN" and day >= UNFLAGGED_SPLIT:
                share /= 20
            found[symbol][day] = Close((Decimal(price) * share).quantize(Decimal("0.01")))
    found["CERN"] = {day: close for day, close in found["CERN"].items() if day <= LAST_OF_CERN}
    found["FB"] = {day: close for day, close in found["FB"].items() if day < RENAMED_ON}
    found["META"] = {day: close for day, close in found["META"].items() if day >= RENAMED_ON}
    return found


class Quota(ScriptedPrices):
    """Prices of a provider that says how many questions it still allows."""

    quota_left = 12


def sources(clock: Clock) -> tuple[Quota, ScriptedPrices, tuple[PriceSource, ...]]:
    """The first source, the second, and the chain of both as the product uses it."""
    first, second = Quota(closes(), "tiingo"), ScriptedPrices(closes(), "yahoo")
    calendar = TradingCalendar()
    return first, second, (DayCache(first, calendar, clock), DayCache(second, calendar, clock))


@asynccontextmanager
async def services_at(
    settings: Settings, clock: Clock, chain: tuple[PriceSource, ...], access: Access = Access.WRITE
) -> AsyncIterator[Services]:
    """Services with a chain and a pick source of this history."""
    async with open_services(settings, access, clock=clock, with_sources=False) as services:
        changes = SymbolChangesFile(settings.symbol_changes)
        yield dataclasses.replace(services, sources=chain, pick_source=Picks(), symbol_changes=changes)


@asynccontextmanager
async def opened_now(settings: Settings, clock: Clock) -> AsyncIterator[Services]:
    """Services for a screen, whose first source is still at its limit."""
    first, _, chain = sources(clock)
    first.failure = _LIMIT
    async with services_at(settings, clock, chain) as services:
        yield services


def troubled_settings(conninfo: str, directory: Path) -> Settings:
    """Settings of this history, with its file of renamed tickers."""
    file = directory / "symbol-changes.csv"
    file.write_text(f"ticker,successor,date\nFB,META,{RENAMED_ON}\n", encoding="utf-8")
    return settings_for(conninfo, symbol_changes=str(file))


async def fill(settings: Settings) -> None:
    """Writes the history, one evening after the other, through the core."""
    clock = FixedClock(exchange(str(RENAMED_WEEK), "09:05"))
    first, _, chain = sources(clock)
    async with services_at(settings, clock, chain) as services:
        day = RENAMED_WEEK
        while day <= _LAST:
            is_at_limit = date(2022, 6, 1) <= day <= date(2022, 6, 3) or day == _LAST
            first.failure = _LIMIT if is_at_limit else None
            for clock_time in ("09:05", "17:00"):
                clock.instant = exchange(str(day), clock_time)
                await run_due_work(services)
            day += timedelta(days=1)


def app_in_trouble(settings: Settings, mode: Mode = Mode.NO_SCHEDULER) -> AlphaMondayApp:
    """The app on this history, at its standing moment."""
    return AlphaMondayApp(
        settings,
        mode,
        opener=lambda clock: opened_now(settings, clock),
        clock=FixedClock(NOW),
        local_zone=EXCHANGE_ZONE,
        pauses=Pauses(retry_s=0.1, poll_s=0.2),
    )
