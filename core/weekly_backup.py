"""The embedded database's own backups: one a week beside it, the newest eight kept.

Nobody else looks after a database that came up by itself; a server at DATABASE_URL has its own operators.
"""

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from core.facts import instant_in, text_in
from core.services import DATABASE, Services
from db import batches, leadership
from db.backup import BackupError, backup
from db.embedded_files import make_directory, try_lock
from db.errors import AlphaMondayError
from db.records import SchedulerFact

BACKUP_FACT = "backup"
EVERY = timedelta(days=7)
KEPT = 8
RETRY_AFTER = timedelta(hours=1)
_FILE = re.compile(r"alpha-monday-(\d{4}-\d{2}-\d{2})\.dump", re.ASCII)
_LEFTOVERS = ".alpha-monday-*.dump.*"  # what `backup` calls a file that it has not finished


@dataclass(frozen=True, slots=True)
class BackupView:
    """The last attempt at a weekly backup: when, the newest file then (by name, empty if none), what went wrong."""

    at: datetime
    file: str
    problem: str


def last_backup(facts: Mapping[str, SchedulerFact]) -> BackupView | None:
    """What is noted of the last attempt; None if there was none."""
    if (fact := facts.get(BACKUP_FACT)) is None:
        return None
    at = instant_in(fact.value, "at") or fact.updated_at
    return BackupView(at, text_in(fact.value, "file") or "", text_in(fact.value, "problem") or "")


def backup_directory(data_dir: Path) -> Path:
    """Where the weekly backups stand."""
    return data_dir / "backups"


def kept_backups(directory: Path) -> list[tuple[date, Path]]:
    """The complete backups in `directory` with the exchange's date in their names, newest first. Raises OSError."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - a directory that is missing is told apart from one barred
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        if (parts := _FILE.fullmatch(name)) is not None:
            try:
                found.append((date.fromisoformat(parts[1]), directory / name))
            except ValueError:
                continue  # such as the thirtieth of February: none of ours
    return sorted(found, reverse=True)


class WeeklyBackup:
    """Writes a backup when one is due. A failure is tried again after an hour."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._directory = backup_directory(services.settings.data_dir)
        self._failed_at: datetime | None = None
        self._unnoted: tuple[datetime, str] | None = None
        # The demo's database can be made anew at any time, and DATABASE_URL's is not ours.
        name = conninfo_to_dict(services.database.conninfo).get("dbname")
        self._is_ours = services.settings.database_url is None and name == DATABASE

    async def run_if_due(self) -> Path | None:
        """The backup written now, proved like those of `db backup`; None if none is due or another process writes it.

        One is due when the newest is seven days old by its name, or older, and the database holds a batch. What came
        of it is noted under BACKUP_FACT, by a later call where it cannot be at once. Raises AlphaMondayError if it
        fails, or if that later call cannot note it either. A cancelled one leaves no file.
        """
        now = self._services.clock.now()
        if not self._is_ours:
            return None
        if self._unnoted is not None:
            await self._note(*self._unnoted)
        if self._failed_at is not None and _is_recent(self._failed_at, now):
            return None
        try:
            if not await asyncio.to_thread(self._is_old, now) or await self._is_to_wait(now):
                return None
            written = await self._write(now)
        except Exception as exc:
            self._failed_at = now
            problem = exc.message if isinstance(exc, AlphaMondayError) else f"Unforeseen: {type(exc).__name__}."
            await self._note_or_keep(now, problem, exc)
            raise
        if written is not None:
            self._failed_at = None
            await self._note_or_keep(now, "")
        return written

    async def _is_to_wait(self, now: datetime) -> bool:
        """Whether there is nothing to keep yet, or any process has failed within the hour."""
        async with self._services.database.connection() as connection:
            noted = last_backup(await leadership.facts(connection))
            has_failed = bool(noted and noted.problem and _is_recent(noted.at, now))
            return has_failed or await batches.latest(connection) is None

    def _is_old(self, now: datetime) -> bool:
        """Whether the newest backup is too old. One from the future, of a clock that was wrong, says nothing."""
        today = self._services.calendar.exchange_date(now)
        with _told(self._directory):
            dates = [day for day, _ in kept_backups(self._directory) if day <= today]
        return not dates or today - dates[0] >= EVERY

    async def _write(self, now: datetime) -> Path | None:
        today = self._services.calendar.exchange_date(now)
        file = self._directory / f"alpha-monday-{today.isoformat()}.dump"
        with _told(self._directory), _only_one(self._directory) as is_this_one:
            if not is_this_one or not self._is_old(now):
                return None
            for leftover in self._directory.glob(_LEFTOVERS):  # of processes that were killed
                leftover.unlink()
            await backup(self._services.database.conninfo, file)
            for _, old in self._oldest_last(today)[KEPT:]:
                old.unlink()
        return file

    def _oldest_last(self, today: date) -> list[tuple[date, Path]]:
        """The backups, newest first; those dated in the future, of a clock that was wrong, count as the oldest."""
        return sorted(kept_backups(self._directory), key=lambda kept: (kept[0] <= today, kept[0]), reverse=True)

    async def _note_or_keep(self, now: datetime, problem: str, failure: Exception | None = None) -> None:
        """Notes the outcome; where that fails, it is kept for the next call, so that the outcome itself is told now."""
        self._unnoted = now, problem
        try:
            await self._note(now, problem)
        except AlphaMondayError as exc:
            if failure is not None:
                failure.add_note(f"It could not be noted: {exc}")

    async def _note(self, now: datetime, problem: str) -> None:
        try:
            newest = next((file.name for _, file in kept_backups(self._directory)), "")
        except OSError:
            newest = ""  # which is what the problem is about
        async with self._services.database.transaction() as connection:
            value = {"at": now.isoformat(), "file": newest, "problem": problem}
            await leadership.note(connection, BACKUP_FACT, value)
        self._unnoted = None


def _is_recent(failed_at: datetime, now: datetime) -> bool:
    """Whether a failure is to be let rest; after a step of the clock back it is not."""
    return timedelta(0) <= now - failed_at < RETRY_AFTER


@contextmanager
def _only_one(directory: Path) -> Iterator[bool]:
    """Whether this process is the one to write to `directory`, which is made, for its owner alone, if it is missing."""
    make_directory(directory, for_all=False)
    lock = try_lock(directory / "backup.lock")
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Turns what the system refuses in the directory of backups into an operator's error."""
    try:
        yield
    except OSError as exc:
        raise BackupError(
            f"The weekly backup cannot be kept in {directory}: {exc}.",
            "Make the directory readable and writable for the user who runs alpha-monday, and make room on its disk.",
        ) from exc
