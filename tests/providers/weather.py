"""Faults and distortions drawn at random for a stretch of time, none of which entitles anybody to give a day up.

What a provider lacks, it has again within thirty hours, and the six hours after that are honest, so that the next try
finds it; what it cannot say for an outage may take days. Openings can fail at first and always succeed in time.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from tests.providers.market import CALENDAR, Change, Distortion, Spell, unknown, up_to, without
from tests.providers.playing import Failure, Fault, cut_off, half, hang_up, instead, silence, status

_LIMIT = b'{"detail": "Error: You have run over your hourly request allocation."}'
_LONG_REST, _HIDDEN_LIMIT = "429 for an hour", "a limit under 200"
_FAILURES: Mapping[str, Failure] = {
    "429": status(429),
    _LONG_REST: status(429, {"Retry-After": "3600"}),
    _HIDDEN_LIMIT: instead(_LIMIT),
    "500": status(500),
    "503": status(503, {"Retry-After": "120"}),
    "401": status(401),
    "silence": silence,
    "half a body": half,
    "a body cut off": cut_off,
    "a page": instead(b"<html><body>Just a moment...</body></html>"),
    "hung up": hang_up,
    "nothing": instead(b""),
    "null": instead(b"null"),
}
_BUSY_HOURS = range(15, 22)  # in which closes fall due, and are tried again
_LONGEST_MISSING_H, _HONEST_H, _LONGEST_FAILURE_H = 30, 6, 5


@dataclass(frozen=True, slots=True)
class Weather:
    """What goes wrong, and in words when."""

    faults: Sequence[Fault]
    distortions: Sequence[Distortion]
    words: str


def weather(seed: int, symbols: Sequence[str], first: date, last: date) -> Weather:
    """The weather of a seed for the days from `first`, a Monday, to `last`."""
    drawn = random.Random(seed)
    outage = _outage(drawn, symbols[1:4], first)  # of the first week
    lacks = [lack for lack in _lacks(drawn, symbols, first, last) if not _meet(lack[0], [_and_honest(outage[0])])]
    quiet = [_hours(spell.last, _HONEST_H) for spell in (outage[0], *(spell for spell, *_ in lacks))]
    failures = [outage, *_at_openings(drawn, first, last)]
    failures += [
        each for each in _short(drawn, symbols, first, last) if not _meet(each[0], [*quiet, *_openings(first, last)])
    ]
    lines = [f"{spell.first:%Y-%m-%d %H:%M} to {spell.last:%Y-%m-%d %H:%M}: {what}" for spell, _, what in lacks]
    lines += [
        f"{spell.first:%Y-%m-%d %H:%M} to {spell.last:%Y-%m-%d %H:%M}: {name} {about}"
        for spell, name, about in failures
    ]
    return Weather(
        [Fault(_FAILURES[name], spell, about) for spell, name, about in failures],
        [Distortion(change, spell) for spell, change, _ in lacks],
        "\n".join([f"seed {seed}", *sorted(lines)]),
    )


def _outage(drawn: random.Random, picks: Sequence[str], first: date) -> tuple[Spell, str, str]:
    """One failure that lasts longer than a missing close is waited for, every other time one that looks like that."""
    begins = CALENDAR.at(first + timedelta(days=drawn.choice((1, 2))), time(12))
    spell = _hours(begins, drawn.randint(56, 60))
    if drawn.random() < 0.5:
        return spell, _HIDDEN_LIMIT, f"/{drawn.choice(picks)}/"
    return spell, drawn.choice(list(_FAILURES)), _about(drawn, picks)


def _short(drawn: random.Random, symbols: Sequence[str], first: date, last: date) -> Iterator[tuple[Spell, str, str]]:
    """Failures that last some hours at most, mostly begun when something falls due."""
    for _ in range(40):
        day = first + timedelta(days=drawn.randrange((last - first).days))
        hour = drawn.choice((*_BUSY_HOURS, *_BUSY_HOURS, *range(24)))
        begins = CALENDAR.at(day, time(hour, drawn.randrange(60)))
        spell = Spell(begins, begins + timedelta(minutes=drawn.randint(10, _LONGEST_FAILURE_H * 60)))
        yield spell, drawn.choice(list(_FAILURES)), _about(drawn, symbols)


def _at_openings(drawn: random.Random, first: date, last: date) -> Iterator[tuple[Spell, str, str]]:
    """Each opening begins badly, and nobody is told to stay away until it is over."""
    for opening in _openings(first, last):
        spell = Spell(opening.first, opening.first + timedelta(minutes=drawn.randint(5, 14)))
        yield spell, drawn.choice([name for name in _FAILURES if name != _LONG_REST]), ""


def _lacks(
    drawn: random.Random, symbols: Sequence[str], first: date, last: date
) -> Iterator[tuple[Spell, Change, str]]:
    """Closes of one or two symbols that come late, or go for a while."""
    day = CALENDAR.next_session(first)
    while day < last:
        spell = _hours(CALENDAR.at(day, time(16)), drawn.randint(2, _LONGEST_MISSING_H))
        few = drawn.sample(symbols, drawn.randint(1, 2))
        kinds = {
            "rows at the end": up_to(few, CALENDAR.previous_session(day)),
            "rows in the middle": without(few, [day]),
            "unknown": unknown(few),
        }
        kind = drawn.choice(list(kinds))
        yield spell, kinds[kind], f"{kind} of {few}"
        honest_until = CALENDAR.exchange_date(_and_honest(spell).last)
        day = CALENDAR.next_session(honest_until + timedelta(days=drawn.randint(0, 1)))


def _about(drawn: random.Random, symbols: Sequence[str]) -> str:
    return drawn.choice(["", f"/{drawn.choice(symbols)}/"])


def _meet(spell: Spell, others: Iterable[Spell]) -> bool:
    return any(spell.first < other.last and other.first < spell.last for other in others)


def _and_honest(spell: Spell) -> Spell:
    return Spell(spell.first, spell.last + timedelta(hours=_HONEST_H))


def _hours(begins: datetime, hours: int) -> Spell:
    return Spell(begins, begins + timedelta(hours=hours))


def _openings(first: date, last: date) -> list[Spell]:
    mondays = [first + timedelta(days=offset) for offset in range(0, (last - first).days, 7)]
    return [Spell(CALENDAR.at(day, time(9)), CALENDAR.at(day, time(9, 30))) for day in mondays]
