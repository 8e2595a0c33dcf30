"""Staged weeks: picks that stand in a file until Monday's job opens them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from core.batches import NotPossibleError, check_run_date
from core.csv_rows import FileError, FileUnreadableError
from core.file_at_rest import FileAtRest
from core.picks.check import check_picks
from core.picks.editing import replace_week
from core.picks.file import parse_picks
from core.picks.source import PickDraft, PickSourceError
from core.picks.staged_file import staged_file_weakness, staging_file, takes_staged
from core.services import Services
from db import batches, events
from db.errors import AlphaMondayError, DatabaseError

log = logging.getLogger(__name__)


class StagingError(AlphaMondayError):
    """Picks cannot be staged, or those that are cannot be read."""

    code = "staging"


@dataclass(frozen=True, slots=True)
class StagedWeek:
    """Picks that wait in the file for their week, and from when it can be opened (exchange time)."""

    run_date: date
    drafts: tuple[PickDraft, ...]
    opens_at: datetime


def why_not(services: Services) -> str | None:
    """Why nothing can be staged here, as a sentence; None where it can."""
    if services.database.read_only:
        return "This session is read-only."
    if not takes_staged(services.settings):
        return (
            "Monday's job takes its picks from "
            f"{services.pick_source.name if services.pick_source else 'no source'}, so what is staged would not be "
            "opened."
        )
    if staging_file(services.settings) is None:
        return "No picks file is set (ALPHA_MONDAY_PICKS_FILE)."
    if found := staged_file_weakness(services.settings, services.settings.pick_source):
        return f"Nothing is kept where others can exchange it: {found.message}."
    return None


async def staged(services: Services) -> tuple[StagedWeek, ...]:
    """The weeks that wait in the file for their opening, the next one first.

    None where the pick source takes none from a file, or where there is no file yet. Raises StagingError with the
    file's own message if it cannot be read or is malformed.
    """
    weeks = await weeks_in_file(services)
    if not weeks:
        return ()
    async with services.database.connection() as connection:
        return await without_opened(connection, weeks)


async def weeks_in_file(services: Services, *, at_rest: bool = False) -> tuple[StagedWeek, ...]:
    """What `staged` gives, with weeks that were opened already among it.

    With `at_rest` a file that may be unfinished is waited for, and refused with an `UnfinishedFileError` as the cause.
    """
    path = staging_file(services.settings)
    if path is None:
        return ()
    if found := staged_file_weakness(services.settings, services.settings.pick_source):
        raise StagingError(f"Nothing is read where others can exchange it: {found.message}.", found.remedy)
    try:
        file = _file(path)
        content = (await file.read()).content if at_rest else await asyncio.to_thread(file.glance)
    except FileError as exc:
        if isinstance(exc, FileUnreadableError) and isinstance(exc.__cause__, FileNotFoundError):
            return ()  # the first week that is staged makes the file
        raise StagingError(exc.message, exc.remedy) from exc
    now = services.clock.now()
    rules, calendar = services.rules, services.calendar
    return tuple(
        StagedWeek(run_date, drafts, rules.opens_at(calendar, run_date))
        for run_date, drafts in content.items()
        if now < rules.opens_until(calendar, run_date)
    )


async def without_opened(connection: AsyncConnection[Any], weeks: Sequence[StagedWeek]) -> tuple[StagedWeek, ...]:
    """Those of `weeks` that no batch stands for."""
    opened = await batches.by_run_dates(connection, [week.run_date for week in weeks])
    return tuple(week for week in weeks if week.run_date not in opened)


async def stage(services: Services, run_date: date, drafts: Sequence[PickDraft]) -> None:
    """Puts three picks for a week still to come into the file, in the place of those that stand there for it.

    Raises StagingError, with nothing changed, for a week that cannot be staged, for picks that no batch could have,
    and for a file that cannot be understood whole.
    """
    await _check(services, run_date)
    try:
        checked = check_picks(drafts, services.rules.benchmark)
    except PickSourceError as exc:
        raise StagingError(f"These picks cannot be staged: {exc.message}.", "Correct the picks.") from exc
    await _write(services, run_date, checked)


async def unstage(services: Services, run_date: date) -> None:
    """Takes the picks of a week still to come out of the file, if any stand there. Raises StagingError as `stage`."""
    await _check(services, run_date)
    await _write(services, run_date, ())


async def _check(services: Services, run_date: date) -> None:
    if problem := why_not(services):
        raise StagingError(problem, "Set the pick source manual, or file and a picks file.")
    try:
        check_run_date(run_date)
    except NotPossibleError as exc:
        raise StagingError(exc.message, exc.remedy) from exc
    if services.clock.now() >= services.rules.opens_until(services.calendar, run_date):
        raise StagingError(
            f"The opening of the week of {run_date} ended at {services.rules.open_until:%H:%M} exchange time.",
            "Stage a week still to come, or open this one late.",
        )
    async with services.database.connection() as connection:
        opened = await batches.by_run_dates(connection, [run_date])
    if opened:
        raise StagingError(f"The week of {run_date} is opened already.", "Picks are never changed.")


async def _write(services: Services, run_date: date, drafts: Sequence[PickDraft]) -> None:
    path = staging_file(services.settings)
    assert path is not None  # `why_not` has looked
    # Whoever waits for this may be cancelled; the thread goes on, so what belongs to it has to follow all the same.
    await asyncio.shield(_replace_and_tell(services, path, run_date, drafts))


async def _replace_and_tell(services: Services, path: Path, run_date: date, drafts: Sequence[PickDraft]) -> None:
    try:
        if await asyncio.to_thread(path.exists):
            # What another program still writes would be cut here, and its last rows go to a file that nobody reads.
            await _file(path).read()
        await asyncio.to_thread(replace_week, path, run_date, drafts)
    except FileError as exc:
        raise StagingError(exc.message, exc.remedy) from exc
    try:
        async with services.database.transaction() as connection:
            await events.notify(connection, [run_date])
    except DatabaseError as exc:  # the picks are staged; the screens see it at their next look
        log.warning("staging not told", extra={"event": "staging_not_told", "problem": exc.message})


@lru_cache(maxsize=4)
def _file(path: Path) -> FileAtRest[dict[date, tuple[PickDraft, ...]]]:
    # A list asks for every page; the file is parsed again only when it has changed.
    return FileAtRest(path, parse_picks)
