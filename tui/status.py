"""What the top of every screen tells: one value, and the words for it. Pure."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING

from rich.text import Text

from core.clock import span
from core.mixing import SIMULATED
from db.errors import AlphaMondayError
from tui import format as formats
from tui.commands import CommandSet
from tui.literal import literal
from tui.mode import Mode
from tui.words import basis_words, opening_words

if TYPE_CHECKING:
    from core.problems import Problem
    from core.reminder import Reminder
    from core.schedule_view import WhoSchedules
    from core.scheduler_state import SchedulerState

PRODUCT = "Alpha Monday"
_NOT_CONFIRMED = ", not confirmed"
_PAUSED = Text("‖ paused", style="caution")
# As core.prices.source.PriceSourceError and what derives from it: the codes by which a waiting day blames its source.
_SOURCE_CODES = frozenset({"price_source", "rate_limited", "unauthorised", "unavailable", "timed_out", "malformed"})


class Link(StrEnum):
    """How this screen stands to the database."""

    OPENING = "opening the database"
    PREPARING = "filling the demo"
    OPEN = "open"
    LOST = "database lost, retrying"
    FAILED = "no database, retrying"


@dataclass(frozen=True, slots=True)
class Source:
    """A price source of the chain, as the status line names it."""

    name: str
    basis: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that the status line and the notices depend on."""

    mode: Mode
    database: str = ""
    link: Link = Link.OPENING
    problem: AlphaMondayError | None = None
    answered_at: datetime | None = None
    sources: tuple[Source, ...] = ()
    source_problem: AlphaMondayError | None = None
    scheduler: "SchedulerState | None" = None
    simulated_batches: bool = False
    problems: "tuple[Problem, ...]" = ()
    looked_at: datetime | None = None
    who_schedules: "WhoSchedules | None" = None
    transport_problem: str | None = None

    @property
    def is_simulated(self) -> bool:
        """Whether anything on the screens may rest on invented prices."""
        return self.simulated_batches or any(source.name == SIMULATED for source in self.sources)

    @property
    def is_paused(self) -> bool:
        """Whether the schedulers of the database are told to do nothing."""
        if self.who_schedules is not None:
            return self.who_schedules.paused is not None
        return self.scheduler is not None and self.scheduler.paused is not None

    @property
    def is_open(self) -> bool:
        """Whether the database was opened, even if it does not answer now."""
        return self.link in (Link.OPEN, Link.LOST, Link.PREPARING)

    @property
    def failing_source(self) -> str | None:
        """What the price source said when it failed last, None while it works."""
        if self.scheduler is None:
            return None
        report = self.scheduler.last_report
        delays = [*report.delays, *report.unopened.values()] if report else []
        return next((delay.detail for delay in delays if delay.cause in _SOURCE_CODES), None)


def scheduler_words(status: Status) -> Text:
    """The scheduler's state, in words with a mark."""
    if status.link in (Link.LOST, Link.FAILED):
        return Text(f"✗ {status.link}", style="trouble")
    if status.link in (Link.OPENING, Link.PREPARING):
        return Text(f"… {status.link}", style="quiet")
    if not status.mode.runs_scheduler:
        words = Text("read-only" if status.mode is Mode.READ_ONLY else "no scheduler", style="quiet")
        return _with_others(words, status)
    if not status.sources:
        return _with_others(Text("✗ not scheduling", style="caution"), status)
    if status.scheduler is None:
        return Text("… starting", style="quiet")
    phase = str(status.scheduler.phase)
    if status.is_paused and phase in {"leading", "paused", "standing by"}:
        return _PAUSED.copy()
    if phase in {"leading", "paused"}:  # a pause that has ended is noticed within seconds
        words = Text.assemble(("● ", "gain"), "leading")
        if status.scheduler.problem is not None and status.scheduler.problem.code == "lead_unconfirmed":
            words.append(_NOT_CONFIRMED, style="caution")
        return words
    if phase == "standing by":
        leader = literal(status.scheduler.leader or "another process", limit=40)
        words = Text.assemble(("○ ", "quiet"), "standing by, ", leader, " leads")
        seen = status.who_schedules.leader if status.who_schedules is not None else None
        if seen is not None and seen.is_unconfirmed:
            words.append(_NOT_CONFIRMED, style="caution")
        return words
    return Text(f"… {phase}", style="caution")


def _with_others(words: Text, status: Status) -> Text:
    """What this terminal does not do, and who does it."""
    if status.who_schedules is None:
        return words
    if status.is_paused:
        others = _PAUSED
    elif (leader := status.who_schedules.leader) is not None and leader.is_alive:
        others = Text.assemble(literal(leader.who, limit=24), " leads")
        if leader.is_unconfirmed:
            others.append(_NOT_CONFIRMED, style="caution")
    else:
        others = Text("nobody schedules", style="caution")
    return Text.assemble(words, (", ", "quiet"), others)


def next_words(status: Status, now: datetime, local: tzinfo | None, *, with_span: bool = True) -> Text:
    """When there is something to do next: `next open Mon 09:00 ET (19 h)`; empty where nobody knows."""
    due = status.scheduler.next_due if status.scheduler else None
    if due is None or status.link is not Link.OPEN or status.is_paused:
        return Text()
    what = {"checkpoint": "close of day"}.get(str(due.kind), str(due.kind))
    words = Text.assemble(("next ", "quiet"), what, " ", formats.exchange_time(due.at, now, local))
    if with_span:
        words.append(f" ({span(due.at - now) if due.at > now else 'now'})", style="quiet")
    return words


def source_words(status: Status, *, with_basis: bool = True) -> Text:
    """The price sources with their bases, simulated ones so that nobody takes them for real."""
    if status.is_simulated:
        return Text(" SIMULATED PRICES ", style="simulated")
    if not status.is_open:
        return Text()
    if not status.sources:
        return Text("no price source", style="caution")
    words = Text(" → ", style="quiet").join(literal(source.name, limit=20) for source in status.sources)
    if with_basis:
        words.append(f" · {basis_words(status.sources[0].basis)}", style="quiet")
    if status.failing_source:
        words.append(" ✗", style="trouble")
    elif status.scheduler is not None and status.scheduler.last_report is not None:
        words.append(" ✓", style="gain")
    return words


def notices(status: Status, now: datetime, commands: CommandSet) -> list[Text]:
    """The lines that an operator should not miss: what happened and what to do about it."""
    found: list[Text] = []
    if status.problem is not None and status.link in (Link.LOST, Link.FAILED) and status.answered_at is not None:
        age = span(now - status.answered_at)
        found.append(_notice("trouble", status.problem, f"What is shown was read {age} ago. "))
    if status.link is Link.PREPARING:
        found.append(Text("Filling the demo database with simulated prices; the list grows as weeks are written."))
    if status.source_problem is not None:
        found.append(_notice("caution", status.source_problem))
    elif status.link is Link.OPEN and not status.sources and status.mode.may_write:
        found.append(
            Text.assemble(
                ("! ", "caution"),
                "No price source is set, so nothing is opened or computed. Press ",
                (commands["set_up"].keys[0], "key"),
                " to set one up.",
            )
        )
    if status.who_schedules is not None and (missed := status.who_schedules.missed) and status.link is Link.OPEN:
        words = Text.assemble(("! ", "caution"), f"The week of {missed} was not opened.")
        if status.mode.may_write:
            late = (commands["new_batch"].keys[0], "key")
            words = Text.assemble(words, " ", late, " opens it late, if its picks were made in time.")
        found.append(words)
    reminded = status.who_schedules.reminder if status.who_schedules is not None else None
    if reminded is not None and now < reminded.opens_until and status.link is Link.OPEN:
        key = commands["new_batch"].keys[0] if status.mode.may_write else None
        found.append(_reminder(reminded, now, key, is_paused=status.is_paused))
    if status.transport_problem:
        found.append(Text.assemble(("! ", "caution"), literal(status.transport_problem, limit=300)))
    if status.scheduler is not None and status.link is Link.OPEN:
        if status.scheduler.problem is not None:
            found.append(_notice("trouble", status.scheduler.problem))
        elif status.failing_source is not None:
            found.append(Text.assemble(("! ", "caution"), literal(status.failing_source, limit=200)))
    return found


def _reminder(reminded: "Reminder", now: datetime, key: str | None, *, is_paused: bool) -> Text:
    """What the next opening lacks, quietly until it begins; `key` is the one that helps, where any does."""
    is_on = now >= reminded.opens_at
    if reminded.problem:
        words = Text.assemble(
            ("! ", "caution"), f"The picks for {reminded.run_date} cannot be opened: ",
            literal(reminded.problem, limit=300),
        )  # fmt: skip
    elif is_on:
        words = Text.assemble(("! ", "caution"), f"Nothing is staged for the week of {reminded.run_date}.")
    else:
        words = Text(f"Nothing is staged for the week of {reminded.run_date}, which ", style="quiet")
        words.append(f"{opening_words(reminded.opens_at, now, is_paused=is_paused)}.")
    if key is not None and not reminded.problem:
        until = f", until {reminded.opens_until:%H:%M} ET" if is_on else ""
        words.append(" ").append(key, style="key").append(f" opens the form{until}.")
    return words


def _notice(style: str, problem: AlphaMondayError, first: str = "") -> Text:
    return Text.assemble(
        ("! ", style),
        first,
        literal(problem.message, limit=200),
        " ",
        literal(problem.remedy, limit=200, style="quiet"),
    )
