"""What has to be stored, worked out with fractions from what a provider told, and what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg

from tests.providers.market import Series

Told = Mapping[str, Series]
_TWELVE = 10**12


@dataclass(frozen=True, slots=True)
class Day:
    """A checkpoint's numbers: the benchmark's price and return, and by ticker price, return and return over it."""

    benchmark: tuple[Decimal, Decimal]
    picks: Mapping[str, tuple[Decimal, Decimal, Decimal]]


def true_day(initial: Mapping[str, Decimal], told: Told, baseline: date, day: date) -> Day:
    """The numbers of a day, of which the first symbol of `initial` is the benchmark.

    A price is on the share basis of its baseline: the close times the splits since. Where the baseline's close is told
    differently by now, by more than a ten-thousandth, what was stored moves as what is told has moved.
    """
    values = {symbol: _value(price, told[symbol], baseline, day) for symbol, price in initial.items()}
    benchmark, *tickers = values
    over = values[benchmark][1]
    return Day(
        (_stored(values[benchmark][0]), _stored(over)),
        {
            ticker: (_stored(values[ticker][0]), _stored(values[ticker][1]), _stored(values[ticker][1] - over))
            for ticker in tickers
        },
    )


def company(told: Told, names: Sequence[tuple[str, date]]) -> Series:
    """The quotes of a company by its names, each with the day from which it has it: each name's in its own time."""
    ends = [begin for _, begin in names[1:]] + [date.max]
    return {
        day: quote
        for (name, begin), end in zip(names, ends, strict=True)
        for day, quote in told[name].items()
        if begin <= day < end
    }


def baseline(benchmark: Series, run_date: date) -> date:
    """The last session before a week: a session is a day on which the benchmark has a close."""
    return max(day for day in benchmark if day < run_date)


def growth(series: Series, before: date, day: date) -> Fraction:
    """What one share of an earlier day is worth later, per unit of what it was worth."""
    return _value(series[before].close, series, before, day)[0] / Fraction(series[before].close)


def _value(initial: Decimal, series: Series, baseline: date, day: date) -> tuple[Fraction, Fraction]:
    price, before, first = Fraction(series[day].close), Fraction(series[baseline].close), Fraction(initial)
    for at, quote in series.items():
        if baseline < at <= day:
            price *= Fraction(quote.split_factor)
    if abs(before - first) > first / 10_000:
        price *= first / before
    return price, (price / first - 1) * 100


def _stored(value: Fraction) -> Decimal:
    return Decimal(round(value * _TWELVE)).scaleb(-12)  # a fraction is rounded half to even


def stored_days(conninfo: str, run_date: date) -> dict[date, Day | None]:
    """Every checkpoint of a week; None for a skipped one."""
    query = """
        select checkpoint_date, c.status, benchmark_price, benchmark_return_pct, ticker, current_price,
               absolute_return_pct, vs_benchmark_pct
        from checkpoints c
        join batches b on b.id = c.batch_id
        left join pick_checkpoint_metrics m on m.checkpoint_id = c.id
        left join picks p on p.id = m.pick_id
        where run_date = %s
        order by checkpoint_date, ticker
    """
    found: dict[date, Day | None] = {}
    for day, status, price, change, *metric in _rows(conninfo, query, run_date):
        if status == "skipped":
            found[day] = None
            continue
        held = found.get(day)
        ticker, *numbers = metric
        found[day] = Day((price, change), {**(held.picks if held else {}), ticker: tuple(numbers)})
    return found


def initial_prices(conninfo: str, run_date: date) -> dict[str, Decimal]:
    """What the week was opened at, the benchmark first."""
    query = """
        select benchmark_symbol, benchmark_initial_price, 0 from batches where run_date = %s
        union all
        select ticker, initial_price, 1 from picks p join batches b on b.id = p.batch_id where run_date = %s
        order by 3, 1
    """
    return {symbol: price for symbol, price, _ in _rows(conninfo, query, run_date, run_date)}


def events(conninfo: str, run_date: date, event_type: str) -> list[dict[str, Any]]:
    """The payloads of one type in a week's log, oldest first."""
    query = """
        select payload from events e join batches b on b.id = e.batch_id
        where run_date = %s and event_type = %s order by e.id
    """
    return [payload for (payload,) in _rows(conninfo, query, run_date, event_type)]


def waiting(conninfo: str) -> dict[date, str]:
    """The causes for which days wait."""
    return dict(_rows(conninfo, "select checkpoint_date, cause from waiting_days order by 1"))


def statuses(conninfo: str) -> dict[date, str]:
    """The status of every batch."""
    return dict(_rows(conninfo, "select run_date, status from batches order by 1"))


def _rows(conninfo: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(query.encode(), values).fetchall()
