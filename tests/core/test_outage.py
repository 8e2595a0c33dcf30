"""A scheduler whose database falls silent, dies or turns it away: it says why, and goes on by itself."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

import db.database
from core.outage import Outage
from core.scheduler_state import Phase
from core.services import Access, open_services
from core.settings import Settings
from db.embedded import EmbeddedServer
from db.errors import DatabaseUnavailableError
from tests.core.scheduling import Running, hurry, running
from tests.core.world import RULES, World


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@contextmanager
def frozen_sessions(server: EmbeddedServer, name: str) -> Iterator[None]:
    """The server's processes for the sessions of an application keep their sockets and say nothing."""
    with psycopg.connect(server.conninfo("postgres")) as connection:
        rows = connection.execute("select pid from pg_stat_activity where application_name = %s", (name,)).fetchall()
    assert rows
    for (number,) in rows:
        os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        for (number,) in rows:
            os.kill(number, signal.SIGCONT)


async def test_a_server_that_falls_silent_is_left_and_asked_anew(
    server: EmbeddedServer, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.database, "ANSWERS_WITHIN_S", 0.3)
    world = World(conninfo)
    async with running(world, name="silenced") as run:
        await run.ticks(2)
        with frozen_sessions(server, "silenced"):
            lost = await run.phase(Phase.DATABASE_LOST)
            assert lost.problem is not None
            assert "has not answered" in lost.problem.message
        led = await run.phase(Phase.LEADING)
        assert led.problem is None
        await run.ticks(2)
    assert len(world.rows()) == 1


async def test_the_products_own_server_is_started_again(reachable_directory: Path) -> None:
    """Nobody else would do it."""
    settings = Settings.model_construct(data_dir=reachable_directory / "killed", tick_every=timedelta(seconds=0.05))
    async with open_services(settings, Access.WRITE, with_sources=False) as opened:
        world = World(opened.database.conninfo)
        services = replace(opened, clock=world.clock, rules=RULES, sources=(world.prices,), pick_source=world.picks)
        async with Running.of(services) as run:
            await run.ticks(2)
            postmaster = int((settings.data_dir / "postgres/postgresql/postmaster.pid").read_text().splitlines()[0])
            os.kill(postmaster, signal.SIGKILL)
            await run.phase(Phase.DATABASE_LOST)
            await run.phase(Phase.LEADING)
            await run.ticks(2)
        assert len(world.rows()) == 1


def test_an_outage_is_told_once_and_its_end_with_its_length(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage()
    outage.ends()
    assert not outage
    problem, other = DatabaseUnavailableError("gone", "Wait."), DatabaseUnavailableError("too many", "Wait.")
    waits = [outage.goes_on(each) for each in (problem, problem, other, other, other, other, other)]
    assert outage
    assert timedelta(seconds=0.01) <= waits[0]
    outage.ends()
    outage.ends()
    told = [(vars(record)["event"], vars(record).get("problem")) for record in caplog.records]
    assert told == [("database_lost", "gone"), ("database_lost", "too many"), ("database_back", None)]
    assert vars(caplog.records[-1])["attempts"] == len(waits)
