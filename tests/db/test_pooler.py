"""PgBouncer that pools by the transaction: it refuses unknown start-up parameters, and sessions are ours through it."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db import leadership, migrate
from db.database import Database
from db.dumps import connected
from db.errors import LeadershipLostError
from tests.databases import leading
from tests.db.conftest import Postgres15
from tests.db.test_sessions import give

WITHIN_S = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def pooled(postgres_15: Postgres15) -> Iterator[str]:
    """The address, through PgBouncer, of a database that does not exist yet."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed")
    directory, port = postgres_15.directory, free_port()
    configuration = Path(directory, f"pgbouncer-{port}.ini")
    configuration.write_text(
        f"[databases]\n* = host='{directory}' port={postgres_15.port} user=postgres\n"
        f"[pgbouncer]\npool_mode = transaction\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"auth_type = any\nunix_socket_dir =\nlogfile = {directory}/pgbouncer-{port}.log\n"
        "ignore_startup_parameters = extra_float_digits\n"  # which dbmate's driver always sends
    )
    configuration.chmod(0o644)
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    pooler = subprocess.Popen(
        [program, "-q", configuration],
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    name = f"pooled_{os.urandom(4).hex()}"
    address = make_conninfo(host="127.0.0.1", port=port, user="postgres", dbname=name)
    with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                psycopg.connect(address).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PgBouncer does not answer"
                time.sleep(0.05)
        yield address
    finally:
        pooler.terminate()
        pooler.wait(WITHIN_S)
        with psycopg.connect(postgres_15.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


async def test_a_transaction_pooler_carries_everything(pooled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGOPTIONS": "-c datestyle=German", "PGDATESTYLE": "German", "PGTZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    assert len(migrate.up(pooled)) == len(migrate.shipped())
    async with Database(pooled) as database:
        async with database.dedicated() as other, database.transaction() as connection:
            assert connection.prepare_threshold is None
            await connection.execute("insert into scheduler_state (name, value) values ('x', '{\"y\": \"☀\"}')")
            await other.execute("select 1")
        async with database.snapshot() as connection:
            cursor = await connection.execute("select '2026-01-05'::date, now(), value->>'y' from scheduler_state")
            [[day, now, text]] = await cursor.fetchall()
    assert (day, str(now.tzinfo), text) == (date(2026, 1, 5), "UTC", "☀")
    async with connected(pooled) as connection:
        assert await (await connection.execute("select '2026-01-05'::date")).fetchone() == (date(2026, 1, 5),)


async def test_a_leader_keeps_one_session_of_the_pool_and_its_term_is_in_force_in_the_others(pooled: str) -> None:
    migrate.up(pooled)
    async with Database(pooled) as database, database.dedicated() as other:
        async with leading(database) as term:
            for _ in range(3):
                async with database.fenced(term).transaction() as connection:
                    await leadership.note(connection, "x", {})
                assert await leadership.take_lead(other) is None
        with pytest.raises(LeadershipLostError):
            async with database.fenced(term).transaction():
                pass
        assert await leadership.take_lead(other)


async def test_the_settings_of_its_database_do_not_reach_a_transaction(pooled: str, postgres_15: Postgres15) -> None:
    direct = make_conninfo(pooled, host=str(postgres_15.directory), port=postgres_15.port)
    give(direct, {"datestyle": "SQL, DMY", "timezone": "Asia/Tokyo", "client_encoding": "LATIN1"})
    migrate.up(pooled)
    async with Database(pooled) as database, database.dedicated() as holding, holding.transaction():
        await holding.execute("select 1")  # keeps the server's first session, so that the next is another one
        for _ in range(3):
            async with database.transaction() as connection:
                cursor = await connection.execute("select '2026-01-05 12:00+00'::timestamptz, '☀'")
                [[at, text]] = await cursor.fetchall()
            assert (at.isoformat(), text) == ("2026-01-05T12:00:00+00:00", "☀")
