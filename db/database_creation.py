"""Creating the database itself, by whoever connects to it first."""

from typing import Any

import psycopg
from psycopg import sql

from db import sessions
from db.driver_errors import translated
from db.errors import DatabaseRefusedError


def connect_or_create(conninfo: str) -> psycopg.Connection[tuple[Any, ...]]:
    """An autocommit connection to `conninfo`, whose database is created where it is missing.

    Raises psycopg.Error as connecting does, and DatabaseRefusedError where the user may not create databases or the
    database cannot hold text.
    """
    try:
        return sessions.connect(conninfo)
    except psycopg.errors.ConnectionTimeout:
        raise
    except psycopg.OperationalError as exc:
        # The refusal has no SQLSTATE and speaks the server's language: the catalogue is asked instead.
        if exc.pgconn is None or not _ensure_database(conninfo, exc.pgconn.db.decode()):
            raise
    return sessions.connect(conninfo)


def _ensure_database(conninfo: str, name: str) -> bool:
    """Whether the database `name` is there now, on a server that can be asked."""
    try:
        connection = sessions.connect_beside(conninfo)
    except psycopg.OperationalError:
        return False  # the caller raises the first refusal, which says more
    with connection:
        if connection.execute("select from pg_database where datname = %s", (name,)).fetchone() is not None:
            return True  # then it was created a moment ago, or connecting fails for another cause
        try:
            connection.execute(sql.SQL("create database {} {}").format(sql.Identifier(name), _in_utf8(connection)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return True  # somebody else created it at the same moment
        except psycopg.errors.InsufficientPrivilege as exc:
            raise DatabaseRefusedError(
                f"The user {connection.info.user[:63]!r} may not create the missing database {name[:63]!r}.",
                "Have it created by someone who may, with this user as its owner; or correct DATABASE_URL.",
            ) from exc
    return True


def _in_utf8(connection: psycopg.Connection[Any]) -> sql.SQL:
    """What makes a database one that can hold every text; nothing where the server makes such by itself."""
    query = "select pg_encoding_to_char(encoding) from pg_database where datname = 'template1'"
    if connection.execute(query).fetchone() == ("UTF8",):
        return sql.SQL("")
    # The server's own locale may belong to its encoding alone; C fits every encoding.
    return sql.SQL("encoding 'UTF8' template template0 lc_collate 'C' lc_ctype 'C'")


def drop_database(conninfo: str, database: str) -> None:
    """Drops `database` and whoever uses it, over `conninfo` to another one. Raises DatabaseError."""
    statement = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database))
    with translated(), sessions.connect(conninfo) as connection:
        connection.execute(statement)
