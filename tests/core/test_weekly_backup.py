"""The embedded database's weekly backups: when one is due, that it is whole, how many are kept, and what is noted."""

import asyncio
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from core import weekly_backup
from core.services import DATABASE, DEMO_DATABASE, Services
from core.settings import Settings
from core.weekly_backup import BACKUP_FACT, KEPT, WeeklyBackup, backup_directory, kept_backups, last_backup
from db import leadership
from db.backup import BackupError, backup, restore
from db.database import Database
from db.embedded import EmbeddedServer
from db.embedded_files import try_lock
from db.errors import AlphaMondayError, DatabaseError, DatabaseUnavailableError
from db.leadership import facts
from db.records import SchedulerFact
from tests.core.world import CALENDAR, RULES
from tests.databases import as_superuser
from tests.db.rows import insert
from tests.fakes import FixedClock
from tests.planting import NOBODY, acting_as

NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def embedded(server: EmbeddedServer, template: str) -> Iterator[str]:
    """The address of a database that is called as the embedded one is."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(DATABASE), sql.Identifier(template))
        )
        yield server.conninfo(DATABASE)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(DATABASE)))


@pytest.fixture
async def services(embedded: str, tmp_path: Path, reachable_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Services on that database, with a batch in it, at noon."""
    temporary = Path(tempfile.mkdtemp(dir=reachable_directory))
    temporary.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with psycopg.connect(embedded, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from batches")
        connection.execute("delete from scheduler_state")
        insert(connection, "batches")
    async with Database(embedded) as database:
        settings = Settings(data_dir=tmp_path)
        yield Services(settings, FixedClock(NOON), CALENDAR, RULES, database, (), None)
    assert list(temporary.iterdir()) == []


def names(services: Services) -> list[str]:
    return sorted(path.name for path in backup_directory(services.settings.data_dir).glob("*"))


def put(services: Services, *days: date) -> None:
    """Earlier backups of some days, which nobody reads."""
    directory = backup_directory(services.settings.data_dir)
    directory.mkdir(mode=0o700, exist_ok=True)
    for day in days:
        (directory / f"alpha-monday-{day}.dump").write_text("")


async def noted(services: Services) -> weekly_backup.BackupView | None:
    async with services.database.connection() as connection:
        return last_backup(await facts(connection))


async def test_the_first_is_written_proved_and_noted(services: Services, bare_conninfo: str) -> None:
    written = await WeeklyBackup(services).run_if_due()
    directory = backup_directory(services.settings.data_dir)
    assert written == directory / "alpha-monday-2026-11-24.dump"
    assert names(services) == [written.name, "backup.lock"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert await noted(services) == weekly_backup.BackupView(NOON, written.name, "")
    await restore(bare_conninfo, written)
    with psycopg.connect(bare_conninfo) as connection:
        assert connection.execute("select count(*) from batches").fetchone() == (1,)


@pytest.mark.parametrize(
    ("days_ago", "is_due"), [(0, False), (6, False), (7, True), (400, True), (-1, True), (-400, True)]
)
async def test_one_is_due_when_the_newest_is_a_week_old(
    services: Services, days_ago: int, is_due: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a day to come was written by a clock that was wrong, and says nothing."""
    put(services, TODAY - timedelta(days_ago))
    written = await WeeklyBackup(services).run_if_due()
    assert (written is not None) == is_due


async def test_the_date_is_the_exchanges(services: Services) -> None:
    evening = replace(services, clock=FixedClock(datetime(2026, 11, 25, 2, tzinfo=UTC)))
    written = await WeeklyBackup(evening).run_if_due()
    assert written is not None
    assert written.name == "alpha-monday-2026-11-24.dump"


async def test_nothing_is_backed_up_where_there_is_nothing_or_it_is_not_ours(services: Services, embedded: str) -> None:
    elsewhere = replace(
        services, settings=Settings.model_construct(database_url=SecretStr("x"), data_dir=services.settings.data_dir)
    )
    demo = replace(services, database=Database(make_conninfo(embedded, dbname=DEMO_DATABASE)))
    for other in (elsewhere, demo):
        assert await WeeklyBackup(other).run_if_due() is None
    with psycopg.connect(as_superuser(embedded), autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from batches")
    assert await WeeklyBackup(services).run_if_due() is None
    assert not backup_directory(services.settings.data_dir).exists()
    assert await noted(services) is None


async def test_eight_are_kept_and_others_files_are_not_touched(services: Services) -> None:
    put(services, *(TODAY - timedelta(weeks=weeks) for weeks in range(1, 12)))
    directory = backup_directory(services.settings.data_dir)
    others = ("alpha-monday-2020-02-30.dump", "alpha-monday-2020-01-01.dump.old", "mine.dump", ".hidden")
    for name in others:
        (directory / name).write_text("")
    (directory / ".alpha-monday-2026-11-17.dump.k1ll3d").write_text("half")
    assert await WeeklyBackup(services).run_if_due() is not None
    kept = [TODAY - timedelta(weeks=weeks) for weeks in range(8)]
    assert [day for day, _ in kept_backups(directory)] == kept
    assert set(names(services)) == {f"alpha-monday-{day}.dump" for day in kept} | set(others) | {"backup.lock"}


async def test_backups_dated_in_the_future_cost_none_that_is_made_now_and_go_first(services: Services) -> None:
    """A clock that ran ahead for months made them; each new one was deleted as the oldest, and called a success."""
    future = [TODAY + timedelta(days=1000 + 7 * number) for number in range(KEPT)]
    put(services, *future)
    written = await WeeklyBackup(services).run_if_due()
    assert written is not None
    assert written.is_file()
    kept = [day for day, _ in kept_backups(backup_directory(services.settings.data_dir))]
    assert sorted(kept) == [TODAY, *future[1:]]
    assert await WeeklyBackup(services).run_if_due() is None, "one a week"


async def test_a_failure_is_noted_costs_no_earlier_one_and_is_tried_again_after_an_hour(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(services, *(TODAY - timedelta(weeks=weeks) for weeks in range(1, 12)))
    before = names(services)
    tries = 0

    async def failing(*_: Any) -> Any:
        nonlocal tries
        tries += 1
        raise BackupError("The disk said no.", "Make room.")

    monkeypatch.setattr(weekly_backup, "backup", failing)
    weekly, again = WeeklyBackup(services), WeeklyBackup(services)  # another process, or this one started anew
    with pytest.raises(BackupError, match="said no"):
        await weekly.run_if_due()
    assert names(services) == sorted([*before, "backup.lock"])
    assert await noted(services) == weekly_backup.BackupView(NOON, "alpha-monday-2026-11-17.dump", "The disk said no.")
    clock = services.clock
    assert isinstance(clock, FixedClock)
    clock.instant = NOON + timedelta(minutes=59)
    for same_week in (weekly, again):
        assert await same_week.run_if_due() is None
    assert tries == 1
    clock.instant = NOON - timedelta(hours=2)  # a step back of the clock is no reason to rest until then
    with pytest.raises(BackupError):
        await weekly.run_if_due()
    clock.instant = NOON + timedelta(hours=1)
    monkeypatch.setattr(weekly_backup, "backup", backup)
    assert await weekly.run_if_due() is not None
    found = await noted(services)
    assert found is not None
    assert (found.file, found.problem) == ("alpha-monday-2026-11-24.dump", "")


@pytest.mark.parametrize("failure", [BackupError("The disk said no.", "Make room."), ZeroDivisionError("a defect")])
async def test_a_failure_that_cannot_be_noted_is_told_itself_and_noted_later(
    services: Services, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    tries = 0

    async def failing(*_: Any) -> Any:
        nonlocal tries
        tries += 1
        raise failure

    async def refusing(*_: Any) -> None:
        raise DatabaseUnavailableError("The database has just gone.", "")

    weekly = WeeklyBackup(services)
    monkeypatch.setattr(weekly_backup, "backup", failing)
    with monkeypatch.context() as patch:
        patch.setattr(leadership, "note", refusing)
        with pytest.raises(type(failure)) as caught:
            await weekly.run_if_due()
        assert caught.value is failure
        assert any("has just gone" in note for note in failure.__notes__)
        assert await noted(services) is None
        with pytest.raises(DatabaseUnavailableError):  # told by itself where there is nothing else to tell
            await weekly.run_if_due()
    assert await weekly.run_if_due() is None
    found = await noted(services)
    assert found is not None
    assert found.problem == (
        "The disk said no." if isinstance(failure, BackupError) else "Unforeseen: ZeroDivisionError."
    )
    assert tries == 1, "a whole dump was begun again within the hour"


async def test_one_that_was_written_but_could_not_be_noted_is_told_and_noted_later(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(*_: Any) -> None:
        raise DatabaseUnavailableError("The database has just gone.", "")

    weekly = WeeklyBackup(services)
    with monkeypatch.context() as patch:
        patch.setattr(leadership, "note", refusing)
        written = await weekly.run_if_due()
    assert written is not None
    assert await noted(services) is None
    assert await weekly.run_if_due() is None
    assert await noted(services) == weekly_backup.BackupView(NOON, written.name, "")


@pytest.mark.parametrize("full_at", [1, 2], ids=["the copy that is read", "the rows that come out of it"])
async def test_temporary_files_without_room_are_told_as_such(
    services: Services, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    """By the name of their directory, and not of that of the backups."""
    made = 0

    def filling(**given: Any) -> Any:
        nonlocal made
        made += 1
        return Path("/dev/full").open("r+b", buffering=0) if made == full_at else temporary_file(**given)

    temporary_file = tempfile.TemporaryFile
    monkeypatch.setattr("db.archives.tempfile.TemporaryFile", filling)
    with pytest.raises(DatabaseError, match="No space left") as caught:
        await WeeklyBackup(services).run_if_due()
    assert "TMPDIR" in caught.value.remedy
    assert str(backup_directory(services.settings.data_dir)) not in caught.value.message


async def test_two_at_once_make_one(services: Services) -> None:
    done = await asyncio.gather(*(WeeklyBackup(services).run_if_due() for _ in range(2)))
    assert len([file for file in done if file is not None]) == 1
    lock = try_lock(backup_directory(services.settings.data_dir) / "backup.lock")
    assert lock is not None, "it was left locked"
    try:
        put(services)
        for _, file in kept_backups(backup_directory(services.settings.data_dir)):
            file.unlink()
        assert await WeeklyBackup(services).run_if_due() is None
    finally:
        os.close(lock)


async def test_a_cancelled_one_leaves_nothing_and_soon(services: Services) -> None:
    working = asyncio.ensure_future(WeeklyBackup(services).run_if_due())
    directory = backup_directory(services.settings.data_dir)
    async with asyncio.timeout(30):
        while not list(directory.glob(".alpha-monday-*")):  # noqa: ASYNC110 - the event is another program's
            await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.wait_for(asyncio.gather(working, return_exceptions=True), 10)
    assert names(services) == ["backup.lock"]
    assert await noted(services) is None


async def test_a_directory_that_cannot_be_used_is_told(services: Services) -> None:
    backup_directory(services.settings.data_dir).write_text("a file in its place")
    with pytest.raises(AlphaMondayError) as caught:
        await WeeklyBackup(services).run_if_due()
    assert str(backup_directory(services.settings.data_dir)) in caught.value.message
    told = await noted(services)
    assert told is not None
    assert str(backup_directory(services.settings.data_dir)) in told.problem


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2)
)


@given(value=st.dictionaries(st.sampled_from(["at", "file", "problem", "x"]), _ANY_JSON))
def test_what_another_version_noted_is_read_without_failing(value: dict[str, Any]) -> None:
    found = last_backup({BACKUP_FACT: SchedulerFact(BACKUP_FACT, value, NOON)})
    assert found is not None
    assert found.at.tzinfo is not None
    assert last_backup({}) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_root_removes_and_writes_nothing_where_others_can_exchange_the_directory(
    services: Services, reachable_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment between look and removal is met by letting it happen as soon as the lock is held."""
    data = Path(tempfile.mkdtemp(dir=reachable_directory))
    victims = Path(tempfile.mkdtemp(dir=reachable_directory))
    leftover = victims / ".alpha-monday-2026-01-05.dump.victim"
    leftover.touch()
    weekly_backup.backup_directory(data).mkdir(mode=0o700)
    os.chown(data, NOBODY, NOBODY)

    def exchange(path: Path) -> int | None:
        lock = try_lock(path)
        with acting_as(NOBODY):
            path.parent.rename(data / "aside")
            path.parent.symlink_to(victims)
        return lock

    monkeypatch.setattr(weekly_backup, "try_lock", exchange)
    settings = services.settings.model_copy(update={"data_dir": data})
    with pytest.raises(AlphaMondayError, match="others than root can write"):
        await WeeklyBackup(replace(services, settings=settings)).run_if_due()
    assert list(victims.iterdir()) == [leftover]
