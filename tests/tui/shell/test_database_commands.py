"""`db backup`, `restore`, `move` and `upgrade` as an operator types them."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from core.services import DATABASE
from core.weekly_backup import backup_directory
from db import archives, embedded_upgrade, migrate
from db.embedded import EmbeddedServer, conninfo_of
from db.embedded_cluster import Cluster
from db.embedded_files import open_lock
from db.moving import WITH_STATE
from tests.conftest import FAST_AND_FORGETFUL
from tests.databases import as_onlooker, as_owner
from tests.db.rows import every_row, fill
from tests.db.test_embedded_upgrade import OLD_PROGRAMS
from tests.tui.shell.conftest import CommandLine, Market, everything

PASSWORD = "Pa55-marker"  # noqa: S105 - the marker that is looked for, and no secret


@pytest.fixture(autouse=True)
def _temporary(reachable_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Temporary files where the server's user reaches them; none is left."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory))
    directory.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield
    assert list(directory.iterdir()) == []


@pytest.fixture
def data_dir(reachable_directory: Path, monkeypatch: pytest.MonkeyPatch, anywhere: Path) -> Path:
    """A data directory of this test's own that the embedded server's user can reach."""
    parent = Path(tempfile.mkdtemp(dir=reachable_directory))
    parent.chmod(0o755)
    monkeypatch.setenv("ALPHA_MONDAY_DATA_DIR", str(parent / "data"))
    return parent / "data"


@pytest.fixture
def embedded(data_dir: Path) -> Iterator[str]:
    """The embedded database with a row in every table, its server running."""
    with EmbeddedServer.start(data_dir / "postgres", FAST_AND_FORGETFUL) as server:
        migrate.up(server.conninfo(DATABASE))
        yield fill(server.conninfo(DATABASE))


class TestBackupAndRestore:
    def test_both_say_what_was_verified(
        self,
        replayed: Market,
        conninfo: str,
        bare_conninfo: str,
        alpha_monday: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        file, again = replayed.directory / "backup", replayed.directory / "again"
        held = {name: found for name, found in every_row(conninfo).items() if name in WITH_STATE}
        tables, rows = len(held), sum(map(len, held.values()))
        said = f"and verified: {tables} tables, {rows:,} rows.\n"
        assert alpha_monday("db", "backup", str(file)).out == f"Written to {file} {said}"
        assert alpha_monday("db", "backup", str(again), "--json").json == {
            "file": str(again),
            "tables": tables,
            "rows": rows,
        }
        monkeypatch.setenv("DATABASE_URL", bare_conninfo)
        assert alpha_monday("db", "restore", str(file)).out == f"Restored from {file} {said}"
        assert everything(bare_conninfo) == everything(conninfo)
        refused = alpha_monday("db", "restore", str(file), "--json")
        assert (refused.code, refused.error["code"]) == (1, "backup")

    def test_a_reader_without_a_right_learns_which(
        self, replayed: Market, conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with psycopg.connect(as_owner(conninfo), autocommit=True) as connection:
            connection.execute("revoke select on picks from alpha_monday_reader")
        monkeypatch.setenv("DATABASE_URL", as_onlooker(conninfo))
        told = alpha_monday("db", "backup", str(replayed.directory / "backup"))
        assert told.code == 1
        assert "may not read the table picks" in told.err
        assert "grant select" in told.err

    def test_a_mismatch_leaves_no_file(
        self, replayed: Market, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def losing(script: IO[bytes], rows: Any = archives._rows) -> Iterator[bytes]:
            return (row.replace(b"Because of", b"In spite of") for row in rows(script))

        monkeypatch.setattr(archives, "_rows", losing)
        told = alpha_monday("db", "backup", str(replayed.directory / "backup"), "--json")
        assert (told.code, told.error["code"]) == (1, "backup")
        assert "table picks" in told.error["message"]
        assert not list(replayed.directory.glob("*backup*"))


class TestMove:
    def test_from_standard_input_the_password_is_shown_nowhere(
        self, embedded: str, data_dir: Path, bare_conninfo: str, alpha_monday: CommandLine
    ) -> None:
        before = everything(embedded)
        told = alpha_monday("db", "move", "-", stdin=f"{bare_conninfo} password={PASSWORD}\n".encode())
        assert (told.code, told.err) == (0, "")
        assert PASSWORD not in told.out
        moved = {name: rows for name, rows in everything(bare_conninfo).items() if name != "scheduler_state"}
        assert moved == {name: rows for name, rows in before.items() if name != "scheduler_state"}
        rows = sum(map(len, moved.values()))
        assert f"Moved and verified: {len(moved)} tables, {rows} rows.\n" in told.out
        assert f"stays in {data_dir / 'postgres'}" in told.out
        address = told.out.partition("DATABASE_URL='")[2].partition("'")[0]
        with psycopg.connect(address) as connection:
            assert connection.execute("select count(*) from batches").fetchone() == (1,)
        assert "moved to" in str(everything(embedded)["scheduler_state"])

    def test_an_address_without_a_password_may_be_typed(
        self, embedded: str, bare_conninfo: str, alpha_monday: CommandLine, data_dir: Path
    ) -> None:
        told = alpha_monday("db", "move", bare_conninfo, "--json").json
        assert told.pop("url")
        rows = sum(len(rows) for name, rows in everything(bare_conninfo).items())
        assert told == {"tables": 6, "rows": rows, "directory": str(data_dir / "postgres"), "paused": False}

    def test_an_empty_address_is_wrong_usage(self, data_dir: Path, alpha_monday: CommandLine) -> None:
        """Such as of a variable that is not set: to libpq it would be whatever the environment names."""
        for address in ("", "  "):
            told = alpha_monday("db", "move", address)
            assert (told.code, "it is empty" in told.err) == (2, True)
        assert not data_dir.exists()

    @pytest.mark.parametrize(
        "address",
        [
            f"postgresql://u:{PASSWORD}@h/d",
            f"host=h password={PASSWORD}",
            f"host=h sslpassword={PASSWORD}",
            f"host=h scram_client_key={PASSWORD}",
            f"postgresql://h/d?password={PASSWORD}",
        ],
    )
    def test_a_password_that_everybody_can_read_is_wrong_usage(
        self, data_dir: Path, alpha_monday: CommandLine, address: str
    ) -> None:
        for more in ((), ("--json",)):
            told = alpha_monday("db", "move", address, *more)
            assert told.code == 2
            assert PASSWORD not in told.out + told.err
            for way in ("standard input", "PGPASSWORD", ".pgpass"):
                assert way in told.out + told.err
        assert not data_dir.exists()

    @pytest.mark.parametrize("address", [f"postgres//u:{PASSWORD}@h", "no address", ""])
    def test_what_is_no_address_is_wrong_usage_and_not_repeated(
        self, data_dir: Path, alpha_monday: CommandLine, address: str
    ) -> None:
        for outcome in (
            alpha_monday("db", "move", address or "nonsense", "--json"),
            alpha_monday("db", "move", "-", "--json", stdin=f"{address}\n".encode()),
            alpha_monday("db", "move", "-", "--json", stdin=b"x" * 10_000),
        ):
            assert (outcome.code, outcome.error["code"]) == (2, "usage")
            assert PASSWORD not in outcome.out
        assert not data_dir.exists()

    def test_an_unreachable_server_is_told_without_its_password(self, embedded: str, alpha_monday: CommandLine) -> None:
        url = f"postgresql://u:{PASSWORD}@127.0.0.1:1/d"
        told = alpha_monday("db", "move", "-", "--debug", stdin=url.encode())
        assert told.code == 1
        assert PASSWORD not in told.out + told.err
        assert "cannot be reached" in told.err

    def test_with_a_server_in_use_or_no_embedded_database_there_is_nothing_to_move(
        self, data_dir: Path, bare_conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        none = alpha_monday("db", "move", bare_conninfo, "--json")
        assert (none.code, none.error["code"]) == (1, "schema")
        assert "There is no database in" in none.error["message"]
        monkeypatch.setenv("DATABASE_URL", bare_conninfo)
        server = alpha_monday("db", "move", bare_conninfo, "--json")
        assert (server.code, server.error["code"]) == (1, "move")
        assert not data_dir.exists()


@pytest.mark.skipif(not (OLD_PROGRAMS / "postgres").exists(), reason="no PostgreSQL 15 on this machine")
class TestUpgrade:
    @pytest.fixture
    def old(self, data_dir: Path) -> Path:
        """A data directory whose cluster was made by PostgreSQL 15, with a row in every table."""
        directory = data_dir / "postgres"
        directory.mkdir(parents=True)
        cluster = Cluster(directory, OLD_PROGRAMS)
        cluster.path.mkdir(mode=0o700)
        cluster.user.give(cluster.path)
        initdb = (OLD_PROGRAMS / "initdb", "-U", "postgres", "--auth-local=trust", "-E", "UTF8", "--no-sync")
        assert cluster.user.run(initdb, data_directory=cluster.path).returncode == 0
        sockets = cluster.ensure_running({"fsync": "off"})
        migrate.up(conninfo_of(sockets, DATABASE))
        fill(conninfo_of(sockets, DATABASE))
        cluster.stop()
        return directory

    def test_from_the_first_refusal_to_the_last_word(
        self, old: Path, data_dir: Path, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = alpha_monday("latest", "--json")
        assert (refused.code, refused.error["code"]) == (1, "embedded_server")
        assert "alpha-monday db upgrade" in refused.error["remedy"]

        backups = backup_directory(data_dir)
        backups.mkdir()
        newest = backups / "alpha-monday-2026-11-17.dump"
        newest.touch()
        with monkeypatch.context() as patch:
            patch.setattr(embedded_upgrade, "find_programs", lambda *_: None)
            missing = alpha_monday("db", "upgrade", "--json")
        assert (missing.code, missing.error["code"]) == (1, "embedded_server")
        for way in ("postgresql-15", "--old-programs", str(newest)):
            assert way in missing.error["remedy"]

        users = open_lock(old / "users.lock")
        fcntl.flock(users, fcntl.LOCK_SH)
        in_use = alpha_monday("db", "upgrade", "--old-programs", str(OLD_PROGRAMS))
        os.close(users)
        assert in_use.code == 1
        assert "other processes use" in in_use.err

        done = alpha_monday("db", "upgrade", "--old-programs", str(OLD_PROGRAMS))
        kept = old / f"postgresql-15.kept-{datetime.now(UTC).date()}"
        assert done.code == 0
        assert "Upgraded from PostgreSQL 15 to 18." in done.out
        assert f"kept in {kept}" in done.out
        assert alpha_monday("latest", "--json").json["batch"]["status"] == "failed"
        assert alpha_monday("db", "upgrade").out == (
            "The embedded PostgreSQL is of this version already.\n"
            f"An earlier one is kept in {kept}; remove it when you need it no longer.\n"
        )
        assert alpha_monday("db", "upgrade", "--json").json == {"upgraded": False, "earlier": [str(kept)]}

    def test_a_server_of_ones_own_is_not_upgraded_here(
        self, data_dir: Path, bare_conninfo: str, alpha_monday: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", bare_conninfo)
        told = alpha_monday("db", "upgrade", "--json")
        assert (told.code, told.error["code"]) == (1, "embedded_server")
        assert not data_dir.exists()


@pytest.mark.parametrize("action", ["backup", "restore", "move", "upgrade"])
def test_each_is_explained(alpha_monday: CommandLine, action: str) -> None:
    told = alpha_monday("db", action, "--help")
    assert told.code == 0
    assert f"alpha-monday db {action}" in told.out
