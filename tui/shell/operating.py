"""The commands for operating the schedulers: pause, resume, and health for probes."""

import argparse
import asyncio
import os
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.health import Health, read_health, usual_max_age
from core.logs import redacted
from core.operators import operator_name
from core.pausing import Pause, begin_pause, read_pause, resume
from core.services import Access, Services, open_services
from core.settings_layers import LoadedSettings
from db.errors import AlphaMondayError
from db.waiting import hang_up
from tui.output import print_json, print_line
from tui.streams import flush_output

UNHEALTHY = 1
# A probe that hangs tells nothing: ten seconds with the interpreter's start and end.
_ANSWERS_WITHIN_S = 8.0
_LEAST_S = 3.0
_ENDS_WITHIN_S = 0.5


async def pause(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Tells every scheduler to do nothing by itself. An earlier pause stands, and that is no error."""
    async with open_services(loaded.settings, Access.WRITE, with_sources=False) as services:
        found, has_begun = await begin_pause(services, operator_name(), args.reason)
    if args.json:
        print_json({"changed": has_begun, "paused": pause_json(found)})
    elif has_begun:
        print_line("Paused: no scheduler opens or writes anything by itself until alpha-monday resume.")
    else:
        print_line(f"Paused already {found.words}.")
    return 0


async def resume_(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Ends the pause, if there is one."""
    async with open_services(loaded.settings, Access.WRITE, with_sources=False) as services:
        ended = await resume(services, operator_name())
    if args.json:
        print_json({"changed": ended is not None, "paused": None, "ended": pause_json(ended)})
    elif ended is not None:
        print_line(f"Resumed; it was paused {ended.words}.")
    else:
        print_line("Nothing was paused.")
    return 0


async def health(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Tells whether the schedulers keep up; exit 1 if not. It reads only, and never migrates."""
    usual = usual_max_age(loaded.settings.tick_every)
    max_age = usual if args.max_age is None else args.max_age
    found, still_waits = await _health(loaded, max_age, getattr(args, "began", time.monotonic()))
    secrets = loaded.settings.secrets()
    problems = [redacted(problem, secrets) for problem in found.problems]
    notes = [redacted(note, secrets) for note in found.notes]
    code = print_health(replace(found, problems=tuple(problems), notes=tuple(notes)), is_json=args.json)
    if still_waits:  # what waits in a thread, for a name say, would hold the interpreter up
        flush_output()
        os._exit(UNHEALTHY)
    return code


def print_health(found: Health, *, is_json: bool) -> int:
    """Prints what was found, without secrets; gives the exit code."""
    if is_json:
        print_json(_health_json(found))
    else:
        print_line("healthy" if found.is_healthy else "NOT healthy")
        for line in [*found.problems, *found.notes, *_figures(found)]:
            print_line(f"  {line}")
    return 0 if found.is_healthy else UNHEALTHY


async def _health(loaded: LoadedSettings, max_age: timedelta, began: float) -> tuple[Health, bool]:
    """What is found within the limit, counted from `began`, and whether the database is still being waited for."""

    async def read() -> Health:
        async with open_services(loaded.settings, Access.READ) as services:
            return await read_health(services, max_age)

    reading = asyncio.ensure_future(read())
    within_s = max(_ANSWERS_WITHIN_S - (time.monotonic() - began), _LEAST_S)
    await asyncio.wait({reading}, timeout=within_s)
    if not reading.done():
        hang_up()
        reading.cancel()
        await asyncio.wait({reading}, timeout=_ENDS_WITHIN_S)
        return Health((f"The database has not answered for {within_s:.0f} s.",)), not reading.done()
    try:
        return reading.result(), False
    except AlphaMondayError as exc:
        remedy = f"{exc.remedy} {loaded.places(exc.message, exc.remedy)}".strip()
        return Health((exc.message,), (remedy,) if remedy else ()), False


def _health_json(found: Health) -> dict[str, Any]:
    age, behind = found.last_tick_age, found.backlog
    return {
        "healthy": found.is_healthy,
        "problems": list(found.problems),
        "notes": list(found.notes),
        "last_tick_at": found.last_tick_at,
        "last_tick_age_s": None if age is None else round(age.total_seconds()),
        "leader": found.leader,
        "leader_alive": found.leader_alive,
        "paused": pause_json(found.paused),
        "due": behind and behind.due,
        "overdue": behind and behind.overdue,
        "oldest_due_at": behind and behind.oldest_due_at,
        "opening_missed": behind and behind.opening_missed,
    }


def _figures(found: Health) -> list[str]:
    """What people want to know beside what is wrong."""
    lines = []
    if found.last_tick_age is not None:
        lines.append(f"last look for work: {found.last_tick_age.total_seconds():,.0f} s ago")
    if found.leader is not None:
        lines.append(f"{found.leader} leads" if found.leader_alive else f"nobody leads; {found.leader} led last")
    if found.backlog is not None:
        lines.append(f"days due: {found.backlog.due:,}, overdue: {found.backlog.overdue:,}")
    return lines


def pause_json(pause: Pause | None) -> dict[str, Any] | None:
    """A pause as programs read it; None where there is none."""
    return None if pause is None else {"who": pause.who, "since": pause.since, "reason": pause.reason}


async def tell_pause(services: Services) -> bool:
    """Says on stderr that the schedulers are paused, if they are: what a reader sees does not grow meanwhile.

    Returns whether they are.
    """
    async with services.database.connection() as connection:
        found = await read_pause(connection)
    if found is not None:
        print_line(f"The schedulers are paused {found.words}; alpha-monday resume lets them go on.", error=True)
    return found is not None
