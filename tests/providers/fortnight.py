"""A fortnight lived through: the product's own wiring, providers on loopback, and a clock that is stepped."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from pydantic import SecretStr

from core.due_work import due_work, run_due_work
from core.services import Access, Services, open_services
from core.settings import Settings
from core.trading_calendar import batch_days
from tests.fakes import FixedClock, exchange
from tests.providers import truth
from tests.providers.market import CALENDAR, Series, Spell, quotes_of
from tests.providers.playing import Played, alpaca, alpha_vantage, tiingo

RUN = date(2024, 9, 9)
BASELINE = date(2024, 9, 6)
SESSIONS = tuple(CALENDAR.sessions(RUN, RUN + timedelta(days=13)))
WEEKEND = tuple(day for day in batch_days(RUN) if day not in SESSIONS)
SYMBOLS = ("SPY", "AAA", "BBB", "CCC")
OVER = RUN + timedelta(days=18)
_LOOKS = (time(9, 5), time(12), time(17, 31), time(22))
_SPEAK = {"tiingo": tiingo, "alpaca": alpaca, "alpha_vantage": alpha_vantage}
PROVIDERS = tuple(_SPEAK)
KEY = "0f9e-key:4711-secret"


def spell(first: date, first_time: str, last: date, last_time: str) -> Spell:
    """From one exchange time to another."""
    return Spell(exchange(first.isoformat(), first_time), exchange(last.isoformat(), last_time))


def quiet_market() -> dict[str, Series]:
    """A market in which nothing out of the ordinary happens."""
    return quotes_of(SYMBOLS, date(2024, 8, 26), date(2024, 10, 18))


@dataclass(slots=True)
class Fortnight:
    """A database, the time, the providers by name, and the services that work on them."""

    conninfo: str
    clock: FixedClock
    providers: Mapping[str, Played]
    services: Services
    run_date: date = RUN

    @property
    def provider(self) -> Played:
        """The first of the chain."""
        return next(iter(self.providers.values()))

    async def until(self, day: date, clock_time: str = "23:00") -> None:
        """Looks whenever something is due or to be tried again, and a few times a day besides."""
        end = exchange(day.isoformat(), clock_time)
        while self.clock.instant <= end:
            await run_due_work(self.services)
            coming = (await due_work(self.services)).next_due.at
            self.clock.instant = min(coming, _next_look(self.clock.instant))
        self.clock.instant = end

    async def look(self) -> None:
        """Looks once more at the same time."""
        await run_due_work(self.services)

    def sources(self) -> dict[date, str]:
        """Which source served each computed day."""
        told = truth.events(self.conninfo, self.run_date, "checkpoint_computed")
        return {date.fromisoformat(payload["checkpoint_date"]): payload["source"] for payload in told}

    def reasons(self) -> dict[date, str]:
        """Why each skipped day was."""
        told = truth.events(self.conninfo, self.run_date, "checkpoint_skipped")
        return {date.fromisoformat(payload["checkpoint_date"]): payload["reason"] for payload in told}

    def told(self, event_type: str) -> list[dict[str, object]]:
        """The payloads of a type, without their stamp."""
        found = truth.events(self.conninfo, self.run_date, event_type)
        return [{key: value for key, value in payload.items() if key != "as_of"} for payload in found]

    def check(
        self,
        skipped: Mapping[date, str] | None = None,
        told: Mapping[date, Mapping[str, Series]] | None = None,
        opened: Mapping[str, Series] | None = None,
    ) -> None:
        """Holds every stored value against what was told: by `told` on some days, by the first provider on all others.

        `skipped` are sessions with the reason for which they must be; weekends are, and nothing else is.
        """
        served = self.provider.quotes
        initial = truth.initial_prices(self.conninfo, self.run_date)
        baseline = truth.baseline((opened or served)[SYMBOLS[0]], self.run_date)
        assert initial == {symbol: (opened or served)[symbol][baseline].close for symbol in initial}
        reasons = {**dict.fromkeys(WEEKEND, "market_closed"), **(skipped or {})}
        expected = {
            day: None if day in reasons else truth.true_day(initial, (told or {}).get(day, served), baseline, day)
            for day in batch_days(self.run_date)
        }
        stored = truth.stored_days(self.conninfo, self.run_date)
        for day, numbers in expected.items():
            assert stored.get(day, "unwritten") == numbers, (day, truth.waiting(self.conninfo))
        assert self.reasons() == reasons
        assert truth.statuses(self.conninfo)[self.run_date] == "completed"
        assert not truth.waiting(self.conninfo)


def _next_look(now: datetime) -> datetime:
    day = CALENDAR.exchange_date(now)
    looks = (CALENDAR.at(at, clock_time) for at in (day, day + timedelta(days=1)) for clock_time in _LOOKS)
    return next(look for look in looks if look > now)


@asynccontextmanager
async def living(
    conninfo: str,
    directory: Path,
    names: Sequence[str] = ("tiingo",),
    quotes: Mapping[str, Series] | None = None,
    *,
    picks: Iterable[tuple[date, str, str]] = (),
    changes: str = "",
    run_date: date = RUN,
) -> AsyncIterator[Fortnight]:
    """A fortnight that begins at eight on its Monday, with the chain `names` of providers that know `quotes`.

    `picks` are those of all weeks, as date, ticker and action; `changes` are rows of a file of renamed tickers.
    """
    market = dict(quotes or quiet_market())
    clock = FixedClock(exchange(run_date.isoformat(), "08:00"))
    chosen = list(picks) or [(run_date, ticker, action) for ticker, action in zip(SYMBOLS[1:], _ACTIONS, strict=True)]
    picks_file, changes_file = directory / "picks.csv", directory / "changes.csv"
    rows = "".join(f"{week},{ticker},{action},Because.\n" for week, ticker, action in chosen)
    picks_file.write_text(f"run_date,ticker,action,reasoning\n{rows}", encoding="utf-8")
    changes_file.write_text(f"ticker,successor,date\n{changes}", encoding="utf-8")
    providers = {name: Played(dict(market), clock, _SPEAK[name]) for name in names}
    provider_settings = {}
    with ExitStack() as servers:
        for name, played in providers.items():
            server = servers.enter_context(played.serving())
            for what, value in (("KEY", KEY), ("URL", server.url), ("LIMIT", "none")):
                provider_settings[f"{name.upper()}_{what}"] = SecretStr(value)
        settings = Settings.model_construct(
            database_url=SecretStr(conninfo),
            price_source=tuple(names),
            pick_source="file",
            picks_file=picks_file,
            symbol_changes=changes_file,
            provider_settings=provider_settings,
        )
        async with open_services(settings, Access.WRITE, clock=clock) as services:
            yield Fortnight(conninfo, clock, providers, services, run_date)


_ACTIONS = ("BUY", "SELL", "BUY")
