"""What a backup is proved by, with which programs, and that neither the proof nor the way there can be turned."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from db import archives, client_programs, dumps, migrate
from db.backup import BackupError, backup, restore
from db.client_programs import run_client
from db.errors import DatabaseError, SchemaError
from db.moving import MoveError
from tests.databases import as_onlooker, as_superuser
from tests.db.conftest import Postgres15
from tests.db.rows import every_row, fill, insert

PASSWORD = "Pa55-marker"  # noqa: S105 - the marker that is looked for, and no secret

pytestmark = pytest.mark.usefixtures("scratch")


async def test_a_backup_that_does_not_restore_to_the_same_rows_is_none(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = archives._rows

    def damaged(script: IO[bytes]) -> Iterator[bytes]:
        for row in rows(script):
            yield row.replace(b"\t1.100000000000\t", b"\t1.1\t")

    monkeypatch.setattr(archives, "_rows", damaged)
    with pytest.raises(BackupError, match="1 rows of the table pick_checkpoint_metrics are not the same"):
        await backup(filled, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


async def test_a_restore_that_does_not_give_the_same_rows_is_taken_back(
    filled: str, bare_conninfo: str, tmp_path: Path
) -> None:
    await backup(filled, tmp_path / "backup")
    migrate.up(bare_conninfo)
    with psycopg.connect(bare_conninfo, autocommit=True) as connection:
        connection.execute(
            "create function meddle() returns trigger language plpgsql as"
            " $$ begin new.reasoning := upper(new.reasoning); return new; end $$"
        )
        connection.execute("create trigger meddling before insert on picks for each row execute function meddle()")
    with pytest.raises(MoveError, match="1 rows of the table picks are not the same"):
        await restore(bare_conninfo, tmp_path / "backup")
    assert not every_row(bare_conninfo)["batches"]


async def test_what_is_written_during_the_dump_is_not_in_it(
    filled: str, bare_conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that are compared and the rows that are dumped are those of one moment."""
    before = every_row(filled)

    async def writing(program: str, *rest: Any) -> str:
        if program == "pg_dump":
            with psycopg.connect(filled, autocommit=True) as connection:
                insert(connection, "events", event_type="batch_missed")
        return await run_client(program, *rest)

    monkeypatch.setattr(dumps, "run_client", writing)
    await backup(filled, tmp_path / "backup")
    assert len(every_row(filled)["events"]) == len(before["events"]) + 1
    await restore(bare_conninfo, tmp_path / "backup")
    assert every_row(bare_conninfo) == before


async def test_a_backup_by_a_newer_version_is_refused_before_anything_is_changed(
    filled: str, bare_conninfo: str, tmp_path: Path
) -> None:
    with psycopg.connect(as_superuser(filled), autocommit=True) as connection:
        connection.execute("insert into schema_migrations values ('20990101000000')")
    with pytest.raises(SchemaError, match="newer version"):
        await backup(filled, tmp_path / "backup")
    await run_client("pg_dump", ["--format=custom", f"--file={tmp_path / 'backup'}"], as_superuser(filled), "")
    with pytest.raises(SchemaError, match="newer version"):
        await restore(bare_conninfo, tmp_path / "backup")
    assert every_row(bare_conninfo) == {}


async def test_an_extension_of_the_servers_own_is_no_part_of_a_backup(
    filled: str, bare_conninfo: str, tmp_path: Path
) -> None:
    """Where a backup is restored it may be unknown: as a table of its, so its definition stays where it is."""
    with psycopg.connect(as_superuser(filled), autocommit=True) as connection:
        connection.execute("create table kept_by_it (id int)")
        connection.execute("alter extension plpgsql add table kept_by_it")
    held = await backup(filled, tmp_path / "backup")
    assert "kept_by_it" not in held
    await restore(bare_conninfo, tmp_path / "backup")
    assert "kept_by_it" not in every_row(bare_conninfo)


async def test_large_objects_of_others_are_no_part_of_a_backup(filled: str, tmp_path: Path) -> None:
    """Anybody who may connect can make one, and nobody else may read it."""
    with psycopg.connect(as_onlooker(filled), autocommit=True) as connection:
        connection.execute("select lo_from_bytea(0, 'kept from you')")
    await backup(filled, tmp_path / "backup")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_no_place_for_the_proof_is_told_with_what_to_do(
    filled: str, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    with pytest.raises(BackupError, match="bars the way") as caught:
        await backup(filled, tmp_path / "backup")
    assert "TMPDIR" in caught.value.remedy
    assert list(tmp_path.iterdir()) == [closed]
    assert list(closed.iterdir()) == []


class TestTLS:
    """The programs that came along cannot speak it; data never travels less safely than the address asks for."""

    @pytest.fixture(params=["require", "prefer"])
    def encrypted(self, postgres_15: Postgres15, request: pytest.FixtureRequest) -> str:
        """How a new database is reached over TLS."""
        if postgres_15.certificate is None:
            pytest.skip("no openssl to make a certificate with")
        name = f"over_tls_{os.urandom(6).hex()}"
        with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"create role {name} superuser login password '{PASSWORD}'".encode())
        migrate.up(postgres_15.conninfo(name))
        return postgres_15.tcp_conninfo(name, user=name, password=PASSWORD, sslmode=request.param)

    async def test_the_systems_programs_do_it(
        self, encrypted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        used: set[tuple[str, str]] = set()
        run = asyncio.create_subprocess_exec

        async def noting(program: Path, *arguments: Any, **options: Any) -> Any:
            if PASSWORD.encode() in options["env"].values():
                used.add((program.name, str(program.parent)))
            return await run(program, *arguments, **options)

        fill(encrypted)
        monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
        await backup(encrypted, tmp_path / "backup")
        with psycopg.connect(encrypted, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute("delete from batches")
        await restore(encrypted, tmp_path / "backup")
        assert used == {("pg_dump", "/usr/lib/postgresql/15/bin")}
        assert len(every_row(encrypted)["batches"]) == 1

    async def test_none_of_the_systems_is_told_before_anything_is_sent(
        self, encrypted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_programs, "usual_places", lambda _: ())
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(DatabaseError, match="reached over TLS") as caught:
            await backup(encrypted, tmp_path / "backup")
        assert "postgresql-client-15" in caught.value.remedy
        assert list(tmp_path.iterdir()) == []
