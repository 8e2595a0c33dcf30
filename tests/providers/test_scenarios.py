"""What providers do to the closes of a batch in the course of its fortnight: no false value, and all of it told.

Each scenario goes through the real source over HTTP into the real database; what is stored is compared with what the
market's truth makes it.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.accepting import accept, doubtful_moves
from core.batches import NotPossibleError
from core.prices.day_cache import DayCache
from core.prices.source import Basis
from core.prices.tiingo import TiingoPrices
from tests.fakes import exchange
from tests.providers import truth
from tests.providers.fortnight import (
    BASELINE,
    KEY,
    OVER,
    PROVIDERS,
    RUN,
    SESSIONS,
    SYMBOLS,
    living,
    quiet_market,
    spell,
)
from tests.providers.market import (
    ALWAYS,
    Distortion,
    Quote,
    Spell,
    closing_at,
    falling_on,
    in_digits,
    split_on,
    unflagged,
    up_to,
)
from tests.providers.playing import (
    Failure,
    Fault,
    Played,
    adjusted,
    hang_up,
    instead,
    status,
    tiingo,
)

SEVEN = Decimal(7)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_an_ordinary_fortnight(conninfo: str, tmp_path: Path, name: str) -> None:
    async with living(conninfo, tmp_path, [name]) as fortnight:
        await fortnight.until(OVER)
        fortnight.check()
        assert set(fortnight.sources().values()) == {name}


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_split_that_is_flagged_in_time(conninfo: str, tmp_path: Path, name: str) -> None:
    market = quiet_market()
    market["AAA"] = split_on(market["AAA"], SESSIONS[3], SEVEN)
    async with living(conninfo, tmp_path, [name], market) as fortnight:
        await fortnight.until(OVER)
        if name == "alpaca":
            afterwards = adjusted(market)
            fortnight.check(told=dict.fromkeys(SESSIONS[3:], afterwards))
            [rebased] = fortnight.told("price_rebased")
            assert (rebased["symbol"], rebased["split"]) == ("AAA", "7:1")
        else:
            fortnight.check()
            assert not fortnight.told("price_rebased")
        assert not fortnight.told("baseline_revised")


async def test_a_reverse_split_of_the_benchmark_that_is_flagged_late(conninfo: str, tmp_path: Path) -> None:
    """The benchmark is treated like any pick, and splits that make shares fewer like those that make more."""
    market = quiet_market()
    market["SPY"] = split_on(market["SPY"], SESSIONS[6], Decimal("0.1"))
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        late = spell(SESSIONS[6], "00:00", SESSIONS[8], "09:00")
        fortnight.provider.distortions.append(Distortion(unflagged("SPY"), late))
        await fortnight.until(SESSIONS[7])
        assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[6:8], "doubtful_move")
        await fortnight.until(OVER)
        fortnight.check()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_split_that_is_flagged_a_day_late(conninfo: str, tmp_path: Path, name: str) -> None:
    market = quiet_market()
    market["AAA"] = split_on(market["AAA"], SESSIONS[3], SEVEN)
    async with living(conninfo, tmp_path, [name], market) as fortnight:
        late = spell(SESSIONS[3], "00:00", SESSIONS[4], "12:00")
        fortnight.provider.distortions.append(Distortion(unflagged("AAA"), late))
        await fortnight.until(SESSIONS[3])
        assert truth.waiting(conninfo) == {SESSIONS[3]: "doubtful_move"}
        [waiting] = await doubtful_moves(fortnight.services, RUN)
        assert (waiting.symbol, waiting.session) == ("AAA", SESSIONS[3])
        await fortnight.until(SESSIONS[4], "11:59")
        assert truth.waiting(conninfo) == {SESSIONS[3]: "doubtful_move"}
        await fortnight.until(SESSIONS[4], "14:00")
        assert not truth.waiting(conninfo), "it is computed before the next day falls due"
        assert truth.stored_days(conninfo, RUN)[SESSIONS[3]] is not None
        await fortnight.until(OVER)
        fortnight.check(told=dict.fromkeys(SESSIONS[3:], adjusted(market)) if name == "alpaca" else None)


async def test_a_split_that_another_source_knows_in_time(conninfo: str, tmp_path: Path) -> None:
    market = quiet_market()
    market["AAA"] = split_on(market["AAA"], SESSIONS[3], SEVEN)
    async with living(conninfo, tmp_path, ["tiingo", "alpaca"], market) as fortnight:
        late = spell(SESSIONS[3], "00:00", SESSIONS[4], "12:00")
        fortnight.provider.distortions.append(Distortion(unflagged("AAA"), late))
        await fortnight.until(OVER)
        assert [day for day, source in fortnight.sources().items() if source == "alpaca"] == [SESSIONS[3]]
        fortnight.check(told={SESSIONS[3]: adjusted(market)})


async def test_the_split_of_apple_flagged_a_day_late(conninfo: str, tmp_path: Path) -> None:
    """Real closes; the rows that they must give are of the other party that gathered them."""
    folder = Path(__file__).parents[3] / "shared" / "prices" / "raw_2014"
    if not folder.is_dir():
        pytest.skip(f"no real prices in {folder}")
    run_date, split = date(2014, 6, 2), date(2014, 6, 9)
    market: dict[str, dict[date, Quote]] = {}
    for day, symbol, close, factor in _table(folder / "prices.csv"):
        market.setdefault(symbol, {})[date.fromisoformat(day)] = Quote(Decimal(close), Decimal(factor))
    picks = [(run_date, row[1], row[2]) for row in _table(folder / "picks.csv") if row[0] == run_date.isoformat()]
    async with living(conninfo, tmp_path, ["tiingo"], market, picks=picks, run_date=run_date) as fortnight:
        late = spell(split, "00:00", split + timedelta(days=1), "09:00")
        fortnight.provider.distortions.append(Distortion(unflagged("AAPL"), late))
        await fortnight.until(split)
        assert truth.waiting(conninfo) == {split: "doubtful_move"}
        await fortnight.until(run_date + timedelta(days=15))
    stored = truth.stored_days(conninfo, run_date)
    expected = [row for row in _table(folder / "expected_metrics.csv") if row[0] == run_date.isoformat()]
    assert len(expected) == 30
    for _, day, ticker, *numbers in expected:
        found = stored[date.fromisoformat(day)]
        assert found is not None
        assert found.picks[ticker] == tuple(map(Decimal, numbers))
    assert len(stored) == 14


def _table(file: Path) -> list[list[str]]:
    return [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()[1:]]


async def test_a_crash_waits_for_a_word_and_is_computed_with_it(conninfo: str, tmp_path: Path) -> None:
    market = quiet_market()
    market["BBB"] = falling_on(market["BBB"], SESSIONS[2], Decimal("0.45"))
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        await fortnight.until(SESSIONS[4])
        assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[2:5], "doubtful_move")
        [waiting] = await doubtful_moves(fortnight.services, RUN)
        with pytest.raises(NotPossibleError):
            await accept(fortnight.services, RUN, "an operator", moves=[replace(waiting, symbol="AAA")])
        [accepted] = await accept(fortnight.services, RUN, "an operator", moves=[waiting])
        assert (accepted.symbol, accepted.session) == ("BBB", SESSIONS[2])
        await fortnight.look()
        assert not truth.waiting(conninfo)
        await fortnight.until(OVER)
        fortnight.check()
        [told] = fortnight.told("move_accepted")
        assert (told["who"], told["close"]) == ("an operator", str(market["BBB"][SESSIONS[2]].close))


async def test_a_word_on_one_move_lets_no_other_through(conninfo: str, tmp_path: Path) -> None:
    """The close that was accepted was an error: the true one is a move of another size."""
    market = quiet_market()
    market["BBB"] = falling_on(market["BBB"], SESSIONS[2], Decimal("0.45"))
    wrong = (market["BBB"][SESSIONS[2]].close * Decimal("0.9")).quantize(Decimal("0.01"))
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        until_noon = spell(SESSIONS[2], "00:00", SESSIONS[3], "12:00")
        fortnight.provider.distortions.append(Distortion(closing_at("BBB", SESSIONS[2], wrong), until_noon))
        await fortnight.until(SESSIONS[3], "11:00")
        fortnight.clock.instant = exchange(SESSIONS[3].isoformat(), "12:00")
        await accept(fortnight.services, RUN, "an operator")
        await fortnight.until(SESSIONS[3])
        assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[2:4], "doubtful_move")
        await accept(fortnight.services, RUN, "an operator")
        await fortnight.until(OVER)
        fortnight.check()
        assert len(fortnight.told("move_accepted")) == 2


async def test_a_close_out_of_all_bounds_is_corrected(conninfo: str, tmp_path: Path) -> None:
    """A digit too many: the day waits, and those after it are computed, for it is in none of their returns."""
    market = quiet_market()
    wrong = market["CCC"][SESSIONS[5]].close * 10
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        spelt = spell(SESSIONS[5], "00:00", SESSIONS[7], "10:00")
        fortnight.provider.distortions.append(Distortion(closing_at("CCC", SESSIONS[5], wrong), spelt))
        await fortnight.until(SESSIONS[5])
        assert truth.waiting(conninfo) == {SESSIONS[5]: "doubtful_move"}
        await fortnight.until(SESSIONS[6])
        assert truth.waiting(conninfo) == {SESSIONS[5]: "doubtful_move"}
        await fortnight.until(OVER)
        fortnight.check()


async def test_a_baseline_that_is_revised(conninfo: str, tmp_path: Path) -> None:
    market = quiet_market()
    before = market["BBB"][BASELINE].close
    revised = (before * Decimal("1.013")).quantize(Decimal("0.01"))
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        after = Spell(exchange(SESSIONS[2].isoformat(), "12:00"), ALWAYS.last)
        fortnight.provider.distortions.append(Distortion(closing_at("BBB", BASELINE, revised), after))
        await fortnight.until(OVER)
        told = {**market, "BBB": {**market["BBB"], BASELINE: Quote(revised)}}
        fortnight.check(told=dict.fromkeys(SESSIONS[2:], told))
        [event] = fortnight.told("baseline_revised")
        assert event == {
            "symbol": "BBB", "stored": str(before), "answered": str(revised), "split": None, "source": "tiingo"
        }  # fmt: skip
        assert not fortnight.told("price_rebased")


async def test_a_baseline_that_comes_with_more_digits_is_the_same(conninfo: str, tmp_path: Path) -> None:
    market = quiet_market()
    nearly = market["BBB"][BASELINE].close + Decimal("0.0049")
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        after = Spell(exchange(SESSIONS[2].isoformat(), "12:00"), ALWAYS.last)
        fortnight.provider.distortions.append(Distortion(closing_at("BBB", BASELINE, nearly), after))
        await fortnight.until(OVER)
        fortnight.check()
        assert not fortnight.told("baseline_revised")


async def test_a_close_that_is_revised_after_it_was_written(conninfo: str, tmp_path: Path) -> None:
    market = quiet_market()
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        after = Spell(exchange(SESSIONS[3].isoformat(), "09:00"), ALWAYS.last)
        fortnight.provider.distortions.append(Distortion(closing_at("AAA", SESSIONS[2], Decimal("99.99")), after))
        await fortnight.until(OVER)
        fortnight.check()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_an_ex_dividend_day_is_a_fall(conninfo: str, tmp_path: Path, name: str) -> None:
    """What is measured is price return: the benchmark's dividend lowers its return, and no adjusted close is taken."""
    market = quiet_market()
    market["SPY"] = falling_on(market["SPY"], SESSIONS[6], Decimal("0.02"), Decimal("1.80"))
    async with living(conninfo, tmp_path, [name], market) as fortnight:
        await fortnight.until(OVER)
        fortnight.check()
        assert not fortnight.told("baseline_revised")


@pytest.mark.parametrize(
    ("failure", "second"),
    [
        (status(503), "alpaca"),
        (status(401), "alpha_vantage"),
        (hang_up, "alpha_vantage"),
        (instead(b"<html>"), "alpaca"),
    ],
    ids=["out of order", "key refused", "hung up", "a page"],
)
async def test_the_first_source_dies_in_mid_batch(conninfo: str, tmp_path: Path, failure: Failure, second: str) -> None:
    market = quiet_market()
    market["CCC"] = split_on(market["CCC"], SESSIONS[5], Decimal(2))
    market["AAA"] = {day: replace(quote, close=quote.close + Decimal("0.0012")) for day, quote in market["AAA"].items()}
    async with living(conninfo, tmp_path, ["tiingo", second], market) as fortnight:
        dead = Spell(exchange(SESSIONS[3].isoformat(), "12:00"), ALWAYS.last)
        fortnight.provider.faults.append(Fault(failure, dead))
        other = fortnight.providers[second]
        other.distortions.append(Distortion(in_digits(2)))
        await fortnight.until(OVER)
        served = {
            symbol: {day: replace(quote, close=quote.close.quantize(Decimal("0.01"))) for day, quote in series.items()}
            for symbol, series in market.items()
        }
        split_known = adjusted(served) if second == "alpaca" else served
        fortnight.check(told={**dict.fromkeys(SESSIONS[3:5], served), **dict.fromkeys(SESSIONS[5:], split_known)})
        assert fortnight.sources() == {day: "tiingo" if day < SESSIONS[3] else second for day in SESSIONS}


class TotalReturn(TiingoPrices):
    """Another source, which says that dividends are inside its closes."""

    name = "total"
    basis = Basis.TOTAL


@pytest.mark.parametrize("is_dead", [True, False], ids=["dead", "behind"])
async def test_a_source_with_dividends_inside_never_serves_a_batch_without(
    conninfo: str, tmp_path: Path, is_dead: bool
) -> None:
    market = quiet_market()
    async with living(conninfo, tmp_path, ["tiingo"], market) as fortnight:
        spelt = spell(SESSIONS[3], "12:00", SESSIONS[6], "09:00")
        if is_dead:
            fortnight.provider.faults.append(Fault(status(500), spelt))
        else:
            fortnight.provider.distortions.append(Distortion(up_to(SYMBOLS, SESSIONS[2]), spelt))
        wrong = {
            symbol: {day: replace(quote, close=quote.close * 2) for day, quote in series.items()}
            for symbol, series in market.items()
        }
        other = Played(wrong, fortnight.clock, tiingo)
        with other.serving() as server:
            services = fortnight.services
            total = DayCache(TotalReturn(KEY, server.url, limit="none"), services.calendar, services.clock)
            fortnight.services = replace(services, sources=(*services.sources, total))
            await fortnight.until(SESSIONS[5])
            cause = "unavailable" if is_dead else "source_behind"
            assert truth.waiting(conninfo) == dict.fromkeys(SESSIONS[3:6], cause)
            assert other.asked, "the second source was asked, and its answer was left"
            await fortnight.until(OVER)
        fortnight.check()
