"""What stands, and is told once: sources that fail, an opening that waits, closes that wait for a word.

Pure.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from core.alerts.message import Message, Severity, make_message
from core.alerts.told import SourceOutage, Told
from core.alerts.words import moment, plain, reason_words
from core.clock import span
from core.moves import Move
from core.opening_tries import OpeningTry
from core.picks.source import (
    PicksGivenUpError,
    PicksMalformedError,
    PicksNotYetError,
    PicksTimedOutError,
    PicksUnavailableError,
)
from core.source_health import SourceHealth

# What does not pass by itself: whoever is to bring picks is told at once.
_FOR_SOMEBODY = frozenset({PicksNotYetError.code, PicksGivenUpError.code})
_FOR_WHOEVER_STAGES = frozenset(
    {*_FOR_SOMEBODY, PicksMalformedError.code, PicksUnavailableError.code, PicksTimedOutError.code}
)


def source_told(told: Told, source: SourceHealth, after: timedelta) -> tuple[Told, Message | None]:
    """What is to be told of a source, and the channel's account once that is done.

    An outage begins with the first failure after a success and is reported once failures were seen over `after`. A
    single failure covered by a fallback source is not an outage. A source that does not respond is reported at once,
    because each of its timeouts takes minutes.
    """
    before, message = told.outages.get(key_of(source)), None
    if before is not None and source.succeeded_at is not None and source.succeeded_at >= before.began:
        if before.is_told:
            message = _works(source, before, source.succeeded_at)
        before = None
    others = {key: outage for key, outage in told.outages.items() if key != key_of(source)}
    if not source.is_failing or source.failed_at is None:
        return replace(told, outages=others), message
    outage = before or SourceOutage(source.failed_at, is_told=False)
    is_long = source.has_timed_out or source.failed_at - outage.began >= after
    if message is None and not outage.is_told and is_long:
        message = _fails(source, outage)
        outage = replace(outage, is_told=True)
    return replace(told, outages={**others, key_of(source): outage}), message


def without_former(told: Told, sources: Iterable[SourceHealth]) -> Told:
    """`told` without the outages of what is no source of this process any more."""
    present = {key_of(source) for source in sources}
    return replace(told, outages={key: outage for key, outage in told.outages.items() if key in present})


def key_of(source: SourceHealth) -> str:
    """Under what a source's outage is kept."""
    return f"{source.kind}:{source.name}"


def _name(source: SourceHealth) -> str:
    return f"{source.kind} source {plain(source.name, limit=30)}"


def _fails(source: SourceHealth, outage: SourceOutage) -> Message:
    lines = [f"The {_name(source)} has failed since {moment(outage.began)} exchange time."]
    if source.failure:
        lines.append(f"It said last: {plain(source.failure, limit=300)}")
    lines.append("Nothing is lost: due days stay due and are tried again. alpha-monday doctor asks the sources now.")
    return make_message(f"{_name(source)} is failing", lines, Severity.FAILURE)


def _works(source: SourceHealth, outage: SourceOutage, succeeded_at: datetime) -> Message:
    duration = span(succeeded_at - outage.began)
    text = f"The {_name(source)} answers again; it had failed for {duration}, since {moment(outage.began)}."
    return make_message(f"{_name(source)} works again", [text], Severity.SUCCESS)


def doubts_told(told: Told, doubtful: Iterable[tuple[date, Move]]) -> tuple[Told, Message | None]:
    """What is to be told of moves that wait for an operator's word, each once for its batch, whoever tells of it."""
    standing = {f"{run_date}:{move.symbol}:{move.session}": (run_date, move) for run_date, move in doubtful}
    after = replace(told, doubted=frozenset(standing))
    new = [standing[key] for key in sorted(standing.keys() - told.doubted)]
    if not new:
        return after, None
    lines = [
        "These closes moved so far in one session that nobody believes them without your word; their days wait:",
        *(f"{run_date}: {plain(move.words, limit=200)}" for run_date, move in new),
    ]
    weeks = sorted({run_date for run_date, _ in new})
    lines += [f"alpha-monday accept {week} takes what is right at its word, if it is." for week in weeks]
    lines.append("A split that was not flagged yet resolves by itself once the source flags it.")
    symbols = ", ".join(sorted({plain(move.symbol, limit=10) for _, move in new}))
    return after, make_message(f"{symbols}: a close waits for your word", lines, Severity.WARNING)


def reminder_told(
    told: Told, opening: OpeningTry | None, opens_at: datetime, until: datetime, now: datetime, *, takes_staged: bool
) -> tuple[Told, Message | None]:
    """What is to be told, once a week, of an opening that is on and waits; `opens_at` and `until` are its own.

    What somebody has to see to is told at once; `takes_staged` says that the picks come from a file of the operator's.
    What else it waits for may pass by itself, and is told when half of the opening has gone by.
    """
    if opening is None or not opens_at <= now < until or told.reminded == opening.run_date:
        return told, None
    if opening.tried_at is None or not opens_at <= opening.tried_at < until:
        return told, None  # made by a clock that was wrong
    for_somebody = _FOR_WHOEVER_STAGES if takes_staged else _FOR_SOMEBODY
    if opening.delay.cause not in for_somebody and now - opens_at < (until - opens_at) / 2:
        return told, None
    lines = [
        f"The opening of the week of {opening.run_date} is on until {moment(until)} exchange time and waits:",
        f"{reason_words(opening.delay.cause)}: {plain(opening.delay.detail, limit=300)}",
    ]
    if takes_staged and opening.delay.cause in _FOR_WHOEVER_STAGES:
        lines.append("Stage three picks with n in the TUI, and the schedule opens it.")
    lines.append(f"alpha-monday open {opening.run_date} --picks FILE opens it with picks of your own.")
    return (
        replace(told, reminded=opening.run_date),
        make_message(f"week of {opening.run_date} waits for its opening", lines, Severity.WARNING),
    )
