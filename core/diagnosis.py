"""What `doctor` finds out about the database: each finding says what is wrong and what to do."""

import asyncio
import os
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from core.clock import SystemClock, is_from_future
from core.due_work import load
from core.finding import Finding
from core.health import backlog, told
from core.leading import TICKS_FACT, ticks_in
from core.picks.staged_file import staging_file
from core.rules import Rules
from core.schedule_findings import (
    days_finding,
    leader_finding,
    locks_finding,
    looks_finding,
    opening_finding,
    pause_finding,
)
from core.services import Access, Services, open_address, price_chain, rules_of
from core.settings import FILES, PREFIX, Settings, user_keys_file
from core.trading_calendar import TradingCalendar
from core.trusted_file import distrust_of
from core.weekly_backup import BackupView, backup_directory, last_backup
from db import batches, leadership, migrate
from db.database import Database
from db.embedded_user import OWN_ACCOUNT, USERADD, ServerUser
from db.errors import AlphaMondayError
from db.hosts import OldPrimary
from db.lock_holders import lock_holders
from db.transport import transport_problem
from db.write_probe import Writable, probe_write

OLDEST_SERVER = 150000
DRIFT_ALLOWED = timedelta(seconds=5)
OLDEST_BACKUP = timedelta(days=8)  # one a week, and a day's grace
_BACKUP_OWED_AFTER = timedelta(hours=2)
LEAST_FREE_BYTES = 500 * 1000**2
_PAGE = "docs/operations.md"


async def database_findings(settings: Settings) -> list[Finding]:
    """The database, its tables and what they tell, as far as each can be looked at."""
    findings: list[Finding] = []
    try:
        async with (
            open_address(settings, Access.READ) as conninfo,
            Database(conninfo, read_only=True) as database,
            database.connection() as connection,
        ):
            findings.append(server_finding(connection.info.server_version, settings))
            findings.append(transport_finding(conninfo))
            findings.append(await _pooler(database, connection))
            findings.append(timeline_finding(are_told=database.timelines.are_told))
            findings += [old_primary_finding(old) for old in database.old_primaries]
            findings.append(writes_finding(await probe_write(connection)))
            findings.append(await _clock(connection))
            problem = migrate.problem(await migrate.check(connection), may_be_behind=False)
            if problem is not None:
                findings.append(Finding("migrations", False, problem.message, problem.remedy))
                return findings
            findings.append(Finding("migrations", True, "the tables are those of this version"))
            facts = await leadership.facts(connection)
            findings += await _schedule_findings(settings, database, connection)
            if settings.database_url is None:
                newest, ticks = await batches.latest(connection), ticks_in(facts.get(TICKS_FACT))
                is_owed = bool(newest and ticks and ticks.last_at - newest.created_at > _BACKUP_OWED_AFTER)
                last = last_backup(facts)
                is_gone = last is not None and not (backup_directory(settings.data_dir) / last.file).is_file()
                findings.append(backup_finding(last, datetime.now(UTC), is_owed=is_owed, is_gone=is_gone))
    except AlphaMondayError as exc:
        findings.append(Finding("database", False, exc.message, exc.remedy))
    return findings


async def _schedule_findings(settings: Settings, database: Database, connection: AsyncConnection[Any]) -> list[Finding]:
    calendar, clock = TradingCalendar(), SystemClock()
    rules, now = await asyncio.to_thread(_rules, settings, calendar), clock.now()
    services = Services(settings, clock, calendar, rules, database, (), None)
    facts, lead = await leadership.facts(connection), await leadership.lead(connection)
    existing = await load(connection, services, now)
    behind = backlog(existing, calendar, rules, now, settings.overdue_after)
    return [
        pause_finding(facts),
        leader_finding(facts, lead),
        locks_finding(await lock_holders(connection), facts, lead),
        looks_finding(facts, lead, now, settings.tick_every, has_active=bool(existing.active)),
        days_finding(behind),
        opening_finding(behind),
    ]


def _rules(settings: Settings, calendar: TradingCalendar) -> Rules:
    """When things fall due; a chain that cannot be made is found by another look and adds no delay."""
    try:
        return rules_of(settings, price_chain(settings, calendar))
    except Exception:  # noqa: BLE001 - a third party's source may raise anything, and the other looks go on
        return rules_of(settings)


def server_finding(version: int, settings: Settings) -> Finding:
    """Whether the server is new enough; `version` is libpq's number, 150004 for 15.4."""
    shown = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version < OLDEST_SERVER:
        return Finding("database", False, f"{shown} is too old", "Use PostgreSQL 15 or newer.")
    where = "at DATABASE_URL" if settings.database_url else f"embedded, in {settings.data_dir}"
    return Finding("database", True, f"{shown} {where}")


def transport_finding(conninfo: str) -> Finding:
    """Whether what travels to the server can be read on the way."""
    if (problem := transport_problem(conninfo)) is not None:
        return Finding("transport", False, problem, f"See {_PAGE}.")
    return Finding("transport", True, "local, or encrypted")


async def _pooler(database: Database, connection: AsyncConnection[Any]) -> Finding:
    async with database.dedicated() as other:
        told = connection.info.backend_pid
        return pooler_finding(told, await _backend_pid(connection), await _backend_pid(other))


async def _backend_pid(connection: AsyncConnection[Any]) -> int:
    cursor = await connection.execute("select pg_backend_pid()")
    [row] = await cursor.fetchall()
    return int(row[0])


def pooler_finding(told: int, own: int, other: int) -> Finding:
    """Whether a pooler stands between: the session that was told at the start, that of a statement, another client's.

    Two clients that are connected at the same time share a session only where a pooler lends it by the transaction.
    """
    if own == other:
        return Finding(
            "pooler",
            False,
            "a pooler lends its sessions by the transaction, which breaks LISTEN and limits of sessions",
            f"Point DATABASE_URL at the server itself, or at a pool in session mode; see {_PAGE}.",
        )
    if told != own:
        return Finding(
            "pooler",
            True,
            "a pooler stands between; it has to pool by the session, for LISTEN and limits of sessions",
            f"Make sure that it does, or point DATABASE_URL at the server itself; see {_PAGE}.",
        )
    return Finding("pooler", True, "none stands between")


def timeline_finding(*, are_told: bool) -> Finding:
    """Whether an old primary that comes back after a failover would be recognised."""
    if are_told:
        return Finding("failover", True, "the server tells its timeline: an old primary that comes back is refused")
    return Finding(
        "failover",
        True,
        "the server does not tell its timeline: an old primary that comes back is not recognised",
        f"Leave fencing to the service that runs the server; see {_PAGE}.",
    )


def old_primary_finding(old: OldPrimary) -> Finding:
    """A host of the address that takes writes although another one is the primary."""
    return Finding("old_timeline", False, old.words, "Take it out of service or make it a standby again.")


def writes_finding(writable: Writable) -> Finding:
    """Whether a write is confirmed."""
    if writable.problem is None:
        return Finding("writes", True, "a write is confirmed")
    remedy = (
        "Name every host in DATABASE_URL and add target_session_attrs=read-write, or use the primary's port."
        if writable.is_replica
        else f"Look whether the standby runs and what the cluster's software reports; see {_PAGE}."
    )
    return Finding("writes", False, writable.problem, remedy)


async def _clock(connection: AsyncConnection[Any]) -> Finding:
    cursor = await connection.execute("select clock_timestamp()")
    [row] = await cursor.fetchall()
    return clock_finding(datetime.now(UTC) - row[0])


def clock_finding(drift: timedelta) -> Finding:
    """Whether this machine's clock and the server's agree."""
    if abs(drift) > DRIFT_ALLOWED:
        return Finding(
            "clock",
            False,
            f"this machine's clock and the database's differ by {abs(drift).total_seconds():.0f} s",
            "Synchronise both with a time server.",
        )
    return Finding("clock", True, "agrees with the database's")


def backup_finding(last: BackupView | None, now: datetime, *, is_owed: bool, is_gone: bool) -> Finding:
    """Whether the embedded database was backed up within its week.

    `last` is the last attempt; `is_owed` says that a scheduler has looked for work long after there was a batch,
    `is_gone` that the file which the attempt names is not there, in a database that was restored elsewhere perhaps.
    """
    advice = "Look at the scheduler's log, or make one by hand: alpha-monday db backup FILE."
    if last is None and is_owed:
        return Finding("backup", False, "none was made, although there are batches and a scheduler runs", advice)
    if last is None:
        return Finding("backup", True, "none was made yet; a scheduler makes one a week once there is a batch")
    if last.problem:
        newest = f"; the newest is {last.file}" if last.file else ""
        return Finding("backup", False, f"the last one failed: {last.problem}{newest}", advice)
    if is_gone:
        return Finding("backup", False, f"{last.file or 'the file'} of {told(last.at)} is not there any more", advice)
    if is_from_future(last.at, now):
        message = f"the last one is dated {told(last.at)}, which is in the future: a clock was wrong"
        return Finding("backup", False, message, advice)
    if now - last.at > OLDEST_BACKUP:
        return Finding("backup", False, f"the last one was made {told(last.at)}", advice)
    return Finding("backup", True, f"{last.file or 'a file'}, made {told(last.at)}")


def account_finding(settings: Settings) -> Finding | None:
    """Whether the embedded server has an account to itself. None where root does not run it.

    Raises EmbeddedServerError where no account can run it.
    """
    cluster = settings.data_dir / "postgres" / "postgresql"
    if os.geteuid() != 0 or settings.database_url is not None:
        return None
    if (shared := ServerUser.shared_with(cluster)) is None:
        return Finding("account", True, f"the embedded PostgreSQL runs as {OWN_ACCOUNT}, as nothing else does")
    user, has_its_own = shared
    steps = [] if has_its_own else [f"Create one of its own: {USERADD}."]
    if cluster.exists():
        path = shlex.quote(str(cluster))
        command = f"chown -hR --from={user.name} {OWN_ACCOUNT}: {path}"
        steps.append(f"End every alpha-monday, then give it the cluster: {command}")
    return Finding(
        "account",
        False,
        f"the embedded PostgreSQL runs as {user.name}, as other servers of this machine may: who gets into one of them "
        "gets into this one",
        " ".join(steps),
    )


def disk_finding(settings: Settings) -> Finding:
    """Whether the embedded database has room to grow. Raises OSError where its disk cannot be asked."""
    free = shutil.disk_usage(settings.data_dir).free
    shown = f"{free / 1000**2:,.0f} MB free for {settings.data_dir}"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", False, shown, "Make room, or move the database to a larger disk.")
    return Finding("disk", True, shown)


def files_finding(settings: Settings) -> Finding:
    """Whether no other user can have written the files that settings name, or the file of keys."""
    named = (getattr(settings, field) for field in FILES)
    problems, remedies = [], []
    for file in (*filter(None, (*named, staging_file(settings))), user_keys_file()):
        try:
            distrust = distrust_of(file)
        except OSError:
            continue  # whoever uses the file tells why it cannot be read
        if distrust is not None and (problem := f"{file}: {distrust.problem}") not in problems:
            problems.append(problem)
            remedies.append(distrust.remedy)
    if problems:
        return Finding("files", False, "; ".join(problems), " ".join(f"{remedy}." for remedy in remedies))
    return Finding("files", True, "no other user can write what the settings name")


def heartbeat_finding(settings: Settings) -> Finding:
    """Whether a heartbeat is set. It is not called: that would tell the monitor that all is well."""
    if settings.heartbeat_url is None:
        return Finding("heartbeat", True, f"not set ({PREFIX}HEARTBEAT_URL): nobody is told when no scheduler runs")
    return Finding("heartbeat", True, "set, and called by the scheduler alone")
