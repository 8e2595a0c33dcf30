"""The tests' databases, and the users who come to them: an owner, a worker, an onlooker.

The product works as the worker, who has the rights of db/roles.sql and no others. The tables are the owner's. Only the
superuser gets past the guards.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import leadership, migrate
from db.database import Database
from db.fencing import Term, begin_term
from db.roles import roles_sql

OWNER, WORKER, ONLOOKER = "owner of tables", "worker", "onlooker"
MEMBERSHIPS = {WORKER: "alpha_monday_writer", ONLOOKER: "alpha_monday_reader"}
LOCK_MODES = (
    "access share",
    "row share",
    "row exclusive",
    "share update exclusive",
    "share",
    "share row exclusive",
    "exclusive",
    "access exclusive",
)


class Server(Protocol):
    """Something that says how a database of its is reached by the superuser."""

    def conninfo(self, database: str) -> str: ...


def as_superuser(conninfo: str) -> str:
    """The database of `conninfo`, reached by whom nothing is refused, not even to switch the guards off."""
    return make_conninfo(conninfo, user="postgres")


def as_owner(conninfo: str) -> str:
    """The database of `conninfo`, reached by the owner of its tables, who is no superuser."""
    return make_conninfo(conninfo, user=OWNER)


def as_worker(conninfo: str) -> str:
    """The database of `conninfo`, reached by a member of alpha_monday_writer."""
    return make_conninfo(conninfo, user=WORKER)


def as_onlooker(conninfo: str) -> str:
    """The database of `conninfo`, reached by a member of alpha_monday_reader."""
    return make_conninfo(conninfo, user=ONLOOKER)


def make_template(server: Server, name: str) -> None:
    """Makes the users where they are missing, and a migrated, empty database with the rights of db/roles.sql."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        there = {row[0] for row in connection.execute("select rolname::text from pg_roles").fetchall()}
        for role in {OWNER, *MEMBERSHIPS, *MEMBERSHIPS.values()} - there:
            login = sql.SQL("nologin" if role in MEMBERSHIPS.values() else "login")
            connection.execute(sql.SQL("create role {} {}").format(sql.Identifier(role), login))
        for member, role in MEMBERSHIPS.items():
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(member)))
        connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(OWNER)))
    owned = as_owner(server.conninfo(name))
    migrate.up(owned)
    with psycopg.connect(owned, autocommit=True) as connection:
        connection.execute(roles_sql().encode())


@contextmanager
def cloned(server: Server, template: str | None, prefix: str = "test") -> Iterator[str]:
    """A copy of `template`, reached by the worker; without a template a database without tables, by their owner."""
    name = f"{prefix}_{os.urandom(6).hex()}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {} owner {}").format(
                sql.Identifier(name), sql.Identifier(template or "template0"), sql.Identifier(OWNER)
            )
        )
        try:
            if template is not None:  # the one right that a copy does not take over
                connection.execute(sql.SQL("revoke temporary on database {} from public").format(sql.Identifier(name)))
            yield (as_owner if template is None else as_worker)(server.conninfo(name))
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def database_of(conninfo: str) -> str:
    """The name of the database that `conninfo` leads to."""
    return str(conninfo_to_dict(conninfo)["dbname"])


@asynccontextmanager
async def leading(database: Database) -> AsyncIterator[Term]:
    """The lead, which nobody must hold, until the block ends."""
    async with database.dedicated() as lead:
        yield await take_term(database, lead)


async def take_term(database: Database, lead: psycopg.AsyncConnection) -> Term:
    """The lead, which nobody must hold, for as long as the connection `lead` is open."""
    session = await leadership.take_lead(lead)
    assert session is not None, "somebody leads"
    async with database.connection() as connection:
        return await begin_term(connection, session)
