"""What went wrong since the operator last looked, in words. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from core.trading_calendar import EXCHANGE_ZONE
from tui import format as formats
from tui.commands import CommandSet
from tui.literal import clean, literal
from tui.words import reason_words

if TYPE_CHECKING:
    from core.problems import Problem

_SEPARATOR = " · "
USUAL_SPAN = timedelta(days=14)  # as core.problems, which is not imported before the first paint


def problems_line(problems: Sequence["Problem"], since: datetime | None, now: datetime, key: str, width: int) -> Text:
    """One line: how many there are, since when, the newest of them in brief, and the key that lists them all."""
    count = sum(problem.count for problem in problems)
    seen = (since or now - USUAL_SPAN).astimezone(EXCHANGE_ZONE)
    end = Text.assemble((f"  {key}", "key"), (" show", "quiet"))
    line = Text.assemble(("! ", "caution"), f"{count} since {seen.day} {seen:%b}: ")
    room = width - end.cell_len
    brief = Text(_SEPARATOR, style="quiet").join(in_brief(problem, now) for problem in problems)
    line.append_text(brief)
    line.truncate(room, overflow="ellipsis", pad=True)
    return line.append_text(end)


def in_brief(problem: "Problem", now: datetime) -> Text:
    """A few words: `2 Nov missed`, `TSLA 19 Nov no close, retry 15:31`."""
    symbols = " ".join(clean(symbol, limit=10) for symbol in problem.symbols[:3])
    day = problem.checkpoint_date or problem.run_date
    when = f"{day.day} {day:%b}" if day else ""
    retry = f", retry {problem.next_try_at.astimezone(EXCHANGE_ZONE):%H:%M}" if problem.next_try_at else ""
    match str(problem.kind):
        case "missed":
            words = f"{when} missed" if problem.count == 1 else f"{problem.count} Mondays missed, the last {when}"
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
            words = f"{when} picks refused"
        case _:
            words = f"{reason_words(problem.cause)}, {problem.count} days wait{retry}"
    return literal(words.strip(), limit=80)


def in_full(problem: "Problem", now: datetime, commands: CommandSet) -> Text:
    """What happened, when, and what helps."""
    noted = formats.exchange_time(problem.at, now)
    lines = [
        Text.assemble(("! ", "caution"), in_brief(problem, now), (f"   noted {noted}", "quiet")),
        Text.assemble("  ", literal(problem.detail, limit=300, style="quiet")),
        Text.assemble("  ", remedy(problem, commands)),
    ]
    return Text("\n").join(line for line in lines if line.plain.strip())


def remedy(problem: "Problem", commands: CommandSet) -> Text:
    """What an operator can do about it, and with which key."""
    enter, scheduler, run = ((commands[each].keys[0], "key") for each in ("open_batch", "scheduler", "run_job"))
    match str(problem.kind):
        case "missed":
            return Text.assemble(enter, " on its row in the list opens the week late, if its picks were made in time.")
        case "waiting":
            words = " on “retry waiting days” tries it now."
            return Text.assemble("It is tried again by itself; ", scheduler, " then ", run, words)
        case "no_close":
            return Text("The day is skipped for good; the other days go on.")
        case "stopped_trading":
            return Text("Its later days are skipped for good. If it was renamed, SYMBOL_CHANGES tells its new name.")
        case "doubtful_move":
            accept = (commands["accept_told"].keys[0], "key")
            words = " shows it and accepts it, or a source is mended: until then its days wait."
            return Text.assemble(accept, words)
        case "picks_refused":
            new = (commands["new_batch"].keys[0], "key")
            return Text.assemble("The week is left unopened; ", new, " opens it with picks of your own, if in time.")
        case "baseline_revised":
            return Text("The stored baseline stays; returns are scaled to it. The batch's events have both values.")
        case _:
            return Text.assemble("Nothing is lost: the days stay due. ", scheduler, " shows the sources.")
