"""What doctor finds out about a price source: what it answers now, and how it fared for the schedulers."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import services
from core import source_findings as module
from core.plugins import MissingExtraError
from core.prices.source import Close, PriceSource, PriceSourceError, RateLimitedError, UnauthorisedError
from core.settings import Settings, SettingsError
from core.source_findings import price_source_findings, source_finding
from core.source_health import SourceHealth, SourceKind
from core.trading_calendar import TradingCalendar
from db.records import SchedulerFact
from tests.core.world import SYMBOLS, all_closes
from tests.fakes import ScriptedPrices, exchange

AT = exchange("2020-01-06", "09:05")
NEWEST = date(2020, 1, 3)
SETTINGS = Settings(price_source=("tiingo", "yahoo"))
HEALTHY = SourceHealth(SourceKind.PRICES, "tiingo", succeeded_at=AT, quota_left=41)
FAILING = SourceHealth(
    SourceKind.PRICES, "tiingo", is_failing=True, succeeded_at=AT, failed_at=AT + timedelta(hours=30),
    failure_code="rate_limited", failure="the hourly limit is reached", quota_left=0,
)  # fmt: skip


def source(name: str = "tiingo", failure: PriceSourceError | None = None) -> ScriptedPrices:
    last = datetime.now(UTC).date()
    recent = {day: all_closes()["SPY"][NEWEST] for day in TradingCalendar().sessions(last - timedelta(days=12), last)}
    return ScriptedPrices({symbol: dict[date, Close](recent) for symbol in SYMBOLS}, name, failure=failure)


def test_a_source_that_answers() -> None:
    found = source_finding("price source tiingo", source(), "SPY", NEWEST, HEALTHY)
    assert found.ok
    assert found.message == "it has SPY to 2020-01-03, basis price; questions left after the schedulers' last: 41"


def test_a_source_that_answers_now_and_failed_the_schedulers_says_since_when() -> None:
    found = source_finding("price source tiingo", source(), "SPY", NEWEST, FAILING)
    assert found.ok
    assert "questions left after the schedulers' last: 0" in found.message
    assert (
        "it fails the schedulers, since 2020-01-06 09:05 exchange time, last 2020-01-07 15:05 exchange time: "
        "the hourly limit is reached" in found.message
    )
    never = SourceHealth(SourceKind.PRICES, "tiingo", is_failing=True, failure_code="unavailable")
    message = source_finding("price source tiingo", source(), "SPY", NEWEST, never).message
    assert "they have never had an answer: unavailable" in message


def test_a_source_that_is_far_behind_is_a_problem() -> None:
    found = source_finding("price source tiingo", source(), "SPY", None, HEALTHY)
    assert (found.ok, found.message) == (False, "it has no close of SPY in the last ten days")


async def test_a_source_whose_closes_come_too_late_to_open_a_week_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = replace(source("slow"), settle_delay=timedelta(hours=65))
    made = {"slow": slow, "quick": source("quick")}
    monkeypatch.setattr(services, "make_price_source", lambda name, _: made[name])
    settings = Settings(price_source=("quick", "slow"), data_dir=tmp_path)
    with pytest.raises(SettingsError, match=r"price source slow needs 65 h .* ALPHA_MONDAY_OPEN_UNTIL"):
        services.price_chain(settings, TradingCalendar())
    quick, named = await price_source_findings(settings)
    assert (quick.ok, named.ok) == (True, False)
    assert "slow needs 65 h" in named.message
    later = settings.model_copy(update={"open_until": time(16)})
    assert services.price_chain(later, TradingCalendar()) == (made["quick"], slow)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> dict[str, PriceSource | Exception]:
    """What each name is made into, or why it cannot be; nothing was ever noted of them."""
    made: dict[str, PriceSource | Exception] = {"tiingo": source(), "yahoo": source("yahoo")}

    def price_chain(settings: Settings, _: TradingCalendar) -> tuple[PriceSource, ...]:
        found = [made[name] for name in settings.price_source]
        for each in found:
            if isinstance(each, Exception):
                raise each
        return tuple(each for each in found if not isinstance(each, Exception))

    async def no_facts(_: Settings) -> Mapping[str, SchedulerFact]:
        return {}

    monkeypatch.setattr(module, "price_chain", price_chain)
    monkeypatch.setattr(module, "_facts", no_facts)
    return made


async def found_of_chain() -> dict[str, Any]:
    return {finding.name: finding for finding in await price_source_findings(SETTINGS)}


async def test_a_failing_first_one_is_a_problem_and_a_working_second_one_is_none(
    chain: dict[str, PriceSource | Exception],
) -> None:
    chain["tiingo"] = source(failure=UnauthorisedError("Tiingo refuses the key.", "Correct it."))
    found = await found_of_chain()
    assert list(found) == ["price source tiingo", "price source yahoo"]
    first, second = found.values()
    assert (first.ok, first.message, first.remedy) == (False, "Tiingo refuses the key", "Correct it.")
    assert second.ok
    chain["tiingo"] = source(failure=RateLimitedError("50 an hour are spent.", "Wait."))
    assert not (await found_of_chain())["price source tiingo"].ok


async def test_a_missing_extra_is_named_with_what_installs_it(chain: dict[str, PriceSource | Exception]) -> None:
    chain["yahoo"] = MissingExtraError("price source yahoo needs curl_cffi", "Run: pip install -r yahoo.lock")
    found = await found_of_chain()
    assert found["price source tiingo"].ok
    assert not found["price source yahoo"].ok
    assert "yahoo.lock" in found["price source yahoo"].remedy


async def test_whatever_a_third_partys_source_raises_the_others_are_looked_at(
    chain: dict[str, PriceSource | Exception],
) -> None:
    chain["tiingo"] = KeyError("geheim" * 100)
    found = await found_of_chain()
    assert "KeyError" in found["price source tiingo"].message
    assert len(found["price source tiingo"].message) < 300
    assert found["price source yahoo"].ok
