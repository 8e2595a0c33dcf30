"""One PostgreSQL server a test process, and a database of its own for every test that asks."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import stamina
from hypothesis import settings
from psycopg.conninfo import make_conninfo

import core.file_at_rest
from db.embedded import EmbeddedServer
from tests.databases import as_owner, cloned, make_template
from tests.fakes import HourBetweenLooks

TEMPLATE = "template_alpha_monday"
# What takes seconds a test: whole programs, servers that fail, providers played out, every screen drawn.
SLOW = (
    "db",
    "faults",
    "providers",
    "replay",
    "tui/screens",
    "tui/shell",
    "tui/test_snapshots.py",
    "tui/test_hostile.py",
    "tui/test_run.py",
)
# A test's server may forget everything at a crash; nothing is tested through it that needs more.
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# An attacker's test prepares transactions, which few servers allow.
TEST_SERVER = {**FAST_AND_FORGETFUL, "max_prepared_transactions": "10"}

# A test that is about asking again says so; every other is to see the first failure, and at once.
stamina.set_testing(True, attempts=1)
# A test of files at rest has a clock of its own; for every other, files are at rest as soon as they are written.
core.file_at_rest.CLOCK = HourBetweenLooks()
for name in ("NO_COLOR", "TEXTUAL_THEME", "DATABASE_URL"):
    os.environ.pop(name, None)
for name in [name for name in os.environ if name.startswith("ALPHA_MONDAY_")]:
    del os.environ[name]
os.umask(0o022)  # a settings file that the group may write is refused
os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["COLORTERM"] = "truecolor"  # a test of terminals with fewer colours says so
# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("whatever the load", deadline=None)
settings.load_profile("whatever the load")
# What the product keeps for its user is kept out of the home of whoever runs the tests.
_home = tempfile.TemporaryDirectory(prefix="am-home-")
os.environ.update({f"XDG_{kind}_HOME": str(Path(_home.name, kind.lower())) for kind in ("CONFIG", "STATE")})


@pytest.hookimpl(tryfirst=True)  # before -m selects by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `SLOW`, which `-m 'not live and not slow'` leaves out."""
    slow = [Path(__file__).parent / each for each in SLOW]
    for item in items:
        if any(item.path.is_relative_to(each) for each in slow):
            item.add_marker(pytest.mark.slow)


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
    with EmbeddedServer.start(reachable_directory / "server", TEST_SERVER) as server:
        yield server


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> str:
    """The name of a migrated, empty database."""
    make_template(server, TEMPLATE)
    return TEMPLATE


@pytest.fixture
def conninfo(server: EmbeddedServer, template: str) -> Iterator[str]:
    """A migrated, empty database of this test's own, reached by a member of alpha_monday_writer and nothing else."""
    with cloned(server, template) as conninfo:
        yield conninfo


@pytest.fixture
def owner_conninfo(conninfo: str) -> str:
    """The database of `conninfo`, reached by the owner of its tables."""
    return as_owner(conninfo)


@pytest.fixture
def bare_conninfo(server: EmbeddedServer, template: str) -> Iterator[str]:
    """A database without a single table, reached by its owner."""
    with cloned(server, None) as conninfo:
        yield conninfo


@pytest.fixture
async def connection(conninfo: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """An autocommit connection to `conninfo`."""
    async with await psycopg.AsyncConnection.connect(make_conninfo(conninfo), autocommit=True) as connection:
        yield connection
