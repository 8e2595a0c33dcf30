"""How the sources fared is kept by whoever asks them, without secrets, and seen by every screen."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.due_work import run_due_work
from core.job_history import Job
from core.picks.source import PicksUnavailableError
from core.prices.source import MalformedError, RateLimitedError, UnavailableError
from core.schedule_view import run_job, schedule_view
from core.services import Services
from core.settings import Settings
from core.source_health import HealthLog, SourceHealth, SourceKind, health_in
from db.database import Database
from db.records import SchedulerFact
from tests.core.scheduling import hurry, running
from tests.core.world import CALENDAR, RULES, PicksOfWeeks, World, all_closes
from tests.fakes import FixedClock, ScriptedPrices, exchange

HIDDEN = "abcdef0123456789"


@dataclass(slots=True)
class Metered(ScriptedPrices):
    """A source that counts down."""

    quota: Any = 25

    @property
    def quota_left(self) -> Any:
        if isinstance(self.quota, Exception):
            raise self.quota
        return self.quota


@dataclass(slots=True)
class NoPicks(PicksOfWeeks):
    """A pick source that is away."""

    async def picks(self, run_date: date) -> Any:
        raise PicksUnavailableError("the picks are away", "Wait.")


async def health(services: Services) -> dict[str, SourceHealth]:
    return {source.name: source for source in (await schedule_view(services)).sources}


async def test_a_source_fails_and_recovers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    async with world.services() as screen, running(world) as run:
        assert await health(screen) == {"scripted": SourceHealth(SourceKind.PICKS, "scripted")}, (
            "both have one name; nothing was asked yet"
        )
        await run.until(lambda state: state.last_work is not None)
        prices, picks = (await schedule_view(screen)).sources
        assert (prices.kind, prices.is_failing, prices.succeeded_at) == (SourceKind.PRICES, False, world.clock.instant)
        assert (picks.kind, picks.is_failing, picks.succeeded_at) == (SourceKind.PICKS, False, world.clock.instant)
        answered = world.clock.instant
        world.prices.failure = UnavailableError("the provider is away " + "x" * 400, "Wait.")
        world.clock.instant = failed = exchange("2020-01-07")
        await run.until(lambda state: bool(state.last_report and state.last_report.waiting))
        prices, _ = (await schedule_view(screen)).sources
        assert (prices.is_failing, prices.succeeded_at, prices.failed_at) == (True, answered, failed)
        assert prices.failure_code == "unavailable"
        assert prices.failure is not None
        assert prices.failure.startswith("the provider is away")
        assert len(prices.failure) == 300
        world.prices.failure = None
        world.clock.instant = recovered = failed + timedelta(hours=3)
        await run.until(lambda state: state.last_work == recovered)
        prices, _ = (await schedule_view(screen)).sources
        assert (prices.is_failing, prices.succeeded_at, prices.failed_at) == (False, recovered, failed)
        assert prices.failure_code == "unavailable", "what happened last stays to be read"


async def test_each_of_a_chain_has_its_own_and_keys_are_masked(world: World) -> None:
    failing = Metered(all_closes(), name="first", failure=RateLimitedError(f"no more for {HIDDEN}\0", "Wait."), quota=0)
    settings = Settings.model_validate({"provider_settings": {"FIRST_KEY": HIDDEN}})
    async with Database(world.conninfo) as database:
        chain = (failing, ScriptedPrices(all_closes(), name="second"))
        services = Services(settings, world.clock, CALENDAR, RULES, database, chain, NoPicks(set(), name="third"))
        await run_due_work(services)
        assert (await health(services))["third"].failure == "the picks are away"
        services = replace(services, pick_source=PicksOfWeeks({exchange("2020-01-06").date()}, name="third"))
        report = await run_job(services, Job.OPENING)
        assert report.opened == 1
        found = await health(services)
        assert list(found) == ["first", "second", "third"]
        assert (found["first"].failure_code, found["first"].quota_left) == ("rate_limited", 0)
        assert found["first"].failure == "no more for ***\N{REPLACEMENT CHARACTER}"
        assert (found["second"].is_failing, found["second"].quota_left) == (False, None)
        assert (found["third"].is_failing, found["third"].failure_code) == (False, "picks_unavailable")
        without = replace(services, sources=(), pick_source=None)
        assert await health(without) == found, "a session without sources sees what the others noted"


async def test_no_picks_yet_is_an_answer(world: World) -> None:
    world.picks.weeks.clear()
    async with world.services() as services:
        await run_due_work(services)
        picks = (await schedule_view(services)).sources[-1]
        assert (picks.is_failing, picks.succeeded_at, picks.failed_at) == (False, world.clock.instant, None)


@pytest.mark.parametrize("quota", ["25", True, 2.5, ValueError("a defect"), None])
def test_a_quota_that_is_none_is_unknown(quota: object) -> None:
    log = HealthLog(FixedClock(exchange("2020-01-06")), frozenset)
    log.succeeded(SourceKind.PRICES, Metered({}, quota=quota))
    assert log.pending()["source:prices:scripted"]["quota_left"] is None
    log.succeeded(SourceKind.PRICES, Metered({}, quota=7))
    assert log.pending()["source:prices:scripted"]["quota_left"] == 7


@given(st.lists(st.sampled_from(["succeed", "fail", "note"]), max_size=12))
def test_what_is_noted_is_what_happened_whenever_it_is_noted(acts: list[str]) -> None:
    """Notes merged key by key give the same as one who saw everything, and nothing is noted twice."""
    clock = FixedClock(exchange("2020-01-06"))
    log, source = HealthLog(clock, frozenset), ScriptedPrices({})
    stored: dict[str, Any] = {}
    succeeded = failed = None
    failing = False
    for act in [*acts, "note"]:
        clock.instant += timedelta(minutes=1)
        if act == "succeed":
            log.succeeded(SourceKind.PRICES, source)
            succeeded, failing = clock.instant, False
        elif act == "fail":
            log.raised(SourceKind.PRICES, source, MalformedError("nonsense", "Wait."))
            failed, failing = clock.instant, True
        else:
            news = log.pending()
            stored |= news.get("source:prices:scripted", {})
            log.noted(news)
            assert not log.pending()
    facts = {"source:prices:scripted": SchedulerFact("source:prices:scripted", stored, clock.instant)}
    [found] = health_in(facts, [source], None, clock.instant)
    assert (found.succeeded_at, found.failed_at, found.is_failing) == (succeeded, failed, failing)


def test_news_that_came_while_noting_are_kept() -> None:
    log, source = HealthLog(FixedClock(exchange("2020-01-06")), frozenset), ScriptedPrices({})
    log.succeeded(SourceKind.PRICES, source)
    noting = log.pending()
    log.raised(SourceKind.PRICES, source, MalformedError("nonsense", "Wait."))
    log.noted(noting)
    assert log.pending()["source:prices:scripted"]["is_failing"] is True
