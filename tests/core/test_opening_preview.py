"""A preview says what opening would write, writes nothing, and refuses what opening would refuse."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.batches import ConflictError, NotPossibleError, open_week
from core.mixing import MixedPricesError
from core.opening_preview import preview_opening
from core.picks.source import PickDraft, PicksMalformedError
from core.prices.source import UnavailableError
from core.reading import batch_detail
from core.settings import SettingsError
from db.records import Action
from tests.core.world import COUNTS, FIRST, PICKS, SECOND, World
from tests.fakes import FixedClock, exchange

BEFORE, AFTER = exchange("2020-01-06", "08:59"), exchange("2020-01-06", "09:30")


async def test_the_preview_is_what_is_then_written(world: World) -> None:
    async with world.services() as services:
        preview = await preview_opening(services, FIRST, PICKS, late=False)
        assert world.rows(COUNTS) == []
        await open_week(services, FIRST, PICKS, "by hand")
        detail = await batch_detail(services, FIRST)
    assert detail is not None
    assert not preview.is_late
    assert (preview.run_date, preview.baseline_date) == (FIRST, detail.baseline_date)
    assert (preview.benchmark, preview.benchmark_price) == ("SPY", detail.batch.benchmark_initial_price)
    assert preview.prices == {pick.ticker: pick.initial_price for pick in detail.picks}
    assert (preview.source, preview.basis) == (detail.source, detail.basis)


async def test_tickers_are_taken_in_the_house_form(world: World) -> None:
    async with world.services() as services:
        lower = [replace(draft, ticker=draft.ticker.lower()) for draft in PICKS]
        assert set((await preview_opening(services, FIRST, lower, late=False)).prices) == {"AAA", "BBB", "CCC"}


async def test_a_late_opening_has_to_be_asked_for_and_says_so(world: World) -> None:
    world.clock = FixedClock(AFTER)
    async with world.services() as services:
        with pytest.raises(NotPossibleError, match="ended at 09:30"):
            await preview_opening(services, FIRST, PICKS, late=False)
        assert (await preview_opening(services, FIRST, PICKS, late=True)).is_late
        world.clock.instant = AFTER - timedelta(seconds=1)
        assert not (await preview_opening(services, FIRST, PICKS, late=True)).is_late


async def test_what_opening_would_refuse_the_preview_refuses(world: World) -> None:
    async with world.services() as services:
        await open_week(services, FIRST, PICKS, "by hand")
        others = (PickDraft("AAA", Action.SELL, "No."), *PICKS[1:])
        with pytest.raises(ConflictError):
            await preview_opening(services, FIRST, others, late=True)
        with pytest.raises(NotPossibleError, match="exists already with these picks"):
            await preview_opening(services, FIRST, PICKS, late=True)
        with pytest.raises(NotPossibleError, match="cannot be opened yet"):
            await preview_opening(services, SECOND, PICKS, late=True)
        with pytest.raises(NotPossibleError, match="is a Tuesday"):
            await preview_opening(services, FIRST + timedelta(days=1), PICKS, late=True)
        with pytest.raises(PicksMalformedError):
            await preview_opening(services, SECOND, PICKS[:2], late=True)
        world.clock.instant = exchange("2020-01-13", "09:00")
        with pytest.raises(SettingsError):
            await preview_opening(replace(services, sources=()), SECOND, PICKS, late=False)
        with pytest.raises(MixedPricesError):
            await preview_opening(
                replace(services, sources=(replace(world.prices, name="simulated"),)), SECOND, PICKS, late=False
            )


async def test_a_close_or_a_source_that_fails_is_told(world: World) -> None:
    async with world.services() as services:
        unknown = (PickDraft("ZZZ", Action.BUY, "Who?"), *PICKS[1:])
        with pytest.raises(NotPossibleError, match="no close on 2020-01-03 for ZZZ from scripted"):
            await preview_opening(services, FIRST, unknown, late=False)
        world.prices.failure = UnavailableError("It is down.", "Wait.")
        with pytest.raises(NotPossibleError, match="It is down"):
            await preview_opening(services, FIRST, PICKS, late=False)
    assert world.rows(COUNTS) == []
