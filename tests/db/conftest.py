"""Databases on every PostgreSQL that is supported here: the embedded 18, and the 15 on this machine."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db import migrate
from db.embedded import EmbeddedServer
from tests.db.role_users import Users, with_roles
from tests.db.rows import fill


class Server(Protocol):
    """Something that says how a database of its is reached."""

    def conninfo(self, database: str) -> str: ...


@dataclass(frozen=True)
class Postgres15:
    """A server of the machine's own PostgreSQL 15: trusting on its socket, asking for a password on TCP."""

    directory: Path
    port: int
    certificate: Path | None

    def conninfo(self, database: str) -> str:
        return make_conninfo(host=str(self.directory), port=self.port, user="postgres", dbname=database)

    def tcp_conninfo(self, database: str, **extra: str) -> str:
        return make_conninfo(host="127.0.0.1", port=self.port, dbname=database, **extra)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_certificate(directory: Path) -> Path | None:
    """A self-signed certificate for 127.0.0.1, with `server.key` beside it; None where openssl is missing."""
    if shutil.which("openssl") is None:
        return None
    certificate = directory / "server.crt"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-nodes",
                "-newkey",
                "rsa:2048",
                "-days",
                "2",
                "-subj",
                "/CN=127.0.0.1",
            ),
            *(
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                directory / "server.key",
                "-out",
                certificate,
            ),
        ],
        check=True,
        capture_output=True,
    )
    (directory / "server.key").chmod(0o600)
    return certificate


@pytest.fixture(scope="session")
def postgres_15(reachable_directory: Path) -> Iterator[Postgres15]:
    initdb = shutil.which("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL 15: initdb is not on PATH")
    tools = Path(initdb).resolve().parent
    version = subprocess.run([tools / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    if " 15." not in version:
        pytest.skip(f"no PostgreSQL 15: initdb on PATH belongs to {version.strip()}")
    owner = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("running as root, and there is no user postgres to run PostgreSQL 15 as")

    directory = reachable_directory / "postgres 15"
    directory.mkdir(mode=0o700)
    certificate = make_certificate(directory)
    if owner is not None:
        for path in (directory, *directory.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def run(tool: str, *arguments: str | Path) -> None:
        subprocess.run(
            [tools / tool, "-D", directory / "cluster", *arguments],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would be kept open by the server
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
        )

    run(
        "initdb",
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "--locale=C",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
    )
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": f'"{directory}"',
        "timezone": "UTC",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    if certificate is not None:
        settings |= {
            "ssl": "on",
            "ssl_cert_file": str(certificate),
            "ssl_key_file": str(directory / "server.key"),
        }
    with (directory / "cluster" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    run("pg_ctl", "-l", directory / "log", "-w", "start")
    yield Postgres15(directory, port, certificate)
    run("pg_ctl", "-m", "fast", "-w", "stop")


@pytest.fixture(scope="session", params=["PostgreSQL 18", "PostgreSQL 15"])
def any_server(request: pytest.FixtureRequest) -> Server:
    """Each supported server in turn."""
    found: EmbeddedServer | Postgres15 = request.getfixturevalue(
        "server" if request.param == "PostgreSQL 18" else "postgres_15"
    )
    return found


@pytest.fixture(scope="session")
def any_template(any_server: Server) -> str:
    """The name of a migrated, empty database on `any_server`."""
    name = "template_of_tests_db"
    migrate.up(any_server.conninfo(name))
    return name


def _database(server: Server, template: str | None) -> Iterator[str]:
    """A conninfo for a database that does not outlive the test; without a template it does not exist yet."""
    name = f"test {os.urandom(6).hex()}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        if template is not None:
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        yield server.conninfo(name)
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def _rolled_back_database(any_server: Server, any_template: str) -> Iterator[str]:
    yield from _database(any_server, any_template)


@pytest.fixture
def guarded(_rolled_back_database: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A transaction on each supported server in turn, in a migrated database; it is rolled back after the test."""
    with psycopg.connect(_rolled_back_database) as connection, connection.transaction(force_rollback=True):
        yield connection


@pytest.fixture
def migrated(any_server: Server, any_template: str) -> Iterator[str]:
    """A migrated, empty database on each supported server in turn."""
    yield from _database(any_server, any_template)


@pytest.fixture
def missing(any_server: Server) -> Iterator[str]:
    """The conninfo of a database that does not exist yet, on each supported server in turn."""
    yield from _database(any_server, None)


@pytest.fixture
def users(missing: str) -> Iterator[Users]:
    """A database with the roles, its tables in the schema in which they usually stand."""
    yield from with_roles(missing, "public")


@pytest.fixture
def filled(conninfo: str) -> str:
    """A database with a row in every table, reached by a member of alpha_monday_writer: more is not needed."""
    return fill(conninfo)


@pytest.fixture
def scratch(reachable_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; nothing is left there."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory))
    directory.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    assert list(directory.iterdir()) == []
