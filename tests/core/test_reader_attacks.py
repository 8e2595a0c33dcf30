"""A reader, or anyone who may connect, takes every lock that he can and keeps it: the service works all the same."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import db.sessions
from core.backfill import backfill
from core.batches import record_missed
from core.diagnosis import database_findings
from core.due_work import run_due_work
from core.pausing import pause, resume
from core.scheduler_state import Phase
from core.services import Services
from db import events
from db.dumps import connected
from db.moving import hold_off_openings
from tests.core.scheduling import hurry, running
from tests.core.test_diagnosis import settings
from tests.core.world import FIRST, PICKS, SECOND, THIRD, World
from tests.databases import LOCK_MODES, as_onlooker, as_owner, as_superuser
from tests.fakes import exchange

Attack = Callable[[psycopg.Connection], None]
# The advisory locks that processes of version 1 take turns by: openings, the lead, backfills.
ADVISORY_KEYS = (0x616C7068_6D6F6E01, 0x616C7068_6D6F6E02, 0x616C7068_6D6F6E03)
RELATIONS = """
select relname::text from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm', 'p') order by 1
"""


def relations(attacker: psycopg.Connection) -> list[sql.Identifier]:
    return [sql.Identifier(name) for (name,) in attacker.execute(RELATIONS).fetchall()]


def attempt(attacker: psycopg.Connection, statement: sql.Composed) -> bool:
    """Whether a statement is done, inside a transaction that stays open; else it was refused for want of a right."""
    try:
        with attacker.transaction():
            attacker.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def takes_advisory_locks(attacker: psycopg.Connection) -> None:
    attacker.autocommit = True
    for key in ADVISORY_KEYS:
        attacker.execute("select pg_advisory_lock(%s)", (key,))


def locks_every_relation(attacker: psycopg.Connection) -> None:
    for relation in relations(attacker):
        done = [
            mode
            for mode in LOCK_MODES
            if attempt(attacker, sql.SQL(f"lock table {{}} in {mode} mode").format(relation))
        ]
        assert done in ([], ["access share"])


def locks_every_row(attacker: psycopg.Connection) -> None:
    for relation in relations(attacker):
        for strength in ("update", "no key update", "share", "key share"):
            assert not attempt(attacker, sql.SQL(f"select from {{}} for {strength}").format(relation))


def reads_everything(attacker: psycopg.Connection) -> None:
    attacker.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    for relation in relations(attacker):
        attempt(attacker, sql.SQL("select * from {}").format(relation))


def prepares_a_transaction(attacker: psycopg.Connection) -> None:
    reads_everything(attacker)
    locks_every_relation(attacker)
    attacker.execute(sql.SQL("prepare transaction {}").format(attacker.info.dbname))


ATTACKS: tuple[Attack, ...] = (
    takes_advisory_locks,
    locks_every_relation,
    locks_every_row,
    reads_everything,
    prepares_a_transaction,
)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    monkeypatch.setitem(db.sessions.SETTINGS, "lock_timeout", "300ms")  # what is held is told soon


@pytest.fixture(params=["reader", "stranger"])
def attacker(world: World, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """A session of a member of the reader role, and of a role without any right but to connect."""
    name, prepared = f"stranger {os.urandom(4).hex()}", psycopg.conninfo.conninfo_to_dict(world.conninfo)["dbname"]
    with psycopg.connect(as_superuser(world.conninfo), autocommit=True) as superuser:
        superuser.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        address = make_conninfo(world.conninfo, user=name)
        with closing(psycopg.connect(as_onlooker(world.conninfo) if request.param == "reader" else address)) as session:
            yield session
        if superuser.execute("select 1 from pg_prepared_xacts where gid = %s", (prepared,)).fetchone():
            superuser.execute(sql.SQL("rollback prepared {}").format(sql.Literal(prepared)))
        superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_service_works_beside(world: World, attacker: psycopg.Connection, attack: Attack) -> None:
    async with world.services() as services:
        await run_due_work(services)  # so that there are rows to lock
    attack(attacker)
    world.clock.instant = exchange(str(SECOND), "09:00")
    async with running(world) as run:
        state = await run.until(lambda state: state.last_report is not None and state.last_report.opened == 1)
        assert state.problem is None
        await pause(run.services, "ann")
        await resume(run.services, "ann")
        await missing_weeks_are_noted_and_filled(world, run.services)
        [found] = [each for each in await database_findings(settings(world.conninfo)) if each.name == "locks"]
        assert found.ok, found.message
    async with connected(as_owner(world.conninfo)) as restoring:
        await hold_off_openings(restoring)


async def missing_weeks_are_noted_and_filled(world: World, services: Services) -> None:
    await pause(services, "ann")  # so that the scheduler does not note it first
    world.clock.instant = exchange(str(THIRD), "09:31")
    assert await record_missed(services, (THIRD,), None) == 1
    assert (await backfill(services, {FIRST: PICKS, THIRD: PICKS})).opened == 1
    await resume(services, "ann")


async def test_a_reader_waits_for_nobody(world: World) -> None:
    """While a process leads, another opens weeks and a third one fills them."""
    async with running(world) as run, run.services.database.transaction() as opening:
        await run.phase(Phase.LEADING)
        await events.serialise_openings(opening)
        assert not await events.is_backfilling(opening)
        with psycopg.connect(as_onlooker(world.conninfo)) as reader:
            reader.execute("set lock_timeout = '200ms'")
            for relation in relations(reader):
                attempt(reader, sql.SQL("select * from {}").format(relation))
                attempt(reader, sql.SQL("lock table {} in access share mode").format(relation))
