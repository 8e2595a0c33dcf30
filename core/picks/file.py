"""Picks from a file that the operator keeps: `run_date,ticker,action,reasoning`."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from core.csv_rows import FileError, FileUnreadableError, line_error, parse_date, read_rows
from core.file_at_rest import FileAtRest, UnfinishedFileError
from core.picks.check import PICKS_PER_BATCH, check_picks, check_reasoning, spelled_as
from core.picks.source import (
    PickDraft,
    PickOptions,
    PicksMalformedError,
    PicksNotYetError,
    PicksUnavailableError,
)
from core.plugins import needed
from core.tickers import parse_ticker
from db.records import Action

_MONDAY = 0


class FilePicks:
    """A pick source that reads one CSV file, again whenever it changes."""

    name = "file"

    def __init__(self, path: Path, benchmark: str) -> None:
        self._file = FileAtRest(path, parse_picks)
        self._benchmark = benchmark

    @classmethod
    def from_options(cls, options: PickOptions) -> "FilePicks":
        """Raises `MissingSettingError` without a picks file."""
        path = needed(options.picks_file, "pick source 'file'", "ALPHA_MONDAY_PICKS_FILE")
        return cls(path, options.benchmark)

    async def picks(self, run_date: date) -> Sequence[PickDraft]:
        """The three picks of that week, in the file's order.

        Raises `PicksNotYetError` while the week has no rows or the file may be unfinished, `PicksUnavailableError` if
        the file cannot be read and `PicksMalformedError` if its content is wrong, in whichever week.
        """
        try:
            weeks = (await self._file.read()).content
        except UnfinishedFileError as exc:
            raise PicksNotYetError(exc.message, exc.remedy) from exc
        except FileUnreadableError as exc:
            raise PicksUnavailableError(exc.message, exc.remedy) from exc
        except FileError as exc:
            raise PicksMalformedError(exc.message, exc.remedy) from exc
        label = self._file.label
        if (drafts := weeks.get(run_date)) is None:
            raise PicksNotYetError(
                f"{label} has no picks for the week of {run_date.isoformat()}",
                "Add three rows for that week.",
            )
        try:
            return check_picks(drafts, self._benchmark)
        except PicksMalformedError as exc:
            raise PicksMalformedError(f"{label}, week of {run_date.isoformat()}: {exc.message}", exc.remedy) from exc


async def read_picks_file(path: Path) -> dict[date, tuple[PickDraft, ...]]:
    """The picks per run date in a file that was given by hand, once it is at rest; see `FileAtRest.read`."""
    return (await FileAtRest(path, parse_picks, given_by_hand=True).read()).content


def parse_picks(text: str, label: str) -> dict[date, tuple[PickDraft, ...]]:
    """The picks per run date, weeks in order of time and each week's three in the order of the file.

    `label` names the file in messages. Raises `FileError` unless every run date is a Monday and has exactly
    three picks of distinct tickers; whether one is the benchmark is for `check_picks`.
    """
    weeks: dict[date, dict[str, PickDraft]] = {}
    texts: dict[tuple[date, str], str] = {}
    last_lines: dict[date, int] = {}
    for line, (run_date_text, ticker_text, action, reasoning) in read_rows(
        text, label, ("run_date", "ticker", "action", "reasoning")
    ):
        try:
            run_date = _parse_run_date(run_date_text)
            draft = PickDraft(parse_ticker(ticker_text), _parse_action(action), check_reasoning(reasoning))
        except ValueError as exc:
            raise line_error(label, line, exc) from exc
        week = weeks.setdefault(run_date, {})
        if draft.ticker in week:
            spellings = spelled_as(draft.ticker, [texts[run_date, draft.ticker], ticker_text])
            found = f"{draft.ticker!r} is picked twice in the week of {run_date.isoformat()}{spellings}"
            raise line_error(label, line, found)
        if len(week) == PICKS_PER_BATCH:
            raise line_error(label, line, f"a fourth pick in the week of {run_date.isoformat()}: {draft.ticker!r}")
        week[draft.ticker], texts[run_date, draft.ticker] = draft, ticker_text
        last_lines[run_date] = line
    for run_date, week in weeks.items():
        if len(week) != PICKS_PER_BATCH:
            found = f"{len(week)} instead of {PICKS_PER_BATCH} picks in the week of {run_date.isoformat()}"
            raise line_error(label, last_lines[run_date], f"{found}: {', '.join(week)}")
    return {run_date: tuple(weeks[run_date].values()) for run_date in sorted(weeks)}


def _parse_run_date(text: str) -> date:
    run_date = parse_date(text)
    if run_date.weekday() != _MONDAY:
        raise ValueError(f"not a Monday: {text!r}")
    return run_date


def _parse_action(text: str) -> Action:
    try:
        return Action(text.strip().upper())
    except ValueError:
        raise ValueError(f"not BUY or SELL: {text[:40]!r}") from None
