"""Forty programs and a worker share one embedded server, each with two connections at rest, the leader with three."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from core.performance import performance
from core.reading import batch_page, event_page
from core.scheduler import Scheduler
from core.scheduler_state import Phase, SchedulerState
from core.services import DATABASE, Access, Services, open_services
from core.settings import Settings
from db import events
from db.embedded import EmbeddedServer
from tests.conftest import FAST_AND_FORGETFUL

pytestmark = pytest.mark.slow
PROGRAMS = 41
AT_REST = 2 * PROGRAMS + 1  # the leader writes beside its lock
WITHIN_S = 90
BACKENDS = "select count(*)::int from pg_stat_activity where backend_type = 'client backend' and datname = %s"


class Program:
    """What a TUI does with the core: it listens, it schedules, it reads."""

    def __init__(self, services: Services, number: int) -> None:
        self.services = services
        self.is_listening = asyncio.Event()
        self.losses = 0
        self.scheduler = Scheduler(services, self._note, who=f"program {number}")

    def _note(self, state: SchedulerState) -> None:
        self.losses += state.phase is Phase.DATABASE_LOST

    async def listen(self) -> None:
        async for _ in self.services.database.notifications():
            self.is_listening.set()

    async def read(self) -> None:
        await batch_page(self.services)
        await event_page(self.services)
        await performance(self.services)


@asynccontextmanager
async def running(settings: Settings, number: int) -> AsyncIterator[Program]:
    async with open_services(settings, Access.WRITE) as services:
        program = Program(services, number)
        tasks = [asyncio.create_task(program.scheduler.run()), asyncio.create_task(program.listen())]
        tasks[1].add_done_callback(lambda _: program.is_listening.set())
        await program.is_listening.wait()
        assert not tasks[1].done(), tasks[1]
        try:
            yield program
        finally:
            program.scheduler.stop()
            await tasks[0]
            tasks[1].cancel()
            with suppress(asyncio.CancelledError):
                await tasks[1]


@pytest.fixture(params=["a new server", "a server of an older release"])
def server(request: pytest.FixtureRequest, reachable_directory: Path) -> Iterator[tuple[EmbeddedServer, Path]]:
    """An embedded server and its data directory. One that runs already keeps the settings that it was started with."""
    directory = Path(tempfile.mkdtemp(dir=reachable_directory))
    directory.chmod(0o755)
    older = {"max_connections": "100"} if "older" in request.param else {}
    with EmbeddedServer.start(directory / "postgres", {**FAST_AND_FORGETFUL, **older}) as server:
        yield server, directory


async def test_forty_programs_work_beside_a_worker(server: tuple[EmbeddedServer, Path]) -> None:
    shared, directory = server
    settings = Settings(data_dir=directory, price_source=("simulated",))
    async with asyncio.timeout(WITHIN_S), AsyncExitStack() as stack:
        # First, because at its fullest a server has no connection to give.
        watching = stack.enter_context(psycopg.connect(shared.conninfo("postgres"), autocommit=True))
        programs = list(
            await asyncio.gather(*(stack.enter_async_context(running(settings, number)) for number in range(PROGRAMS)))
        )
        while phases(programs) != {Phase.LEADING: 1, Phase.STANDING_BY: PROGRAMS - 1}:  # noqa: ASYNC110 - told by a call
            await asyncio.sleep(0.1)
        async with programs[0].services.database.transaction() as connection:
            await events.notify(connection, [])
        await asyncio.gather(*(program.read() for program in programs))
        count = AT_REST + 1
        while count > AT_REST:
            await asyncio.sleep(0.2)
            [count] = watching.execute(BACKENDS, (DATABASE,)).fetchone() or (0,)
        assert count == AT_REST
        assert [program.losses for program in programs] == [0] * PROGRAMS


def phases(programs: list[Program]) -> Counter[Phase]:
    return Counter(program.scheduler.state.phase for program in programs)
