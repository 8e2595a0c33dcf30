"""Renames, splits, revisions and closures in any order and as any provider presents them, against an exact model.

Each evening of a fortnight the due days are valued from what the provider has by then. A price that is stored has to be
the company's; an operator approves a held price only if it is, and a day is skipped only if nobody traded.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import event, given, settings
from hypothesis import strategies as st

from core.prices.source import Close
from core.settling import settle
from core.symbol_changes import SymbolChange, SymbolChanges
from core.weeks import Week
from db.records import ActiveBatch, Batch, BatchStatus, Pick
from tests.core.test_weeks import RULES, active_batch
from tests.fakes import ScriptedPrices, exchange
from tests.providers import truth
from tests.providers.fortnight import BASELINE, RUN, SESSIONS, SYMBOLS
from tests.providers.market import CALENDAR, Quote, Series, quotes_of, split_on
from tests.providers.playing import split_adjusted

FIRST, LAST = date(2024, 8, 26), date(2024, 9, 20)
NEARLY = Fraction(1, 2000)
REVISION = Fraction("1.013")
FACTORS = [Decimal(text) for text in ("2", "3", "7", "1.5", "1.25", "0.1")]


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to AAA, and how its provider presents it.

    `names` are its names with the session, by number, of each change. `new` is what the provider has under the newest
    name for the time before the change, `old` what it has under an earlier name from its change on.
    """

    names: Sequence[tuple[str, int]]
    splits: Mapping[int, Decimal] = field(default_factory=dict)
    closed: frozenset[int] = frozenset()
    revised: int | None = None
    new: str = "whole"
    old: str = "ends"
    is_adjusted: bool = False
    seed: int = 0

    @property
    def dated(self) -> list[tuple[str, date]]:
        return [("AAA", date.min), *((name, SESSIONS[number]) for name, number in self.names)]

    def market(self) -> dict[str, Series]:
        """What was traded, by the names that nobody changes."""
        quotes = quotes_of([*SYMBOLS, "OTHER"], FIRST, LAST, self.seed)
        for number, factor in self.splits.items():
            quotes["AAA"] = split_on(quotes["AAA"], SESSIONS[number], factor)
        closed = {SESSIONS[number] for number in self.closed}
        return {name: {day: quote for day, quote in of.items() if day not in closed} for name, of in quotes.items()}

    def presented(self, market: Mapping[str, Series], now: date) -> dict[str, Series]:
        """What the provider has on the evening of `now`."""
        changes = [(name, begin) for name, begin in self.dated if begin <= now]
        ends = [*(begin for _, begin in changes[1:]), date.max]
        other = self._quoted(market["OTHER"], now)
        found = {name: self._quoted(market[name], now) for name in SYMBOLS[:1] + SYMBOLS[2:]}
        for (name, begin), end in zip(changes, ends, strict=True):
            is_newest = end == date.max
            quoted = self._quoted(market["AAA"], now if is_newest or self.old == "whole" else max(
                day for day in market["AAA"] if day < end))  # fmt: skip
            own = {day: quote for day, quote in quoted.items() if begin <= day < end}
            early = {"whole": quoted, "begins": {}, "other": other}[self.new] if is_newest else {}
            late = {} if is_newest else {"other": other, "whole": quoted}.get(self.old, {})
            kept = {} if not is_newest and self.old == "gone" else own
            before = {day: quote for day, quote in early.items() if day < begin}
            after = {day: quote for day, quote in late.items() if day >= end}
            # A name that is used twice keeps its closes of the first time.
            found[name] = {**before, **found.get(name, {}), **kept, **after}
            if is_newest and self.new == "whole":
                found[name] = dict(quoted)
        return found

    def _quoted(self, series: Series, known: date) -> Series:
        """Closes up to `known`, adjusted for the splits by then if that is the provider's way, and revised."""
        seen = {day: quote for day, quote in series.items() if day <= known}
        if self.is_adjusted:
            seen = {day: Quote(close) for day, close in split_adjusted(seen).items()}
        if self.revised is not None and known >= SESSIONS[self.revised]:
            seen[BASELINE] = Quote(seen[BASELINE].close * Decimal("1.013"), seen[BASELINE].split_factor)
        return seen


@dataclass(slots=True)
class Lived:
    """A batch as it is stored, evening by evening."""

    story: Story
    batch: Batch
    picks: tuple[Pick, ...]
    written: dict[date, dict[str, Decimal]] = field(default_factory=dict)
    skipped: dict[date, str] = field(default_factory=dict)
    week: Week | None = None

    def live(self) -> None:
        """Goes through the fortnight, with a second look each evening."""
        market = self.story.market()
        tried: dict[date, frozenset[str]] = {}
        accepted: list[object] = []
        changes = SymbolChanges(
            SymbolChange(old, new, begin)
            for (old, _), (new, begin) in zip(self.story.dated, self.story.dated[1:], strict=False)
        )
        for now in [day for day in SESSIONS for _ in range(2)]:
            presented = self.story.presented(market, now)
            source = ScriptedPrices(
                {
                    name: {day: Close(quote.close, quote.split_factor) for day, quote in series.items()}
                    for name, series in presented.items()
                }
            )
            done = self.written.keys() | self.skipped.keys()
            days = [day for day in SESSIONS if day <= now and day not in done]
            active = ActiveBatch(self.batch, frozenset(done), "scripted", "price")
            week = self.week = Week.of_active(active, self.picks, days, CALENDAR)
            week.tried = tried
            week.accepted = tuple(accepted)  # type: ignore[arg-type]  # moves, as they were held
            week.written_prices = {
                symbol: {day: prices[symbol] for day, prices in self.written.items()} for symbol in SYMBOLS
            }
            asyncio.run(settle([week], [source], CALENDAR, RULES, exchange(str(now)), _nothing, changes=changes))
            for day in week.computed:
                self._check(market, day, now)
            for day, skip in week.skipped.items():
                name = next(name for name, begin in reversed(self.story.dated) if begin <= day)
                assert day not in market["SPY"] or day not in presented.get(name, {}), (day, skip)
                self.skipped[day] = skip.reason
            tried = {day: frozenset(delay.missing) for day, delay in week.waiting.items()}
            held = {move for delay in week.waiting.values() for move in delay.moves}
            accepted += [
                move for move in held if self._is_true(market, move.previous_session, move.session, move.ratio)
            ]

    def _check(self, market: Mapping[str, Series], day: date, now: date) -> None:
        assert self.week is not None
        computed = self.week.computed[day]
        assert computed.checkpoint.benchmark_price is not None
        prices = [computed.checkpoint.benchmark_price, *(metric.current_price for metric in computed.metrics)]
        self.written[day] = dict(zip(SYMBOLS, prices, strict=True))
        initial = {self.batch.benchmark_symbol: self.batch.benchmark_initial_price}
        initial.update((pick.ticker, pick.initial_price) for pick in self.picks)
        for symbol, price in self.written[day].items():
            worth = Fraction(initial[symbol]) * truth.growth(market[symbol], BASELINE, day)
            if self.story.revised is not None and now >= SESSIONS[self.story.revised]:
                # What is stored moves as what the source has by now has moved.
                worth = min(worth, worth / REVISION, key=lambda each: abs(each / Fraction(price) - 1))
            assert abs(Fraction(price) / worth - 1) <= NEARLY, (symbol, day, price, float(worth))

    def _is_true(self, market: Mapping[str, Series], before: date, day: date, ratio: Decimal) -> bool:
        return abs(Fraction(ratio) / truth.growth(market["AAA"], before, day) - 1) <= NEARLY


async def _nothing(_: Sequence[Week]) -> None:
    """Nothing is written to a database."""


def lived(story: Story) -> Lived:
    """The fortnight of a batch that was opened at the market's closes."""
    market = story.market()
    active, picks = active_batch(RUN)
    batch = Batch(
        active.batch.id, active.batch.created_at, RUN, "SPY", market["SPY"][BASELINE].close, BatchStatus.ACTIVE
    )
    opened = tuple(
        Pick(pick.id, pick.batch_id, pick.ticker, pick.action, pick.reasoning, market[pick.ticker][BASELINE].close)
        for pick in picks
    )
    found = Lived(story, batch, opened)
    found.live()
    return found


numbers = st.integers(0, len(SESSIONS) - 1)
in_order = st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted)
renames = (
    numbers.map(lambda at: [("ZZZ", at)])
    | in_order.map(lambda at: [("MMM", at[0]), ("ZZZ", at[1])])
    | in_order.map(lambda at: [("ZZZ", at[0]), ("AAA", at[1])])
)
stories = st.builds(
    Story,
    names=renames,
    splits=st.dictionaries(numbers, st.sampled_from(FACTORS), max_size=2),
    closed=st.just(frozenset()) | st.frozensets(st.integers(1, len(SESSIONS) - 2), max_size=2),
    revised=st.none() | st.none() | numbers,
    new=st.sampled_from(["whole", "begins", "other"]),
    old=st.sampled_from(["ends", "gone", "whole", "other"]),
    is_adjusted=st.booleans(),
    seed=st.integers(0, 50),
)


@settings(max_examples=150, deadline=None)
@given(stories)
def test_a_stored_price_is_that_of_the_company_or_there_is_none(story: Story) -> None:
    found = lived(story)
    closed = {SESSIONS[number] for number in story.closed}
    assert not closed & found.written.keys()
    for day, reason in found.skipped.items():
        assert (day in closed) == (reason == "benchmark_has_no_close")
    open_sessions = [day for day in SESSIONS if day not in closed]
    event(f"{sum(day in found.written for day in open_sessions) * 10 // len(open_sessions)} tenths are computed")


@settings(max_examples=40, deadline=None)
@given(stories.map(lambda story: replace(story, new="whole", revised=None, is_adjusted=False)))
def test_what_a_provider_shows_in_full_is_computed(story: Story) -> None:
    """Raw closes under the newest name for the whole time: nothing is left for an operator."""
    found = lived(story)
    assert found.written.keys() == {day for number, day in enumerate(SESSIONS) if number not in story.closed}
