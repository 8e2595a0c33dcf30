"""From a provider's bytes to what is decided about a day: no skip without evidence, no price that was not sent.

The rules are stated here once more, after DESIGN section 2, on what the bytes say and in sets and plain dates.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from core.prices.http import Reply
from core.prices.source import Answer, Basis, PriceSourceError, RateLimitedError, UnavailableError
from core.prices.tiingo import TiingoPrices
from core.settling import settle
from core.trading_calendar import TradingCalendar, batch_days
from core.weeks import Week
from tests.core.test_weeks import BASELINE, MONDAY, RULES, SYMBOLS, active_batch

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = TradingCalendar()
THANKSGIVING, HALF_DAY = date(2026, 11, 26), date(2026, 11, 27)
DAYS = [BASELINE + timedelta(days=offset) for offset in range(35)]
SESSIONS = [day for day in DAYS if day.weekday() < 5 and day != THANKSGIVING]
Rows = Mapping[date, tuple[str, str]]
"""Close and split factor of each day, as they are written in the answer."""
Tried = Mapping[date, frozenset[str]]
"""By day that was looked at before, the symbols that it lacked then."""
LOOKED_AT: Tried = dict.fromkeys(SESSIONS, frozenset(SYMBOLS))


def due(day: date) -> datetime:
    """Half an hour after the close of a session, or after the hour at which one would have closed."""
    return datetime.combine(day, time(13, 30) if day == HALF_DAY else time(16, 30), NEW_YORK)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a provider says: rows by symbol, None for one it does not know; or a failure in their place."""

    rows: Mapping[str, Rows | None] = field(default_factory=dict)
    failure: PriceSourceError | None = None
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    basis: Basis = Basis.PRICE


class SpokenSource(TiingoPrices):
    """The real adapter, which reads what is said here instead of what a network brings."""

    def __init__(self, spoken: Spoken, number: int) -> None:
        super().__init__("key")
        self._spoken = spoken
        self.name = f"source {number}"
        self.basis = spoken.basis

    async def closes(self, symbols: Iterable[str], first: date, last: date) -> Answer:
        if self._spoken.failure is not None:
            raise self._spoken.failure
        read = {symbol: self._read(symbol, self._reply(symbol, first, last), first, last) for symbol in symbols}
        known = {symbol: closes for symbol, closes in read.items() if closes is not None}
        return Answer(self.name, self.basis, known, frozenset(read) - known.keys())

    def _reply(self, symbol: str, first: date, last: date) -> Reply:
        if (body := self._spoken.bodies.get(symbol)) is not None:
            return Reply(200, body)
        if (rows := self._spoken.rows[symbol]) is None:
            return Reply(404, json.dumps({"detail": f"Error: Ticker '{symbol}' not found"}).encode())
        return Reply(200, body_of({day: row for day, row in rows.items() if first <= day <= last}))


def body_of(rows: Rows) -> bytes:
    told = ", ".join(
        f'{{"date": "{day}T00:00:00.000Z", "close": {close}, "splitFactor": {factor}}}'
        for day, (close, factor) in rows.items()
    )
    return f"[{told}]".encode()


def concluded(spoken: Sequence[Spoken], now: datetime, tried: Tried) -> Week:
    """A week whose initial prices are 100, after every source was asked at `now`; some days were `tried` before."""
    active, picks = active_batch()
    days = [day for day in batch_days(MONDAY) if due(day) <= now]
    week = Week.of_active(active, picks, days, CALENDAR)
    week.tried = tried

    async def record(_: Sequence[Week]) -> None:
        return

    sources = [SpokenSource(each, number) for number, each in enumerate(spoken)]
    asyncio.run(settle([week], sources, CALENDAR, RULES, now, record))
    return week


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer as far as it may be looked at: up to the last session that is due."""

    source: str
    closes: Mapping[str, Rows]

    def lacks(self, day: date) -> set[str]:
        return {symbol for symbol in SYMBOLS if day not in self.closes[symbol]}

    def benchmark_after(self, day: date) -> int:
        return sum(at > day for at in self.closes["SPY"])

    def moves_wildly(self, day: date) -> bool:
        """Whether some close up to `day` is more than 40 % from the one before it, and others do not undo that."""
        for rows in self.closes.values():
            ratios = [
                Fraction(rows[after][0]) * Fraction(rows[after][1]) / Fraction(rows[before][0])
                for before, after in pairwise(sorted(rows))
                if after <= day
            ]
            wild = [ratio for ratio in ratios if abs(ratio - 1) > Fraction(2, 5)]
            if wild and not (len(wild) > 1 and abs(prod(wild, start=Fraction(1)) - 1) <= Fraction(1, 10)):
                return True
        return False


def verdict(
    day: date, answers: Sequence[Seen], failures: Sequence[str], now: datetime, tried: Tried
) -> tuple[str, str]:
    """What has to become of a session that is due: computed by a source, skipped for a reason, or waiting for one."""
    whole = [seen for seen in answers if not seen.lacks(day) and not seen.lacks(BASELINE)]
    for seen in whole:
        if not seen.moves_wildly(day):
            return "computed", seen.source
    if whole:
        return "waiting", "doubtful_move"
    if failures:
        return "waiting", failures[0]
    if not answers:
        return "waiting", "other_basis"
    answers = [seen for seen in answers if "SPY" not in seen.lacks(BASELINE)]
    if not answers:
        return "waiting", "baseline_missing"
    fewest = min((seen.lacks(day) for seen in answers), key=len)
    if not fewest:
        return "waiting", "baseline_missing"
    was_seen = fewest <= tried.get(day, frozenset())
    if was_seen and len(fewest) == len(SYMBOLS) and any(seen.benchmark_after(day) for seen in answers):
        return "skipped", "benchmark_has_no_close"
    if not any(seen.benchmark_after(day - timedelta(days=1)) for seen in answers):
        return "waiting", "source_behind"
    if not was_seen:
        return "waiting", "close_missing"
    following = next(at for at in SESSIONS if at > day)
    if now >= due(day) + timedelta(hours=48) and now >= due(following):
        is_stopped = all(has_stopped(symbol, day, seen) for symbol in fewest for seen in answers)
        return "skipped", "stopped_trading" if is_stopped else "price_missing"
    return "waiting", "close_missing"


def has_stopped(symbol: str, day: date, seen: Seen) -> bool:
    """Traded before the day and not since, while the benchmark has three later closes, and one after the day."""
    traded = seen.closes[symbol].keys()
    return (
        bool(traded) and max(traded) < day and seen.benchmark_after(max(traded)) >= 3 and seen.benchmark_after(day) >= 1
    )


prices = st.sampled_from(["100", "100.0", "101.25", "99.99", "88.123456789012", "120"])
wild = st.sampled_from(["15.02", "190", "1000"])
factors = st.sampled_from(["1.0", "1", "1", "1", "1", "1", "1", "7.0", "0.1"])
rows_of_symbol = st.builds(
    lambda closes, factor_at, factor, holes, end: {
        day: (close, factor if number == factor_at else "1.0")
        for number, (day, close) in enumerate(zip(SESSIONS, closes, strict=False))
        if number not in holes and number < end
    },
    st.lists(st.integers(0, 60).flatmap(lambda n: prices if n else wild), min_size=25, max_size=25),
    st.integers(0, 30),
    factors,
    st.frozensets(st.integers(0, 12), max_size=3),
    st.sampled_from([4, 6, 9, *[len(SESSIONS)] * 9]),
)  # fmt: skip
maybe_rows = st.integers(0, 12).flatmap(lambda n: st.none() if n == 0 else rows_of_symbol)
gaps = st.frozensets(st.sampled_from(SESSIONS[1:11]), max_size=2)


def closed_on(rows: Mapping[str, Rows | None], days: frozenset[date]) -> dict[str, Rows | None]:
    """The rows without those of some days, on which nobody traded."""
    return {
        symbol: series if series is None else {day: row for day, row in series.items() if day not in days}
        for symbol, series in rows.items()
    }


spoken_answers = st.builds(
    lambda rows, days, basis: Spoken(closed_on(rows, days), basis=basis),
    st.fixed_dictionaries(dict.fromkeys(SYMBOLS, maybe_rows)),
    st.just(frozenset()) | gaps,
    st.sampled_from([Basis.PRICE] * 9 + [Basis.TOTAL]),
)
quiet_answers = st.builds(
    lambda holes: Spoken(
        {
            symbol: {day: ("100", "1") for day in SESSIONS if (symbol, day) not in holes and day not in all_of[0]}
            for all_of in [[frozenset(day for name, day in holes if name == "ALL")]]
            for symbol in SYMBOLS
        }
    ),
    st.frozensets(st.tuples(st.sampled_from([*SYMBOLS, "ALL"]), st.sampled_from(SESSIONS[:12])), max_size=6),
)


def without_bbb_after(last: date, lacking: date | None = None) -> Spoken:
    """Quiet closes, of which one symbol's end, and lack a day before."""
    days = dict.fromkeys(SYMBOLS, SESSIONS) | {"BBB": [day for day in SESSIONS if day <= last and day != lacking]}
    return Spoken({symbol: dict.fromkeys(days[symbol], ("100", "1")) for symbol in SYMBOLS})


stopped_answers = st.builds(without_bbb_after, st.sampled_from(SESSIONS[:11]))
failing = st.sampled_from(
    [
        Spoken(failure=UnavailableError("down", "wait")),
        Spoken(failure=RateLimitedError("limit", "wait")),
        Spoken(dict.fromkeys(SYMBOLS), bodies={"BBB": b"<html>"}),
    ]
)
one_or_more = st.lists(quiet_answers | stopped_answers | spoken_answers | failing, min_size=1, max_size=3)
said = one_or_more | st.lists(stopped_answers, min_size=1, max_size=2)
looked_at = st.just(LOOKED_AT) | st.dictionaries(st.sampled_from(SESSIONS), st.frozensets(st.sampled_from(SYMBOLS)))
moments = st.integers(0, 22 * 24 * 4).map(
    lambda quarters: datetime.combine(MONDAY, time(), NEW_YORK) + timedelta(minutes=15 * quarters)
)


@settings(max_examples=400)
@example([without_bbb_after(SESSIONS[2])], due(SESSIONS[6]), LOOKED_AT)
@example([without_bbb_after(SESSIONS[2])], due(SESSIONS[7]), LOOKED_AT)
@example([without_bbb_after(SESSIONS[3], SESSIONS[1])], due(SESSIONS[7]), LOOKED_AT)
@given(said, moments, looked_at)
def test_every_day_is_decided_by_the_rules_and_by_nothing_else(
    spoken: list[Spoken], now: datetime, tried: Tried
) -> None:
    week = concluded(spoken, now, tried)
    seen_until = max(day for day in DAYS if day in SESSIONS and due(day) <= now)
    answers, failures = [], []
    for number, each in enumerate(spoken):
        if each.failure is not None or each.bodies:
            failures.append(each.failure.code if each.failure else "malformed")
        elif each.basis is Basis.PRICE:
            seen = {
                symbol: {day: row for day, row in (each.rows[symbol] or {}).items() if day <= seen_until}
                for symbol in SYMBOLS
            }
            answers.append(Seen(f"source {number}", seen))
    by_source = {seen.source: seen for seen in answers}
    for day in week.days:
        if day not in SESSIONS:
            assert week.skipped[day].reason == "market_closed"
            continue
        what, why = verdict(day, answers, failures, now, tried)
        event(f"{what} {why if what != 'computed' else ''}")
        if what == "computed":
            assert week.computed[day].source == why
            check_prices(week, day, by_source[why].closes)
        elif what == "skipped":
            assert week.skipped[day].reason == why
            assert week.skipped[day].sources == tuple(by_source)
            assert set(week.skipped[day].symbols) in [seen.lacks(day) for seen in answers]
        else:
            assert week.waiting[day].cause == why
    assert len(week.computed) + len(week.skipped) + len(week.waiting) == len(week.days)


def check_prices(week: Week, day: date, told: Mapping[str, Rows]) -> None:
    """Each price is its close as it was sent, times the splits since the baseline and the change of its basis."""
    computed = week.computed[day]
    assert computed.checkpoint.benchmark_price is not None
    stored = [computed.checkpoint.benchmark_price, *(metric.current_price for metric in computed.metrics)]
    for symbol, price in zip(SYMBOLS, stored, strict=True):
        assert price.is_finite()
        assert price > 0
        rows = told[symbol]
        split = prod(Fraction(factor) for at, (_, factor) in rows.items() if BASELINE < at <= day)
        before = Fraction(rows[BASELINE][0])
        value = Fraction(rows[day][0]) * split
        if abs(before - 100) > Fraction(1, 100):
            value *= 100 / before
        elif split == 1:
            assert str(price) == rows[day][0], "digit for digit"
        assert price == Decimal(round(value * 10**12)).scaleb(-12)


edits = st.lists(
    st.tuples(st.sampled_from(["cut", "drop", "put", "double"]), st.integers(0, 10**6), st.binary(max_size=3)),
    min_size=1,
    max_size=3,
)


def edited(body: bytes, changes: Sequence[tuple[str, int, bytes]]) -> bytes:
    """A body as a bad line or a bad program may leave it."""
    for what, where, new in changes:
        at = where % (len(body) + 1)
        body = {
            "cut": body[:at],
            "drop": body[:at] + body[at + 1 :],
            "put": body[:at] + new + body[at + len(new) :],
            "double": body[: at // 2] + body[at // 2 :] * 2,
        }[what]
    return body


@settings(max_examples=400)
@given(st.sampled_from(SYMBOLS), edits, moments, st.sets(st.sampled_from(SESSIONS[1:10]), max_size=3))
def test_bytes_that_were_damaged_give_no_skip_without_evidence_and_no_price_that_is_not_there(
    symbol: str, changes: list[tuple[str, int, bytes]], now: datetime, holes: set[date]
) -> None:
    last = max(day for day in SESSIONS if due(day) <= now)
    rows = {day: (f"{100 + number}.25", "1.0") for number, day in enumerate(SESSIONS) if day <= last}
    told = {name: {day: row for day, row in rows.items() if name != "AAA" or day not in holes} for name in SYMBOLS}
    bodies = {name: body_of(series) for name, series in told.items()}
    bodies[symbol] = edited(bodies[symbol], changes)
    week = concluded([Spoken(bodies=bodies)], now, LOOKED_AT)
    written = _numbers_in(bodies[symbol])
    for day, computed in week.computed.items():
        for name, trace in computed.closes.items():
            for number in (trace.close, trace.baseline):
                assert number.is_finite()
                assert number > 0
                assert name != symbol or number in written, (day, number)
    try:
        found = {str(row["date"])[:10] for row in json.loads(bodies[symbol])}
    except (ValueError, TypeError, KeyError):
        assert not any(day in SESSIONS for day in week.skipped), "nonsense was taken for evidence"
        return
    told[symbol] = {day: rows[day] for day in rows if day.isoformat() in found}
    seen = Seen("source 0", told)
    for day, skipped in week.skipped.items():
        if day in SESSIONS:
            assert verdict(day, [seen], [], now, LOOKED_AT) == ("skipped", skipped.reason)


def _numbers_in(body: bytes) -> set[Any]:
    try:
        rows = json.loads(body, parse_float=Decimal, parse_int=Decimal)
        return {row["close"] for row in rows}
    except (ValueError, TypeError, KeyError, ArithmeticError):
        return set()
