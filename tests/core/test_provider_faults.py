"""What one provider's fault does to the schedule: it costs a wait, and neither a false row nor another week."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from core.accepting import accept, doubtful_moves
from core.batches import NotPossibleError, open_week
from core.due_work import due_work, run_due_work
from core.health import read_health
from core.picks.source import PickDraft, PicksGivenUpError
from core.prices.day_cache import DayCache
from core.prices.source import Answer, Close, RateLimitedError, UnavailableError
from core.services import Services
from core.symbol_changes import SymbolChangesFile
from tests.core.world import CALENDAR, FIRST, PICKS, SECOND, SYMBOLS, World, all_closes
from tests.databases import as_superuser
from tests.fakes import ScriptedPrices, exchange

Closes = Mapping[str, Mapping[date, Close]]
FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (date(2020, 1, day) for day in (3, 6, 7, 8))
TUESDAY_AFTER = date(2020, 1, 14)
SKIPS = "select payload->>'reason' from events where payload->>'reason' <> 'market_closed'"
WAITING = "select checkpoint_date, cause from waiting_days order by 1"


def behind_a_cache(world: World, services: Services) -> Services:
    """As the program asks providers, with nothing kept yet."""
    return replace(services, sources=(DayCache(world.prices, CALENDAR, world.clock),))


def without(symbols: Iterable[str], days: Iterable[date]) -> Closes:
    gone = set(days)
    return {
        symbol: {day: close for day, close in series.items() if symbol not in symbols or day not in gone}
        for symbol, series in all_closes().items()
    }


def with_close(symbol: str, day: date, price: Decimal) -> Closes:
    closes = all_closes()
    closes[symbol][day] = Close(price)
    return closes


async def test_a_number_that_is_no_price_keeps_its_week_waiting_and_the_tick_alive(world: World) -> None:
    async with world.services() as services:
        services = behind_a_cache(world, services)
        await run_due_work(services)
        world.prices.closes_by_symbol = with_close("CCC", MONDAY, Decimal(-1))
        world.clock.instant = exchange("2020-01-06")
        report, _ = await run_due_work(services)
    assert report.waiting == 1
    assert world.rows(WAITING) == [(MONDAY, "malformed")]


@pytest.mark.parametrize(
    ("price", "factor"),
    [
        ("0.4", "0.000000000001"),
        ("999999999999.999999999999", "999999999999.999999999999"),
        ("999999999999", "2"),
        ("100", "-1"),
    ],
)
async def test_a_value_that_cannot_be_stored_delays_the_weeks_of_its_symbol(
    world: World, price: str, factor: str
) -> None:
    closes = all_closes()
    closes["ZZZ"] = dict(closes["AAA"])
    world.prices = Trusted(closes)
    async with world.services() as services:
        await run_due_work(services)
        others = tuple(replace(draft, ticker=draft.ticker.replace("AAA", "ZZZ")) for draft in PICKS)
        world.clock.instant = exchange("2020-01-12")
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-13", "09:00")
        assert (await open_week(services, SECOND, others, "manual")).opened == 1
        closes["AAA"][TUESDAY_AFTER] = Close(Decimal(price), Decimal(factor))
        world.clock.instant = exchange("2020-01-14")
        report, _ = await run_due_work(services)
    assert report.computed >= 2
    assert world.rows("select distinct run_date::text from waiting_days join batches on batches.id = batch_id") == [
        (FIRST.isoformat(),)
    ]
    assert ("malformed",) in world.rows("select cause from waiting_days")
    assert world.rows(
        "select c.status from checkpoints c join batches b on b.id = batch_id "
        "where run_date = '2020-01-13' and checkpoint_date = '2020-01-14'"
    ) == [("computed",)]


@dataclass(slots=True)
class Trusted(ScriptedPrices):
    """Closes that the operator keeps."""

    is_taken_at_its_word: bool = True


@pytest.mark.parametrize(
    "row",
    [
        "",
        "insert into picks select gen_random_uuid(), id, '../aaa', 'BUY', 'x', 1 from hand_made",
        "insert into picks select gen_random_uuid(), id, repeat('A', 5000), 'BUY', 'x', 1 from hand_made",
        "insert into picks select gen_random_uuid(), id, 'AAA', 'BUY', 'x', 1e-40 from hand_made",
        "insert into picks select gen_random_uuid(), id, 'AAA', 'BUY', 'x', 1e400 from hand_made",
    ],
    ids=["no picks", "no ticker", "a long ticker", "a tiny price", "a huge price"],
)
async def test_a_batch_that_nobody_could_have_opened_delays_itself_alone(world: World, row: str) -> None:
    async with world.services() as services:
        await run_due_work(services)
        with psycopg.connect(as_superuser(world.conninfo)) as connection:
            connection.execute("create temporary view hand_made as select * from batches where run_date = '2019-12-30'")
            connection.execute(
                "insert into batches (id, run_date, benchmark_symbol, benchmark_initial_price, status) "
                "values (gen_random_uuid(), '2019-12-30', 'SPY', 100, 'active')"
            )
            connection.execute(row.encode())
        world.clock.instant = exchange("2020-01-07")
        report, _ = await run_due_work(services)
    assert report.computed == 2
    assert set(world.rows("select run_date::text, cause from waiting_days join batches on batches.id = batch_id")) == {
        ("2019-12-30", "batch_malformed")
    }


@pytest.mark.parametrize("run_date", ["0001-01-01", "1899-12-25", "2100-12-20", "2101-01-03", "9999-12-27"])
async def test_a_batch_outside_the_calendar_stops_nothing(world: World, run_date: str) -> None:
    async with world.services() as services:
        await run_due_work(services)
        with psycopg.connect(as_superuser(world.conninfo)) as connection:
            connection.execute(
                "insert into batches (id, run_date, benchmark_symbol, benchmark_initial_price, status) "
                "values (gen_random_uuid(), %s, 'SPY', 100, 'active')",
                [run_date],
            )
            if run_date < "2000":  # or each Monday since is one that was missed
                connection.execute(
                    "insert into events (id, event_type, payload) select gen_random_uuid(), 'batch_missed', "
                    "jsonb_build_object('run_date', day::date) from generate_series('1900-01-08', '2020-01-13', "
                    "interval '7 days') as day"
                )
        world.clock.instant = exchange("2020-01-07")
        report, _ = await run_due_work(services)
        await read_health(services, timedelta(days=1))
    assert report.computed == 2


async def test_half_an_answer_that_comes_twice_is_no_evidence(world: World) -> None:
    async with world.services() as services:
        services = behind_a_cache(world, services)
        await run_due_work(services)
        world.prices.closes_by_symbol = without(SYMBOLS, [date(2020, 1, 2), FRIDAY, MONDAY])
        for clock_time in ("17:00", "18:00", "23:00"):
            world.clock.instant = exchange("2020-01-07", clock_time)
            await run_due_work(services)
        assert world.rows(WAITING) == [(MONDAY, "baseline_missing"), (TUESDAY, "baseline_missing")]
        world.prices.closes_by_symbol = all_closes()
        world.clock.instant = exchange("2020-01-08", "12:00")
        await run_due_work(services)
    assert world.rows(WAITING) == []
    assert world.rows(SKIPS) == []


async def test_the_second_look_is_at_the_symbols_that_were_missing_at_the_first(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        world.prices.closes_by_symbol = without(["AAA"], [MONDAY, TUESDAY, WEDNESDAY])
        world.clock.instant = exchange("2020-01-10", "17:00")
        await run_due_work(behind_a_cache(world, services))
        world.prices.closes_by_symbol = without(["BBB"], CALENDAR.sessions(MONDAY, date(2020, 2, 14)))
        world.clock.instant = exchange("2020-01-10", "20:00")
        await run_due_work(behind_a_cache(world, services))
        assert world.rows(SKIPS) == []
        world.clock.instant = exchange("2020-01-10", "23:59")
        await run_due_work(behind_a_cache(world, services))
    assert set(world.rows(SKIPS)) == {("stopped_trading",)}


async def test_an_outage_leaves_what_waits_for_a_word_as_it_was(world: World) -> None:
    world.prices = ScriptedPrices(with_close("AAA", TUESDAY, Decimal(1)))
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-07", "17:00")
        await run_due_work(services)
        before = await doubtful_moves(services, FIRST)
        world.prices.failure = UnavailableError("down", "Wait.")
        world.clock.instant = exchange("2020-01-07", "23:00")
        await run_due_work(services)
        assert (TUESDAY, "unavailable") in world.rows(WAITING)
        assert await doubtful_moves(services, FIRST) == before
        assert await accept(services, FIRST, "an operator") == before


async def test_a_word_that_comes_while_a_source_is_asked_counts_at_once(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        prices = CrashingSlowly(with_close("AAA", TUESDAY, Decimal(1)))
        services = replace(services, sources=(prices,))
        world.clock.instant = exchange("2020-01-07", "17:00")
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-07", "23:00")
        prices.accepting = services
        await run_due_work(services)
        assert world.rows("select count(*) from events where event_type = 'move_accepted'") == [(1,)]
        assert not (await due_work(services)).is_idle, "nobody rests after the word"
        await run_due_work(services)
    assert world.rows(WAITING) == []


@dataclass(slots=True)
class CrashingSlowly(ScriptedPrices):
    """A provider that takes so long that an operator's word comes meanwhile."""

    accepting: Services | None = None

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        answer = await ScriptedPrices.closes(self, symbols, first, last)
        if self.accepting is not None:
            await accept(self.accepting, FIRST, "an operator")
            self.accepting = None
        return answer


async def test_a_wrong_close_holds_up_its_own_day_and_no_later_one(world: World) -> None:
    world.prices = ScriptedPrices(with_close("AAA", TUESDAY, Decimal(1300)))
    async with world.services() as services:
        await run_due_work(services)
        for day in ("2020-01-07", "2020-01-08", "2020-01-09"):
            world.clock.instant = exchange(day)
            await run_due_work(services)
    assert world.rows(WAITING) == [(TUESDAY, "doubtful_move")]


async def test_no_week_opens_by_itself_at_an_unlikely_baseline(world: World) -> None:
    world.prices = ScriptedPrices(with_close("AAA", FRIDAY, Decimal(1300)))
    async with world.services() as services:
        report, _ = await run_due_work(services)
        assert report.unopened[FIRST].cause == "doubtful_move"
        assert "AAA moved" in report.unopened[FIRST].detail
        sound = ScriptedPrices(all_closes(), name="second")
        world.clock.instant = exchange("2020-01-06", "09:05")
        report, _ = await run_due_work(replace(services, sources=(world.prices, sound)))
        assert report.opened == 1
    assert world.rows("select payload->>'source' from events where event_type = 'batch_opened'") == [("second",)]


@pytest.mark.parametrize("wrong", [Decimal("13.0"), Decimal(-1), None])
async def test_a_baseline_that_the_provider_corrects_opens_the_week(world: World, wrong: Decimal | None) -> None:
    world.prices = ScriptedPrices(without(["AAA"], [FRIDAY]) if wrong is None else with_close("AAA", FRIDAY, wrong))
    async with world.services() as services:
        services = behind_a_cache(world, services)
        report, _ = await run_due_work(services)
        assert report.opened == 0
        world.prices.closes_by_symbol = all_closes()
        world.clock.instant = exchange("2020-01-06", "09:06")
        report, _ = await run_due_work(services)
    assert report.opened == 1
    assert [symbols for symbols, _, _ in world.prices.questions] == [frozenset(SYMBOLS), frozenset(["AAA"])]


async def test_a_failure_after_a_doubtful_baseline_hides_no_cause(world: World) -> None:
    world.prices = ScriptedPrices(with_close("AAA", FRIDAY, Decimal(1300)))
    failing = ScriptedPrices({}, name="second", failure=RateLimitedError("slow", "Wait.", timedelta(minutes=9)))
    async with world.services() as services:
        report, _ = await run_due_work(replace(services, sources=(world.prices, failing)))
    delay = report.unopened[FIRST]
    assert (delay.cause, delay.retry_after) == ("doubtful_move", timedelta(minutes=9))
    assert "AAA moved" in delay.detail


async def test_an_operator_opens_at_whatever_baseline_there_is(world: World) -> None:
    world.prices = ScriptedPrices(with_close("AAA", FRIDAY, Decimal(1300)))
    async with world.services() as services:
        report = await open_week(services, FIRST, PICKS, "manual")
    assert report.opened == 1


async def test_a_late_opening_asks_again_for_what_was_missing(world: World) -> None:
    world.prices = ScriptedPrices(without(["AAA"], [FRIDAY]))
    async with world.services() as services:
        services = behind_a_cache(world, services)
        world.clock.instant = exchange("2020-01-08")
        with pytest.raises(NotPossibleError, match="no close on 2020-01-03 for AAA"):
            await open_week(services, FIRST, PICKS, "manual", late=True)
        world.prices.closes_by_symbol = all_closes()
        assert (await open_week(services, FIRST, PICKS, "manual", late=True)).opened == 1
    assert [symbols for symbols, _, _ in world.prices.questions] == [frozenset(SYMBOLS), frozenset(["AAA"])]


@dataclass(slots=True)
class GivingUp:
    """A pick source that had no valid answer, and counts how often it was asked."""

    name: str = "llm"
    asked: int = 0

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        self.asked += 1
        raise PicksGivenUpError("no valid picks", "Open it by hand.")


async def test_a_source_that_gave_up_is_asked_once_whatever_fails_afterwards(world: World) -> None:
    async with world.services() as services:
        await run_due_work(services)
        model = GivingUp()
        services = replace(services, pick_source=model, sources=())
        world.clock.instant = exchange("2020-01-13", "09:00")
        for _ in range(4):
            with pytest.raises(Exception, match="No price source"):
                await run_due_work(services)
            world.clock.instant += timedelta(minutes=5)
    assert model.asked == 1
    assert world.rows("select payload->>'outcome' from events where event_type = 'picks_answered'") == [("refused",)]


async def test_that_a_source_gave_up_binds_no_other(world: World) -> None:
    async with world.services() as services:
        await run_due_work(replace(services, pick_source=GivingUp()))
        world.clock.instant = exchange("2020-01-06", "09:10")
        report, _ = await run_due_work(services)
    assert report.opened == 1


async def test_renamed_tickers_that_cannot_be_read_keep_days_waiting_and_let_the_week_open(
    world: World, tmp_path: Path
) -> None:
    changes = tmp_path / "changes.csv"
    changes.write_text("ticker,successor,date\nAAA,BBB,yesterday\n")
    async with world.services() as services:
        services = replace(services, symbol_changes=SymbolChangesFile(changes))
        report, _ = await run_due_work(services)
        assert report.opened == 1
        world.clock.instant = exchange("2020-01-06")
        await run_due_work(services)
        [(day, cause)] = world.rows(WAITING)
        assert (day, cause) == (MONDAY, "unavailable")
        [(detail,)] = world.rows("select detail from waiting_days")
        assert "changes.csv, line 2" in detail
        changes.write_text("ticker,successor,date\n")
        world.clock.instant = exchange("2020-01-06", "20:00")
        await run_due_work(services)
    assert world.rows(WAITING) == []
