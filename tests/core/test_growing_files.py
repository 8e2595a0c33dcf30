"""Files that grow under a running scheduler, or one process a tick: what is written is what the whole file has."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import core.file_at_rest
from core.due_work import run_due_work
from core.file_at_rest import LONG_REST, SHORT_REST
from core.picks.file import FilePicks
from core.picks.manual import ManualPicks
from core.picks.momentum import MomentumPicks
from core.picks.source import PickDraft, PicksMalformedError, PicksNotYetError, PickSourceError
from core.prices.csv_file import CsvPrices
from core.prices.source import Close, UnavailableError
from core.rules import SkipReason
from core.settling import settle
from core.symbol_changes import SymbolChange, SymbolChanges
from core.weeks import Week
from db.records import Action
from tests.core.test_file_at_rest import Written
from tests.core.world import CALENDAR, FIRST, RULES, SYMBOLS, World, all_closes
from tests.fakes import ScriptedPrices, exchange

SHORT, LONG = SHORT_REST.total_seconds(), LONG_REST.total_seconds()
LATE = exchange("2020-02-10", "17:00")  # every day of the first week is due, and could be given up
BASELINE, GAP = date(2020, 1, 3), date(2020, 1, 8)
DRAFTS = tuple(PickDraft(ticker, Action.BUY, "Because.") for ticker in SYMBOLS[1:])
Row = tuple[date, str]
CLOSES = {
    (day, symbol): close.price
    for symbol, series in all_closes().items()
    for day, close in series.items()
    if BASELINE <= day <= date(2020, 1, 24) and (day, symbol) != (GAP, "BBB")
}


def price_text(rows: Sequence[Row]) -> str:
    return "date,symbol,close\n" + "".join(f"{day},{symbol},{CLOSES[day, symbol]}\n" for day, symbol in rows)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """A file that does not exist yet, and the clock that every file's reader goes by."""
    written = Written(tmp_path / "grows.csv")
    monkeypatch.setattr(core.file_at_rest, "CLOCK", written)
    return written


async def tick(source: CsvPrices, changes: SymbolChanges | None = None) -> Week:
    """What a look at the file makes of a week of which nothing is written yet."""
    week = Week.to_open(FIRST, DRAFTS, "file", RULES, CALENDAR, LATE, with_days=True)

    async def record(_: Sequence[Week]) -> None:
        """What is written is in the week."""

    await settle([week], [source], CALENDAR, RULES, LATE, record, changes=changes or SymbolChanges())
    return week


def check(week: Week, *, is_whole: bool) -> None:
    """Every value is the whole file's, and a session is skipped only for its gap, which only the whole file shows."""
    if week.opening is not None:
        batch = week.opening.batch
        assert batch.benchmark_initial_price == CLOSES[BASELINE, "SPY"]
        assert all(pick.initial_price == CLOSES[BASELINE, pick.ticker] for pick in week.opening.picks)
    for day, computed in week.computed.items():
        assert {symbol: (trace.baseline, trace.close) for symbol, trace in computed.closes.items()} == {
            symbol: (CLOSES[BASELINE, symbol], CLOSES[day, symbol]) for symbol in SYMBOLS
        }
    skipped = {day for day, one in week.skipped.items() if one.reason is not SkipReason.MARKET_CLOSED}
    assert skipped == ({GAP} if is_whole else set())
    assert (not week.waiting and week.opening is not None) or not is_whole


@pytest.mark.parametrize("order", [lambda row: row, lambda row: (row[1], row[0])], ids=["by date", "by symbol"])
async def test_a_price_file_that_stands_for_half_a_minute_at_every_byte(
    written: Written, order: Callable[[Row], tuple[object, ...]]
) -> None:
    text = price_text(sorted(CLOSES, key=order))
    source = CsvPrices(written.path)
    seen = 0
    for length in range(len(text)):
        written.write(text[length - 1 : length] if length else "", append=bool(length))
        written.now += 30
        week = await tick(source)
        check(week, is_whole=False)
        seen += len(week.computed)
    assert seen, "whole lines are used while the file grows"
    written.write(text[-1], append=True)
    written.now += LONG
    check(await tick(source), is_whole=True)


@given(
    st.permutations(sorted(CLOSES)),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, LONG - 2 * SHORT)), max_size=12),
    st.booleans(),
)
async def test_a_price_file_that_grows_in_any_order_and_at_any_pace(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], parts: list[tuple[float, float]], is_one_process: bool
) -> None:
    written = Written(tmp_path_factory.mktemp("growing") / "prices.csv")
    text = price_text(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core.file_at_rest, "CLOCK", written)
        source = CsvPrices(written.path)
        for part, pause in sorted(parts):
            written.write(text[: int(part * (len(text) - 1))])
            written.now += pause
            check(await tick(source if is_one_process else CsvPrices(written.path)), is_whole=False)
        written.write(text)
        written.now += LONG
        check(await tick(source if is_one_process else CsvPrices(written.path)), is_whole=True)


async def test_a_row_with_a_split_may_be_missing_from_a_file_with_factors(written: Written) -> None:
    """Newest first: the closes after a split are there before the row that tells of it."""
    written.write("date,symbol,close,split_factor\n2020-01-09,AAA,50,1\n2020-01-03,AAA,100,1\n")
    source = CsvPrices(written.path)
    with pytest.raises(UnavailableError, match="rows may be missing"):
        await source.closes(["AAA"], BASELINE, date(2020, 1, 9))
    written.now += LONG
    assert (await source.closes(["AAA"], BASELINE, date(2020, 1, 9))).is_complete


async def test_which_name_a_renamed_symbol_has_is_read_from_the_whole_file(written: Written) -> None:
    written.write(price_text(sorted(CLOSES)))
    changes = SymbolChanges([SymbolChange("AAA", "ZZZ", date(2020, 1, 7))])
    source = CsvPrices(written.path)
    week = await tick(source, changes)
    assert (week.opening, week.unopened and week.unopened.cause) == (None, "unavailable")
    written.now += LONG
    assert (await tick(source, changes)).opening is not None


async def test_a_scheduler_stores_only_what_the_whole_file_has(written: Written, conninfo: str) -> None:
    """The last session's rows arrive byte by byte, each byte at rest for longer than the two checks are apart."""
    world = World(conninfo)
    last = date(2020, 1, 17)
    of_last_session = """
        select ticker, current_price from checkpoints c
        left join pick_checkpoint_metrics m on m.checkpoint_id = c.id left join picks p on p.id = m.pick_id
        where checkpoint_date = '2020-01-17' order by ticker
    """
    rows = sorted(row for row in CLOSES if row[0] <= last)
    text = price_text(rows)
    begin = len(price_text([row for row in rows if row[0] < last]))
    written.write(text[:begin])
    async with world.services() as services:
        services = replace(services, sources=(CsvPrices(written.path),))
        await run_due_work(services)
        for length in range(begin, len(text)):
            written.write(text[:length])
            written.now += SHORT
            await run_due_work(services, LATE)
            assert not world.rows(of_last_session)
        written.write(text)
        await run_due_work(services, LATE)
        written.now += LONG
        await run_due_work(services, LATE)
    assert world.rows(of_last_session) == [(symbol, CLOSES[last, symbol]) for symbol in SYMBOLS[1:]]
    assert world.rows(
        "select payload ->> 'checkpoint_date' from events"
        " where event_type = 'checkpoint_skipped' and payload ->> 'reason' <> 'market_closed'"
    ) == [(str(GAP),)]


@pytest.mark.parametrize("make", [FilePicks, ManualPicks])
async def test_picks_are_never_cut(written: Written, make: type[FilePicks | ManualPicks]) -> None:
    text = "run_date,ticker,action,reasoning\n" + "".join(
        f'{FIRST},{ticker},BUY,"{reasoning}"\n' if "," in reasoning else f"{FIRST},{ticker},BUY,{reasoning}\n"
        for ticker, reasoning in (("AAA", "Cheap"), ("BBB", "Cheap, and\ngrowing"), ("CCC", "It is undervalued"))
    )
    source, opened = make(written.path, "SPY"), []
    for length in range(1, len(text) + 1):
        written.write(text[:length])
        written.now += 30
        try:
            opened.append([draft.reasoning for draft in await source.picks(FIRST)])
        except PickSourceError:
            continue  # nothing is opened
    assert opened == [["Cheap", "Cheap, and\ngrowing", "It is undervalued"]]


class TestMomentum:
    @pytest.fixture
    def year(self) -> ScriptedPrices:
        days = list(CALENDAR.sessions(date(2018, 12, 3), BASELINE))
        growth = dict(zip(("AAA", "BBB", "CCC", "DDD"), (4, 3, 2, 1), strict=True))
        return ScriptedPrices(
            {
                name: {day: Close(Decimal(100) + Decimal(n * step).scaleb(-1)) for n, day in enumerate(days)}
                for name, step in growth.items()
            }
        )

    async def test_ranks_a_universe_only_when_no_member_can_be_missing(
        self, written: Written, year: ScriptedPrices
    ) -> None:
        source = MomentumPicks(written.path, year, CALENDAR, "SPY")
        text = "ticker\nBBB\nCCC\nDDD\nAAA\n"
        for length in range(len(text) + 1):
            written.write(text[:length])
            written.now += 30
            with pytest.raises((PicksNotYetError, PicksMalformedError)):
                await source.picks(FIRST)
        written.now += LONG
        assert [draft.ticker for draft in await source.picks(FIRST)] == ["AAA", "BBB", "DDD"]

    async def test_excludes_nobody_for_closes_that_may_still_come(
        self, tmp_path: Path, written: Written, year: ScriptedPrices
    ) -> None:
        universe = tmp_path / "universe.csv"
        universe.write_text("ticker\nAAA\nBBB\nCCC\nDDD\n")
        whole = "date,symbol,close\n" + "".join(
            f"{day},{name},{close.price}\n"
            for name, series in sorted(year.closes_by_symbol.items())
            for day, close in series.items()
        )
        source = MomentumPicks(universe, CsvPrices(written.path), CALENDAR, "SPY")
        written.now += LONG
        await source.universe()
        written.write(whole[: whole.index("2019-06-03,DDD")])
        with pytest.raises(PicksNotYetError, match="csv may be unfinished and lacks closes of DDD"):
            await source.picks(FIRST)
        written.write(whole)
        assert [draft.ticker for draft in await source.picks(FIRST)] == ["AAA", "BBB", "DDD"]
