"""Picks by momentum: the two strongest of a universe over the past year are bought, the weakest is sold.

The measure is the return from 252 to 21 sessions before the baseline, P[-21] / P[-252] - 1, split-adjusted.
Leaving out the last month is the convention of Carhart (1997), "On Persistence in Mutual Fund Performance",
Journal of Finance 52(1), and of Kenneth French's data library, prior (2-12) return.

Sessions are what the calendar expects, without the days on which no symbol has a close in two responses. A member whose
closes hold a move that would hold a price is not ranked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from core import metrics
from core.csv_rows import FileError, FileUnreadableError
from core.file_at_rest import FileAtRest, UnfinishedFileError
from core.moves import standing_moves
from core.picks.check import PICKS_PER_BATCH, check_picks
from core.picks.source import PickDraft, PickOptions, PicksMalformedError, PicksNotYetError, PicksUnavailableError
from core.picks.universe import Universe, parse_universe
from core.plugins import needed
from core.price_history import History
from core.prices.source import ONE, PriceSource, PriceSourceError, is_taken_at_its_word
from core.tickers import canonical_ticker
from db.records import Action

if TYPE_CHECKING:
    from core.trading_calendar import TradingCalendar

LONGEST_LAG = 252
SHORTEST_LAG = 21
CLOSES_NEEDED = LONGEST_LAG + 1
_NAMED_AT_MOST = 10
_LONGEST_REASON = 120
# More than the unexpected closures of any year since 1933.
_SESSIONS_TO_SPARE = 10


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
        self._file = FileAtRest(universe, parse_universe)
        self._prices = prices
        self._calendar = calendar
        self._benchmark = canonical_ticker(benchmark)

    @classmethod
    def from_options(cls, options: PickOptions) -> "MomentumPicks":
        """Raises `MissingSettingError` without a universe or a price source."""
        universe = needed(options.universe, "pick source 'momentum'", "ALPHA_MONDAY_UNIVERSE")
        prices = needed(options.prices, "pick source 'momentum'", "ALPHA_MONDAY_PRICE_SOURCE")
        return cls(universe, prices, options.calendar, options.benchmark)

    async def universe(self) -> Universe:
        """The universe as the file has it now; undated, it is survivorship-biased, which every reasoning says.

        Raises `PicksNotYetError` while members may still be missing, `PicksUnavailableError` if the file cannot be read
        and `PicksMalformedError` if it is wrong.
        """
        try:
            return (await self._file.read(whole=True)).content
        except UnfinishedFileError as exc:
            raise PicksNotYetError(exc.message, exc.remedy) from exc
        except FileUnreadableError as exc:
            raise PicksUnavailableError(exc.message, exc.remedy) from exc
        except FileError as exc:
            raise PicksMalformedError(exc.message, exc.remedy) from exc

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        """BUY the two strongest and SELL the weakest of the members on `run_date`, the benchmark aside.

        Raises `PicksNotYetError` while the universe, or a file that lacks a member's closes, may be unfinished,
        `PicksUnavailableError` if universe or closes cannot be had, and `PicksMalformedError` if the
        universe file is wrong or fewer than three members have all 253 closes.
        """
        universe = await self.universe()
        members = universe.members(run_date) - {self._benchmark}
        if len(members) < PICKS_PER_BATCH:
            raise PicksMalformedError(
                f"{self._file.label} has {len(members)} members on {run_date.isoformat()},"
                f" the benchmark aside; momentum needs {PICKS_PER_BATCH}",
                "Add tickers to the universe.",
            )
        sessions = self._sessions(run_date)
        try:
            history = await self._history(members | {self._benchmark}, sessions)
            failed = _failures(history, (self._benchmark, *sorted(members)))
            if (problem := failed.pop(self._benchmark, None)) is not None:
                raise problem
            usable = members - failed.keys()
            closed = await self._closures(history, usable, sessions)
            window = [day for day in sessions if day not in closed][-CLOSES_NEEDED:]
            ranking, excluded = rank(usable, history, window)
            if failed and len(ranking) < PICKS_PER_BATCH:
                raise next(iter(failed.values()))
        except PriceSourceError as exc:
            raise PicksUnavailableError(exc.message, exc.remedy) from exc
        excluded |= {ticker: problem.message[:_LONGEST_REASON] for ticker, problem in failed.items()}
        if (excluded or closed) and not history.is_complete:
            named = ", ".join([*excluded, *map(str, closed)][:_NAMED_AT_MOST])
            raise PicksNotYetError(
                f"{history.source} may be unfinished and lacks closes of {named}",
                "They are excluded when it has been unchanged for minutes.",
            )
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

    async def _history(self, symbols: frozenset[str], sessions: Sequence[date]) -> History:
        answer = await self._prices.closes(sorted(symbols), sessions[0], sessions[-1])
        return History(answer, sessions[-1], is_taken_at_its_word=is_taken_at_its_word(self._prices))

    async def _closures(self, history: History, members: frozenset[str], sessions: Sequence[date]) -> frozenset[date]:
        """Those of `sessions` on which the exchange was closed; what one response lacks, a second has to lack too."""
        closed = _closures(history, self._benchmark, members, sessions)
        if not closed or history.is_taken_at_its_word:
            return closed
        # One symbol with closes is enough to see whether the provider has the day by now.
        asked = next(
            (symbol for symbol in (self._benchmark, *sorted(members)) if history.last_session(symbol)), self._benchmark
        )
        second = await self._history(frozenset({asked}), sessions)
        return closed & _closures(second, asked, (), sessions)

    def _sessions(self, run_date: date) -> list[date]:
        """The sessions up to the baseline by the calendar, in order: some more than the 253 that are needed."""
        found: list[date] = []
        day = run_date
        while len(found) < CLOSES_NEEDED + _SESSIONS_TO_SPARE:
            try:
                day = self._calendar.previous_session(day)
            except ValueError as exc:
                raise PicksUnavailableError(str(exc), "Choose a later week.") from exc
            found.append(day)
        return found[::-1]


def _failures(history: History, symbols: Iterable[str]) -> dict[str, PriceSourceError]:
    """The errors of the symbols without a usable response: refused, malformed, or with a number that is no price."""
    failed: dict[str, PriceSourceError] = {}
    for symbol in symbols:
        try:
            history.check(symbol)
        except PriceSourceError as problem:
            failed[symbol] = problem
    return failed


def _closures(history: History, benchmark: str, members: Iterable[str], sessions: Iterable[date]) -> frozenset[date]:
    asked = tuple(members)
    return frozenset(day for day in sessions if history.shows_closure(day, benchmark, asked))


def rank(members: frozenset[str], history: History, window: Sequence[date]) -> tuple[list[Momentum], dict[str, str]]:
    """The candidates, strongest first and ties by ticker; and why each other member is excluded.

    `window` holds the sessions from 252 before the baseline to the baseline. A candidate has a close on each, and no
    move between the closes it is ranked by that would hold a price. Raises MalformedError.
    """
    candidates = []
    excluded = {}
    old_day, new_day = window[0], window[-1 - SHORTEST_LAG]
    for ticker in sorted(members):
        found = sum(history.has_close(ticker, day) for day in window)
        if found < CLOSES_NEEDED:
            excluded[ticker] = f"{found} of {CLOSES_NEEDED} closes"
        elif moves := standing_moves(history.moves(ticker, old_day, new_day)):
            excluded[ticker] = f"moved {metrics.return_pct(ONE, moves[0].ratio):+.2f} % on {moves[0].session}"
        else:
            candidates.append(_measure(ticker, history, old_day, new_day))
    # The sort is stable and the candidates stand in alphabetical order, so ties go by ticker.
    return sorted(candidates, key=lambda candidate: candidate.growth, reverse=True), excluded


def _measure(ticker: str, history: History, old_day: date, new_day: date) -> Momentum:
    trace = history.trace(ticker, old_day, new_day)
    assert trace is not None  # a candidate has a close on every session
    # n new shares stand for one old share, so the old price counts for 1/n of itself.
    growth = Fraction(trace.close) * Fraction(trace.split_factor) / Fraction(trace.baseline)
    return Momentum(ticker, trace.baseline, trace.close, Fraction(trace.split_factor), growth)


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


def _excluded_text(excluded: Mapping[str, str]) -> str:
    if not excluded:
        return "None excluded."
    named = [f"{ticker} ({reason})" for ticker, reason in excluded.items()]
    more = f" and {len(named) - _NAMED_AT_MOST} more" if len(named) > _NAMED_AT_MOST else ""
    return f"Excluded: {', '.join(named[:_NAMED_AT_MOST])}{more}."
