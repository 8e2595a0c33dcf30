"""What libpq's environment may add to an address: what DATABASE_URL omits, and never anything that changes results.

The embedded server's address is complete, so that the environment adds nothing to it.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, PGconn

from db.address import parse_conninfo, secret_keywords
from db.errors import DatabaseRefusedError

CHANGE_RESULTS = ("PGOPTIONS", "PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO")
_SETTINGS = frozenset({"options", "client_encoding"})  # the parameters of the first two
_REFUSED = "target_session_attrs"
# What is handed to a server, or used for it, besides passwords; and the values that stand for nothing.
_LENDS = frozenset({"sslcert", "sslkey", "gssdelegation"})
_UNSET = {"gssdelegation": "0"}
# libpq takes an empty name for ~/.pgpass, and warns on stderr, over the screen, of any other file that is none.
NO_PASSFILE = "/nonexistent/pgpass"
# The embedded server's socket needs neither encryption nor a password. libpq refuses empty values for these.
_EMBEDDED = {
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "passfile": NO_PASSFILE,
    "require_auth": "none",  # a server in its place that asks for a password or a ticket is not answered
    "sslmode": "disable",
    "sslcertmode": "disable",
    "gssencmode": "disable",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
}


def shut_out(*more: str) -> None:
    """Removes from this process's environment what changes results, and `more`.

    libpq sends DateStyle, TimeZone and geqo from it with every connection; no parameter of an address prevents that.
    """
    for name in (*CHANGE_RESULTS, *more):
        os.environ.pop(name, None)


def embedded_parameters() -> dict[str, str]:
    """A value for every parameter that the environment could supply, except for a server's place, user and database.

    Removes PGSERVICE from the environment, because libpq fails where it cannot find the service. An address that may
    take something from the service has it from `with_service`.
    """
    shut_out("PGSERVICE")
    return {
        keyword: _EMBEDDED.get(keyword, option.compiled.decode() if option.compiled else "")
        for option in Conninfo.get_defaults()
        if option.envvar and (keyword := option.keyword.decode()) not in {"service", "port", "user", "dbname", "host"}
    }


def with_service(url: str) -> str:
    """`url` with what the service that PGSERVICE names supplies beside it; unchanged where there is none.

    Raises DatabaseRefusedError if `url` is malformed or the service is not found.
    """
    given = conninfo_to_dict(parse_conninfo(url))
    name = os.environ.get("PGSERVICE")
    if not name or "service" in given:
        return url
    connection = PGconn.connect_start(_not_to_be_tried(url))
    said = connection.error_message.decode(errors="replace").strip()
    connection.finish()
    if _REFUSED not in said:  # libpq stopped earlier, at the service
        raise DatabaseRefusedError(
            f"PGSERVICE names the service {name[:63]!r}, which cannot be used: {said[:300]}.",
            "Correct PGSERVICE or its service file, or unset it.",
        )
    found = {
        option.keyword.decode(): option.val.decode(errors="surrogateescape")
        for option in Conninfo.get_defaults()
        if option.val is not None and option.val != option.compiled
    }
    return make_conninfo("", **{**_without(found, _SETTINGS | {"service"}), **given})


def resolved(url: str) -> dict[str, str]:
    """Every option that a connection to `url` would have, by its keyword.

    Only libpq knows all the places that it takes options from, and tells of a connection alone.
    """
    connection = PGconn.connect_start(_not_to_be_tried(url))
    try:
        return {
            option.keyword.decode(): option.val.decode(errors="replace") for option in connection.info if option.val
        }
    finally:
        connection.finish()


def secrets_from_outside(url: str) -> tuple[tuple[str, str], ...]:
    """What libpq would add to `url` of passwords, client keys and credentials: each keyword, and where it is from.

    Nothing is connected to or looked up. Raises DatabaseRefusedError for a malformed `url`.
    """
    given = conninfo_to_dict(parse_conninfo(url))
    variables = {option.keyword.decode(): (option.envvar or b"").decode() for option in Conninfo.get_defaults()}
    found: dict[str, str] = {}
    for keyword, value in resolved(url).items():
        if given.get(keyword) or keyword not in secret_keywords() | _LENDS:
            continue
        variable = variables.get(keyword, "")
        if os.environ.get(variable) == value:
            found[keyword] = f"{variable} in the environment"
        elif keyword not in _LENDS or value != _UNSET.get(keyword):
            found[keyword] = f"the service {str(given.get('service') or os.environ.get('PGSERVICE'))[:63]!r}"
    if "password" not in found and not given.get("password") and any(map(_password_in_file, _one_by_one(given))):
        found["password"] = "the password file of PGPASSFILE" if "PGPASSFILE" in os.environ else "a password file"
    return tuple(found.items())


def _one_by_one(given: Mapping[str, Any]) -> Iterator[str]:
    """An address for each host: of its own database, and of the one from which a missing database is made."""
    lists = {name: str(given[name]).split(",") for name in ("host", "hostaddr", "port") if given.get(name)}
    for number in range(max(map(len, lists.values()), default=1)):
        one = {name: values[number if number < len(values) else 0] for name, values in lists.items()}
        yield make_conninfo("", **{**given, **one})
        yield make_conninfo("", **{**given, **one, "dbname": "postgres"})


def _password_in_file(url: str) -> bool:
    connection = PGconn.connect_start(_not_to_be_tried(url))
    try:
        return bool(connection.password)
    finally:
        connection.finish()


def _not_to_be_tried(url: str) -> bytes:
    """`url` with one option that libpq refuses, once it has gathered all others, without connecting."""
    return make_conninfo(parse_conninfo(url), **{_REFUSED: "not to be tried"}).encode()


def _without(values: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}
