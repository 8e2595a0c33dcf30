"""Closures that the calendar does not know: one rule for the baseline and for checkpoints, second response included."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backfill import backfill
from core.batches import NotPossibleError, open_week
from core.closures import CLOSURES_FACT
from core.due_work import run_due_work
from core.price_history import History
from core.prices.csv_file import CsvPrices
from core.prices.day_cache import DayCache
from core.prices.source import Answer, Basis, Close
from core.reading import batch_detail
from core.services import Services
from core.weeks import Week
from db import leadership
from db.records import baseline_date_in
from tests.core.world import CALENDAR, FIRST, PICKS, RULES, SECOND, SYMBOLS, World, all_closes
from tests.fakes import ScriptedPrices, exchange

CLOSED = date(2020, 1, 10)  # the Friday before SECOND
THURSDAY = date(2020, 1, 9)
MINUTES = timedelta(minutes=3)


def closed_on(*days: date) -> dict[str, dict[date, Close]]:
    return {
        symbol: {day: close for day, close in closes.items() if day not in days}
        for symbol, closes in all_closes().items()
    }


def world_at(conninfo: str, day: str, clock_time: str, *closed: date) -> World:
    world = World(conninfo, prices=ScriptedPrices(closed_on(*closed)))
    world.clock.instant = exchange(day, clock_time)
    return world


def baselines(world: World) -> list[tuple[object, ...]]:
    return world.rows(
        "select b.run_date::text, e.payload ->> 'baseline_date', b.benchmark_initial_price "
        "from batches b join events e on e.batch_id = b.id and e.event_type = 'batch_opened' order by 1"
    )


async def open_late(services: Services, run_date: date = SECOND) -> int:
    return (await open_week(services, run_date, PICKS, "file", late=True)).opened


async def test_a_week_whose_baseline_was_a_closure_is_opened_at_the_session_before(conninfo: str) -> None:
    """The second response is at least minutes after the first, and kept responses are not asked for it."""
    world = world_at(conninfo, "2020-01-13", "17:00", CLOSED)
    async with world.services() as services:
        services = replace(services, sources=(DayCache(world.prices, CALENDAR, world.clock),))
        for _ in range(2):
            with pytest.raises(NotPossibleError, match=f"no close on {CLOSED} .* some minutes later"):
                await open_late(services)
        world.clock.instant += MINUTES
        asked = len(world.prices.questions)
        assert await open_late(services) == 1
        assert len(world.prices.questions) == asked + 1
        assert baselines(world) == [(str(SECOND), str(THURSDAY), world.prices.closes_by_symbol["SPY"][THURSDAY].price)]
        detail = await batch_detail(services, SECOND)
        assert detail is not None
        assert detail.baseline_date == THURSDAY
        await run_due_work(services)
    [(returned, baseline)] = world.rows(
        "select benchmark_return_pct, payload ->> 'baseline_date' from checkpoints c join events e "
        "on e.batch_id = c.batch_id and event_type = 'checkpoint_computed'"
    )
    spy = world.prices.closes_by_symbol["SPY"]
    assert baseline == str(THURSDAY)
    assert returned == round((spy[SECOND].price / spy[THURSDAY].price - 1) * 100, 12)


async def test_a_closure_that_one_response_showed_and_another_does_not_is_none(conninfo: str) -> None:
    world = world_at(conninfo, "2020-01-13", "17:00", CLOSED)
    async with world.services() as services:
        with pytest.raises(NotPossibleError):
            await open_late(services)
        world.clock.instant += MINUTES
        world.prices.closes_by_symbol = all_closes()
        assert await open_late(services) == 1
    assert [baseline for _, baseline, _ in baselines(world)] == [str(CLOSED)]


async def test_nothing_is_proved_before_a_later_close(conninfo: str) -> None:
    """On Monday morning a source may be behind; the week is missed, and opened late with proof."""
    world = world_at(conninfo, "2020-01-13", "09:10", CLOSED)
    async with world.services() as services:
        for _ in range(3):
            report, _ = await run_due_work(services)
            assert "if the exchange was closed, its next close will show that" in report.unopened[SECOND].detail
            world.clock.instant += MINUTES
        with pytest.raises(NotPossibleError):
            await open_late(services)
    assert not world.rows(f"select from scheduler_state where name = '{CLOSURES_FACT}'")


async def test_a_checkpoint_of_the_closed_day_is_a_first_response(conninfo: str) -> None:
    world = World(conninfo, prices=ScriptedPrices(closed_on(CLOSED)))
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-13", "17:00")
        await run_due_work(services)
        world.clock.instant += MINUTES
        assert await open_late(services) == 1
        world.clock.instant += timedelta(hours=2)
        await run_due_work(services)
        assert world.rows(
            "select e.payload ->> 'reason' from checkpoints c join events e on e.batch_id = c.batch_id "
            "where checkpoint_date = '2020-01-10' and e.payload ->> 'checkpoint_date' = '2020-01-10'"
        ) == [("benchmark_has_no_close",)]
    assert [baseline for _, baseline, _ in baselines(world)] == [str(date(2020, 1, 3)), str(THURSDAY)]


async def test_a_stored_close_outweighs_responses_without_it(conninfo: str) -> None:
    """The day was computed once, so it was a session, whatever the source has lost since."""
    world = World(conninfo)
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-10", "17:00")
        await run_due_work(services)
        world.prices.closes_by_symbol = closed_on(CLOSED)
        world.clock.instant = exchange("2020-01-13", "17:00")
        for _ in range(3):
            with pytest.raises(NotPossibleError):
                await open_late(services)
            world.clock.instant += MINUTES


async def test_a_first_response_from_the_future_is_none(conninfo: str) -> None:
    world = world_at(conninfo, "2021-01-13", "17:00", CLOSED)
    async with world.services() as services:
        with pytest.raises(NotPossibleError):
            await open_late(services)
        world.clock.instant = exchange("2020-01-14", "17:00")
        with pytest.raises(NotPossibleError):
            await open_late(services)
        world.clock.instant += MINUTES
        assert await open_late(services) == 1


@pytest.mark.parametrize("noted", [{str(CLOSED): 7}, {str(CLOSED): "soon"}, {"x": None}])
async def test_a_note_of_another_form_confirms_nothing(conninfo: str, noted: dict[str, object]) -> None:
    world = world_at(conninfo, "2020-01-13", "17:00", CLOSED)
    async with world.services() as services:
        async with services.database.transaction() as connection:
            await leadership.note(connection, CLOSURES_FACT, noted)
        with pytest.raises(NotPossibleError):
            await open_late(services)


async def test_four_sessions_in_a_row(conninfo: str) -> None:
    """As in September 2001."""
    closed = (date(2020, 1, 7), date(2020, 1, 8), THURSDAY, CLOSED)
    world = world_at(conninfo, "2020-01-13", "17:00", *closed)
    async with world.services() as services:
        with pytest.raises(NotPossibleError):
            await open_late(services)
        world.clock.instant += MINUTES
        assert await open_late(services) == 1
    assert [baseline for _, baseline, _ in baselines(world)] == [str(FIRST)]


async def test_a_file_needs_no_second_response(conninfo: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    rows = [f"{day},{symbol},{close.price}" for symbol, of in closed_on(CLOSED).items() for day, close in of.items()]
    file.write_text("\n".join(["date,symbol,close", *rows, ""]), encoding="utf-8")
    world = world_at(conninfo, "2020-02-10", "17:00", CLOSED)
    async with world.services() as services:
        services = replace(services, sources=(CsvPrices(file),))
        report = await backfill(services, {FIRST: PICKS, SECOND: PICKS})
    assert (report.opened, report.waiting) == (2, 0)
    assert [baseline for _, baseline, _ in baselines(world)] == [str(date(2020, 1, 3)), str(THURSDAY)]


async def test_a_backfill_reports_the_week_and_opens_it_when_it_is_run_again(conninfo: str) -> None:
    world = world_at(conninfo, "2020-02-10", "17:00", CLOSED)
    async with world.services() as services:
        report = await backfill(services, {FIRST: PICKS, SECOND: PICKS})
        assert (report.opened, list(report.unopened)) == (1, [SECOND])
        world.clock.instant += MINUTES
        report = await backfill(services, {FIRST: PICKS, SECOND: PICKS})
        assert (report.opened, report.unopened) == (1, {})


days = st.sampled_from(list(CALENDAR.sessions(date(2020, 1, 2), date(2020, 1, 14))))


@given(st.dictionaries(st.sampled_from(SYMBOLS), st.frozensets(days)), st.frozensets(days))
def test_the_baseline_is_the_last_day_before_the_week_that_any_symbol_traded(
    traded: dict[str, frozenset[date]], open_days: frozenset[date]
) -> None:
    """Against the rule in words: closed is what no symbol traded, between two closes of the benchmark."""
    closes = {symbol: dict.fromkeys(of & open_days, Close(Decimal(1))) for symbol, of in traded.items()}
    history = History(Answer("scripted", Basis.PRICE, closes), date(2020, 1, 14))
    week = Week.to_open(SECOND, PICKS, "file", RULES, CALENDAR, exchange("2020-01-14"), with_days=False)
    all_traded: Sequence[date] = sorted(set().union(*closes.values())) if closes else []
    evidence = sorted(closes.get("SPY", {})) or all_traded
    expected = week.baseline_candidates[0]
    for day in week.baseline_candidates:
        expected = day
        if day in all_traded or not (evidence and evidence[0] < day < evidence[-1]):
            break
    else:
        expected = week.baseline_candidates[0]
    assert week._baseline_in(history)[0] == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2020-01-09", THURSDAY),
        ("2020-01-13", None),
        ("2020-01-14", None),
        ("2019-01-09", None),
        ("x", None),
        (None, None),
        (7, None),
    ],
)
def test_a_baseline_in_an_event_is_a_date_shortly_before_the_week(text: object, found: date | None) -> None:
    assert baseline_date_in(text, SECOND) == found
