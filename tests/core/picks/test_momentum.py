import csv
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import prod
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.picks.momentum import CLOSES_NEEDED, MomentumPicks, rank
from core.picks.source import PicksMalformedError, PickSource, PicksUnavailableError
from core.price_history import History
from core.prices.csv_file import CsvPrices
from core.prices.day_cache import DayCache
from core.prices.fallback import FirstAnswer
from core.prices.source import (
    Answer,
    Basis,
    Close,
    PriceSource,
    PriceSourceError,
    RateLimitedError,
    UnauthorisedError,
)
from core.trading_calendar import TradingCalendar
from db.records import Action
from tests.fakes import FixedClock, exchange

REAL_PRICES = Path(__file__).resolve().parents[4] / "shared" / "prices" / "adjusted_2010_2018" / "prices.csv"
CALENDAR = TradingCalendar()
MONDAY = date(2024, 1, 8)
SESSIONS = list(CALENDAR.sessions(date(2022, 1, 1), date(2024, 1, 5)))
WINDOW = SESSIONS[-CLOSES_NEEDED:]
OLD_DAY, NEW_DAY = WINDOW[0], WINDOW[-22]
BEFORE = SESSIONS[-CLOSES_NEEDED - 1]


class KnownPrices:
    """A price source that gives the closes it was made with, and remembers what it was asked."""

    name = "known"
    basis = Basis.PRICE
    settle_delay = timedelta(0)

    def __init__(self, closes: Mapping[str, Mapping[date, Close]]) -> None:
        self.held = closes
        self.asked: list[tuple[list[str], date, date]] = []

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        wanted = list(symbols)
        self.asked.append((wanted, first, last))
        closes = {
            symbol: {day: close for day, close in self.held[symbol].items() if first <= day <= last}
            for symbol in wanted
            if symbol in self.held
        }
        return Answer(self.name, self.basis, closes, frozenset(wanted) - closes.keys())


def series(old: str, new: str, splits: Mapping[date, str] | None = None) -> dict[date, Close]:
    """Closes on every session: from `old` 252 sessions before the baseline to `new` at 21 before, noise elsewhere.

    Both are as the source sends them; in between, the closes change by the same amount each session, splits aside.
    """
    factors = {day: Decimal(factor) for day, factor in (splits or {}).items()}
    closes = {day: Close(Decimal("55.55"), factors.get(day, Decimal(1))) for day in SESSIONS}
    between = [day for day in WINDOW if OLD_DAY <= day <= NEW_DAY]
    product = prod(factors.get(day, Decimal(1)) for day in between[1:])
    step, basis = (Decimal(new) * product - Decimal(old)) / (len(between) - 1), Decimal(1)
    for number, day in enumerate(between):
        basis *= factors.get(day, Decimal(1)) if number else Decimal(1)
        price = ((Decimal(old) + step * number) / basis).quantize(Decimal("1e-12"))
        closes[day] = Close(price, factors.get(day, Decimal(1)))
    closes[BEFORE] = Close(Decimal(old), closes[BEFORE].split_factor)
    closes[OLD_DAY] = Close(Decimal(old), closes[OLD_DAY].split_factor)
    closes[NEW_DAY] = Close(Decimal(new), closes[NEW_DAY].split_factor)
    return closes


def history(closes: Mapping[str, Mapping[date, Close]], *, is_operators_own: bool = False) -> History:
    return History(Answer("known", Basis.PRICE, closes), SESSIONS[-1], is_taken_at_its_word=is_operators_own)


def source(directory: Path, universe: str, prices: PriceSource) -> MomentumPicks:
    path = directory / "universe.csv"
    path.write_text(universe)
    return MomentumPicks(path, prices, CALENDAR, "SPY")


FOUR = {
    "AAPL": series("100", "150"),
    "GM": series("100", "90"),
    "SPY": series("100", "900"),
    "T": series("30", "31"),
    "ZEN": series("10.00", "20.00"),
}
UNIVERSE = "ticker\nZEN\nSPY\nGM\nT\nAAPL\n"


async def test_the_two_strongest_are_bought_and_the_weakest_sold(tmp_path: Path) -> None:
    prices = KnownPrices(FOUR)
    momentum: PickSource = source(tmp_path, UNIVERSE, prices)
    drafts = await momentum.picks(MONDAY)
    assert [(draft.ticker, draft.action) for draft in drafts] == [
        ("ZEN", Action.BUY),
        ("AAPL", Action.BUY),
        ("GM", Action.SELL),
    ]
    assert drafts[0].reasoning == (
        "Momentum +100.00 %, rank 1 of 4: close 10.00 on 2023-01-04, 20.00 on 2023-12-05. None excluded."
        " The universe has no dates, so it is survivorship-biased."
    )
    assert drafts[2].reasoning.startswith("Momentum -10.00 %, rank 4 of 4: close 100 on 2023-01-04, 90 on ")


async def test_nothing_after_the_baseline_is_asked_for(tmp_path: Path) -> None:
    prices = KnownPrices(FOUR)
    await source(tmp_path, UNIVERSE, prices).picks(MONDAY)
    [(symbols, first, last)] = prices.asked
    assert symbols == ["AAPL", "GM", "SPY", "T", "ZEN"]
    assert first < OLD_DAY == date(2023, 1, 4)
    assert last == date(2024, 1, 5)
    assert CALENDAR.previous_session(MONDAY) == WINDOW[-1] == date(2024, 1, 5)


async def test_a_split_between_the_closes_is_no_loss(tmp_path: Path) -> None:
    inside = WINDOW[100]
    closes = FOUR | {
        "AAPL": series("700", "150", {inside: "7"}),
        "GM": series("1", "20", {inside: "0.05"}),
    }
    drafts = await source(tmp_path, UNIVERSE, KnownPrices(closes)).picks(MONDAY)
    assert [draft.ticker for draft in drafts] == ["ZEN", "AAPL", "GM"]
    assert "Momentum +50.00 %" in drafts[1].reasoning
    assert ", 7 shares for 1 in between." in drafts[1].reasoning
    assert "Momentum +0.00 %" in drafts[2].reasoning
    assert ", 0.05 shares for 1 in between." in drafts[2].reasoning


@pytest.mark.parametrize(("day", "counts"), [(OLD_DAY, False), (NEW_DAY, True), (WINDOW[-21], False)])
def test_a_split_counts_from_the_day_after_the_older_close_to_that_of_the_newer(day: date, counts: bool) -> None:
    ranking, _ = rank(frozenset({"X"}), history({"X": series("10", "10", {day: "2"})}), WINDOW)
    assert ranking[0].growth == (2 if counts else 1)


def test_a_split_on_a_day_that_is_no_session_counts() -> None:
    closes = series("10", "10")
    closes[date(2023, 7, 4)] = Close(Decimal(5), Decimal(2))
    ranking, _ = rank(frozenset({"X"}), history({"X": closes}, is_operators_own=True), WINDOW)
    assert ranking[0].growth == 2


def test_ties_go_by_ticker_and_near_ties_are_none() -> None:
    closes = {
        "B": series("3", "1"),
        "A": series("3", "1"),
        "C": series("300000000000", "100000000000.000000000001"),
    }
    ranking, _ = rank(frozenset(closes), history(closes), WINDOW)
    assert [candidate.ticker for candidate in ranking] == ["C", "A", "B"]


async def test_a_member_without_all_closes_is_excluded_and_named(tmp_path: Path) -> None:
    gappy = series("1", "100")
    del gappy[WINDOW[7]]
    # A close on a day off does not stand in for the missing session.
    gappy[date(2023, 7, 4)] = Close(Decimal(1))
    closes = FOUR | {"GAP": gappy, "NEW": {day: Close(Decimal(1)) for day in WINDOW[-5:]}}
    drafts = await source(tmp_path, UNIVERSE + "GAP\nNEW\nNIL\n", KnownPrices(closes)).picks(MONDAY)
    assert [draft.ticker for draft in drafts] == ["ZEN", "AAPL", "GM"]
    excluded = "Excluded: GAP (252 of 253 closes), NEW (5 of 253 closes), NIL (0 of 253 closes)."
    assert all(excluded in draft.reasoning for draft in drafts)


async def test_fewer_than_three_candidates_are_malformed_naming_the_excluded(tmp_path: Path) -> None:
    closes = {ticker: FOUR[ticker] for ticker in ("AAPL", "T", "SPY")}
    with pytest.raises(PicksMalformedError) as caught:
        await source(tmp_path, UNIVERSE, KnownPrices(closes)).picks(MONDAY)
    assert "GM (0 of 253 closes), ZEN (0 of 253 closes)" in caught.value.message
    assert "of 4 members 2 have closes" in caught.value.message


async def test_many_excluded_are_named_in_bounded_text(tmp_path: Path) -> None:
    universe = UNIVERSE + "".join(f"X{number}\n" for number in range(5_000))
    drafts = await source(tmp_path, universe, KnownPrices(FOUR)).picks(MONDAY)
    assert " and 4990 more." in drafts[0].reasoning
    assert len(drafts[0].reasoning) < 500


async def test_a_universe_of_two_and_the_benchmark_is_malformed_and_nothing_is_asked(tmp_path: Path) -> None:
    prices = KnownPrices(FOUR)
    with pytest.raises(PicksMalformedError, match="2 members on 2024-01-08, the benchmark aside"):
        await source(tmp_path, "ticker\nSPY\nT\nGM\n", prices).picks(MONDAY)
    assert not prices.asked


async def test_members_are_those_of_the_run_date(tmp_path: Path) -> None:
    universe = "ticker,from,to\nAAPL,,2024-01-07\nGM,2024-01-08,\nT,,\nZEN,,2024-01-08\nZZZ,2024-01-09,\n"
    drafts = await source(tmp_path, universe, KnownPrices(FOUR)).picks(MONDAY)
    assert [draft.ticker for draft in drafts] == ["ZEN", "T", "GM"]


async def test_an_undated_universe_is_called_survivorship_biased_wherever_its_picks_are_shown(tmp_path: Path) -> None:
    undated = await source(tmp_path, UNIVERSE, KnownPrices(FOUR)).picks(MONDAY)
    assert all("survivorship-biased" in draft.reasoning for draft in undated)
    dated = await source(tmp_path, "ticker,from\nZEN,2020-01-01\nGM,\nT,\nAAPL,\n", KnownPrices(FOUR)).picks(MONDAY)
    assert not any("survivorship" in draft.reasoning for draft in dated)


async def test_the_universe_says_whether_it_is_undated(tmp_path: Path) -> None:
    assert (await source(tmp_path, UNIVERSE, KnownPrices({})).universe()).undated
    assert not (await source(tmp_path, "ticker,from\nT,2020-01-01\n", KnownPrices({})).universe()).undated


async def test_faults_of_the_universe_file(tmp_path: Path) -> None:
    with pytest.raises(PicksMalformedError, match="line 2: not a ticker"):
        await source(tmp_path, "ticker\n$\n", KnownPrices({})).picks(MONDAY)
    with pytest.raises(PicksUnavailableError, match="cannot read"):
        await MomentumPicks(tmp_path, KnownPrices({}), CALENDAR, "SPY").picks(MONDAY)


async def test_what_the_price_source_says_is_passed_on(tmp_path: Path) -> None:
    class Limited(KnownPrices):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            raise RateLimitedError("25 requests a day are spent", "Wait until midnight.")

    with pytest.raises(PicksUnavailableError) as caught:
        await source(tmp_path, UNIVERSE, Limited({})).picks(MONDAY)
    assert (caught.value.message, caught.value.remedy) == ("25 requests a day are spent", "Wait until midnight.")
    assert isinstance(caught.value.__cause__, RateLimitedError)


CLOSURE = WINDOW[120]


def closed(closes: Mapping[str, Mapping[date, Close]], *days: date) -> dict[str, dict[date, Close]]:
    return {
        ticker: {day: close for day, close in series.items() if day not in days} for ticker, series in closes.items()
    }


async def test_a_closure_that_the_calendar_does_not_know_is_no_session(tmp_path: Path) -> None:
    """The closes 252 and 21 sessions before the baseline are counted without the day on which nobody traded."""
    prices = KnownPrices(closed(FOUR, CLOSURE))
    drafts = await source(tmp_path, UNIVERSE, prices).picks(MONDAY)
    assert [draft.ticker for draft in drafts] == ["ZEN", "AAPL", "GM"]
    assert f"on {BEFORE}," in drafts[0].reasoning
    assert f"on {NEW_DAY}." in drafts[0].reasoning
    assert "None excluded." in drafts[0].reasoning
    assert [symbols for symbols, _, _ in prices.asked[1:]] == [["SPY"]], "a second response shows the same"


async def test_a_closure_takes_a_second_response(tmp_path: Path) -> None:
    """The first response lacks a day; the second, which is not a kept one, has it."""

    class LacksADayOnce(KnownPrices):
        async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
            answer = await super().closes(symbols, first, last)
            return replace(answer, closes=closed(answer.closes, CLOSURE)) if len(self.asked) == 1 else answer

    prices = LacksADayOnce(FOUR)
    kept = FirstAnswer([DayCache(prices, CALENDAR, FixedClock(exchange("2024-01-08", "09:00")))])
    momentum = source(tmp_path, UNIVERSE, kept)
    with pytest.raises(PicksMalformedError, match="252 of 253 closes"):
        await momentum.picks(MONDAY)
    assert len(prices.asked) == 2


async def test_a_day_that_one_member_traded_is_a_session(tmp_path: Path) -> None:
    closes = closed(FOUR, CLOSURE) | {"T": FOUR["T"]}
    with pytest.raises(PicksMalformedError, match="of 4 members 1 have closes"):
        await source(tmp_path, UNIVERSE, KnownPrices(closes)).picks(MONDAY)


async def test_the_operators_own_closes_need_no_second_response(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    rows = [
        f"{day},{ticker},{close.price}" for ticker, of in closed(FOUR, CLOSURE).items() for day, close in of.items()
    ]
    file.write_text("\n".join(["date,symbol,close", *rows, ""]), encoding="utf-8")
    drafts = await source(tmp_path, UNIVERSE, CsvPrices(file)).picks(MONDAY)
    assert [draft.ticker for draft in drafts] == ["ZEN", "AAPL", "GM"]


async def test_a_member_whose_close_moved_too_far_is_excluded_and_named(tmp_path: Path) -> None:
    """An unflagged 7:1 split would make it the weakest of all."""
    split_day = WINDOW[100]
    unflagged = {
        day: Close((close.price / 7).quantize(Decimal("0.01"))) if day >= split_day else close
        for day, close in series("100", "150").items()
    }
    drafts = await source(tmp_path, UNIVERSE + "BAD\n", KnownPrices(FOUR | {"BAD": unflagged})).picks(MONDAY)
    assert [draft.ticker for draft in drafts] == ["ZEN", "AAPL", "GM"]
    assert f"Excluded: BAD (moved -85.69 % on {split_day})." in drafts[0].reasoning


@pytest.mark.parametrize(("at", "is_excluded"), [(OLD_DAY, True), (WINDOW[100], False), (NEW_DAY, True)])
def test_a_single_wrong_close_excludes_a_member_only_where_it_is_ranked_by_it(at: date, is_excluded: bool) -> None:
    closes = {"X": series("100", "110")}
    closes["X"][at] = Close(closes["X"][at].price * 10)
    _, excluded = rank(frozenset(closes), history(closes), WINDOW)
    assert ("X" in excluded) is is_excluded


async def test_a_benchmark_with_a_number_that_is_no_price_is_unavailable(tmp_path: Path) -> None:
    closes = FOUR | {"SPY": {**FOUR["SPY"], CLOSURE: Close(Decimal("NaN"))}}
    with pytest.raises(PicksUnavailableError, match="SPY on "):
        await source(tmp_path, UNIVERSE, KnownPrices(closes)).picks(MONDAY)


async def test_a_week_whose_window_lies_before_the_calendar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PicksUnavailableError, match="1900"):
        await source(tmp_path, UNIVERSE, KnownPrices(FOUR)).picks(date(1900, 6, 4))


def adjusted_growth(closes: Mapping[date, Close]) -> Fraction:
    """P[-21] / P[-252] of closes adjusted backwards from the newest day, as data vendors do it."""
    adjusted: dict[date, Fraction] = {}
    divisor = Fraction(1)
    for day in sorted(closes, reverse=True):
        adjusted[day] = Fraction(closes[day].price) / divisor
        divisor *= Fraction(closes[day].split_factor)
    days = [day for day in sorted(adjusted) if day in set(WINDOW)]
    return adjusted[days[-1 - 21]] / adjusted[days[-1 - 252]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7))
def test_the_ranking_is_that_of_an_oracle_that_adjusts_backwards(seed: int, count: int) -> None:
    draw = random.Random(seed)
    closes: dict[str, dict[date, Close]] = {}
    for ticker in draw.sample("ABCDEFGH", count):
        splits = draw.sample(SESSIONS, 3)
        closes[ticker] = {
            day: Close(
                Decimal(draw.randint(1, 3)), Decimal(draw.choice(["2", "3", "0.5"])) if day in splits else Decimal(1)
            )
            for day in SESSIONS
            if draw.random() < 0.9999
        }
    complete = [ticker for ticker in closes if set(WINDOW) <= closes[ticker].keys()]
    growths = {ticker: adjusted_growth(closes[ticker]) for ticker in complete}
    expected: list[str] = []
    while growths:
        best = min(ticker for ticker in growths if growths[ticker] == max(growths.values()))
        expected.append(best)
        del growths[best]
    shuffled = dict(draw.sample(list(closes.items()), len(closes)))
    ranking, excluded = rank(frozenset(closes), history(shuffled, is_operators_own=True), WINDOW)
    assert [candidate.ticker for candidate in ranking] == expected
    assert all(candidate.growth == adjusted_growth(closes[candidate.ticker]) for candidate in ranking)
    assert excluded.keys() == closes.keys() - set(complete)


@pytest.mark.skipif(not REAL_PRICES.is_file(), reason="the real closes are not beside this checkout")
@pytest.mark.parametrize("run_date", [date(2011, 6, 6), date(2012, 10, 29), date(2018, 4, 30)])
async def test_real_closes_rank_as_counted_by_hand_in_the_file(tmp_path: Path, run_date: date) -> None:
    table: dict[str, dict[str, Decimal]] = {}
    with REAL_PRICES.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["date"] < run_date.isoformat():
                table.setdefault(row["symbol"], {})[row["date"]] = Decimal(row["close"])
    days = sorted(table["SPY"])
    growth = {
        symbol: closes[days[-22]] / closes[days[-253]]
        for symbol, closes in table.items()
        if symbol != "SPY" and days[-253] in closes
    }
    order = sorted(growth, key=lambda symbol: (-growth[symbol], symbol))
    universe = "\n".join(["ticker", *table])
    drafts = await source(tmp_path, universe, CsvPrices(REAL_PRICES)).picks(run_date)
    assert [draft.ticker for draft in drafts] == [order[0], order[1], order[-1]]
    percent = ((growth[order[0]] - 1) * 100).quantize(Decimal("0.01"))
    assert f"Momentum {percent:+f} %, rank 1 of {len(order)}:" in drafts[0].reasoning
    assert ("GM (" in drafts[0].reasoning) == (run_date.year == 2011)


class Refusing(KnownPrices):
    """A price source that answers for all symbols but some, each with an error of its own."""

    def __init__(self, closes: Mapping[str, Mapping[date, Close]], failed: Mapping[str, PriceSourceError]) -> None:
        super().__init__(closes)
        self.failed = failed

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        wanted = list(symbols)
        answer = await super().closes([symbol for symbol in wanted if symbol not in self.failed], first, last)
        return replace(answer, failed={name: error for name, error in self.failed.items() if name in wanted})


async def test_a_ticker_that_is_refused_is_excluded_and_named(tmp_path: Path) -> None:
    """The others are ranked, over a closure that the calendar does not know, too."""
    closure = WINDOW[100]
    closed = {name: {day: c for day, c in closes.items() if day != closure} for name, closes in FOUR.items()}
    prices = Refusing(closed, {"BAD": UnauthorisedError("known refuses BAD to this account.", "Correct it.")})
    drafts = await source(tmp_path, f"{UNIVERSE}BAD\n", prices).picks(MONDAY)
    assert {draft.ticker for draft in drafts} == {"ZEN", "AAPL", "GM"}
    assert "Excluded: BAD (known refuses BAD to this account.)." in drafts[0].reasoning


async def test_a_ticker_with_a_number_that_is_no_price_is_excluded_and_named(tmp_path: Path) -> None:
    bad = {day: replace(close, split_factor=Decimal("NaN")) for day, close in FOUR["T"].items()}
    drafts = await source(tmp_path, f"{UNIVERSE}BAD\n", KnownPrices({**FOUR, "BAD": bad})).picks(MONDAY)
    assert {draft.ticker for draft in drafts} == {"ZEN", "AAPL", "GM"}
    assert "BAD (known gave a number for BAD" in drafts[0].reasoning
    bad = {day: replace(close, price=Decimal(-1)) for day, close in FOUR["T"].items()}
    drafts = await source(tmp_path, f"{UNIVERSE}BAD\n", KnownPrices({**FOUR, "BAD": bad})).picks(MONDAY)
    assert "BAD (known gave a number for BAD" in drafts[0].reasoning


@pytest.mark.parametrize("failing", [("SPY",), ("AAPL", "GM")])
async def test_what_fails_for_the_benchmark_or_for_too_many_is_an_outage(
    tmp_path: Path, failing: tuple[str, ...]
) -> None:
    error = UnauthorisedError("known refuses it.", "Correct it.")
    with pytest.raises(PicksUnavailableError, match="known refuses it"):
        await source(tmp_path, UNIVERSE, Refusing(FOUR, dict.fromkeys(failing, error))).picks(MONDAY)


async def test_the_benchmark_is_left_out_in_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "universe.csv"
    path.write_text("ticker\nZEN\nbrk-b\nGM\nT\n")
    prices = KnownPrices({**FOUR, "BRK.B": series("1", "99")})
    drafts = await MomentumPicks(path, prices, CALENDAR, "BRK/B").picks(MONDAY)
    assert {draft.ticker for draft in drafts} == {"ZEN", "GM", "T"}
