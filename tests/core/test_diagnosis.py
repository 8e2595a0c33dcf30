"""What doctor finds: each finding in each of its states, and what is looked at in a real database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from core import diagnosis, leading
from core.diagnosis import (
    backup_finding,
    clock_finding,
    database_findings,
    disk_finding,
    heartbeat_finding,
    pooler_finding,
    server_finding,
    timeline_finding,
    transport_finding,
)
from core.due_work import run_due_work
from core.health import note_tick
from core.leading import Ticks
from core.pausing import pause
from core.settings import Settings
from core.weekly_backup import BackupView
from db.database import Database
from db.embedded import EmbeddedServer
from tests.core.world import World
from tests.databases import as_onlooker
from tests.databases import leading as lead
from tests.fakes import exchange

NOW = exchange("2026-11-24", "12:00")


def settings(conninfo: str | None = None, **values: Any) -> Settings:
    return Settings.model_construct(
        database_url=None if conninfo is None else SecretStr(conninfo), provider_settings={}, **values
    )


@pytest.mark.parametrize(("version", "ok"), [(140012, False), (150000, True), (180003, True)])
def test_the_server(version: int, ok: bool) -> None:
    found = server_finding(version, settings("host=x"))
    assert (found.ok, bool(found.remedy)) == (ok, not ok)
    assert f"PostgreSQL {version // 10000}.{version % 100}" in found.message


@pytest.mark.parametrize(
    ("conninfo", "ok"),
    [("host=/run", True), ("host=db.test sslmode=verify-full", True), ("host=db.test sslmode=prefer", False)],
)
def test_the_transport(conninfo: str, ok: bool) -> None:
    found = transport_finding(conninfo)
    assert (found.ok, bool(found.remedy)) == (ok, not ok)


@pytest.mark.parametrize(
    ("told", "own", "other", "ok", "said"),
    [
        (11, 11, 12, True, "none stands between"),
        (99, 11, 12, True, "by the session"),
        (99, 11, 11, False, "by the transaction"),
        (11, 11, 11, False, "by the transaction"),
    ],
)
def test_a_pooler_is_told_by_whose_sessions_it_lends(told: int, own: int, other: int, ok: bool, said: str) -> None:
    found = pooler_finding(told, own, other)
    assert (found.ok, said in found.message) == (ok, True)
    assert bool(found.remedy) == (told != own or not ok)


def test_a_server_that_does_not_tell_its_timeline_is_named() -> None:
    assert timeline_finding(are_told=True).remedy == ""
    assert "docs/operations.md" in timeline_finding(are_told=False).remedy


@pytest.mark.parametrize(("drift", "ok"), [(5, True), (-5, True), (5.1, False), (-7200, False)])
def test_the_clock(drift: float, ok: bool) -> None:
    assert clock_finding(timedelta(seconds=drift)).ok is ok


@pytest.mark.parametrize(
    ("last", "ok", "said"),
    [
        (None, True, "none was made yet"),
        (BackupView(NOW - timedelta(days=8), "a.dump", ""), True, "a.dump, made 2026-11-16"),
        (BackupView(NOW - timedelta(days=8, seconds=1), "a.dump", ""), False, "made 2026-11-16"),
        (BackupView(NOW, "a.dump", "no room"), False, "failed: no room; the newest is a.dump"),
        (BackupView(NOW, "", "no room"), False, "failed: no room"),
    ],
)
def test_the_backup(last: BackupView | None, ok: bool, said: str) -> None:
    found = backup_finding(last, NOW, is_owed=False, is_gone=False)
    assert (found.ok, said in found.message) == (ok, True), found
    assert bool(found.remedy) == (not ok)


def test_a_backup_dated_in_the_future_is_a_problem() -> None:
    now = datetime.now(UTC)
    found = backup_finding(BackupView(now + timedelta(days=365), "a.dump", ""), now, is_owed=False, is_gone=False)
    assert not found.ok
    assert "in the future" in found.message
    assert backup_finding(BackupView(now + timedelta(seconds=30), "a.dump", ""), now, is_owed=False, is_gone=False).ok


def test_a_backup_that_is_gone_is_none() -> None:
    found = backup_finding(BackupView(NOW, "a.dump", ""), NOW, is_owed=False, is_gone=True)
    assert (found.ok, "a.dump" in found.message, "not there" in found.message) == (False, True, True)


def test_a_backup_that_should_have_been_made_is_missed() -> None:
    found = backup_finding(None, NOW, is_owed=True, is_gone=False)
    assert (found.ok, found.message[:13]) == (False, "none was made")
    assert found.remedy


@pytest.mark.parametrize(("free", "ok"), [(500_000_000, True), (499_999_999, False), (0, False)])
def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, ok: bool) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    found = disk_finding(settings(data_dir=tmp_path))
    assert (found.ok, bool(found.remedy)) == (ok, not ok)
    assert str(tmp_path) in found.message


def test_the_disk_is_really_asked(tmp_path: Path) -> None:
    assert "MB free" in disk_finding(settings(data_dir=tmp_path)).message
    with pytest.raises(OSError, match="gone"):
        disk_finding(settings(data_dir=tmp_path / "gone"))


def test_a_heartbeat_is_told_by_whether_it_is_set() -> None:
    assert "not set" in heartbeat_finding(settings(heartbeat_url=None)).message
    found = heartbeat_finding(settings(heartbeat_url=SecretStr("https://ping.test/geheimnis")))
    assert found.message.startswith("set")
    assert "ping.test" not in found.message + found.remedy


async def test_a_database_is_looked_at_whole(conninfo: str) -> None:
    world = World(conninfo)
    names = ["database", "transport", "pooler", "failover", "writes", "clock", "migrations"]
    names += ["pause", "scheduler", "locks", "looks for work", "days", "opening"]
    found = await database_findings(settings(conninfo))
    assert [(each.name, each.ok) for each in found] == [(name, True) for name in names]
    async with world.services() as services, lead(services.database), services.database.connection() as connection:
        await pause(services, "ann")
        await leading.beat(connection, "one:1", datetime.now(UTC), Ticks(NOW, 0))
        found = await database_findings(settings(conninfo))
    assert [each.name for each in found if not each.ok] == ["pause"]
    assert "one:1 leads since" in found[8].message


async def test_a_session_that_holds_the_lead_and_does_no_work_is_named(conninfo: str) -> None:
    """As does one of a writer, or a scheduler that hangs."""
    with psycopg.connect(conninfo, application_name="a script") as idle:
        idle.execute("lock table scheduler_lead in exclusive mode")
        for address in (conninfo, as_onlooker(conninfo)):
            [found] = [each for each in await database_findings(settings(address)) if each.name == "locks"]
            assert not found.ok
            pid = idle.info.backend_pid
            assert found.message.startswith(f"process {pid} (user 'worker', application 'a script'")
            assert f"select pg_terminate_backend({pid});" in found.remedy
            assert ("may not see" in found.remedy) == (address != conninfo)


async def test_what_makes_the_schedule_unhealthy_is_found(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(conninfo)
    monkeypatch.setattr(diagnosis, "SystemClock", lambda: world.clock)
    async with world.services() as services:
        await run_due_work(services)
        world.clock.instant = exchange("2020-01-06", "09:20")
        found = {each.name: each for each in await database_findings(settings(conninfo))}
        assert {name for name, each in found.items() if not each.ok} == {"looks for work"}
        world.clock.instant = exchange("2020-01-13", "09:30")
        found = {each.name: each for each in await database_findings(settings(conninfo))}
        assert {name for name, each in found.items() if not each.ok} == {"looks for work", "days", "opening"}
        assert found["days"].message == "7 days are overdue; the oldest fell due 2020-01-06 16:30 exchange time"
        report, planned = await run_due_work(services)
        assert report.computed == 5
        await note_tick(services, planned)
        found = {each.name: each for each in await database_findings(settings(conninfo))}
        assert {name for name, each in found.items() if not each.ok} == {"opening"}


async def test_a_price_source_that_cannot_be_made_hides_no_overdue_day(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a third party's")

    world = World(conninfo)
    monkeypatch.setattr(diagnosis, "SystemClock", lambda: world.clock)
    monkeypatch.setattr(diagnosis, "price_chain", broken)
    async with world.services() as services:
        await run_due_work(services)
    world.clock.instant = exchange("2020-01-07")
    [days] = [each for each in await database_findings(settings(conninfo)) if each.name == "days"]
    assert not days.ok


async def test_a_real_second_client_has_a_session_of_its_own(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells a transaction pooler from none, asked of a real server; and of one whose clients share a session."""
    [found] = [each for each in await database_findings(settings(conninfo)) if each.name == "pooler"]
    assert found.message == "none stands between"

    async def shared(_: object) -> int:
        return 7

    monkeypatch.setattr(diagnosis, "_backend_pid", shared)
    [found] = [each for each in await database_findings(settings(conninfo)) if each.name == "pooler"]
    assert not found.ok


async def test_tables_that_do_not_fit_end_the_look_and_nothing_is_made(bare_conninfo: str) -> None:
    found = await database_findings(settings(bare_conninfo))
    assert (found[-1].name, found[-1].ok, "db up" in found[-1].remedy) == ("migrations", False, True)
    async with Database(bare_conninfo) as database, database.connection() as connection:
        cursor = await connection.execute("select count(*) from pg_class where relname = 'schema_migrations'")
        assert await cursor.fetchone() == (0,)


async def test_a_database_that_cannot_hold_text_is_a_problem(server: EmbeddedServer) -> None:
    create = (
        "create database diagnosed encoding 'SQL_ASCII' locale_provider libc lc_collate 'C' lc_ctype 'C' "
        "template template0"
    )
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(create)
        try:
            [found] = await database_findings(settings(make_conninfo(server.conninfo("diagnosed"))))
        finally:
            connection.execute("drop database diagnosed with (force)")
    assert (found.name, found.ok) == ("database", False)
    assert "has the encoding SQL_ASCII" in found.message
    assert "encoding UTF8" in found.remedy
