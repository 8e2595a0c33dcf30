"""News in one message: sections for what the operator has chosen, the gravest words in the title. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from core.alerts.message import Message, Severity, make_message
from core.alerts.news import DayNews, News
from core.alerts.words import counted, day_words, excess_words, listed, plain, points, reason_words
from core.batches import PAUSED
from core.trading_calendar import BATCH_DAYS
from db.events import EventType

FEW = 5  # of one kind that are told one by one


@dataclass(frozen=True, slots=True)
class PickResult:
    """A pick on its batch's last computed day; the excess in percentage points."""

    action: str
    ticker: str
    excess_pct: Decimal


@dataclass(frozen=True, slots=True)
class BatchResult:
    """How a batch ended, in percentage points; None and nothing where no day was computed."""

    excess_pct: Decimal | None
    picks: tuple[PickResult, ...] = ()
    is_simulated: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What the news are told with: excesses by week and day, results and picks by week."""

    excess: Mapping[tuple[date, date], Decimal] = field(default_factory=dict)
    results: Mapping[date, BatchResult] = field(default_factory=dict)
    picks: Mapping[date, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    lines: Sequence[str]
    severity: Severity = Severity.INFO


def tell(news: News, figures: Figures, chosen: Collection[str]) -> Message | None:
    """What of `news` is `chosen` (names of ALERTS), as one message; None if nothing is."""
    sections: list[_Section] = []
    if "missed" in chosen:
        sections += _missed(news)
    if "completed" in chosen:
        sections += _completed(news, figures)
    if "opened" in chosen:
        sections += _opened(news, figures)
    if "checkpoint" in chosen:
        sections += _days(news, figures)
        sections += _notes("Prices", [(note.text, note.is_grave) for note in news.prices])
    if "leadership" in chosen:
        sections += _notes("Schedule", [(note.text, False) for note in news.pauses])
    sections += _history(news, chosen)
    if not sections:
        return None
    lines: list[str] = []
    for section in sections:
        lines += ["", *section.lines]
    severity = max((section.severity for section in sections), key=lambda each: each.rank)
    return make_message("; ".join(section.title for section in sections), lines, severity)


def batch_words(result: BatchResult | None) -> str:
    """`excess +1.23 pp: BUY AAPL +2.00 pp, …`."""
    if result is None:
        return "its result could not be read"
    picks = ", ".join(
        f"{pick.action} {plain(pick.ticker, limit=12)} {points(pick.excess_pct)}" for pick in result.picks
    )
    simulated = " (simulated prices)" if result.is_simulated else ""
    return excess_words(result.excess_pct) + (f": {picks}" if picks else "") + simulated


def _missed(news: News) -> list[_Section]:
    if not news.missed:
        return []
    newest = news.missed[-1]
    lines = [
        f"The week of {each.run_date} was not opened: {reason_words(each.cause)}"
        + (f" ({each.detail})" if each.detail else "")
        for each in news.missed[-FEW:]
    ]
    if len(news.missed) > FEW:
        lines.insert(0, f"{counted(len(news.missed), 'Monday')} passed unopened; the last ones:")
    lines.append(f"alpha-monday open {newest.run_date} --late opens it still, if its picks were made in time.")
    if newest.cause == PAUSED:
        lines.append("alpha-monday resume ends a pause.")
    count = len(news.missed)
    title = f"week of {newest.run_date} not opened" if count == 1 else f"{count} Mondays passed unopened"
    return [_Section(title, lines, Severity.FAILURE)]


def _completed(news: News, figures: Figures) -> list[_Section]:
    sections = []
    for run_date, reason in news.failed[:FEW]:
        text = f"Batch of {run_date} marked failed: {reason}"
        sections.append(_Section(f"batch of {run_date} marked failed", [text], Severity.WARNING))
    if len(news.failed) > FEW:
        text = counted(len(news.failed) - FEW, "more batch", "more batches") + " marked failed"
        sections.append(_Section(text, [text], Severity.WARNING))
    if 0 < len(news.completed) <= FEW:
        for run_date in news.completed:
            result = figures.results.get(run_date)
            title = f"batch of {run_date} completed, {excess_words(result.excess_pct) if result else 'see below'}"
            lines = [f"Batch of {run_date} completed: {batch_words(result)}"]
            sections.append(_Section(title, lines, Severity.SUCCESS))
    elif news.completed:
        text = f"{len(news.completed)} batches completed, from {news.completed[0]} to {news.completed[-1]}"
        sections.append(_Section(text, [text], Severity.SUCCESS))
    return sections


def _opened(news: News, figures: Figures) -> list[_Section]:
    if 0 < len(news.opened) <= FEW:
        return [
            _Section(
                f"week of {run_date} opened",
                [f"Week of {run_date} opened: {figures.picks.get(run_date, 'its picks could not be read')}"],
            )
            for run_date in news.opened
        ]
    if not news.opened:
        return []
    text = f"{len(news.opened)} weeks opened, from {min(news.opened)} to {max(news.opened)}"
    return [_Section(text, [text])]


def _days(news: News, figures: Figures) -> list[_Section]:
    dates = sorted(news.days)
    if len(dates) <= FEW:
        return [_day(day, news.days[day], figures) for day in dates]
    every = [each for day in dates for each in news.days[day]]
    skipped = [each for each in every if each.reason]
    text = f"caught up from {day_words(dates[0])} to {day_words(dates[-1])}"
    counts = f"{counted(len(every) - len(skipped), 'day')} computed, {len(skipped)} skipped"
    missing = [
        f"{day_words(day)} batch of {each.run_date}: {_skipped(each)}"
        for day in dates
        for each in news.days[day]
        if each.reason and each.reason != "market_closed"
    ]
    severity = Severity.WARNING if missing else Severity.INFO
    return [_Section(f"{text}, {counts}", [f"{text[0].upper()}{text[1:]}: {counts}", *missing[:FEW]], severity)]


def _day(day: date, batches: Sequence[DayNews], figures: Figures) -> _Section:
    """One day of every batch."""
    skipped = [each for each in batches if each.reason]
    computed = len(batches) - len(skipped)
    if computed:
        outcome = f"{counted(computed, 'batch', 'batches')} computed" + (f", {len(skipped)} skipped" if skipped else "")
    else:
        outcome = "skipped, " + ", ".join(dict.fromkeys(reason_words(each.reason) for each in skipped))
    lines = [f"{day_words(day)}: {outcome}"]
    for each in sorted(batches, key=lambda each: each.run_date, reverse=True)[:FEW]:
        number = (day - each.run_date).days + 1
        words = _skipped(each) if each.reason else excess_words(figures.excess.get((each.run_date, day)))
        lines.append(f"  {each.run_date} day {number} of {BATCH_DAYS}: {words}")
    grave = any(each.reason != "market_closed" for each in skipped)
    return _Section(f"{day_words(day)} {outcome}", lines, Severity.WARNING if grave else Severity.INFO)


def _skipped(day: DayNews) -> str:
    names = f" for {listed(day.symbols)}" if day.symbols and day.reason != "market_closed" else ""
    return f"skipped, {reason_words(day.reason)}{names}"


def _notes(title: str, notes: Sequence[tuple[str, bool]]) -> list[_Section]:
    if not notes:
        return []
    texts = [text for text, _ in notes]
    lines = texts[:FEW] + ([f"… and {len(texts) - FEW} more"] if len(texts) > FEW else [])
    grave = any(is_grave for _, is_grave in notes)
    return [
        _Section(texts[0] if len(texts) == 1 else title.lower(), lines, Severity.WARNING if grave else Severity.INFO)
    ]


# By the alert that they belong to: one, several, and what became of them.
_KINDS: Mapping[EventType, tuple[str, str, str, str]] = {
    EventType.BATCH_OPENED: ("opened", "week", "weeks", "opened"),
    EventType.BATCH_COMPLETED: ("completed", "batch", "batches", "completed"),
    EventType.BATCH_FAILED: ("completed", "batch", "batches", "marked failed"),
    EventType.BATCH_MISSED: ("missed", "Monday", "Mondays", "noted as missed"),
    EventType.CHECKPOINT_COMPUTED: ("checkpoint", "day", "days", "computed"),
    EventType.CHECKPOINT_SKIPPED: ("checkpoint", "day", "days", "skipped"),
}


def _history(news: News, chosen: Collection[str]) -> list[_Section]:
    """What was written, or is told, long after its day."""
    counts = [
        f"{counted(news.history[event_type], one, many)} {outcome}"
        for event_type, (alert, one, many, outcome) in _KINDS.items()
        if alert in chosen and news.history[event_type]
    ]
    if not counts or news.history_span is None:
        return []
    first, last = news.history_span
    lines = [f"Summed up, from {first} to {last}:", *(f"  {count}" for count in counts)]
    return [_Section(f"summed up: {counts[0]}", lines)]
