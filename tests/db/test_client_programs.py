"""PostgreSQL's client programs go where this process goes, and are of a version whose archives can be read here."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from db import client_programs, dumps
from db.backup import BackupError, backup
from db.client_programs import client_environment, run_client, tools_for
from db.database import Database
from db.embedded import EmbeddedServer
from db.errors import DatabaseError

DEAD = "127.0.0.1"


async def database_reached(conninfo: str) -> str:
    printed = await run_client(
        "psql", ["--no-psqlrc", "-At", "-c", "select current_database(), inet_server_addr() is null"], conninfo, ""
    )
    return printed.strip()


class TestTheEmbeddedAddressDecidesAlone:
    @pytest.fixture(params=["PGHOSTADDR", "PGSERVICE", "PGSERVICE with a host"], autouse=True)
    def elsewhere(self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An environment that leads to a server that is not there."""
        for name, value in {"PGHOST": "nowhere.invalid", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x"}.items():
            monkeypatch.setenv(name, value)
        if request.param == "PGHOSTADDR":
            monkeypatch.setenv("PGHOSTADDR", DEAD)
            return
        file = tmp_path / "services"
        host = "host=nowhere.invalid\nport=1\n" if "host" in request.param else ""
        file.write_text(f"[dead]\nhostaddr={DEAD}\n{host}")
        monkeypatch.setenv("PGSERVICEFILE", str(file))
        monkeypatch.setenv("PGSERVICE", "dead")

    def test_for_connections(self, server: EmbeddedServer) -> None:
        with psycopg.connect(server.conninfo("postgres")) as connection:
            assert connection.info.hostaddr == ""
            assert connection.execute("select inet_server_addr()").fetchone() == (None,)

    async def test_for_asynchronous_ones_and_the_pools(self, server: EmbeddedServer) -> None:
        async with await psycopg.AsyncConnection.connect(server.conninfo("postgres")) as connection:
            assert await (await connection.execute("select inet_server_addr()")).fetchone() == (None,)
        async with (
            Database(server.conninfo("postgres"), read_only=True) as database,
            database.connection() as pooled,
        ):
            assert await (await pooled.execute("select inet_server_addr()")).fetchone() == (None,)

    async def test_for_programs(self, server: EmbeddedServer) -> None:
        assert await database_reached(server.conninfo("postgres")) == "postgres|t"


class TestWhatAnAddressLeavesOpen:
    """It comes from libpq's own variables and services, for the programs as for the driver."""

    async def test_is_of_the_environment(self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PGHOST", str(conninfo_to_dict(server.conninfo("postgres"))["host"]))
        monkeypatch.setenv("PGUSER", "postgres")
        assert await database_reached("dbname=postgres") == "postgres|t"
        own = {"PGPASSWORD": "p", "PGSSLMODE": "require", "PGSSLROOTCERT": "/r", "PGPASSFILE": "/f"}
        for name, value in own.items():
            monkeypatch.setenv(name, value)
            assert client_environment("postgresql://h/d")[name.encode()] == value.encode()

    @pytest.mark.parametrize("way", ["service=here", "environment"])
    async def test_is_of_the_service(
        self, server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        file = tmp_path / "services"
        host = conninfo_to_dict(server.conninfo("postgres"))["host"]
        file.write_text(f"[here]\nhost={host}\nuser=postgres\ndbname=nonexistent\n")
        monkeypatch.setenv("PGSERVICEFILE", str(file))
        if way == "environment":
            monkeypatch.setenv("PGSERVICE", "here")
            assert await database_reached("dbname=postgres") == "postgres|t"
        else:
            file.write_text(file.read_text().replace("nonexistent", "postgres"))
            monkeypatch.setenv("PGSERVICE", "another")
            assert await database_reached("service=here") == "postgres|t"


class TestOverTLS:
    """The programs of the system are taken: the oldest that will do."""

    @pytest.fixture
    def places(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where packages would put programs, a directory a major version."""
        monkeypatch.setattr(client_programs, "usual_places", lambda major: (tmp_path / str(major),))
        monkeypatch.setenv("PATH", str(tmp_path))
        return tmp_path

    @staticmethod
    def install(place: Path, major: int) -> None:
        (place / str(major)).mkdir()
        for name in ("pg_dump", "psql"):
            program = place / str(major) / name
            program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {major}.1'\n")
            program.chmod(0o755)

    @staticmethod
    def connection_to(major: int) -> Any:
        return SimpleNamespace(
            pgconn=SimpleNamespace(ssl_in_use=True), info=SimpleNamespace(server_version=major * 10000 + 3)
        )

    @pytest.mark.parametrize(
        ("installed", "taken"), [((15, 16, 19), 16), ((16, 17, 18), 16), ((18, 19), 18), ((14, 25), 25)]
    )
    async def test_the_lowest_that_is_not_older_than_the_server(
        self, places: Path, installed: tuple[int, ...], taken: int
    ) -> None:
        for major in installed:
            self.install(places, major)
        assert await tools_for(self.connection_to(16)) == places / str(taken)

    async def test_none_that_is_not_older(self, places: Path) -> None:
        self.install(places, 15)
        with pytest.raises(DatabaseError, match="this machine has no others") as caught:
            await tools_for(self.connection_to(16))
        assert "postgresql-client-16" in caught.value.remedy

    async def test_an_archive_that_could_not_be_read_here_is_not_written(
        self, places: Path, filled: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.install(places, 19)

        async def encrypted(_: object) -> Path:
            return await tools_for(self.connection_to(18))

        monkeypatch.setattr(dumps, "tools_for", encrypted)
        with pytest.raises(BackupError, match=r"of version 19.* cannot be read .* of version 18") as caught:
            await backup(filled, places / "backup")
        assert "postgresql-client-18" in caught.value.remedy
        assert not (places / "backup").exists()
