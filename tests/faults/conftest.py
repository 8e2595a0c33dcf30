"""Where the servers of these tests live."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from db.embedded import EmbeddedServer
from db.errors import EmbeddedServerError
from tests.databases import cloned
from tests.faults.backlogs import Backlog, undisturbed_at
from tests.faults.rows import Row
from tests.faults.servers import programs


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the servers' user can reach, on a machine where there is a PostgreSQL to run."""
    with _reachable_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def shared_place() -> Iterator[Path]:
    """The like of `place` for all tests of a module."""
    with _reachable_directory() as directory:
        yield directory


@contextmanager
def _reachable_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="am-faults-"))
    directory.chmod(0o755)
    try:
        programs(directory)
        yield directory
    except EmbeddedServerError as exc:
        pytest.skip(exc.message)
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def undisturbed(server: EmbeddedServer, template: str) -> Callable[[Backlog], list[Row]]:
    """What gives the rows of a run that nothing disturbs."""

    def rows(backlog: Backlog) -> list[Row]:
        with cloned(server, template, "undisturbed") as conninfo:
            return undisturbed_at(conninfo, backlog)

    return rows
