"""One PostgreSQL server a test process, and a database of its own for every test that asks."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db import migrate
from db.embedded import EmbeddedServer

TEMPLATE = "template_alpha_monday"
# A test's server may forget everything at a crash; nothing is tested through it that needs more.
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

for name in ("NO_COLOR", "TEXTUAL_THEME", "DATABASE_URL"):
    os.environ.pop(name, None)
for name in [name for name in os.environ if name.startswith("ALPHA_MONDAY_")]:
    del os.environ[name]
os.environ["TEXTUAL_ANIMATIONS"] = "none"
# What the product keeps for its user is kept out of the home of whoever runs the tests.
_home = tempfile.TemporaryDirectory(prefix="am-home-")
os.environ.update({f"XDG_{kind}_HOME": str(Path(_home.name, kind.lower())) for kind in ("CONFIG", "STATE")})


@pytest.fixture(scope="session")
def reachable_directory() -> Iterator[Path]:
    """A directory that the embedded server's own user can reach, which pytest's (0700) is not when run as root."""
    directory = Path(tempfile.mkdtemp(prefix="am-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def server(reachable_directory: Path) -> Iterator[EmbeddedServer]:
    """The embedded server, as the product starts it."""
    with EmbeddedServer.start(reachable_directory / "server", FAST_AND_FORGETFUL) as server:
        yield server


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> str:
    """The name of a migrated, empty database."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
    migrate.up(server.conninfo(TEMPLATE))
    return TEMPLATE


def _clone(server: EmbeddedServer, template: str | None) -> Iterator[str]:
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(template or "template0")
            )
        )
        yield server.conninfo(name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def conninfo(server: EmbeddedServer, template: str) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    yield from _clone(server, template)


@pytest.fixture
def bare_conninfo(server: EmbeddedServer) -> Iterator[str]:
    """A database without a single table."""
    yield from _clone(server, None)


@pytest.fixture
async def connection(conninfo: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """An autocommit connection to `conninfo`."""
    async with await psycopg.AsyncConnection.connect(make_conninfo(conninfo), autocommit=True) as connection:
        yield connection
