"""`--headless` as a service manager runs it: JSON lines on stderr, and gone within two seconds of SIGTERM."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.tui.shell.conftest import PROGRAM, Market

GONE_WITHIN_S = 2.0
STARTED_WITHIN_S = 20.0

HANGING = """
import asyncio, time
from datetime import timedelta
from core.prices.source import Basis

class Hanging:
    name, basis, settle_delay = "hanging", Basis.PRICE, timedelta(0)

    def __init__(self, options):
        self.blocks = options.key == "thread"

    async def closes(self, symbols, first, last):
        print("asked", flush=True)
        if self.blocks:
            await asyncio.to_thread(time.sleep, 60)
        await asyncio.Event().wait()
"""


class Service:
    """The program at work, and the lines it has logged."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.logged: list[dict[str, Any]] = []

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)

    def until(self, event: str) -> dict[str, Any]:
        """The next line of that event; every line before it is JSON as well."""
        deadline = time.monotonic() + STARTED_WITHIN_S
        while True:
            line = json.loads(self._lines.get(timeout=max(deadline - time.monotonic(), 0.01)))
            self.logged.append(line)
            if line["event"] == event:
                found: dict[str, Any] = line
                return found

    def stop(self, number: int) -> float:
        """Sends a signal and gives the seconds until the process has ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(STARTED_WITHIN_S)
        return time.monotonic() - began

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def start(market: Market) -> Iterator[Callable[..., Service]]:
    """Starts the program on the market; whatever still runs is killed at the end."""
    services: list[Service] = []

    def starter(*arguments: str) -> Service:
        services.append(Service(*arguments))
        return services[-1]

    yield starter
    for service in services:
        service.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leads_until_it_is_told_to_stop(start: Callable[..., Service], conninfo: str, number: int) -> None:
    service = start("--headless")
    assert service.until("started")["sources"] == ["csv"]
    leading = service.until("leading")
    assert leading["who"].endswith(f":{service.process.pid}")
    assert service.stop(number) < GONE_WITHIN_S
    assert service.process.returncode == 0
    assert service.until("stopped")["level"] == "info"
    assert service.process.stdout is not None
    assert service.process.stdout.read() == ""
    for line in service.logged:
        assert {"time", "level", "event", "message"} <= line.keys()
    with psycopg.connect(conninfo) as connection:
        left = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchone()
    assert left == (0,)


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_it_does_not_wait_for_a_source_that_hangs(
    start: Callable[..., Service],
    replayed: Market,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    conninfo: str,
    place: str,
) -> None:
    package = tmp_path / "site"
    distribution = package / "hanging-1.0.dist-info"
    distribution.mkdir(parents=True)
    (package / "hanging.py").write_text(HANGING)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text("[alpha_monday.price_sources]\nhanging = hanging:Hanging\n")
    monkeypatch.setenv("PYTHONPATH", str(package), prepend=os.pathsep)
    monkeypatch.setenv("ALPHA_MONDAY_PRICE_SOURCE", "hanging")
    monkeypatch.setenv("ALPHA_MONDAY_HANGING_KEY", place)
    replayed.write_picks({})
    with psycopg.connect(conninfo, autocommit=True) as connection:  # a batch with due days, for which prices are asked
        connection.execute(
            "with b as (insert into batches (id, run_date, benchmark_initial_price, status) "
            "values (gen_random_uuid(), '2020-01-27', 1, 'active') returning id) "
            "insert into picks select gen_random_uuid(), id, t, 'BUY', 'x', 1 from b, unnest(array['A', 'B', 'C']) t"
        )
    service = start("--headless")
    assert service.process.stdout is not None
    assert service.process.stdout.readline() == "asked\n"
    assert service.stop(signal.SIGTERM) < GONE_WITHIN_S
    assert service.process.returncode == 0
    service.until("stopped")


def test_a_database_that_goes_away_is_told_and_got_over(
    start: Callable[..., Service], conninfo: str, server: Any
) -> None:
    service = start("--headless", "--tick-every", "1 s")
    service.until("leading")
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
            (psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"],),
        )
    lost = service.until("database_lost")
    assert lost["level"] == "warning"
    assert lost["problem"]
    service.until("leading")
    assert service.stop(signal.SIGTERM) < GONE_WITHIN_S
    assert service.process.returncode == 0


def test_once_stops_between_transactions(start: Callable[..., Service], market: Market) -> None:
    service = start("--headless", "--once", "--json")
    service.process.wait(STARTED_WITHIN_S)
    assert service.process.returncode == 0
    assert service.process.stdout is not None
    assert json.loads(service.process.stdout.read())["opened"] == 0
