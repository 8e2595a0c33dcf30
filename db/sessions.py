"""How sessions begin: the settings that results depend on, and the refusal of databases that cannot hold text.

A setting of the server, the database, the role or libpq's environment must not change what is read or written.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection, Connection, sql
from psycopg.conninfo import conninfo_to_dict

from db.address import parse_conninfo
from db.errors import DatabaseRefusedError
from db.libpq_environment import shut_out
from db.waiting import BoundedConnection

CONNECT_TIMEOUT_S = 5
FULL_FOR_AT_MOST_S = 6.0
SETTINGS = {
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "client_encoding": "UTF8",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "session_replication_role": "origin",  # any other switches the guards off
    "statement_timeout": "5min",
    "transaction_timeout": "0",  # which servers before 17 do not know
    "lock_timeout": "10s",  # what somebody else holds is told and tried again, not waited for without a word
    "idle_in_transaction_session_timeout": "30s",  # a process suspended inside a transaction holds its locks no longer
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
_TIME_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# Only what differs is set, because a user may lack the right to set session_replication_role even to its usual value.
# Functions are qualified, because a search path may put others before the server's own; unnest of two cannot be.
_BEGIN = """
select pg_catalog.pg_backend_pid(), pg_catalog.current_database()::text,
       pg_catalog.current_setting('server_encoding'),
       pg_catalog.count(pg_catalog.set_config(ours.name, ours.value, false))
from unnest({names}::text[], {values}::text[]) as ours (name, value)
where pg_catalog.current_setting(ours.name, true) operator(pg_catalog.<>) ours.value
"""
# What the session began with, in the server's units, against what it was set to.
_DIFFERING = """
select ours.name, ours.value
from unnest(%s::text[], %s::text[]) as ours (name, value)
join pg_catalog.pg_settings on lower(pg_settings.name) = ours.name
where pg_settings.reset_val is distinct from case when ours.value = '0' then ours.value else pg_settings.setting end
  and ours.name <> all (array['client_encoding', 'datestyle', 'extra_float_digits'])  -- its driver sets them itself
  and ours.name not like 'tcp%%'
"""


def session_address(url: str, application_name: str, **parameters: Any) -> str:
    """`url` as every session of the product uses it. Raises DatabaseRefusedError where it is no address."""
    shut_out()
    given = conninfo_to_dict(parse_conninfo(url))
    if not {"options", "service"} & given.keys():
        parameters["options"] = ""  # or those of the service that PGSERVICE names would be taken
    return parse_conninfo(
        url,
        application_name=application_name,
        connect_timeout=CONNECT_TIMEOUT_S,
        client_encoding="UTF8",
        **parameters,
    )


class PatientConnection(BoundedConnection[tuple[Any, ...]]):
    """A bounded connection that is tried again for some seconds where a server has none to give."""

    @classmethod
    async def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """What BoundedConnection.connect gives."""
        for pause in _pauses():
            try:
                return await super().connect(*args, **kwargs)
            except psycopg.OperationalError as exc:
                if not is_full(exc):
                    raise
            await asyncio.sleep(pause)
        return await super().connect(*args, **kwargs)


def is_full(exc: psycopg.Error) -> bool:
    """Whether a server refused a connection because it has no more (libpq gives no SQLSTATE)."""
    return "too many clients" in str(exc) or "connection slots" in str(exc)


def _pauses() -> Iterator[float]:
    """Seconds between attempts at a full server: programs close the connections that they do not use within seconds."""
    until = time.monotonic() + FULL_FOR_AT_MOST_S
    while time.monotonic() < until:
        yield 0.25


def connect(conninfo: str) -> Connection[tuple[Any, ...]]:
    """An autocommit connection, its session prepared.

    Raises psycopg.Error, and DatabaseRefusedError for a database that cannot hold text.
    """
    connection = _connected(session_address(conninfo, "alpha-monday db"))
    try:
        _adopt(connection, connection.execute(_begin({})).fetchone())
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(address: str) -> Connection[tuple[Any, ...]]:
    for pause in _pauses():
        try:
            return psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError as exc:
            if not is_full(exc):
                raise
        time.sleep(pause)
    return psycopg.connect(address, autocommit=True)


def connect_beside(conninfo: str) -> Connection[tuple[Any, ...]]:
    """An autocommit connection to the database postgres of the same server, where nothing is stored."""
    return psycopg.connect(session_address(conninfo, "alpha-monday db"), dbname="postgres", autocommit=True)


async def prepare(connection: AsyncConnection[Any], **more: str) -> None:
    """Prepares the session of an autocommit connection; `more` are further settings.

    Raises psycopg.Error, and DatabaseRefusedError for a database that cannot hold text.
    """
    cursor = await connection.execute(_begin(more))
    _adopt(connection, await cursor.fetchone())


def startup_options(connection: Connection[Any]) -> str:
    """Options by which another program's session on the server of `connection` begins as ours do, without time limits.

    Empty where server, database and role leave everything as it usually is, and behind a pooler, which may refuse them.
    """
    if connection.prepare_threshold is None:
        return ""
    wanted = {**SETTINGS, **dict.fromkeys(_TIME_LIMITS, "0")}
    found = connection.execute(_DIFFERING, (list(wanted), list(wanted.values()))).fetchall()
    return " ".join("-c {}={}".format(name, value.replace(" ", "\\ ")) for name, value in found)


def begin_script() -> list[str]:
    """Statements for the beginning of a transaction in which a program restores: the same session."""
    return ["set transaction isolation level read committed, read write;", f"{_begin({}).as_string().strip()};"]


def _begin(more: dict[str, str]) -> sql.Composed:
    settings = {**SETTINGS, **more}
    return sql.SQL(_BEGIN).format(names=sql.Literal(list(settings)), values=sql.Literal(list(settings.values())))


def _adopt(connection: Connection[Any] | AsyncConnection[Any], row: tuple[Any, ...] | None) -> None:
    pid, database, encoding, _ = row or (None, "", "", 0)
    if pid != connection.info.backend_pid:
        connection.prepare_threshold = None  # a pooler may give the next transaction another session
    require_text(str(database), str(encoding))


def require_text(database: str, encoding: str) -> None:
    """Raises DatabaseRefusedError unless a database of `encoding` can hold every text."""
    if encoding != "UTF8":
        raise DatabaseRefusedError(
            f"The database {database[:63]!r} has the encoding {encoding[:63]}, which cannot hold every text.",
            "Create a database with the encoding UTF8 (create database NAME encoding 'UTF8' template template0) and "
            "name it in DATABASE_URL. Nothing was written.",
        )
