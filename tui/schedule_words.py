"""The schedulers in words: what a job does and did, what waits, who leads, how the sources fare. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from rich.console import Console
from rich.text import Text

from core.catch_up import Report
from core.clock import span
from core.job_history import Job, JobRun
from core.leading import HEARTBEAT_EVERY, LeaderView
from core.schedule_view import JobView, ScheduleView, WaitingView
from core.source_health import SourceHealth, SourceKind
from tui import format as formats
from tui.literal import literal
from tui.mode import Mode
from tui.status import Status
from tui.widgets.sections import GAP, INDENT, beside, indented, section
from tui.words import basis_words, days_words, reason_words

_TWO_COLUMNS_FROM, _THREE_COLUMNS_FROM = 104, 164
_MOST_WAITING = 100
_NAME_LIMIT, _WORDS_LIMIT = 40, 300
_JUST_NOW = timedelta(seconds=5)
# Before that age a sign of life says nothing that a held lock does not.
_WORTH_TELLING = 2 * HEARTBEAT_EVERY
_HANGS_FROM = 3 * HEARTBEAT_EVERY

WHAT_A_JOB_DOES = {
    Job.OPENING: "Opens the week with the picks of its source, Mondays before trading starts.",
    Job.CHECKPOINTS: "Writes every day of the active batches once its closes are due.",
    Job.RETRIES: "Tries again the days that had to wait, each after a rest.",
}


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told, as of when and to whom; `here` is how this process calls itself where it schedules."""

    view: ScheduleView
    status: Status
    now: datetime
    local: tzinfo | None
    here: str | None

    def when(self, instant: datetime) -> str:
        """An instant in exchange time, and the local one where it differs."""
        return formats.exchange_time(instant, self.now, self.local)

    def ago(self, instant: datetime) -> str:
        """How long ago it was."""
        age = self.now - instant
        return "just now" if age < _JUST_NOW else f"{span(age)} ago"

    def left(self, instant: datetime) -> str:
        """How long it is until then."""
        return span(instant - self.now) if instant > self.now else "now"

    def name(self, who: str) -> Text:
        """A process by its name."""
        return Text("this terminal") if who == self.here else literal(who, limit=_NAME_LIMIT)


def took_words(took: timedelta) -> str:
    """How long a run took."""
    return "<1 s" if took < timedelta(seconds=1) else span(took)


def report_words(report: Report) -> str:
    """What a job that was run by hand did."""
    counts = (
        (report.opened, "week opened", "weeks opened"),
        (report.missed, "missed week noted", "missed weeks noted"),
        (report.computed, "day computed", "days computed"),
        (report.skipped, "day skipped", "days skipped"),
        (report.waiting, "day waits", "days wait"),
        (len(report.unopened), "week not opened yet", "weeks not opened yet"),
    )
    told = [f"{count} {one if count == 1 else several}" for count, one, several in counts if count]
    if not told:
        return "the week is open already" if report.already_there else "nothing was due"
    reasons = [delay.detail for delay in (*report.unopened.values(), *report.delays) if delay.detail]
    return ", ".join(told) + (f": {reasons[0]}" if reasons else "")


def job_words(telling: Telling, row: JobView, width: int, console: Console) -> Text:
    """What the job does, and its last run whole."""
    words = [Text(WHAT_A_JOB_DOES[row.job], style="quiet")]
    words.append(_run_words(telling, row.last) if row.last else Text("No run is recorded yet.", style="quiet"))
    return indented(words, width, console)


def _run_words(telling: Telling, run: JobRun) -> Text:
    return Text.assemble(
        ("last ", "quiet"), f"{telling.when(run.at)} ({telling.ago(run.at)})", (" by ", "quiet"), telling.name(run.who),
        (", took ", "quiet"), took_words(run.took), (" · ", "quiet"), literal(run.outcome, limit=_WORDS_LIMIT),
    )  # fmt: skip


def idle_words(telling: Telling) -> Text:
    """The looks for work that found none, folded into a line."""
    view = telling.view
    if view.last_tick_at is None:
        return Text("No scheduler has looked for work yet.", style="quiet")
    at = f"{telling.when(view.last_tick_at)} ({telling.ago(view.last_tick_at)})"
    match view.idle_ticks:
        case 0:
            words = f"The last look, {at}, found work."
        case 1:
            words = f"The last look, {at}, found nothing to do."
        case _:
            words = f"The last {view.idle_ticks:,} looks found nothing to do; the last {at}."
    return Text(words, style="quiet")


def below(telling: Telling, width: int, console: Console) -> Text:
    """What waits, who leads and how the sources fare: below each other, or in as many columns as there is room for."""
    parts = (_waiting, _leadership, _sources)
    if width < _TWO_COLUMNS_FROM:
        return Text("\n\n").join(part(telling, width, console) for part in parts)
    if width < _THREE_COLUMNS_FROM:
        column = (width - GAP) // 2
        waiting, leadership, sources = (part(telling, column, console) for part in parts)
        return beside([waiting, Text("\n\n").join([leadership, sources])], column, console)
    column = (width - 2 * GAP) // 3
    return beside([part(telling, column, console) for part in parts], column, console)


def _waiting(telling: Telling, width: int, console: Console) -> Text:
    waiting = telling.view.waiting
    if not waiting:
        return section("Waiting", [Text("Nothing waits.", style="quiet")], width, console)
    count = "1 day" if len(waiting) == 1 else f"{len(waiting):,} days"
    alike: dict[tuple[object, ...], list[WaitingView]] = {}
    for row in waiting:
        alike.setdefault((row.run_date, row.cause, row.detail), []).append(row)
    groups = list(alike.values())
    entries = [entry for rows in groups[:_MOST_WAITING] for entry in _waiting_days(telling, rows)]
    if (more := sum(map(len, groups[_MOST_WAITING:]))) > 0:
        entries.append(Text(f"and {more:,} more, which an export holds", style="quiet"))
    return section(f"Waiting · {count}", entries, width, console)


def _waiting_days(telling: Telling, rows: Sequence[WaitingView]) -> Iterable[Text]:
    """The days of a batch that wait for the same thing, as one; the first of them is the one that was tried most."""
    first = rows[0]
    tries = f"tried {first.attempts:,} times since {telling.when(first.first_tried_at)}"
    tries = f"tried once, {telling.when(first.first_tried_at)}" if first.attempts == 1 else tries
    next_try = min(row.next_try_at for row in rows)
    yield Text.assemble(
        ("! ", "caution"), (first.run_date.isoformat(), "strong"), "  ",
        days_words([row.checkpoint_date for row in rows]), "  ", (reason_words(first.cause), "caution"),
    )  # fmt: skip
    following = Text.assemble(("next try ", "quiet"), f"{telling.when(next_try)} ({telling.left(next_try)})")
    if telling.view.paused is not None:
        following = Text("not tried again while paused", style="caution")
    yield Text.assemble(" " * INDENT, following, (f", {tries}", "quiet"))
    if first.detail:
        yield Text.assemble(" " * INDENT, literal(first.detail, limit=_WORDS_LIMIT, style="quiet"))


def _leadership(telling: Telling, width: int, console: Console) -> Text:
    view = telling.view
    entries = []
    if view.paused is not None:
        entries += [
            Text.assemble(
                ("‖ ", "caution"), ("paused", "caution"), (" by ", "quiet"), telling.name(view.paused.who),
                (" since ", "quiet"), f"{telling.when(view.paused.since)} ({telling.ago(view.paused.since)})",
                *((": ", literal(view.paused.reason, limit=_WORDS_LIMIT)) if view.paused.reason else ()),
            ),
            Text("  No batch is opened and no checkpoint written until somebody resumes.", style="quiet"),
        ]  # fmt: skip
    entries += _leader(telling, view.leader)
    entries += [
        Text.assemble(
            ("○ ", "quiet"), telling.name(each.who), " stands by", (" since ", "quiet"), telling.when(each.since)
        )
        for each in view.standing_by
    ]
    if (words := _runs_none(telling.status)) is not None:
        entries.append(Text(f"– {words}", style="quiet"))
    return section("Leadership", entries, width, console)


def _leader(telling: Telling, leader: LeaderView | None) -> Iterable[Text]:
    if leader is not None and leader.is_alive:
        yield Text.assemble(
            ("● ", "gain"), telling.name(leader.who), " leads", (" since ", "quiet"),
            f"{telling.when(leader.since)} ({telling.ago(leader.since)})",
        )  # fmt: skip
        age = span(leader.heartbeat_age)
        if leader.heartbeat_age >= _HANGS_FROM:
            yield Text(f"  Its last sign of life is {age} old: it hangs, or its machine does.", style="caution")
        elif leader.heartbeat_age >= _WORTH_TELLING:
            yield Text(f"  last sign of life {age} ago", style="quiet")
        return
    yield Text.assemble(("✗ ", "trouble"), ("nobody schedules", "trouble"))
    yield Text(
        "  Nothing is opened or written by itself until alpha-monday, or alpha-monday --headless, runs somewhere.",
        style="quiet",
    )
    if leader is not None:
        age = span(leader.heartbeat_age)
        words = f" led last, since {telling.when(leader.since)}; last sign of life {age} ago"
        yield Text.assemble("  ", telling.name(leader.who), words, style="quiet")


def _runs_none(status: Status) -> str | None:
    """Why this terminal neither leads nor stands by; None where it does."""
    if status.mode is Mode.READ_ONLY:
        return "this terminal is read-only and does not schedule"
    if not status.mode.runs_scheduler:
        return "this terminal was started with --no-scheduler"
    return None if status.sources else "this terminal has no price source to schedule with"


def _sources(telling: Telling, width: int, console: Console) -> Text:
    entries: list[Text] = []
    for kind, heading in ((SourceKind.PRICES, "Prices"), (SourceKind.PICKS, "Picks")):
        found = [each for each in telling.view.sources if each.kind is kind]
        is_chain = kind is SourceKind.PRICES and len(found) > 1 and bool(telling.status.sources)
        entries.append(Text(f"{heading}, asked in this order" if is_chain else heading, style="quiet"))
        if not found:
            entries.append(Text(f"  – no {'price' if kind is SourceKind.PRICES else 'pick'} source is set"))
        for number, each in enumerate(found, 1):
            entries += _source(telling, each, f"{number} " if is_chain else "")
    return section("Sources", entries, width, console)


def _source(telling: Telling, health: SourceHealth, number: str) -> Iterable[Text]:
    parts = [Text.assemble("  ", (number, "quiet"), literal(health.name, limit=_NAME_LIMIT, style="strong"))]
    if health.is_failing:
        parts.append(Text.assemble(("✗ ", "trouble"), ("fails", "trouble")))
    elif health.succeeded_at is None:
        parts.append(Text("– not asked yet", style="quiet"))
    else:
        parts.append(Text.assemble(("✓ ", "gain"), "answers"))
    if health.kind is SourceKind.PRICES:
        basis = next((each.basis for each in telling.status.sources if each.name == health.name), None)
        parts += [Text(basis_words(basis), style="quiet")] if basis else []
    if health.quota_left is not None:
        words = "1 question left" if health.quota_left == 1 else f"{max(0, health.quota_left):,} questions left"
        parts.append(Text(words, style="caution" if health.quota_left <= 0 else "quiet"))
    yield Text("  ").join(parts)
    if health.succeeded_at is not None:
        at = f"{telling.when(health.succeeded_at)} ({telling.ago(health.succeeded_at)})"
        yield Text.assemble("    ", ("no answer since " if health.is_failing else "answered last ", "quiet"), at)
    if health.failed_at is not None:
        at = f"{telling.when(health.failed_at)} ({telling.ago(health.failed_at)})"
        why = Text(reason_words(health.failure_code), style="caution" if health.is_failing else "quiet")
        yield Text.assemble("    ", ("failed last ", "quiet"), at, ("  ", ""), why)
        if health.failure:
            yield Text.assemble("    ", literal(health.failure, limit=_WORDS_LIMIT))
