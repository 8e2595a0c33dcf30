"""What went wrong since the operator last looked, in words. Pure."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from core.trading_calendar import EXCHANGE_ZONE
from tui import format as formats
from tui.commands import CommandSet
from tui.literal import clean, literal
from tui.words import reason_words

if TYPE_CHECKING:
    from core.problems import Problem
    from tui.status import Status

_SEPARATOR = " · "
_ROOMY = 100
USUAL_SPAN = timedelta(days=14)  # as core.problems, which is not imported before the first paint


def problems_line(
    problems: Sequence["Problem"], since: datetime | None, now: datetime, key: str, width: int, *, is_paused: bool
) -> Text:
    """One line: how many there are, noted since when, the newest of them in brief, and the key that lists them all."""
    seen = since or now - USUAL_SPAN
    end = Text.assemble((f"  {key}", "key"), (" show", "quiet"))
    line = Text.assemble(("! ", "caution"), _count_words(problems, seen, now, in_full=width >= _ROOMY), ": ")
    room = width - end.cell_len
    brief = Text(_SEPARATOR, style="quiet").join(in_brief(problem, now, is_paused=is_paused) for problem in problems)
    line.append_text(brief)
    line.truncate(room, overflow="ellipsis", pad=True)
    return line.append_text(end)


def _count_words(problems: Sequence["Problem"], since: datetime, now: datetime, *, in_full: bool) -> str:
    """`2 problems noted since 13 Nov`; what stands since before is open all the same. In short, `2 noted since …`."""
    count = sum(problem.count for problem in problems)
    things = f" {'problem' if count == 1 else 'problems'}" if in_full else ""
    how = "open or noted" if any(problem.at < since for problem in problems) else "noted"
    return f"{count}{things} {how} since {_day_words(since.astimezone(EXCHANGE_ZONE).date(), now)}"


def _day_words(day: date, now: datetime) -> str:
    """`13 Nov`, with the year where it is not the present one."""
    return f"{day.day} {day:%b}" + ("" if day.year == now.astimezone(EXCHANGE_ZONE).year else f" {day.year}")


def in_brief(problem: "Problem", now: datetime, *, is_paused: bool) -> Text:
    """A few words: `week of 2 Nov missed`, `TSLA 19 Nov no close, retry 15:31`; no next try while it `is_paused`."""
    symbols = " ".join(clean(symbol, limit=10) for symbol in problem.symbols[:3])
    day = problem.checkpoint_date or problem.run_date
    when = _day_words(day, now) if day else ""
    retry = f", retry {problem.next_try_at.astimezone(EXCHANGE_ZONE):%H:%M}" if problem.next_try_at else ""
    retry = ", paused" if retry and is_paused else retry
    match str(problem.kind):
        case "missed":
            one = f"week of {when} missed"
            words = one if problem.count == 1 else f"{problem.count} weeks missed, the last of {when}"
        case "waiting":
            words = f"{symbols} {when} {reason_words(problem.cause)}{retry}"
        case "no_close":
            words = f"{symbols} {when} skipped, no close"
        case "stopped_trading":
            words = f"{symbols} stopped trading, last close {when}"
        case "doubtful_move":
            days = "waits" if problem.count == 1 else f"{problem.count} days wait"
            words = f"{symbols} {when} doubtful move, {days} for a word"
        case "baseline_revised":
            words = f"{symbols} baseline revised"
        case "picks_refused":
            words = f"week of {when} picks refused"
        case _:
            words = f"{reason_words(problem.cause)}, {problem.count} days wait{retry}"
    return literal(words.strip(), limit=80)


def in_full(problem: "Problem", now: datetime, commands: CommandSet, status: "Status") -> Text:
    """What happened, when, and what helps, as far as it can be done in this terminal."""
    noted = formats.exchange_time(problem.at, now)
    brief = in_brief(problem, now, is_paused=status.is_paused)
    lines = [
        Text.assemble(("! ", "caution"), brief, (f"   noted {noted}", "quiet")),
        Text.assemble("  ", literal(problem.detail, limit=300, style="quiet")),
        Text.assemble("  ", remedy(problem, commands, status)),
    ]
    return Text("\n").join(line for line in lines if line.plain.strip())


def remedy(problem: "Problem", commands: CommandSet, status: "Status") -> Text:
    """What an operator can do about it, and with which key; no key that writes where nothing may be written."""
    enter, scheduler, run = ((commands[each].keys[0], "key") for each in ("open_batch", "scheduler", "run_job"))
    may_write = status.mode.may_write
    elsewhere = "A terminal that is not read-only"
    match str(problem.kind):
        case "missed":
            opens = (
                " on its row in the list opens the week late" if may_write else f"{elsewhere} can open the week late"
            )
            return Text.assemble(enter if may_write else "", opens, ", if its picks were made in time.")
        case "waiting":
            again = (
                "It is tried again once the schedulers are resumed"
                if status.is_paused
                else "It is tried again by itself"
            )
            if not may_write:
                return Text(f"{again}.")
            return Text.assemble(again, "; ", scheduler, " then ", run, " on “retry waiting days” tries it now.")
        case "no_close":
            return Text("The day is skipped for good; the other days go on.")
        case "stopped_trading":
            return Text("Its later days are skipped for good. If it was renamed, SYMBOL_CHANGES tells its new name.")
        case "doubtful_move":
            until = ", or a source is mended: until then its days wait."
            if not may_write:
                return Text(f"{elsewhere} can accept it{until}")
            return Text.assemble((commands["accept_told"].keys[0], "key"), " shows it and accepts it", until)
        case "picks_refused":
            if not may_write:
                return Text(
                    f"The week is left unopened; {elsewhere.lower()} can open it with picks of your own, if in time."
                )
            new = (commands["new_batch"].keys[0], "key")
            return Text.assemble("The week is left unopened; ", new, " opens it with picks of your own, if in time.")
        case "baseline_revised":
            return Text("The stored baseline stays; returns are scaled to it. The batch's events have both values.")
        case _:
            return Text.assemble("Nothing is lost: the days stay due. ", scheduler, " shows the sources.")
