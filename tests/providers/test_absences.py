"""Closes that do not come, or come late: no false skip, nothing invented, and each question asked as often as needed.

As in `test_scenarios`, everything is real but the provider and the time.
"""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from core.batches import NotPossibleError, open_week
from tests.fakes import exchange
from tests.providers import truth
from tests.providers.fortnight import BASELINE, OVER, PROVIDERS, RUN, SESSIONS, SYMBOLS, living, quiet_market, spell
from tests.providers.market import (
    ALWAYS,
    CALENDAR,
    Distortion,
    Spell,
    quotes_of,
    unknown,
    up_to,
    without,
)
from tests.providers.playing import (
    Failure,
    Fault,
    cut_off,
    half,
    silence,
    status,
)


@pytest.mark.parametrize("vanishes", [False, True], ids=["its closes end", "it is unknown afterwards"])
async def test_a_takeover_for_cash(conninfo: str, tmp_path: Path, vanishes: bool) -> None:
    market = quiet_market()
    last = SESSIONS[4]
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        fortnight.provider.distortions.append(Distortion(up_to(["BBB"], last)))
        if vanishes:
            gone = Spell(exchange(SESSIONS[5].isoformat(), "09:00"), ALWAYS.last)
            fortnight.provider.distortions.append(Distortion(unknown(["BBB"]), gone))
        await fortnight.until(SESSIONS[7], "17:29")
        assert not fortnight.reasons().keys() & set(SESSIONS)
        await fortnight.until(RUN + timedelta(days=16))
        fortnight.check(dict.fromkeys(SESSIONS[5:], "price_missing" if vanishes else "stopped_trading"))
        stopped = fortnight.told("symbol_stopped")
        assert stopped == ([] if vanishes else [{"symbol": "BBB", "last_session": str(last), "sources": ["tiingo"]}])
        for payload in fortnight.told("checkpoint_skipped"):
            if payload["reason"] != "market_closed":
                assert payload["symbols"] == ["BBB"]
                assert payload["sources"] == ["tiingo"]


@pytest.mark.parametrize(
    ("halted", "skipped"),
    [
        (SESSIONS[3:5], dict.fromkeys(SESSIONS[3:5], "price_missing")),
        (
            SESSIONS[1:5],
            {**dict.fromkeys(SESSIONS[1:4], "stopped_trading"), SESSIONS[4]: "price_missing"},
        ),
    ],
    ids=["two sessions", "four sessions"],
)
async def test_a_halt(conninfo: str, tmp_path: Path, halted: tuple[date, ...], skipped: dict[date, str]) -> None:
    async with living(conninfo, tmp_path) as fortnight:
        fortnight.provider.distortions.append(Distortion(without(["CCC"], halted)))
        await fortnight.until(OVER)
        fortnight.check(skipped)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_closure_that_the_calendar_did_not_know(conninfo: str, tmp_path: Path, name: str) -> None:
    async with living(conninfo, tmp_path, [name]) as fortnight:
        fortnight.provider.distortions.append(Distortion(without(SYMBOLS, SESSIONS[3:4])))
        await fortnight.until(SESSIONS[3])
        assert truth.waiting(conninfo) == {SESSIONS[3]: "source_behind"}
        await fortnight.until(OVER)
        fortnight.check({SESSIONS[3]: "benchmark_has_no_close"})
        [skipped] = [told for told in fortnight.told("checkpoint_skipped") if told["reason"] != "market_closed"]
        assert (skipped["symbols"], skipped["sources"]) == (list(SYMBOLS), [name])


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_closure_that_was_the_baseline(conninfo: str, tmp_path: Path, name: str) -> None:
    """The week cannot be opened by itself; with a later close and a second response it is opened at the day before."""
    market = {symbol: {d: q for d, q in series.items() if d != BASELINE} for symbol, series in quiet_market().items()}
    async with living(conninfo, tmp_path, [name], market) as fortnight:
        await fortnight.until(RUN)
        assert truth.statuses(conninfo) == {}
        services = fortnight.services
        picks = await services.require_pick_source().picks(RUN)
        with pytest.raises(NotPossibleError, match="some minutes later"):
            await open_week(services, RUN, picks, "file", late=True)
        fortnight.clock.instant += timedelta(minutes=3)
        assert (await open_week(services, RUN, picks, "file", late=True)).opened == 1
        await fortnight.until(OVER)
        fortnight.check()
        assert fortnight.told("batch_opened")[0]["baseline_date"] == str(CALENDAR.previous_session(BASELINE))


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_provider_that_is_three_days_behind(conninfo: str, tmp_path: Path, name: str) -> None:
    async with living(conninfo, tmp_path, [name]) as fortnight:
        behind = spell(SESSIONS[2], "00:00", SESSIONS[6], "23:00")
        for lag in range(2, 7):  # on each session what is told ends three sessions before
            known = SESSIONS[lag - 3] if lag >= 3 else BASELINE
            until = SESSIONS[lag + 1] if lag < 6 else OVER
            spelt = Spell(
                exchange(SESSIONS[lag].isoformat(), "16:00"), min(exchange(until.isoformat(), "16:00"), behind.last)
            )
            fortnight.provider.distortions.append(Distortion(up_to(SYMBOLS, known), spelt))
        await fortnight.until(SESSIONS[6], "22:00")
        assert set(truth.waiting(conninfo).values()) == {"source_behind"}
        assert not fortnight.reasons().keys() & set(SESSIONS)
        await fortnight.until(OVER)
        fortnight.check()


@pytest.mark.parametrize(
    ("name", "failure"),
    [("tiingo", half), ("alpaca", half), ("alpha_vantage", half), ("tiingo", cut_off)],
    ids=["tiingo", "alpaca", "alpha_vantage", "cut off"],
)
async def test_half_an_answer(conninfo: str, tmp_path: Path, name: str, failure: Failure) -> None:
    async with living(conninfo, tmp_path, [name]) as fortnight:
        spelt = spell(SESSIONS[3], "12:00", SESSIONS[6], "12:00")
        fortnight.provider.faults.append(Fault(failure, spelt))
        await fortnight.until(SESSIONS[5])
        assert set(truth.waiting(conninfo)) == set(SESSIONS[3:6])
        await fortnight.until(OVER)
        fortnight.check()


async def test_half_of_the_symbols(conninfo: str, tmp_path: Path) -> None:
    """Two questions fail for days while the others are answered."""
    async with living(conninfo, tmp_path) as fortnight:
        spelt = spell(SESSIONS[3], "12:00", SESSIONS[6], "12:00")
        fortnight.provider.faults += [Fault(status(500), spelt, "/AAA/"), Fault(half, spelt, "/CCC/")]
        await fortnight.until(OVER)
        fortnight.check()


@pytest.mark.parametrize(
    ("name", "symbols"),
    [("tiingo", SYMBOLS), ("tiingo", SYMBOLS[:2]), ("alpaca", SYMBOLS[2:]), ("alpha_vantage", SYMBOLS[2:])],
    ids=["of all", "of the benchmark and another", "of two at alpaca", "of two at alpha_vantage"],
)
async def test_rows_that_are_missing_at_the_end(
    conninfo: str, tmp_path: Path, symbols: tuple[str, ...], name: str
) -> None:
    async with living(conninfo, tmp_path, [name]) as fortnight:
        spelt = spell(SESSIONS[2], "00:00", SESSIONS[4], "16:29")
        fortnight.provider.distortions.append(Distortion(up_to(symbols, SESSIONS[1]), spelt))
        await fortnight.until(SESSIONS[4], "16:00")
        assert set(truth.waiting(conninfo)) == set(SESSIONS[2:4])
        await fortnight.until(OVER)
        fortnight.check()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_rows_that_are_missing_in_the_middle(conninfo: str, tmp_path: Path, name: str) -> None:
    """The provider lacks a close while it has later ones, and has it in the end."""
    async with living(conninfo, tmp_path, [name]) as fortnight:
        spelt = spell(SESSIONS[2], "00:00", SESSIONS[4], "16:29")
        fortnight.provider.distortions.append(Distortion(without(SYMBOLS[1:3], SESSIONS[2:3]), spelt))
        await fortnight.until(SESSIONS[4], "16:00")
        assert truth.waiting(conninfo) == {SESSIONS[2]: "close_missing"}
        await fortnight.until(OVER)
        fortnight.check()


async def test_a_close_that_comes_between_the_last_question_and_the_end_of_waiting(
    conninfo: str, tmp_path: Path
) -> None:
    """The day before Thanksgiving is given up two days later at 17:30, three hours after the half day was asked for."""
    run_date = date(2024, 11, 25)
    wednesday, friday = date(2024, 11, 27), date(2024, 11, 29)
    market = quotes_of(SYMBOLS, date(2024, 11, 4), date(2024, 12, 20))
    picks = [(run_date, ticker, "BUY") for ticker in SYMBOLS[1:]]
    async with living(conninfo, tmp_path, ["tiingo"], market, picks=picks, run_date=run_date) as fortnight:
        late = spell(wednesday, "00:00", friday, "15:30")
        fortnight.provider.distortions.append(Distortion(without(["AAA"], [wednesday]), late))
        await fortnight.until(date(2024, 12, 2))
        assert wednesday not in fortnight.reasons()
        initial = truth.initial_prices(conninfo, run_date)
        expected = truth.true_day(initial, market, date(2024, 11, 22), wednesday)
        assert truth.stored_days(conninfo, run_date)[wednesday] == expected


async def test_silence(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(conninfo, tmp_path) as fortnight:
        spelt = spell(SESSIONS[2], "17:00", SESSIONS[2], "18:30")
        fortnight.provider.faults.append(Fault(silence, spelt, "/BBB/"))
        await fortnight.until(SESSIONS[2], "17:00")
        provider = vars(fortnight.services.sources[0])["_source"]._provider
        monkeypatch.setattr(provider, "_patience", replace(provider._patience, read=0.05))
        await fortnight.until(OVER)
        fortnight.check()


async def test_a_close_that_is_late_costs_no_question_about_others(conninfo: str, tmp_path: Path) -> None:
    async with living(conninfo, tmp_path) as fortnight:
        late = spell(SESSIONS[2], "00:00", SESSIONS[2], "22:30")
        fortnight.provider.distortions.append(Distortion(up_to(["AAA"], SESSIONS[1]), late))
        await fortnight.until(SESSIONS[2], "23:59")
        asked = [request.path.split("/")[-2] for day, request in fortnight.provider.asked if day == SESSIONS[2]]
        assert {symbol: asked.count(symbol) for symbol in SYMBOLS if symbol != "AAA"} == {"SPY": 1, "BBB": 1, "CCC": 1}
        assert asked.count("AAA") > 3
        await fortnight.until(OVER)
        fortnight.check()


async def test_each_symbol_is_asked_for_once_whatever_the_batches(conninfo: str, tmp_path: Path) -> None:
    second = RUN + timedelta(days=7)
    market = quotes_of((*SYMBOLS, "DDD"), date(2024, 8, 26), date(2024, 10, 18))
    picks = [(RUN, ticker, "BUY") for ticker in ("AAA", "BBB", "CCC")]
    picks += [(second, ticker, "SELL") for ticker in ("AAA", "BBB", "DDD")]
    async with living(conninfo, tmp_path, ["tiingo"], market, picks=picks) as fortnight:
        await fortnight.until(second + timedelta(days=18))
        fortnight.check()
        assert truth.statuses(conninfo) == {RUN: "completed", second: "completed"}
        asked: dict[tuple[date, str], int] = {}
        for day, request in fortnight.provider.asked:
            key = day, request.path.split("/")[-2]
            asked[key] = asked.get(key, 0) + 1
    both = [day for day in SESSIONS if day > second]
    assert {asked[day, symbol] for day in both for symbol in (*SYMBOLS, "DDD")} == {1}
    most = {key: count for key, count in asked.items() if count > 1}
    assert {day for day, _ in most} <= {RUN, second}, "on an opening's Monday the baseline is asked for in the morning"
    assert max(most.values()) == 2


async def test_half_an_answer_after_an_outage_is_no_second_look(conninfo: str, tmp_path: Path) -> None:
    """The first answer after days without one lacks a close: what is written for ever waits for another."""
    async with living(conninfo, tmp_path) as fortnight:
        fortnight.provider.faults.append(Fault(status(503), spell(SESSIONS[1], "12:00", SESSIONS[6], "12:00")))
        lacking = spell(SESSIONS[6], "12:00", SESSIONS[6], "15:00")
        fortnight.provider.distortions.append(Distortion(without(["AAA"], SESSIONS[1:3]), lacking))
        await fortnight.until(SESSIONS[6], "11:59")
        assert set(truth.waiting(conninfo)) == set(SESSIONS[1:6])
        fortnight.clock.instant = exchange(SESSIONS[6].isoformat(), "14:30")  # later than any rest that began before
        await fortnight.look()
        assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[1:3], "close_missing")
        await fortnight.until(OVER)
        fortnight.check()
