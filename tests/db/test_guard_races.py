"""The guard on checkpoints while somebody else ends their batch, on every supported PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import IsolationLevel, errors

from tests.db.rows import Connection, count, finish, insert


@pytest.fixture
def observer(migrated: str) -> Iterator[Connection]:
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield connection


@contextmanager
def blocked(
    connection: Connection, holder: Connection, work: Callable[[], object], seconds: float = 10
) -> Iterator[Future[object]]:
    """`work`, running over `connection`, until it waits for a lock of `holder`."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as watcher, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(work)
        deadline = time.monotonic() + seconds
        query = "select %s = any (pg_blocking_pids(%s))"
        while watcher.execute(query, (holder.info.backend_pid, connection.info.backend_pid)).fetchone() != (True,):
            if waiting.done() or time.monotonic() > deadline:
                holder.rollback()
                waiting.result()
                pytest.fail("it did not wait for the other's lock")
            time.sleep(0.005)
        yield waiting


@pytest.fixture
def pair(migrated: str) -> Iterator[tuple[Connection, Connection]]:
    """Two connections, each in a transaction of its own that the test ends."""
    with psycopg.connect(migrated) as first, psycopg.connect(migrated) as second:
        yield first, second


def test_ending_a_batch_waits_for_a_checkpoint_that_is_being_written(
    observer: Connection, pair: tuple[Connection, Connection]
) -> None:
    writer, operator = pair
    batch_id = insert(observer, "batches")
    insert(writer, "checkpoints", batch_id=batch_id)
    with blocked(operator, writer, lambda: finish(operator, batch_id, "failed")) as ending:
        writer.commit()
        ending.result(10)
    operator.commit()
    assert observer.execute("select status from batches").fetchall() == [("failed",)]
    assert count(observer, "checkpoints") == 1


def test_a_checkpoint_waits_for_a_batch_that_is_being_ended_and_is_then_refused(
    observer: Connection, pair: tuple[Connection, Connection]
) -> None:
    writer, operator = pair
    batch_id = insert(observer, "batches")
    finish(operator, batch_id, "failed")
    with blocked(writer, operator, lambda: insert(writer, "checkpoints", batch_id=batch_id)) as writing:
        operator.commit()
        with pytest.raises(errors.CheckViolation, match="is failed"):
            writing.result(10)
    writer.rollback()
    assert count(observer, "checkpoints") == 0


def test_a_checkpoint_is_admitted_when_the_end_of_its_batch_is_taken_back(
    observer: Connection, pair: tuple[Connection, Connection]
) -> None:
    writer, operator = pair
    batch_id = insert(observer, "batches")
    finish(operator, batch_id, "failed")
    with blocked(writer, operator, lambda: insert(writer, "checkpoints", batch_id=batch_id)) as writing:
        operator.rollback()
        writing.result(10)
    writer.commit()
    assert count(observer, "checkpoints") == 1


@pytest.mark.parametrize("isolation", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_an_old_snapshot_does_not_hide_that_a_batch_ended(
    observer: Connection, pair: tuple[Connection, Connection], isolation: IsolationLevel
) -> None:
    writer, _ = pair
    batch_id = insert(observer, "batches")
    writer.isolation_level = isolation
    assert count(writer, "batches") == 1
    finish(observer, batch_id, "failed")
    with pytest.raises(errors.SerializationFailure):
        insert(writer, "checkpoints", batch_id=batch_id)
