"""Databases with the roles of db/roles.sql, who may come to them, and which rights are granted there."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db import migrate
from db.roles import roles_sql
from tests.databases import database_of

WRITER, READER = "alpha_monday_writer", "alpha_monday_reader"
APPEND_ONLY = ("batches", "picks", "checkpoints", "pick_checkpoint_metrics", "events")
MUTABLE = ("waiting_days", "scheduler_state")
KEPT = ("schema_migrations", "migration_checksums")
TABLES = (*APPEND_ONLY, *MUTABLE, *KEPT)
LOCKS = ("scheduler_lead", "week_openings", "week_backfills")

RIGHTS_ON_TABLES = """
select relname::text, null, privilege_type
from pg_class cross join aclexplode(coalesce(relacl, acldefault('r', relowner))) a
where relnamespace = {schema}::regnamespace and relkind in ('r', 'v', 'm', 'S', 'p', 'f') and {grantee}
union all
select relname::text, attname::text, privilege_type
from pg_attribute join pg_class on pg_class.oid = attrelid cross join aclexplode(attacl) a
where relnamespace = {schema}::regnamespace and {grantee}
union all
select 'schema', null, privilege_type
from pg_namespace cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
where pg_namespace.oid = {schema}::regnamespace and {grantee}
union all
select 'database', null, privilege_type
from pg_database cross join aclexplode(coalesce(datacl, acldefault('d', datdba))) a
where datname = current_database() and {grantee}
union all
select 'default', defaclobjtype::text, privilege_type
from pg_default_acl cross join aclexplode(defaclacl) a
where {grantee}
"""
READS = {(table, None, "SELECT") for table in TABLES} | {("schema", None, "USAGE"), ("database", None, "CONNECT")}
EVERYBODY = {("schema", None, "USAGE"), ("database", None, "CONNECT")}
WRITES = {
    *((table, None, "INSERT") for table in (*APPEND_ONLY, *MUTABLE)),
    *((table, None, right) for table in MUTABLE for right in ("UPDATE", "DELETE")),
    ("batches", "status", "UPDATE"),
    *((view, None, "TRUNCATE") for view in LOCKS),
}


class Users(NamedTuple):
    """A database and who may come to it, each as a conninfo; the tables stand in `schema`."""

    superuser: str
    owner: str
    writer: str
    reader: str
    schema: str


def with_roles(missing: str, schema: str) -> Iterator[Users]:
    mark = os.urandom(4).hex()
    users = [f"{kind} {mark}" for kind in ("owner", "writer", "reader")]
    path = "-c search_path=" + sql.Identifier(schema).as_string().replace(" ", r"\ ")
    with psycopg.connect(missing, dbname="postgres", autocommit=True) as connection:
        before = {row[0] for row in connection.execute("select rolname::text from pg_roles").fetchall()}
        for user in users:
            connection.execute(sql.SQL("create role {} login").format(sql.Identifier(user)))
        for role in {WRITER, READER} - before:
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
        for role, user in ((WRITER, users[1]), (READER, users[2])):
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(user)))
        name = sql.Identifier(database_of(missing))
        connection.execute(sql.SQL("create database {} owner {}").format(name, sql.Identifier(users[0])))
        addresses = [make_conninfo(missing, user=user, options=path) for user in users]
        with psycopg.connect(addresses[0], autocommit=True) as owner:
            owner.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        migrate.up(addresses[0])
        with psycopg.connect(addresses[0], autocommit=True) as owner:
            owner.execute(roles_sql().encode())
        owner_address, writer_address, reader_address = addresses
        yield Users(make_conninfo(missing, options=path), owner_address, writer_address, reader_address, schema)
        connection.execute(sql.SQL("drop database {} with (force)").format(name))
        for user in users:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))


def rights(users: Users, role: str) -> set[tuple[str, str | None, str]]:
    """What was granted to `role`, or to everybody under the name `public`."""
    grantee = sql.SQL("a.grantee = {}").format(0 if role == "public" else sql.Literal(role) + sql.SQL("::regrole"))
    query = sql.SQL(RIGHTS_ON_TABLES).format(
        schema=sql.Literal(sql.Identifier(users.schema).as_string()), grantee=grantee
    )
    with psycopg.connect(users.superuser) as connection:
        return set(connection.execute(query).fetchall())


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())
