"""BRK.B, BRK-B and BRK/B are one share, from input to database; rows that spell it otherwise are found by each."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from uuid_utils.compat import uuid7

from core.accepting import accept, doubtful_moves
from core.batches import ConflictError, open_week
from core.due_work import run_due_work
from core.opening_preview import preview_opening
from core.picks.file import FilePicks, parse_picks
from core.picks.query import query_picks
from core.picks.source import PickDraft, PicksMalformedError
from core.prices.source import Close
from core.reading import batch_detail
from core.services import Services
from core.settings import Settings
from core.staging import StagingError, stage, staged
from core.symbol_changes import SymbolChangesFile
from core.week_list import WeekQuery, run_date_of, week_page
from db import events
from db.records import Action
from tests.core.world import FIRST, PICKS, SECOND, World, all_closes
from tests.fakes import ScriptedPrices, exchange

SPELLINGS = ("BRK.B", "BRK-B", "BRK/B", "brk.b", " brk-b ", "Brk/b\t")
TUESDAY = date(2020, 1, 7)


def with_class_share() -> dict[str, dict[date, Close]]:
    """A market in which AAA is called BRK.B."""
    closes = all_closes()
    closes["BRK.B"] = closes.pop("AAA")
    return closes


def drafts(ticker: str) -> tuple[PickDraft, ...]:
    return (replace(PICKS[0], ticker=ticker), *PICKS[1:])


@pytest.fixture
def world(conninfo: str) -> World:
    return World(conninfo, prices=ScriptedPrices(with_class_share()))


@pytest.fixture
async def services(world: World) -> AsyncIterator[Services]:
    async with world.services() as services:
        yield services


def store(world: World, *tickers: str, benchmark: str = "SPY") -> None:
    """An active batch as an earlier version stored it, opened at the closes of the Friday before."""
    friday = date(2020, 1, 3)
    market = world.prices.closes_by_symbol
    named = dict(zip(("SPY", "BRK.B", "BBB", "CCC"), (benchmark, *tickers), strict=True))
    batch = uuid7()
    price = {name: market[symbol if symbol in market else "BRK.B"][friday].price for symbol, name in named.items()}
    with psycopg.connect(world.conninfo) as connection:
        connection.execute(
            "insert into batches values (%s, %s, %s, %s, %s, 'active')",
            (batch, exchange(FIRST.isoformat(), "09:00"), FIRST, benchmark, price[benchmark]),
        )
        for ticker in tickers:
            connection.execute(
                "insert into picks values (%s, %s, %s, 'BUY', 'Because.', %s)", (uuid7(), batch, ticker, price[ticker])
            )
        payload = {
            "run_date": FIRST.isoformat(), "pick_source": "file", "source": "scripted", "basis": "price",
            "baseline_date": friday.isoformat(), "closes": {name: str(each) for name, each in price.items()},
        }  # fmt: skip
        connection.execute(
            "insert into events values (%s, now(), %s, 'batch_opened', %s)", (uuid7(), batch, json.dumps(payload))
        )


def returns(world: World) -> dict[str, Decimal]:
    """Tuesday's return of each pick in percent."""
    return dict(
        world.rows(
            "select ticker, round(absolute_return_pct, 6) from pick_checkpoint_metrics m"
            " join checkpoints c on c.id = m.checkpoint_id join picks p on p.id = m.pick_id"
            " where checkpoint_date = '2020-01-07'"
        )
    )


@pytest.mark.parametrize("ticker", SPELLINGS)
async def test_any_spelling_is_stored_as_one(world: World, services: Services, ticker: str) -> None:
    report = await open_week(services, FIRST, drafts(ticker), "file")
    assert report.opened == 1
    assert ("BRK.B",) in world.rows("select ticker from picks")
    assert frozenset({"BRK.B"}) == world.prices.questions[0][0] - {"SPY", "BBB", "CCC"}


@pytest.mark.parametrize("stored", ["BRK.B", "BRK-B", "BRK/B"])
@pytest.mark.parametrize("given", ["BRK.B", "brk-b", "BRK/B"])
async def test_the_same_week_in_another_spelling_is_there_already(
    world: World, services: Services, stored: str, given: str
) -> None:
    store(world, stored, "BBB", "CCC")
    assert (await open_week(services, FIRST, drafts(given), "file")).already_there == 1
    with pytest.raises(ConflictError):
        await open_week(services, FIRST, (replace(drafts(given)[0], reasoning="Another."), *PICKS[1:]), "file")


@pytest.mark.parametrize("stored", ["BRK.B", "BRK-B", "BRK/B"])
async def test_a_stored_batch_is_priced_whatever_it_calls_its_share(
    world: World, services: Services, stored: str
) -> None:
    store(world, stored, "BBB", "CCC")
    world.clock.instant = exchange("2020-01-07", "17:00")
    await run_due_work(services)
    series = world.prices.closes_by_symbol["BRK.B"]
    expected = round((series[TUESDAY].price / series[date(2020, 1, 3)].price - 1) * 100, 6)
    assert returns(world)[stored] == expected
    detail = await batch_detail(services, FIRST)
    assert detail is not None
    assert stored in detail.days[-1].traces, "screens look a price's origin up under the stored spelling"
    assert not world.rows("select 1 from events where event_type in ('symbol_renamed', 'baseline_revised')")


async def test_a_stored_benchmark_is_priced_whatever_it_is_called(world: World, services: Services) -> None:
    world.prices.closes_by_symbol = {**with_class_share(), "SPX.B": all_closes()["SPY"]}
    store(world, "BRK-B", "BBB", "CCC", benchmark="SPX-B")
    world.clock.instant = exchange("2020-01-07", "17:00")
    await run_due_work(services)
    assert len(returns(world)) == 3


async def test_a_week_that_holds_one_share_twice_is_still_priced(world: World, services: Services) -> None:
    world.prices.closes_by_symbol = {**with_class_share(), "BBB": with_class_share()["BRK.B"]}
    store(world, "BRK.B", "BRK-B", "CCC")
    world.clock.instant = exchange("2020-01-07", "17:00")
    await run_due_work(services)
    found = returns(world)
    assert found["BRK.B"] == found["BRK-B"]
    assert all(question[0] >= {"BRK.B"} and "BRK-B" not in question[0] for question in world.prices.questions)


@pytest.mark.parametrize("stored", ["BRK.B", "BRK-B", "BRK/B"])
async def test_a_rename_of_a_stored_share_is_found(
    world: World, services: Services, tmp_path: Path, stored: str
) -> None:
    closes = with_class_share()
    closes["NEW"] = closes["BRK.B"]
    closes["BRK.B"] = {day: close for day, close in closes["BRK.B"].items() if day < TUESDAY}
    world.prices.closes_by_symbol = closes
    store(world, stored, "BBB", "CCC")
    file = tmp_path / "changes.csv"
    file.write_text(f"ticker,successor,date\nbrk-b,NEW,{TUESDAY}\n", encoding="utf-8")
    world.clock.instant = exchange("2020-01-07", "17:00")
    await run_due_work(replace(services, symbol_changes=SymbolChangesFile(file)))
    assert stored in returns(world)
    [(payload,)] = world.rows("select payload from events where event_type = 'symbol_renamed'")
    assert (payload["symbol"], payload["successor"]) == (stored, "NEW")


async def test_a_name_that_comes_back_is_the_stored_one(world: World, services: Services, tmp_path: Path) -> None:
    closes = with_class_share()
    closes["NEW"] = {day: close for day, close in closes["BRK.B"].items() if day == TUESDAY}
    closes["BRK.B"] = {day: close for day, close in closes["BRK.B"].items() if day != TUESDAY}
    world.prices.closes_by_symbol = closes
    store(world, "BRK-B", "BBB", "CCC")
    file = tmp_path / "changes.csv"
    file.write_text(f"ticker,successor,date\nBRK/B,NEW,{TUESDAY}\nNEW,BRK.B,2020-01-08\n", encoding="utf-8")
    world.clock.instant = exchange("2020-01-08", "17:00")
    await run_due_work(replace(services, symbol_changes=SymbolChangesFile(file)))
    renamed = world.rows("select payload ->> 'successor' from events where event_type = 'symbol_renamed'")
    assert renamed == [("NEW",)], "on Wednesday it is quoted under its own name again"


async def test_a_held_price_is_approved_under_any_spelling(world: World, services: Services) -> None:
    closes = with_class_share()
    closes["BRK.B"] = {
        day: replace(close, price=Decimal("50.01")) if day >= TUESDAY else close
        for day, close in closes["BRK.B"].items()
    }
    world.prices.closes_by_symbol = closes
    store(world, "BRK-B", "BBB", "CCC")
    world.clock.instant = exchange("2020-01-07", "17:00")
    await run_due_work(services)
    [move] = await doubtful_moves(services, FIRST)
    assert await accept(services, FIRST, "an operator", moves=[replace(move, symbol="BRK.B")])
    await run_due_work(services)
    assert returns(world)["BRK-B"] < -40


@pytest.mark.parametrize("word", ["brk.b", "BRK-B", "Brk/b", "brk-", "BRK"])
@pytest.mark.parametrize("stored", ["BRK.B", "BRK-B"])
async def test_filters_find_every_spelling(world: World, services: Services, stored: str, word: str) -> None:
    store(world, stored, "BBB", "CCC")
    assert [run_date_of(row) for row in (await week_page(services, WeekQuery(word))).rows] == [FIRST]
    assert not (await week_page(services, WeekQuery(f"{word}x"))).rows
    async with services.database.connection() as connection:
        found = await events.page(connection, limit=10, text=word)
        assert [event.event_type for event in found] == ["batch_opened"]
        assert not await events.page(connection, limit=10, text=f"{word}x")


async def test_a_benchmark_is_found_by_every_spelling(world: World, services: Services) -> None:
    world.prices.closes_by_symbol = {**with_class_share(), "SPY": all_closes()["SPY"]}
    store(world, "AAA", "BBB", "CCC", benchmark="SPX-B")
    assert (await week_page(services, WeekQuery("spx.b"))).rows


@pytest.mark.parametrize("word", ["brk-b", "brk/b", "BRK."])
async def test_a_staged_week_is_found_by_every_spelling(world: World, tmp_path: Path, word: str) -> None:
    async with world.services() as plain:
        file = tmp_path / "picks.csv"
        services = replace(plain, settings=Settings(pick_source="file", picks_file=file))
        await stage(services, SECOND, drafts("brk-b"))
        assert "BRK.B" in file.read_text(encoding="utf-8")
        [week] = await staged(services)
        assert week.drafts[0].ticker == "BRK.B"
        assert [run_date_of(row) for row in (await week_page(services, WeekQuery(word))).rows] == [SECOND]
        with pytest.raises(StagingError, match=r"BRK\.B is picked twice"):
            await stage(services, SECOND, (*drafts("BRK/B")[:2], replace(PICKS[2], ticker="BRK-B")))


TWICE = [("BRK.B", "BRK-B"), ("BRK/B", "brk.b"), ("brk-b", " BRK/B")]


@pytest.mark.parametrize(("one", "other"), TWICE)
async def test_one_share_is_not_picked_twice(
    world: World, services: Services, tmp_path: Path, one: str, other: str
) -> None:
    twice = (replace(PICKS[0], ticker=one), replace(PICKS[1], ticker=other, action=Action.SELL), PICKS[2])
    with pytest.raises(PicksMalformedError, match=r"BRK\.B is picked twice \(as BRK"):
        await open_week(services, FIRST, twice, "file")
    with pytest.raises(PicksMalformedError, match=r"BRK\.B is picked twice"):
        await preview_opening(services, FIRST, twice, late=False)
    file = tmp_path / "picks.csv"
    rows = "".join(f"{FIRST},{draft.ticker},{draft.action},{draft.reasoning}\n" for draft in twice)
    file.write_text(f"run_date,ticker,action,reasoning\n{rows}", encoding="utf-8")
    with pytest.raises(PicksMalformedError, match=r"line 3: 'BRK\.B' is picked twice .* \(as BRK"):
        await FilePicks(file, "SPY").picks(FIRST)
    assert not world.rows("select 1 from batches")


@pytest.mark.parametrize(("benchmark", "ticker"), [("BRK.B", "BRK-B"), ("BRK-B", "brk/b"), ("BRK/B", "BRK.B")])
async def test_the_benchmark_is_not_picked_in_another_spelling(
    world: World, services: Services, benchmark: str, ticker: str
) -> None:
    services = replace(services, rules=replace(services.rules, benchmark=benchmark))
    with pytest.raises(PicksMalformedError, match=r"BRK\.B is the benchmark"):
        await open_week(services, FIRST, drafts(ticker), "file")
    assert not world.rows("select 1 from batches")


@pytest.mark.parametrize("benchmark", SPELLINGS)
def test_the_benchmark_of_the_settings_is_in_the_one_spelling(benchmark: str) -> None:
    assert Settings(benchmark=benchmark).benchmark == "BRK.B"


class PluggedIn:
    """A third party's pick source that picks one share twice."""

    name = "plugged_in"

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        return (*drafts("BRK.B")[:2], replace(PICKS[2], ticker="BRK-B"))


async def test_a_plug_in_does_not_pick_one_share_twice(world: World, services: Services) -> None:
    await query_picks(PluggedIn(), FIRST)  # it is refused by what checks every source's picks
    services = replace(services, pick_source=PluggedIn())
    report, _ = await run_due_work(services)
    assert report.opened == 0
    assert "BRK.B is picked twice" in report.unopened[FIRST].detail


def test_a_picks_file_is_read_in_the_one_spelling() -> None:
    text = f"run_date,ticker,action,reasoning\n{FIRST},brk/b,BUY,x\n{FIRST},BF-B,SELL,y\n{FIRST},AAA,BUY,z\n"
    assert [draft.ticker for draft in parse_picks(text, "picks.csv")[FIRST]] == ["BRK.B", "BF.B", "AAA"]
