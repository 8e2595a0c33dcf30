"""Picks by momentum: the two strongest of a universe over the past year are bought, the weakest is sold.

The measure is the return from 252 to 21 sessions before the baseline, P[-21] / P[-252] - 1, split-adjusted.
Leaving out the last month is the convention of Carhart (1997), "On Persistence in Mutual Fund Performance",
Journal of Finance 52(1), and of Kenneth French's data library, prior (2-12) return.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from core.csv_rows import CachedFile, FileError, FileUnreadableError
from core.picks.check import PICKS_PER_BATCH, check_picks
from core.picks.source import PickDraft, PickOptions, PicksMalformedError, PicksUnavailableError
from core.picks.universe import Universe, parse_universe
from core.plugins import needed
from core.prices.source import Close, PriceSource, PriceSourceError
from db.records import Action

if TYPE_CHECKING:
    from core.trading_calendar import TradingCalendar

LONGEST_LAG = 252
SHORTEST_LAG = 21
CLOSES_NEEDED = LONGEST_LAG + 1
_NAMED_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Momentum:
    """One candidate's measure: closes as the source sent them, and the split factors between them multiplied.

    `growth` is P[-21] / P[-252] on one share basis, exactly; 1 is no change.
    """

    ticker: str
    old: Decimal
    new: Decimal
    splits: Fraction
    growth: Fraction

    @property
    def return_pct(self) -> Decimal:
        """The return in percent, rounded half-even to 2 decimals."""
        return Decimal(round((self.growth - 1) * 10_000)).scaleb(-2)


class MomentumPicks:
    """A pick source that ranks a universe file's members by the closes of a price source."""

    name = "momentum"

    def __init__(self, universe: Path, prices: PriceSource, calendar: "TradingCalendar", benchmark: str) -> None:
        self._file = CachedFile(universe, parse_universe)
        self._prices = prices
        self._calendar = calendar
        self._benchmark = benchmark

    @classmethod
    def from_options(cls, options: PickOptions) -> "MomentumPicks":
        """Raises `MissingSettingError` without a universe or a price source."""
        universe = needed(options.universe, "pick source 'momentum'", "ALPHA_MONDAY_UNIVERSE")
        prices = needed(options.prices, "pick source 'momentum'", "ALPHA_MONDAY_PRICE_SOURCE")
        return cls(universe, prices, options.calendar, options.benchmark)

    async def universe(self) -> Universe:
        """The universe as the file has it now; undated, it is survivorship-biased, which every reasoning says.

        Raises `PicksUnavailableError` if the file cannot be read and `PicksMalformedError` if it is wrong.
        """
        try:
            return await self._file.read()
        except FileUnreadableError as exc:
            raise PicksUnavailableError(exc.message, exc.remedy) from exc
        except FileError as exc:
            raise PicksMalformedError(exc.message, exc.remedy) from exc

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        """BUY the two strongest and SELL the weakest of the members on `run_date`, the benchmark aside.

        Raises `PicksUnavailableError` if universe or closes cannot be had, and `PicksMalformedError` if the
        universe file is wrong or fewer than three members have all 253 closes.
        """
        universe = await self.universe()
        members = universe.members(run_date) - {self._benchmark}
        if len(members) < PICKS_PER_BATCH:
            raise PicksMalformedError(
                f"{self._file.path} has {len(members)} members on {run_date.isoformat()},"
                f" the benchmark aside; momentum needs {PICKS_PER_BATCH}",
                "Add tickers to the universe.",
            )
        window = self._window(run_date)
        try:
            answer = await self._prices.closes(sorted(members), window[0], window[-1])
        except PriceSourceError as exc:
            raise PicksUnavailableError(exc.message, exc.remedy) from exc
        ranking, excluded = rank(members, answer.closes, window)
        note = _excluded_text(excluded)
        if len(ranking) < PICKS_PER_BATCH:
            raise PicksMalformedError(
                f"momentum needs {PICKS_PER_BATCH} candidates on {run_date.isoformat()}, and of {len(members)}"
                f" members {len(ranking)} have closes for it. {note}",
                f"Add tickers that have {CLOSES_NEEDED} closes up to {window[-1].isoformat()} to the universe.",
            )
        places = ((0, Action.BUY), (1, Action.BUY), (len(ranking) - 1, Action.SELL))
        if universe.undated:
            note += " The universe has no dates, so it is survivorship-biased."
        drafts = [
            PickDraft(ranking[place].ticker, action, _reasoning(ranking, place, window, note))
            for place, action in places
        ]
        return check_picks(drafts, self._benchmark)

    def _window(self, run_date: date) -> list[date]:
        """The 253 sessions that end with the baseline session, in order."""
        window: list[date] = []
        day = run_date
        while len(window) < CLOSES_NEEDED:
            try:
                day = self._calendar.previous_session(day)
            except ValueError as exc:
                raise PicksUnavailableError(str(exc), "Choose a later week.") from exc
            window.append(day)
        return window[::-1]


def rank(
    members: frozenset[str], closes: Mapping[str, Mapping[date, Close]], window: Sequence[date]
) -> tuple[list[Momentum], dict[str, int]]:
    """The candidates, strongest first and ties by ticker; and how many closes each excluded member has.

    `window` holds the sessions from 252 before the baseline to the baseline; a candidate has a close on each.
    """
    candidates = []
    excluded = {}
    for ticker in sorted(members):
        series = closes.get(ticker, {})
        found = sum(day in series for day in window)
        if found == CLOSES_NEEDED:
            candidates.append(_measure(ticker, series, window[0], window[-1 - SHORTEST_LAG]))
        else:
            excluded[ticker] = found
    # The sort is stable and the candidates stand in alphabetical order, so ties go by ticker.
    return sorted(candidates, key=lambda candidate: candidate.growth, reverse=True), excluded


def _measure(ticker: str, series: Mapping[date, Close], old_day: date, new_day: date) -> Momentum:
    splits = Fraction(1)
    for day, close in series.items():
        if old_day < day <= new_day and close.split_factor != 1:
            splits *= Fraction(close.split_factor)
    old, new = series[old_day].price, series[new_day].price
    # n new shares stand for one old share, so the old price counts for 1/n of itself.
    return Momentum(ticker, old, new, splits, Fraction(new) * splits / Fraction(old))


def _reasoning(ranking: Sequence[Momentum], place: int, window: Sequence[date], note: str) -> str:
    candidate = ranking[place]
    old_day, new_day = window[0], window[-1 - SHORTEST_LAG]
    split = f", {_text(candidate.splits)} shares for 1 in between" if candidate.splits != 1 else ""
    return (
        f"Momentum {candidate.return_pct:+f} %, rank {place + 1} of {len(ranking)}:"
        f" close {candidate.old:f} on {old_day.isoformat()},"
        f" {candidate.new:f} on {new_day.isoformat()}{split}. {note}"
    )


def _text(splits: Fraction) -> str:
    return f"{Decimal(splits.numerator) / splits.denominator:.6g}"


def _excluded_text(excluded: Mapping[str, int]) -> str:
    if not excluded:
        return "None excluded."
    named = [f"{ticker} ({found} of {CLOSES_NEEDED} closes)" for ticker, found in excluded.items()]
    more = f" and {len(named) - _NAMED_AT_MOST} more" if len(named) > _NAMED_AT_MOST else ""
    return f"Excluded: {', '.join(named[:_NAMED_AT_MOST])}{more}."
